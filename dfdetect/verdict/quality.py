"""Which faces are good enough to be judged at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfdetect.results import FaceQuality, Reason
from dfdetect.verdict.fields import number

# A face of even grey has low contrast both in the dark and in fog; below this mean luma we say dark.
_DARKISH = 0.25


@dataclass(frozen=True, slots=True)
class QualityGate:
    """The least quality at which scores mean something; the values are part of the calibration."""

    min_sharpness: float = 0.0
    """In units of `FaceQuality.sharpness`."""
    min_brightness: float = 0.0
    min_contrast: float = 0.0

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> QualityGate:
        """Read the part ``quality`` of a calibration; what is missing lets everything pass."""
        return cls(
            min_sharpness=number(values, "min_sharpness", 0.0, low=0.0, inside="quality."),
            min_brightness=number(values, "min_brightness", 0.0, 0.0, 1.0, "quality."),
            min_contrast=number(values, "min_contrast", 0.0, 0.0, 0.5, "quality."),
        )

    def check(self, quality: FaceQuality, min_face: float) -> Reason | None:
        """Why a face cannot be judged; None when it can.  `min_face` is a height in pixels."""
        if quality.size < min_face:
            return Reason.FACE_TOO_SMALL
        if quality.brightness < self.min_brightness:
            return Reason.FACE_TOO_DARK
        if quality.contrast < self.min_contrast:
            return Reason.FACE_TOO_DARK if quality.brightness < _DARKISH else Reason.FACE_TOO_BLURRED
        if quality.sharpness < self.min_sharpness:
            return Reason.FACE_TOO_BLURRED
        return None
