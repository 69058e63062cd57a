"""Soft masks of a face or of a part of it, from 468 face-mesh landmarks.

Every function returns float32 ``[h, w]``, 0 outside and 1 inside, with a blurred rim.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]

# Landmark numbers of the MediaPipe face mesh (canonical face model).
OVAL = (
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
    93,
    234,
    127,
    162,
    21,
    54,
    103,
    67,
    109,
)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 70, 63, 105, 66, 107)
RIGHT_EYE = (
    263,
    249,
    390,
    373,
    374,
    380,
    381,
    382,
    362,
    398,
    384,
    385,
    386,
    387,
    388,
    466,
    300,
    293,
    334,
    296,
    336,
)
NOSE = (168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 129, 358, 49, 279, 48, 278)
LOWER = (
    234,
    93,
    132,
    58,
    172,
    136,
    150,
    149,
    176,
    148,
    152,
    377,
    400,
    378,
    379,
    365,
    397,
    288,
    361,
    323,
    454,
    195,
)
BROWS = (105, 334)
"""The middle of the left and of the right brow."""
PARTS = {
    "face": OVAL,
    "inner": (*LEFT_EYE, *RIGHT_EYE, *LIPS, *NOSE),
    "mouth": (*LIPS, 164, 18, 200, 57, 287, 186, 410, 204, 424),
    "lower": LOWER,
    "eyes": (*LEFT_EYE, *RIGHT_EYE, 168),
    "nose": NOSE,
}


def part_mask(
    shape: tuple[int, int], landmarks: NDArray[np.floating], part: str, rng: np.random.Generator
) -> FloatMap:
    """A randomly deformed, soft-edged mask of one of `PARTS`.

    The hull of the part's landmarks is grown or shrunk, deformed elastically, thresholded and blurred,
    after Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022, section 3.2.
    """
    height, width = shape
    points = np.asarray(landmarks, np.float32)[list(PARTS[part])]
    centre = points.mean(0)
    points = centre + (points - centre) * rng.uniform(0.9, 1.12)
    mask = np.zeros((height, width), np.float32)
    hull = cv2.convexHull(points.astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1.0)
    mask = _elastic(mask, rng, 0.035 * float(np.ptp(points[:, 0])))
    reach = max(float(np.ptp(points[:, 0])), 8.0)
    first = softened(mask, reach * rng.uniform(0.02, 0.10))
    solid = (first > rng.uniform(0.3, 0.8)).astype(np.float32)
    soft = softened(solid, reach * rng.uniform(0.01, 0.10))
    return np.clip(soft / max(float(soft.max()), 1e-6), 0.0, 1.0)


def box_mask(shape: tuple[int, int], landmarks: NDArray[np.floating], rng: np.random.Generator) -> FloatMap:
    """The lower half of the face's box as lip-sync pastes it: a rectangle or an ellipse, hard or soft."""
    height, width = shape
    points = np.asarray(landmarks, np.float32)
    face = points[list(OVAL)]
    reach = max(float(np.ptp(face[:, 0])), 8.0)
    if rng.random() < 0.5:  # the whole width of the face, from the nose to below the chin
        x0, x1 = float(face[:, 0].min()), float(face[:, 0].max())
        y0, y1 = float(points[[4, 195], 1].mean()), float(face[:, 1].max())
    else:  # around the mouth
        lips = points[list(LIPS)]
        margin = reach * rng.uniform(0.08, 0.18)
        x0, x1 = float(lips[:, 0].min() - margin), float(lips[:, 0].max() + margin)
        y0, y1 = float(lips[:, 1].min() - margin), float(lips[:, 1].max() + margin)
    x0, y0, x1, y1 = (v + e for v, e in zip((x0, y0, x1, y1), rng.normal(0, 0.02 * reach, 4), strict=True))
    mask = np.zeros((height, width), np.float32)
    if rng.random() < 0.65:
        cv2.rectangle(mask, (int(x0), int(y0)), (int(x1), int(y1)), 1.0, -1)
    else:
        centre, axes = (int((x0 + x1) / 2), int((y0 + y1) / 2)), (int((x1 - x0) / 2), int((y1 - y0) / 2))
        cv2.ellipse(mask, centre, (max(axes[0], 1), max(axes[1], 1)), 0, 0, 360, 1.0, -1)
    return softened(mask, reach * (rng.uniform(0.0, 0.02) if rng.random() < 0.3 else rng.uniform(0.02, 0.06)))


def softened(mask: FloatMap, sigma: float) -> FloatMap:
    """Gaussian blur by `sigma` px, done on a smaller picture where that looks the same."""
    sigma, (height, width) = max(sigma, 0.5), mask.shape
    factor = int(sigma / 2.0)
    if factor < 2:
        soft = cv2.GaussianBlur(mask, (0, 0), sigma)
    else:
        size = (max(width // factor, 1), max(height // factor, 1))
        small = cv2.GaussianBlur(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / factor)
        soft = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(soft, 0.0, 1.0), np.float32)


def _elastic(mask: FloatMap, rng: np.random.Generator, reach: float) -> FloatMap:
    height, width = mask.shape
    grid = rng.normal(0.0, 1.0, (2, 6, 6)).astype(np.float32) * reach
    dx = cv2.resize(grid[0], (width, height), interpolation=cv2.INTER_CUBIC)
    dy = cv2.resize(grid[1], (width, height), interpolation=cv2.INTER_CUBIC)
    dx = np.asarray(dx, np.float32) + np.arange(width, dtype=np.float32)[None]
    dy = np.asarray(dy, np.float32) + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(mask, dx, dy, cv2.INTER_LINEAR), np.float32)
