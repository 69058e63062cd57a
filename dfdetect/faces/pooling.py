"""Shrink a picture, or many windows of it, by averaging whole pixels.

This is the resampling that MTCNN's weights are used to in facenet-pytorch (adaptive average pooling): output
pixel i is the plain mean of the input pixels from ``floor(i * n / m)`` to ``ceil((i + 1) * n / m)``.
`cv2.INTER_AREA` weighs border pixels by their share and gives other numbers.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Indices = NDArray[np.int64]

_SUMS_AT_ONCE = 1 << 16  # in one step of `Pooler.part`: a megabyte, which the cache of a core holds
_COARSE = 6  # pixels that an output pixel is wide, from which rows are not worth being summed whole


class Pooler:
    """Sums over any rectangle of one picture, by its integral image (16 bytes a pixel).

    `image` is RGB ``uint8 [h, w, 3]``.  One output pixel may average at most 8 million input pixels.  May be
    used by several threads at a time.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.height, self.width = image.shape[:2]
        # A fourth channel, never used: `take` copies 16 bytes in one move, 12 in a loop.
        padded = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2RGBA)
        # Sums may wrap around in a large picture; differences are right again.
        self._sums: NDArray[np.int32] = np.asarray(cv2.integral(padded))

    def part(self, rows: slice, columns: slice, height: int, width: int) -> Pixels:
        """A part of the picture resized to `height` x `width`: ``[1, 3, rows, columns]``."""
        top, bottom = (ends[rows] for ends in bins(self.height, height))
        left, right = (ends[columns] for ends in bins(self.width, width))
        means = np.empty((1, 3, len(top), len(left)), np.float32)
        if self.width > _COARSE * width:
            sums = self._rectangles(top[:, None], bottom[:, None], left, right)
            _divide(sums, (bottom - top)[:, None] * (right - left), means[0])
            return means
        seen = slice(int(left[0]), int(right[-1]) + 1)
        left, right = left - seen.start, right - seen.start
        step = max(1, _SUMS_AT_ONCE // (seen.stop - seen.start))
        for i in range(0, len(top), step):
            some = slice(i, i + step)
            strips = self._sums[bottom[some], seen]
            strips -= self._sums[top[some], seen]
            sums = strips.take(right, axis=1)
            sums -= strips.take(left, axis=1)
            _divide(sums, (bottom[some] - top[some])[:, None] * (right - left), means[0, :, some])
        return means

    def windows(self, corners: Indices, size: int) -> Pixels:
        """Windows ``[n, 4]`` (x0, y0, x1, y1; inside, not empty), resized to ``[n, 3, size, size]``."""
        x0, y0, x1, y1 = corners.T[:, :, None]
        steps = np.arange(size)
        # One row of bins a window; as in `bins`, which does it for one length.
        top, bottom = y0 + steps * (y1 - y0) // size, y0 - (-(steps + 1) * (y1 - y0) // size)
        left, right = x0 + steps * (x1 - x0) // size, x0 - (-(steps + 1) * (x1 - x0) // size)
        top, bottom, left, right = top[:, :, None], bottom[:, :, None], left[:, None], right[:, None]
        means = np.empty((len(corners), 3, size, size), np.float32)
        sums = self._rectangles(top, bottom, left, right)
        _divide(sums, (bottom - top) * (right - left), means.transpose(1, 0, 2, 3))
        return means

    def _rectangles(self, top: Indices, bottom: Indices, left: Indices, right: Indices) -> NDArray[np.int32]:
        # `take` on one flat axis is three times as quick as indexing by two arrays.
        flat, stride = self._sums.reshape(-1, 4), self.width + 1
        top, bottom = top * stride, bottom * stride
        sums = flat.take(bottom + right, axis=0)
        sums -= flat.take(bottom + left, axis=0)
        sums -= flat.take(top + right, axis=0)
        sums += flat.take(top + left, axis=0)
        return sums


def _divide(sums: NDArray[np.int32], areas: Indices, out: NDArray[Any]) -> None:
    """Write the means of three channels ``[..., 3 or 4]`` as planes ``[3, ...]`` of `out`."""
    counts = areas.astype(np.float32)
    for channel in range(3):
        np.divide(sums[..., channel], counts, out=out[channel], dtype=np.float32, casting="same_kind")


def bins(length: int, count: int) -> tuple[Indices, Indices]:
    """First and past-the-last input pixel of each of `count` output pixels over `length` input pixels."""
    steps = np.arange(count + 1, dtype=np.int64)
    return steps[:-1] * length // count, -(-steps[1:] * length // count)


def divided(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """The means of squares of `factor` pixels; what does not fill a square is left out.

    The picture itself where `factor` is below 2, or where not even one square fits.
    """
    if factor < 2 or min(image.shape[:2]) < factor:
        return image
    height, width = image.shape[0] // factor, image.shape[1] // factor
    whole = image[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
