"""The levels of MTCNN's pyramid, and which parts of them are worth being searched.

Each level has half the pixels of the one before, so that the two finest are three quarters of the work.  What
they alone can find is small: on the next coarser level it is a blurred face, too small to be taken for one,
but seldom given nothing.  Where that level gives nothing at all, the finer one need not be searched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

CELL, STRIDE = 12, 2
"""Side and step of pnet's windows in pixels of a level."""
FACTOR = 0.709
"""From level to level: half the area."""

_STRIP = (
    49_152  # pixels that pnet sees at once: bounds memory, stays in the cache, gives each thread its share
)
_OVERLAP = CELL - STRIDE  # pixels that two parts side by side share
_REACH = 4  # windows around a warm one that are searched as well; a face is six wide
_BAND = 32  # rows of windows in a part that is searched for the sake of some of its windows
_GAP = 12  # windows between two parts that cost no more than one part less
_WORTH = 0.85  # parts of more than this share of a level save nothing


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of windows: rows `top` to `bottom`, columns `left` to `right`, both past the last."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Level:
    """The picture at one scale, `height` x `width` pixels and `rows` x `columns` windows."""

    scale: float
    height: int
    width: int
    rows: int
    columns: int

    @classmethod
    def of(cls, height: int, width: int, scale: float) -> Level:
        """The level of a picture of `height` x `width` pixels."""
        height, width = int(height * scale + 1), int(width * scale + 1)
        return cls(scale, height, width, _windows(height), _windows(width))

    def pixels(self, part: Part) -> tuple[slice, slice]:
        """Rows and columns of the pixels that the windows of `part` see."""
        rows = slice(STRIDE * part.top, _end(part.bottom, self.rows, self.height))
        return rows, slice(STRIDE * part.left, _end(part.right, self.columns, self.width))

    def strips(self) -> list[Part]:
        """The whole level in parts of bounded size."""
        step = max(1, _STRIP // (STRIDE * self.width))
        return [Part(top, min(top + step, self.rows), 0, self.columns) for top in range(0, self.rows, step)]

    def parts_with(self, wanted: NDArray[np.bool_]) -> list[Part]:
        """Parts that hold all `wanted` windows ``[rows, columns]``; all strips where that is as cheap."""
        parts = []
        for top in range(0, self.rows, _BAND):
            band = wanted[top : top + _BAND]
            columns = np.flatnonzero(band.any(axis=0))
            for run in np.split(columns, np.flatnonzero(np.diff(columns) > _GAP) + 1):
                if len(run):
                    left, right = int(run[0]), int(run[-1]) + 1
                    rows = np.flatnonzero(band[:, left:right].any(axis=1))
                    parts.append(Part(top + int(rows[0]), top + int(rows[-1]) + 1, left, right))
        seen = sum(
            (STRIDE * (p.bottom - p.top) + _OVERLAP) * (STRIDE * (p.right - p.left) + _OVERLAP) for p in parts
        )
        return parts if seen < _WORTH * self.height * self.width else self.strips()


def pyramid(height: int, width: int, min_size: float) -> list[float]:
    """Scales at which pnet looks for faces of at least `min_size` pixels."""
    scales = []
    scale = CELL / min_size
    side = min(height, width) * scale
    while side >= CELL:
        scales.append(scale)
        scale *= FACTOR
        side *= FACTOR
    return scales


def warm(level: Level, coarser: Level, logits: NDArray[np.float32], limit: float) -> NDArray[np.bool_]:
    """Windows ``[rows, columns]`` of `level` near which the next level's `logits` exceed `limit`."""
    around = np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)
    spots = cv2.dilate((logits > limit).astype(np.uint8), around)
    ratio = coarser.scale / level.scale
    i, j = (
        np.clip(np.rint(((STRIDE * np.arange(fine) + CELL / 2) * ratio - CELL / 2) / STRIDE), 0, coarse - 1)
        for fine, coarse in zip((level.rows, level.columns), logits.shape, strict=True)
    )
    return np.asarray(spots[i.astype(np.intp)[:, None], j.astype(np.intp)], bool)


def _windows(pixels: int) -> int:
    """Windows along a side of a level: convolutions take off 2 + 8 pixels, pooling rounds up."""
    return math.ceil((pixels - 2) / STRIDE) - 4


def _end(window: int, windows: int, pixels: int) -> int:
    return pixels if window == windows else STRIDE * window + _OVERLAP
