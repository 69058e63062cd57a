"""How far each figure of a record may lie from what a new scan finds: just inside it, and just outside."""

from __future__ import annotations

import dataclasses

import pytest

from dfdetect.record.compare import compare_results
from dfdetect.record.plain import plain_result
from tests.sample_results import samples

from .test_record_compare import TOLERANCE, Place, at, changed

FACE: Place = ("tracks", 1, "faces", 0)
QUALITY: Place = (*FACE, "quality")


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("place", "inside", "outside"),
    [
        # Written to the millisecond.
        ((*FACE, "time"), 0.001, 0.002),
        (("tracks", 1, "start"), 0.001, 0.002),
        (("tracks", 1, "end"), 0.001, 0.002),
        ((*FACE, "detection"), 0.048, 0.052),
        ((*QUALITY, "brightness"), 0.019, 0.021),
        ((*QUALITY, "contrast"), 0.019, 0.021),
        # Shares of what is recorded.
        ((*QUALITY, "size"), 0.028 * 120.0, 0.032 * 120.0),
        ((*QUALITY, "sharpness"), 0.16 * 312.3, 0.26 * 312.3),
        (("media", "duration"), 0.049, 0.051),
        (("media", "frame_rate"), 0.048, 0.052),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_figure_may_move_by_its_tolerance(place: Place, inside: float, outside: float, sign: int) -> None:
    sample = samples()[0]
    # A confidence below 1, which it cannot exceed.
    result = changed(plain_result(sample), (*FACE, "detection"), 0.9)
    record = plain_result(result)
    for shift, within in ((inside, True), (outside, False)):
        moved = changed(record, place, at(record, place) + sign * shift)
        (difference,) = compare_results(moved, result, TOLERANCE)
        assert difference.what.endswith(str(place[-1]).replace("_", " "))
        assert difference.within is within


@pytest.mark.parametrize(("shift", "within"), [(0.09, True), (0.11, False), (-0.09, True), (-0.11, False)])
def test_novelty_may_move_by_a_tenth_where_a_score_has_moved(shift: float, within: bool) -> None:
    result = dataclasses.replace(samples()[0], novelty=0.5)
    place: Place = (*FACE, "logit")
    record = {**plain_result(result), "novelty": 0.5 + shift}
    moved = changed(record, place, at(record, place) + 0.01)
    differences = {d.what: d.within for d in compare_results(moved, result, TOLERANCE)}
    assert differences == {"novelty": within, "person 2, face at 3.2 s: logit": True}
