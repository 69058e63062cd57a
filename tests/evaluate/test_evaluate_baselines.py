"""The trivial scores that a detector must beat."""

from __future__ import annotations

import dataclasses

import pytest

from dfdetect.evaluate.baselines import (
    baseline_scores,
    bit_rate_alone,
    bits_per_pixel,
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


def test_bits_are_per_pixel_of_every_picture() -> None:
    assert bits_per_pixel(media(5000)) == pytest.approx(4.0)
    assert bits_per_pixel(media(None)) is None
    clip = MediaInfo(MediaKind.VIDEO, "mp4", "h264", 100, 100, 2.0, 25.0, 0, 16, 5000)
    assert bits_per_pixel(clip) == pytest.approx(4.0 / 50)
    assert bits_per_pixel(dataclasses.replace(clip, frame_rate=None)) is None
    assert bits_per_pixel(dataclasses.replace(clip, width=0)) is None
