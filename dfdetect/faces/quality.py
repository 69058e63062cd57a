"""Measure whether a face can be judged at all: its size, sharpness, light and contrast."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.results import Face, FaceQuality

_SIDE = 112


def measure_quality(image: NDArray[np.uint8], face: Face) -> FaceQuality:
    """Quality of one face in an RGB picture ``[h, w, 3]``.

    What lies outside the picture does not count.  A box that misses the picture measures 0 in everything
    but size.
    """
    box = face.box
    size = float(box.height)
    height, width = image.shape[:2]
    x0, y0 = max(0, int(np.floor(box.x0))), max(0, int(np.floor(box.y0)))
    x1, y1 = min(width, int(np.ceil(box.x1))), min(height, int(np.ceil(box.y1)))
    if x1 <= x0 or y1 <= y0:
        return FaceQuality(size, 0.0, 0.0, 0.0)
    # Shrinking averages areas, enlarging interpolates: a small face stays as soft as it is.
    crop = np.ascontiguousarray(image[y0:y1, x0:x1])
    way = cv2.INTER_AREA if min(x1 - x0, y1 - y0) > _SIDE else cv2.INTER_LINEAR
    grey = cv2.cvtColor(cv2.resize(crop, (_SIDE, _SIDE), interpolation=way), cv2.COLOR_RGB2GRAY)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    luma = grey.astype(np.float32) / 255
    return FaceQuality(size, sharpness, float(luma.mean()), float(luma.std()))
