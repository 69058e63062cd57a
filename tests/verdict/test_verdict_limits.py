"""What lies exactly on a limit of the verdict: as the sentences say, "from there on"."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from test_verdict_novelty import VALUES, face
from verdict_cases import calibration, judge, person

from dfdetect.results import Label, MediaKind

PHOTO, VIDEO = MediaKind.PHOTO, MediaKind.VIDEO


def even(low: float, high: float) -> dict[str, Any]:
    """A calibration by which a logit of 0 is a probability of .5, and the band."""
    plain = {"kind": "platt", "a": 1.0, "b": 0.0}
    return calibration(
        calibrator={"photo": plain, "video": plain}, band={"photo": [low, high], "video": [low, high]}
    )


@pytest.mark.parametrize("kind", [PHOTO, VIDEO])
@pytest.mark.parametrize("prior", [None, 0.01])
@pytest.mark.parametrize(
    ("low", "high", "label", "below"),
    [
        (0.2, 0.5, Label.FAKE, Label.UNCERTAIN),
        (0.5, 0.5, Label.FAKE, Label.REAL),
        (0.5, 0.8, Label.UNCERTAIN, Label.REAL),
    ],
)
def test_a_limit_of_the_band_belongs_to_what_is_above_it(
    kind: MediaKind, prior: float | None, low: float, high: float, label: Label, below: Label
) -> None:
    values = even(low, high)
    on, under = (judge(kind, person(1, logit, logit), values=values, prior=prior) for logit in (0.0, -1e-9))
    assert (on.label, under.label) == (label, below)
    if prior is None:
        assert on.fake_probability == 0.5


def test_a_threshold_belongs_to_what_is_above_it() -> None:
    values = even(0.2, 0.8)
    on, under = (judge(PHOTO, person(1, logit), values=values, threshold=0.5) for logit in (0.0, -1e-9))
    assert (on.label, under.label) == (Label.FAKE, Label.REAL)
    assert "at the threshold of 50 %" in on.message


def test_a_novelty_at_the_alarm_gets_the_note() -> None:
    odd = person(1, 3.0, quality=face(brightness=0.65))
    novelty = judge(PHOTO, odd, values=VALUES).novelty
    assert novelty is not None
    assert 0.1 < novelty < 0.9
    for alarm, codes in ((novelty, ["unlike_calibration"]), (math.nextafter(novelty, 1.0), [])):
        values = copy.deepcopy(VALUES)
        values["novelty"]["alarm"] = alarm
        assert [note.code for note in judge(PHOTO, odd, values=values).notes] == codes
