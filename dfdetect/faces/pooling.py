"""Shrink a picture, or many windows of it, by averaging whole pixels.

This is the resampling that MTCNN's weights are used to in facenet-pytorch (adaptive average pooling): output
pixel i is the plain mean of the input pixels from ``floor(i * n / m)`` to ``ceil((i + 1) * n / m)``.
`cv2.INTER_AREA` weighs border pixels by their share and gives other numbers.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Indices = NDArray[np.int64]


class Pooler:
    """Sums over any rectangle of one picture, by its integral image (12 bytes a pixel).

    `image` is RGB ``uint8 [h, w, 3]``.  One output pixel may average at most 8 million input pixels.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.height, self.width = image.shape[:2]
        # Sums may wrap around in a large picture; differences are right again.
        self._sums: NDArray[np.int32] = np.asarray(cv2.integral(np.ascontiguousarray(image)))

    def rows(self, first: int, last: int, height: int, width: int) -> Pixels:
        """Some rows of the picture resized to `height` x `width`: ``[1, 3, last - first, width]``."""
        top, bottom = bins(self.height, height)
        left, right = bins(self.width, width)
        top, bottom = top[first:last], bottom[first:last]
        strips = self._sums.take(bottom, axis=0) - self._sums.take(top, axis=0)
        sums = strips.take(right, axis=1) - strips.take(left, axis=1)
        return _means(sums, (bottom - top)[:, None] * (right - left)).transpose(2, 0, 1)[None]

    def windows(self, corners: Indices, size: int) -> Pixels:
        """Windows ``[n, 4]`` (x0, y0, x1, y1; inside, not empty), resized to ``[n, 3, size, size]``."""
        x0, y0, x1, y1 = corners.T[:, :, None]
        steps = np.arange(size)
        # One row of bins a window; as in `bins`, which does it for one length.
        top, bottom = y0 + steps * (y1 - y0) // size, y0 - (-(steps + 1) * (y1 - y0) // size)
        left, right = x0 + steps * (x1 - x0) // size, x0 - (-(steps + 1) * (x1 - x0) // size)
        top, bottom, left, right = top[:, :, None], bottom[:, :, None], left[:, None], right[:, None]
        # `take` on one flat axis is three times as quick as indexing by two arrays.
        flat, stride = self._sums.reshape(-1, 3), self.width + 1
        sums = flat.take(bottom * stride + right, axis=0) - flat.take(bottom * stride + left, axis=0)
        sums += flat.take(top * stride + left, axis=0) - flat.take(top * stride + right, axis=0)
        return _means(sums, (bottom - top) * (right - left)).transpose(0, 3, 1, 2)


def _means(sums: NDArray[np.int32], areas: Indices) -> Pixels:
    return np.asarray(sums.astype(np.float32) / areas[..., None].astype(np.float32), np.float32)


def bins(length: int, count: int) -> tuple[Indices, Indices]:
    """First and past-the-last input pixel of each of `count` output pixels over `length` input pixels."""
    steps = np.arange(count + 1, dtype=np.int64)
    return steps[:-1] * length // count, -(-steps[1:] * length // count)
