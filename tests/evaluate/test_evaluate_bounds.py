"""The limits of one medium where its files are too few for one of them: mirror of the test of few fakes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from test_evaluate_calibrate import QUICK, scored

from dfdetect.evaluate.calibrate import fit_calibration, open_sides
from dfdetect.evaluate.records import Record
from dfdetect.results import MediaKind


def made(label: int, medium: MediaKind, count: int, mean: float, rng: np.random.Generator) -> list[Record]:
    name = f"{medium.value} {label}"
    return [
        Record(label, medium, f"{name} {i}", f"s{i % 6}", (scored(rng.normal(mean, 1.0, (1, 1))),))
        for i in range(count)
    ]


def test_a_medium_with_few_reals_keeps_its_own_limit_for_real() -> None:
    """Photos have fakes enough, which score far lower than those of videos."""
    rng = np.random.default_rng(0)
    photo, video = MediaKind.PHOTO, MediaKind.VIDEO
    data = (
        made(0, photo, 6, -1.5, rng)
        + made(1, photo, 100, 0.0, rng)
        + made(0, video, 60, -1.5, rng)
        + made(1, video, 200, 2.0, rng)
    )
    found = fit_calibration(data, np.random.default_rng(3), QUICK)
    band = found.calibration["band"]
    assert band["borrowed"] == {"photo": ["error_rate"]}
    own = [i for i, r in enumerate(found.records) if r.medium is photo and r.label]
    probabilities = 1 / (1 + np.exp(-found.log_odds[own]))
    assert 0 < (probabilities < band["photo"][0]).mean() <= 0.1
    assert band["photo"][0] <= band["photo"][1] < 1
    assert list(open_sides(band)) == [
        "the limit where photos are called fake is that of photos and videos together, so the error rate of "
        "0.1 may not hold for photos: it takes 9 groups of reals among photos to promise it"
    ]
