"""Trivial scores that a detector must beat: sharpness, file size and bit rate alone.

A detector that is not above them may have learned nothing but how the data set was made (FF++ fakes are
blurred, scraped fakes are small).  Scores are higher for what is more often fake: blurred, small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dfdetect.results import FaceQuality, MediaInfo, MediaKind, ScanResult


def sharpness_alone(qualities: Sequence[FaceQuality]) -> float | None:
    """Minus the logarithm of the median sharpness of a file's faces; None without a face."""
    if not qualities:
        return None
    return -math.log(max(float(np.median([q.sharpness for q in qualities])), 1e-3))


def file_size_alone(media: MediaInfo) -> float | None:
    """Minus the logarithm of the file's bytes; None for what is not a file."""
    return None if media.size_bytes is None else -math.log(max(media.size_bytes, 1))


def bit_rate_alone(media: MediaInfo) -> float | None:
    """Minus the logarithm of the bytes per pixel (and second of a video): how hard it was compressed."""
    if media.size_bytes is None:
        return None
    seconds = media.duration or 1.0
    return -math.log(max(media.size_bytes, 1) / max(media.width * media.height * seconds, 1.0))


def baseline_scores(result: ScanResult) -> dict[str, float | None]:
    """All baselines of one scanned file, by name; None where there is nothing to go by."""
    qualities = [face.quality for track in result.tracks for face in track.faces]
    media = result.media
    return {
        "sharpness alone": sharpness_alone(qualities),
        "file size alone": None if media is None else file_size_alone(media),
        "bit rate alone": None if media is None else bit_rate_alone(media),
    }


def bits_per_pixel(media: MediaInfo) -> float | None:
    """Bits of the file for each pixel of each picture; None where size, length or frame rate is unknown.

    Sound and metadata count too, since only the whole file's size is known.
    """
    frames = 1.0
    if media.kind is MediaKind.VIDEO:
        if not media.duration or not media.frame_rate:
            return None
        frames = max(1.0, media.duration * media.frame_rate)
    pixels = media.width * media.height * frames
    return None if media.size_bytes is None or pixels <= 0 else 8.0 * media.size_bytes / pixels
