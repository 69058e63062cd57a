"""Heat maps as all pictures show them: on one scale, in agreement with the score, faded to a circle."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

_QUIET = 0.12
_LEAST_SCALE = 4.0
"""A heat map is coloured fully at the 98th percentile of the file, but never below this logit: what is weak
everywhere shall look weak."""


def balanced(heatmap: ArrayLike, logit: float) -> NDArray[np.float32]:
    """The smoothed map with the face's score as its mean, so that its colours and the score agree.

    What a network says of the crop as a whole (a transformer's class token, a bias) is in the score and not
    in the map; it is spread evenly.
    """
    values = np.asarray(heatmap, np.float32)
    return _smooth(values + np.float32(logit - float(values.mean())))


def full_scale(maps: Iterable[NDArray[np.float32]]) -> float:
    """The logit that gets full colour in all maps of a file, so that faces compare."""
    values = [np.abs(values).ravel() for values in maps]
    strong = float(np.percentile(np.concatenate(values), 98)) if values else 0.0
    return max(_LEAST_SCALE, strong)


def strengths(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """What is painted of a map that was divided by its full scale: ``[side, side]``, -1 (real) to 1 (fake).

    0, which is clear, where the map says little, and beyond the inscribed circle.
    """
    fine = np.clip(cv2.resize(values, (side, side), interpolation=cv2.INTER_CUBIC), -1, 1)
    strength = np.clip((np.abs(fine) - _QUIET) / (1 - _QUIET), 0, 1)
    return np.asarray(np.sign(fine) * strength * _window(side), np.float32)


def _smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the speckle of fine grids: single cells mean nothing."""
    spread = max(values.shape) / 14
    return np.asarray(cv2.GaussianBlur(values, (0, 0), spread), np.float32) if spread > 0.5 else values


def _window(side: int) -> NDArray[np.float32]:
    """1 in the middle, falling to 0 at the inscribed circle, so that the crop's square is not seen."""
    along = (np.arange(side) + 0.5) / (side / 2) - 1
    edge = np.clip((1 - np.hypot(along[:, None], along)) / 0.35, 0, 1)
    return np.asarray(edge * edge * (3 - 2 * edge), np.float32)
