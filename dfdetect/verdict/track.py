"""The judged faces of one person as arrays: what aggregators and the measure of novelty look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfdetect.results import FaceScore

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TrackScores:
    """The `n` judged faces of one person in order of time, n >= 1."""

    logits: Floats
    """``[n]``, fused."""
    experts: Floats
    """``[n, experts]``, raw."""
    boxes: Floats
    """``[n, 4]``: x0, y0, x1, y1 in pixels of the frame."""
    quality: Floats
    """``[n, 4]``: size, sharpness, brightness and contrast, in the units of `FaceQuality`."""

    def __post_init__(self) -> None:
        n = len(self.logits)
        shapes = [a.shape for a in (self.logits, self.boxes, self.quality)]
        if not n or shapes != [(n,), (n, 4), (n, 4)] or self.experts.shape[:1] != (n,):
            raise ValueError(f"a track needs as many of everything as faces, at least one; got {shapes}")
        if self.experts.ndim != 2:
            raise ValueError(f"experts must be [faces, experts], not {list(self.experts.shape)}")

    def __len__(self) -> int:
        return len(self.logits)

    @classmethod
    def from_faces(cls, faces: Sequence[FaceScore]) -> TrackScores:
        """The arrays of scored faces, at least one, in any order."""
        if not faces:
            raise ValueError("a track needs at least one face")
        ordered = sorted(faces, key=lambda f: (f.time, f.frame))
        q = [f.quality for f in ordered]
        return cls(
            logits=np.array([f.logit for f in ordered], np.float64),
            experts=np.array([f.experts for f in ordered], np.float64),
            boxes=np.array([f.box for f in ordered], np.float64),
            quality=np.array([(a.size, a.sharpness, a.brightness, a.contrast) for a in q], np.float64),
        )

    def fused(self, weights: Sequence[float]) -> TrackScores:
        """The same faces with the logits fused by these weights, one per expert."""
        return dataclasses.replace(self, logits=self.experts @ np.asarray(weights, np.float64))
