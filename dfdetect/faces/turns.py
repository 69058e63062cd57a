"""Turns of a picture by quarters, as ``numpy.rot90`` makes them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.results import Box, Face


def turns_to_upright(landmarks: NDArray[np.floating[Any]]) -> int:
    """How often ``numpy.rot90`` has to turn the picture to bring a face upright, 0 to 3.

    By where its mouth lies from its eyes; `landmarks` is ``[5, 2]``.  0 for what has collapsed into a point.
    """
    points = np.asarray(landmarks, np.float64)
    x, y = points[3:5].mean(axis=0) - points[:2].mean(axis=0)
    if not np.isfinite(x + y) or max(abs(x), abs(y)) < 1.0:
        return 0
    if abs(x) <= abs(y):
        return 0 if y > 0 else 2
    return 1 if x < 0 else 3


def turned(image: NDArray[np.uint8], turns: int) -> NDArray[np.uint8]:
    """``np.rot90(image, turns)`` of an RGB picture, copied several times as quickly; `turns` from 1 to 3."""
    turn = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)[turns - 1]
    return np.asarray(cv2.rotate(image, turn), np.uint8)


def turn_back(face: Face, turns: int, height: float, width: float) -> Face:
    """A face found in ``np.rot90(image, turns)``, in pixels of `image`, which is `height` x `width`."""
    box = np.array(face.box, np.float64).reshape(2, 2)
    points = np.concatenate([box, face.landmarks.astype(np.float64)])
    x, y = points[:, 0], points[:, 1]
    # rot90 turns counter-clockwise: its first column is the upper row, from the right end.
    if turns % 4 == 1:
        x, y = width - y, x
    elif turns % 4 == 2:
        x, y = width - x, height - y
    elif turns % 4 == 3:
        x, y = y, height - x
    low, high = np.minimum(x[0], x[1]), np.maximum(x[0], x[1])
    top, bottom = np.minimum(y[0], y[1]), np.maximum(y[0], y[1])
    landmarks = np.stack([x[2:], y[2:]], axis=1).astype(np.float32)
    return Face(Box(float(low), float(top), float(high), float(bottom)), landmarks, face.probability)
