"""Which faces are good enough to be judged at all."""

from __future__ import annotations

from dataclasses import dataclass

from dfdetect.fields import Fields
from dfdetect.results import FaceQuality, Reason

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
    def from_fields(cls, values: Fields) -> QualityGate:
        """Read the part ``quality`` of a calibration; what is missing lets everything pass."""
        return cls(
            min_sharpness=values.number("min_sharpness", 0.0, 0.0),
            min_brightness=values.number("min_brightness", 0.0, 0.0, 1.0),
            min_contrast=values.number("min_contrast", 0.0, 0.0, 0.5),
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
