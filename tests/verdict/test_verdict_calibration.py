"""Calibrations and aggregators: read strictly, rising, never 0 or 1."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_cases import GOOD, calibration, score, track

from dfdetect.errors import ModelError
from dfdetect.results import Box, FaceQuality, MediaKind, Reason
from dfdetect.scoring.models import load_model
from dfdetect.scoring.scorer import Fusion
from dfdetect.verdict.aggregate import FEATURES, LOCATION, Aggregator, features
from dfdetect.verdict.calibration import Calibration, to_log_odds, to_probability
from dfdetect.verdict.messages import spoken_percent, spoken_time
from dfdetect.verdict.track import TrackScores

AGGREGATORS: list[dict[str, Any]] = [
    {"kind": "mean"},
    {"kind": "median"},
    {"kind": "trimmed_mean", "trim": 0.2},
    {"kind": "top_mean", "share": 0.25},
    {"kind": "top_run", "share": 0.25},
    {
        "kind": "linear",
        "weights": {"mean": 0.5, "q90": 0.7, "q10": -0.2, "std": 0.3, "log_count": -0.1},
        "bias": 0.2,
    },
    {
        "kind": "linear",
        "weights": {"mean": 1.2, "top_run": -0.2, "jitter": 0.4, "box_jitter": -1.0},
        "bias": 0.0,
    },
]
ORDERED = ("top_run", "jitter")
CALIBRATORS: list[dict[str, Any]] = [
    {"kind": "platt", "a": 0.7, "b": -0.3},
    {"kind": "temperature", "t": 2.5},
    {"kind": "isotonic", "x": [-2.0, 0.0, 0.5, 3.0], "y": [0.0, 0.3, 0.3, 1.0]},
]
frames = st.lists(st.floats(-50, 50), min_size=1, max_size=40)


def aggregated(values: dict[str, Any]) -> Aggregator:
    """By what a calibration with such a part judges persons."""
    return Calibration.from_mapping(calibration(aggregator=values)).aggregator


@pytest.mark.parametrize(
    ("aggregator", "values", "wanted"),
    [
        (AGGREGATORS[0], [1, 2, 6], 3.0),
        (AGGREGATORS[1], [1, 2, 6], 2.0),
        (AGGREGATORS[2], [-100, 1, 2, 3, 100], 2.0),
        (AGGREGATORS[3], [0, 0, 0, 0, 0, 0, 4, 6], 5.0),
        (AGGREGATORS[3], [7], 7.0),
        (AGGREGATORS[4], [0, 4, 0, 0, 3, 3, 0, 0], 3.0),  # the outlier alone is no run
        (AGGREGATORS[4], [7], 7.0),
        (AGGREGATORS[5], [2, 2], 0.5 * 2 + 0.7 * 2 - 0.2 * 2 - 0.1 * np.log(2) + 0.2),
        (AGGREGATORS[6], [0, 4, 0, 4], 1.2 * 2 - 0.2 * 4 + 0.4 * 4),
    ],
)
def test_aggregators(aggregator: dict[str, Any], values: list[float], wanted: float) -> None:
    assert aggregated(aggregator)(track(values)) == pytest.approx(wanted)


@pytest.mark.parametrize("values", AGGREGATORS)
def test_aggregators_write_what_they_read(values: dict[str, Any]) -> None:
    own = aggregated(values)
    assert aggregated(own.values()) == own


@pytest.mark.parametrize("values", AGGREGATORS)
@given(data=frames, shift=st.floats(0, 20))
def test_aggregators_rise_with_all_logits(values: dict[str, Any], data: list[float], shift: float) -> None:
    own, logits = aggregated(values), np.array(data)
    assert own(track(logits + shift)) >= own(track(logits)) - 1e-9


@pytest.mark.parametrize("values", [v for v in AGGREGATORS if not any(word in str(v) for word in ORDERED)])
@given(data=frames)
def test_most_aggregators_ignore_the_order_of_frames(values: dict[str, Any], data: list[float]) -> None:
    own = aggregated(values)
    assert own(track(data[::-1])) == pytest.approx(own(track(data)), abs=1e-9)


@given(frames, st.floats(-20, 20))
def test_features_of_location_move_with_the_logits_and_no_others(data: list[float], shift: float) -> None:
    found, moved = features(track(data)), features(track([v + shift for v in data]))
    assert tuple(found) == FEATURES
    assert min(data) - 1e-9 <= found["q10"] <= found["q50"] + 1e-9 <= found["q90"] + 2e-9 <= max(data) + 3e-9
    assert min(data) - 1e-9 <= found["top_run"] <= max(data) + 1e-9
    assert found["log_count"] == pytest.approx(np.log(len(data)))
    for name in FEATURES:
        wanted = found[name] + (shift if name in LOCATION else 0.0)
        assert moved[name] == pytest.approx(wanted, abs=1e-7), name


def test_features_of_the_faces() -> None:
    size = [
        dataclasses.replace(GOOD, size=s, sharpness=q)
        for s, q in ((80.0, 9.0), (120.0, 19.0), (200.0, 999.0))
    ]
    still = TrackScores.from_faces([score(0.0, float(i), q) for i, q in enumerate(size)])
    found = features(still)
    assert found["log_size"] == pytest.approx(np.log(120))
    assert found["log_sharpness"] == pytest.approx(np.log(20))
    assert found["box_jitter"] == 0.0
    boxes = [Box(0, 0, 10, 10), Box(1, 0, 11, 10), Box(0, 0, 10, 10)]  # a tenth of its height to and fro
    shaky = TrackScores.from_faces(
        [dataclasses.replace(score(0.0, float(i)), box=box) for i, box in enumerate(boxes)]
    )
    assert features(shaky)["box_jitter"] == pytest.approx(0.1)


def test_faces_are_put_in_order_of_time_and_need_a_face() -> None:
    late, early = score(1.0, 3.0), score(2.0, 1.0)
    assert TrackScores.from_faces([late, early]).logits.tolist() == [2.0, 1.0]
    with pytest.raises(ValueError, match="at least one"):
        TrackScores.from_faces([])


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


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_band_moves_as_the_probabilities_do(low: float, high: float, prior: float) -> None:
    low, high = sorted((low, high))
    own = Calibration.from_mapping(calibration(band={"photo": [low, high], "video": [0, 1]}))
    for edge, moved in zip((low, high), own.band(MediaKind.PHOTO, prior), strict=True):
        assert moved == pytest.approx(edge * prior / (edge * prior + (1 - edge) * (1 - prior)))
    assert own.band(MediaKind.VIDEO, prior) == (0.0, 1.0), "an open side stays open"
    assert own.band(MediaKind.PHOTO) == (low, high)


def test_one_stated_rate_is_for_both_sides() -> None:
    band = {"error_rate": 0.05, "photo": [0, 1], "video": [0, 1]}
    old, new = (Calibration.from_mapping(calibration(band=b)) for b in (band, {**band, "miss_rate": 0.2}))
    assert (old.error_rate, old.miss_rate) == (0.05, 0.05)
    assert (new.error_rate, new.miss_rate) == (0.05, 0.2)


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
        ({"aggregator": {"kind": "linear", "weights": {"mean": 1.0, "top_run": -1.5}}}, "aggregator.weights"),
        ({"aggregator": {"kind": "top_run", "share": 2}}, "aggregator.share"),
        ({"aggregator": []}, "aggregator"),
        ({"fusion": {"weights": [0.5, 0.5], "media": {"photo": [1.0]}}}, "fusion.media.photo"),
        ({"fusion": {"weights": [0.5, 0.5], "media": {"video": [1.5, -0.5]}}}, "fusion.media.video"),
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
        ({"band": {"miss_rate": 2, "photo": [0, 1], "video": [0, 1]}}, "band.miss_rate"),
        ({"prior": 0}, "prior"),
        ({"quality": {"min_sharpness": "4"}}, "quality.min_sharpness"),
        ({"quality": 4}, "quality"),
        ({"quality": {"min_sharpness": 1e10}}, "quality.min_sharpness"),
        ({"aggregator": {"kind": "linear", "weights": {"std": 1e308}}}, "aggregator.weights.std"),
        ({"aggregator": {"kind": "linear", "weights": {}, "bias": -1e308}}, "aggregator.bias"),
        ({"file": {"kind": "max", "track_penalty": 1e308}}, "track_penalty"),
        ({"calibrator": {"photo": {"kind": "platt", "a": 1.0, "b": 1e308}}}, "calibrator.photo.b"),
        ({"calibrator": {"photo": {"kind": "isotonic", "x": [-1e308], "y": [0]}}}, "calibrator.photo.x"),
        ({"fusion": {"weights": [1.0], "media": {"photo": [1e308]}}}, "fusion.media.photo"),
    ],
)
def test_wrong_field_is_named(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(ModelError) as error:
        Calibration.from_mapping(calibration(**changes))
    assert names in str(error.value)


@pytest.mark.parametrize("name", ["light", "standard"])
def test_shipped_calibrations_are_within_bounds(name: str) -> None:
    values = load_model(name).calibration
    assert Calibration.from_mapping(values).prior == values["prior"]
    assert list(Fusion.from_calibration(values, len(values["fusion"]["weights"]), Path()).weights)


def test_gate_lets_everything_pass_when_nothing_is_set() -> None:
    gate = Calibration.from_mapping(calibration(quality={})).gate
    assert gate.check(FaceQuality(40.0, 0.0, 0.0, 0.0), 40) is None
    assert gate.check(FaceQuality(39.9, 0.0, 0.0, 0.0), 40) is Reason.FACE_TOO_SMALL


def test_words_never_claim_certainty() -> None:
    assert [spoken_percent(p) for p in (1e-6, 0.034, 0.5, 0.9999)] == [
        "under 1 %",
        "3 %",
        "50 %",
        "over 99 %",
    ]
    assert [spoken_time(t) for t in (0.0, 3.24, 65.9, 3725.0)] == ["0.0 s", "3.2 s", "1:05", "1:02:05"]
