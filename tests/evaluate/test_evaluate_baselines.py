"""The trivial scores that a detector must beat."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from dfdetect.evaluate.baselines import (
    baseline_scores,
    best_direction_auc,
    bit_rate_alone,
    file_size_alone,
    sharpness_alone,
)
from dfdetect.results import FaceQuality, MediaInfo, MediaKind, Reason, ScanResult


def media(size: int | None, width: int = 100, duration: float | None = None) -> MediaInfo:
    return MediaInfo(MediaKind.PHOTO, "jpeg", "jpeg", width, 100, duration, None, 0, 1, size)


def quality(sharpness: float) -> FaceQuality:
    return FaceQuality(100.0, sharpness, 0.5, 0.2)


def test_blurred_small_and_squeezed_score_higher() -> None:
    blurred, sharp = sharpness_alone([quality(2), quality(3), quality(900)]), sharpness_alone([quality(50)])
    assert blurred is not None
    assert sharp is not None
    assert blurred > sharp
    assert (file_size_alone(media(100)) or 0) > (file_size_alone(media(5000)) or 0)
    assert (bit_rate_alone(media(5000, width=1000)) or 0) > (bit_rate_alone(media(5000)) or 0)
    assert (bit_rate_alone(media(5000, duration=9.0)) or 0) > (bit_rate_alone(media(5000)) or 0)


def test_nothing_to_go_by_is_no_score() -> None:
    assert sharpness_alone([]) is None
    assert file_size_alone(media(None)) is None
    assert bit_rate_alone(media(None)) is None
    result = ScanResult("a", None, Reason.EMPTY, "empty", None, None, None, (), None, (), None, {}, "0", 0.1)
    assert set(baseline_scores(result).values()) == {None}


def test_baseline_gets_its_better_direction() -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.array([4.0, 3.0, 2.0, 1.0])
    assert best_direction_auc(labels, scores) == best_direction_auc(labels, -scores) == 1.0
