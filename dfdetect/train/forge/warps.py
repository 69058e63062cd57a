"""Geometry of forging: one face laid onto another, smooth random warps, expressions.

Pictures are RGB uint8 ``[h, w, 3]``, landmarks ``[468, 2]`` in their pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.train.forge.masks import BROWS, LIPS, FloatMap

Image = NDArray[np.uint8]
Points = NDArray[np.floating]

_NODES = 24  # a side of the coarse grid on which displacements are computed
_STILL = np.setdiff1d(np.arange(468), LIPS)


def lay_onto(
    other: Image, other_landmarks: Points, landmarks: Points, shape: tuple[int, int], bend: float
) -> tuple[Image, FloatMap]:
    """Move `other` so that its landmarks lie on `landmarks` in a picture of `shape` (h, w).

    An affine map by least squares, then `bend` (0–1) times what is left, interpolated between the
    landmarks by Gaussian weights (Nadaraya–Watson).  The lips take no part in bending: the mouth keeps
    its own shape.  The map returned is 1 where `other` has pixels, 0 beyond its border.
    """
    height, width = shape
    here, there = np.asarray(landmarks, np.float64), np.asarray(other_landmarks, np.float64)
    ones = np.ones((len(here), 1))
    back, *_ = np.linalg.lstsq(np.concatenate([here, ones], 1), there, rcond=None)
    maps = _affine_maps(back, height, width)
    if bend > 0:
        rest = there - np.concatenate([here, ones], 1) @ back
        dx, dy = _between(here[_STILL], rest[_STILL] * bend, shape)
        maps = (maps[0] + dx, maps[1] + dy)
    moved = cv2.remap(other, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    inside = (
        (maps[0] > 1) & (maps[1] > 1) & (maps[0] < other.shape[1] - 2) & (maps[1] < other.shape[0] - 2)
    ).astype(np.float32)
    if inside.min() < 1:  # fade before the border is reached
        inside = np.asarray(cv2.blur(cv2.erode(inside, np.ones((9, 9))), (9, 9)), np.float32)
    return np.asarray(moved, np.uint8), inside


def smooth_warp(image: Image, rng: np.random.Generator, reach: float) -> Image:
    """A random dense warp, normal with deviation `reach` px at a few knots, cubic between them."""
    knots = int(rng.integers(3, 7))
    grid = rng.normal(0.0, 1.0, (2, knots, knots)).astype(np.float32) * np.float32(reach)
    kind = cv2.INTER_LINEAR if rng.random() < 0.6 else cv2.INTER_CUBIC
    return displaced(image, grid, kind)


def displaced(image: Image, grid: NDArray[np.float32], kind: int = cv2.INTER_LINEAR) -> Image:
    """Fetch every pixel from where a coarse grid ``[2, n, n]`` of (right, down) px points to."""
    height, width = image.shape[:2]
    dx = np.asarray(cv2.resize(grid[0], (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    dy = np.asarray(cv2.resize(grid[1], (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    dx += np.arange(width, dtype=np.float32)[None]
    dy += np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(image, dx, dy, kind, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A change of expression: bumps of displacement at points of the face."""

    centres: NDArray[np.float32]
    """``[k, 2]`` px."""
    moves: NDArray[np.float32]
    """``[k, 2]`` px, right and down."""
    widths: NDArray[np.float32]
    """``[k]`` px, the deviation of each bump."""

    def apply(self, image: Image, kind: int = cv2.INTER_LINEAR) -> Image:
        """Warp a picture; displacements are small, so that minus them inverts them well enough."""
        height, width = image.shape[:2]
        xs, ys = _nodes(width), _nodes(height)
        gap_x = (xs[None, :] - self.centres[:, :1]) ** 2  # [k, n]
        gap_y = (ys[None, :] - self.centres[:, 1:]) ** 2
        scale = -0.5 / self.widths[:, None] ** 2
        # A Gaussian is a product of one along x and one along y.
        grid = np.einsum("kc,ky,kx->cyx", -self.moves, np.exp(gap_y * scale), np.exp(gap_x * scale))
        return displaced(image, grid.astype(np.float32), kind)


