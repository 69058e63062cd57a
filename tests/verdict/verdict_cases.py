"""Evidence for the tests of the verdict."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from dfdetect.results import Box, FaceQuality, FaceScore, MediaKind
from dfdetect.settings import Settings
from dfdetect.verdict.judge import Judge, TrackEvidence, Verdict
from dfdetect.verdict.track import TrackScores

CALIBRATION: dict[str, Any] = {
    "format": 1,
    "aggregator": {"kind": "trimmed_mean", "trim": 0.1},
    "file": {"kind": "max", "track_penalty": 0.0},
    "calibrator": {
        "photo": {"kind": "platt", "a": 1.0, "b": 0.0},
        "video": {"kind": "platt", "a": 0.8, "b": -0.1},
    },
    "band": {"error_rate": 0.1, "photo": [0.2, 0.8], "video": [0.25, 0.7]},
    "prior": 0.5,
    "quality": {"min_sharpness": 4.0, "min_brightness": 0.06, "min_contrast": 0.02},
    "fitted_on": {"source": "labels.csv", "files": 100},
}
GOOD = FaceQuality(size=120.0, sharpness=80.0, brightness=0.5, contrast=0.2)


def calibration(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CALIBRATION), **changes}


def score(logit: float, time: float = 0.0, quality: FaceQuality = GOOD) -> FaceScore:
    return FaceScore(time, round(time * 10), Box(0, 0, 9, 9), 0.99, quality, logit, (logit,))


def track(logits: Sequence[float], quality: FaceQuality = GOOD) -> TrackScores:
    """The faces of a person who does not move, half a second apart."""
    return TrackScores.from_faces([score(float(v), i * 0.5, quality) for i, v in enumerate(logits)])


def person(number: int, *logits: float, quality: FaceQuality = GOOD, step: float = 0.5) -> TrackEvidence:
    scores = tuple(score(logit, i * step, quality) for i, logit in enumerate(logits))
    return TrackEvidence(number, scores, len(scores))


def judge(
    kind: MediaKind,
    *persons: TrackEvidence,
    frames: int = 16,
    values: dict[str, Any] | None = None,
    **settings: Any,
) -> Verdict:
    return Judge(values or CALIBRATION, Settings(**settings)).judge(kind, persons, frames)
