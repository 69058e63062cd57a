"""Calibrations and aggregators: read strictly, rising, never 0 or 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_cases import calibration

from dfdetect.errors import ModelError
from dfdetect.results import FaceQuality, MediaKind, Reason
from dfdetect.verdict.aggregate import FEATURES, features, parse_aggregator
from dfdetect.verdict.calibration import Calibration, to_log_odds, to_probability
from dfdetect.verdict.messages import clock, percent

AGGREGATORS: list[dict[str, Any]] = [
    {"kind": "mean"},
    {"kind": "median"},
    {"kind": "trimmed_mean", "trim": 0.2},
    {"kind": "top_mean", "share": 0.25},
    {
        "kind": "linear",
        "weights": {"mean": 0.5, "q90": 0.7, "q10": -0.2, "std": 0.3, "log_count": -0.1},
        "bias": 0.2,
    },
]
CALIBRATORS: list[dict[str, Any]] = [
    {"kind": "platt", "a": 0.7, "b": -0.3},
    {"kind": "temperature", "t": 2.5},
    {"kind": "isotonic", "x": [-2.0, 0.0, 0.5, 3.0], "y": [0.0, 0.3, 0.3, 1.0]},
]
frames = st.lists(st.floats(-50, 50), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("aggregator", "values", "wanted"),
    [
        (AGGREGATORS[0], [1, 2, 6], 3.0),
        (AGGREGATORS[1], [1, 2, 6], 2.0),
        (AGGREGATORS[2], [-100, 1, 2, 3, 100], 2.0),
        (AGGREGATORS[3], [0, 0, 0, 0, 0, 0, 4, 6], 5.0),
        (AGGREGATORS[3], [7], 7.0),
        (AGGREGATORS[4], [2, 2], 0.5 * 2 + 0.7 * 2 - 0.2 * 2 - 0.1 * np.log(2) + 0.2),
    ],
)
def test_aggregators(aggregator: dict[str, Any], values: list[float], wanted: float) -> None:
    assert parse_aggregator(aggregator)(np.array(values, float)) == pytest.approx(wanted)


@pytest.mark.parametrize("values", AGGREGATORS)
def test_aggregators_write_what_they_read(values: dict[str, Any]) -> None:
    own = parse_aggregator(values)
    assert parse_aggregator(own.values()) == own


@pytest.mark.parametrize("values", AGGREGATORS)
@given(data=frames, shift=st.floats(0, 20))
def test_aggregators_ignore_order_and_rise_with_all_logits(
    values: dict[str, Any], data: list[float], shift: float
) -> None:
    own, logits = parse_aggregator(values), np.array(data)
    assert own(logits[::-1].copy()) == pytest.approx(own(logits), abs=1e-9)
    assert own(logits + shift) >= own(logits) - 1e-9


@given(frames)
def test_features_stay_within_the_logits(data: list[float]) -> None:
    found = dict(zip(FEATURES, features(np.array(data)), strict=True))
    assert min(data) - 1e-9 <= found["q10"] <= found["q50"] + 1e-9 <= found["q90"] + 2e-9 <= max(data) + 3e-9
    assert found["log_count"] == pytest.approx(np.log(len(data)))


@pytest.mark.parametrize("values", CALIBRATORS)
@given(one=st.floats(-1e4, 1e4), other=st.floats(-1e4, 1e4), prior=st.floats(1e-4, 0.9999))
def test_calibrators_rise_and_stay_inside(
    values: dict[str, Any], one: float, other: float, prior: float
) -> None:
    own = Calibration.from_mapping(calibration(calibrator={"photo": values, "video": values}))
    low, high = sorted((one, other))
    first = to_probability(own.log_odds(low, MediaKind.PHOTO, prior))
    second = to_probability(own.log_odds(high, MediaKind.PHOTO, prior))
    assert 0.0 < first <= second + 1e-12 < 1.0 + 1e-12
    assert second < 1.0


def test_isotonic_interpolates() -> None:
    own = Calibration.from_mapping(calibration(calibrator={"photo": CALIBRATORS[2], "video": CALIBRATORS[0]}))
    assert to_probability(own.log_odds(-1.0, MediaKind.PHOTO)) == pytest.approx(0.15)
    assert to_probability(own.log_odds(99.0, MediaKind.PHOTO)) == pytest.approx(1 - 1e-6)


def test_prior_shift_is_bayes() -> None:
    own = Calibration.from_mapping(calibration(calibrator=dict.fromkeys(("photo", "video"), CALIBRATORS[1])))
    p = to_probability(own.log_odds(2.0, MediaKind.PHOTO))
    shifted = to_probability(own.log_odds(2.0, MediaKind.PHOTO, prior=0.1))
    assert shifted == pytest.approx(p * 0.1 / (p * 0.1 + (1 - p) * 0.9))


@given(st.floats(1e-6, 1 - 1e-6))
def test_log_odds_and_back(p: float) -> None:
    assert to_probability(to_log_odds(p)) == pytest.approx(p, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"format": 2}, "format 2"),
        ({"aggregator": {"kind": "vote"}}, "aggregator.kind"),
        ({"aggregator": {"kind": "trimmed_mean"}}, "aggregator.trim"),
        ({"aggregator": {"kind": "trimmed_mean", "trim": 0.5}}, "aggregator.trim"),
        ({"aggregator": {"kind": "top_mean", "share": 0}}, "aggregator.share"),
        ({"aggregator": {"kind": "linear", "weights": {"mean": -1.0}}}, "aggregator.weights"),
        ({"aggregator": {"kind": "linear", "weights": {"mode": 1.0}}}, "mode"),
        ({"aggregator": []}, "aggregator"),
        ({"file": {"kind": "sum"}}, "file.kind"),
        ({"file": {"kind": "max", "track_penalty": -1}}, "track_penalty"),
        ({"calibrator": {}}, "calibrator.photo.kind"),
        ({"calibrator": {"photo": {"kind": "magic"}}}, "calibrator.photo.kind"),
        ({"calibrator": {"photo": {"kind": "platt", "a": -1.0, "b": 0}}}, "calibrator.photo.a"),
        ({"calibrator": {"photo": {"kind": "platt", "a": float("nan"), "b": 0}}}, "calibrator.photo.a"),
        ({"calibrator": {"photo": {"kind": "temperature", "t": 0}}}, "calibrator.photo.t"),
        ({"calibrator": {"photo": {"kind": "isotonic", "x": [0, 0], "y": [0, 1]}}}, "calibrator.photo.x"),
        ({"calibrator": {"photo": {"kind": "isotonic", "x": [0, 1], "y": [1, 0]}}}, "calibrator.photo.y"),
        ({"calibrator": {"photo": {"kind": "isotonic", "x": [], "y": []}}}, "calibrator.photo.y"),
        ({"band": {"photo": [0.8, 0.2], "video": [0, 1]}}, "band.photo"),
        ({"band": {"photo": [0.2, 0.8]}}, "band.video"),
        ({"prior": 0}, "prior"),
        ({"quality": {"min_sharpness": "4"}}, "quality.min_sharpness"),
        ({"quality": 4}, "quality"),
    ],
)
def test_wrong_field_is_named(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(ModelError) as error:
        Calibration.from_mapping(calibration(**changes))
    assert names in str(error.value)


def test_gate_lets_everything_pass_when_nothing_is_set() -> None:
    gate = Calibration.from_mapping(calibration(quality={})).gate
    assert gate.check(FaceQuality(40.0, 0.0, 0.0, 0.0), 40) is None
    assert gate.check(FaceQuality(39.9, 0.0, 0.0, 0.0), 40) is Reason.FACE_TOO_SMALL


def test_words_never_claim_certainty() -> None:
    assert [percent(p) for p in (1e-6, 0.034, 0.5, 0.9999)] == ["under 1 %", "3 %", "50 %", "over 99 %"]
    assert [clock(t) for t in (0.0, 3.24, 65.9, 3725.0)] == ["0.0 s", "3.2 s", "1:05", "1:02:05"]