def draw_expression(landmarks: Points, rng: np.random.Generator, mouth_only: bool = False) -> Expression:
    """Draw a random expression: smile or pucker, jaw, brows, lids, gaze and a slight turn of the head.

    Sizes are shares of the face's width and follow what faces do: a mouth opens by up to a tenth of it,
    a lid moves by a fiftieth.
    """
    points = np.asarray(landmarks, np.float64)
    across = points[263] - points[33]
    across /= max(float(np.linalg.norm(across)), 1e-6)
    axes = np.stack([across, [-across[1], across[0]]])  # right and down in the face's own frame
    size = max(float(np.ptp(points[:, 0])), 0.75 * float(np.ptp(points[:, 1])), 16.0)
    strength = 1.2 if mouth_only else rng.uniform(0.5, 1.2)
    smile = float(np.clip(rng.normal(0, 0.03), -0.045, 0.045))
    jaw, lift = rng.uniform(-0.04, 0.075), rng.normal(0, 0.012)
    # (landmark, right, down, width of the bump), all in face widths
    bumps: list[tuple[int, float, float, float]] = [
        (61, -smile, -0.6 * smile + lift, 0.10),
        (291, smile, -0.6 * smile - lift, 0.10),
        (17, 0.0, jaw, 0.12),
        (152, 0.0, 0.6 * jaw, 0.15),
        (0, 0.0, -0.25 * max(jaw, 0.0) + rng.normal(0, 0.008), 0.06),
    ]
    if not mouth_only:
        brow, lid = rng.normal(0, 0.02), rng.uniform(-0.012, 0.02)
        look = rng.normal(0, 0.01, 2)
        turn = rng.normal(0, 0.025, 2)
        for middle, upper, lower in ((BROWS[0], 159, 145), (BROWS[1], 386, 374)):
            bumps += [
                (middle, 0.0, brow + rng.normal(0, 0.007), 0.09),
                (upper, look[0], lid + look[1], 0.035),
                (lower, look[0], -0.4 * lid + look[1], 0.035),
            ]
        bumps.append((4, turn[0], turn[1], 0.28))
    table = np.array(bumps)
    moves = table[:, 1:3] @ axes * (size * strength)
    return Expression(
        points[table[:, 0].astype(int)].astype(np.float32),
        moves.astype(np.float32),
        (table[:, 3] * size).astype(np.float32),
    )


def _nodes(length: int) -> NDArray[np.float32]:
    """Pixel positions of the grid's nodes, as `cv2.resize` places them."""
    return ((np.arange(_NODES, dtype=np.float32) + 0.5) * (length / _NODES) - 0.5).astype(np.float32)


def _affine_maps(back: NDArray[np.float64], height: int, width: int) -> tuple[FloatMap, FloatMap]:
    xs, ys = np.arange(width)[None], np.arange(height)[:, None]
    x, y = ((back[0, i] * xs + back[1, i] * ys + back[2, i]).astype(np.float32) for i in (0, 1))
    return x, y


def _between(points: Points, offsets: Points, shape: tuple[int, int]) -> tuple[FloatMap, FloatMap]:
    """Offsets at points, spread over a picture; they fade to nothing away from the points."""
    height, width = shape
    reach = 0.06 * max(float(np.ptp(points[:, 0])), float(np.ptp(points[:, 1])), 16.0)
    scale = -0.5 / reach**2
    wx = np.exp(scale * (_nodes(width)[:, None] - points[None, :, 0].astype(np.float32)) ** 2)
    wy = np.exp(scale * (_nodes(height)[:, None] - points[None, :, 1].astype(np.float32)) ** 2)
    total = wy @ wx.T + 0.05
    grids = [(wy * offsets[:, i].astype(np.float32)) @ wx.T / total for i in (0, 1)]
    x, y = (
        np.asarray(
            cv2.resize(g.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC), np.float32
        )
        for g in grids
    )
    return x, y
