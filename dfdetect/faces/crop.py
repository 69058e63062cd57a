"""Cut a face out of a picture the way a model card asks for it.

The same function serves training and scanning, so that a network is never fed crops that it was not
trained and calibrated on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import ModelError
from dfdetect.faces.turns import turns_to_upright
from dfdetect.results import Box

# Where eyes, nose and mouth corners of a frontal face lie in a unit square that just holds the face:
# the usual 112 x 96 reference positions of face recognition (SphereFace, ArcFace), divided by 112.
REFERENCE = np.array(
    [[0.3419, 0.4616], [0.6565, 0.4598], [0.5003, 0.6405], [0.3710, 0.8247], [0.6315, 0.8232]], np.float64
)

_QUARTER = np.array([[0.0, 1.0], [-1.0, 0.0]])
"""What a turn of ``numpy.rot90`` does to a direction."""


@dataclass(frozen=True, slots=True)
class CropSpec:
    """The crop part of a model card's input contract."""

    align: str
    """``five_point``: rotated and scaled so that five landmarks meet a reference; ``upright``: a square
    around the face box, turned by quarters where the face lies on its side or head."""
    size: int
    """Side of the crop in pixels."""
    zoom: float
    """``five_point``: share of the crop's side that the reference square takes (smaller: more context).
    ``upright``: side of the square as a multiple of the longer side of the face box."""

    def __post_init__(self) -> None:
        if self.align not in ("five_point", "upright"):
            raise ModelError(f"crop.align must be 'five_point' or 'upright', not {self.align!r}")
        if not 16 <= self.size <= 1024:
            raise ModelError(f"crop.size must lie between 16 and 1024, not {self.size!r}")
        if not 0.2 <= self.zoom <= 4.0:
            raise ModelError(f"crop.zoom must lie between 0.2 and 4, not {self.zoom!r}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> CropSpec:
        """Read the spec from a model card or a recipe."""
        try:
            return cls(align=values["align"], size=int(values["size"]), zoom=float(values["zoom"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"a crop needs align, size and zoom, each of its type ({error})") from error

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a model card."""
        return asdict(self)


def crop_matrix(box: Box, landmarks: NDArray[np.floating[Any]], spec: CropSpec) -> NDArray[np.float64]:
    """The similarity ``[2, 3]`` that maps frame pixels to crop pixels.

    `landmarks` is ``[5, 2]`` in frame pixels.  Landmarks that have collapsed into a point (a broken
    detection) fall back to the upright square.
    """
    if spec.align == "five_point":
        target = ((REFERENCE - 0.5) * spec.zoom + 0.5) * spec.size
        matrix = _similarity(np.asarray(landmarks, np.float64), target)
        if matrix is not None:
            return matrix
        side = 1.3 * max(box.width, box.height)
    else:
        side = spec.zoom * max(box.width, box.height)
    scale = spec.size / max(side, 1.0)
    centre = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    rotation = scale * np.linalg.matrix_power(_QUARTER, turns_to_upright(landmarks))
    # A pixel is its corner here, and a turn that runs an axis backwards makes its other corner the first.
    shift = spec.size / 2 - rotation @ centre + np.minimum(rotation.sum(axis=1), 0.0)
    return np.concatenate([rotation, shift[:, None]], axis=1)


def cut(
    image: NDArray[np.uint8], box: Box, landmarks: NDArray[np.floating[Any]], spec: CropSpec
) -> NDArray[np.uint8]:
    """Cut one face: RGB ``[h, w, 3]`` → RGB ``[size, size, 3]``.

    What lies beyond the picture's border repeats its last pixel.  Large faces are shrunk by area
    averaging before they are turned, since `cv2.warpAffine` alone would alias.
    """
    matrix = crop_matrix(box, landmarks, spec)
    return warp(image, matrix, spec.size)


def warp(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Apply a similarity ``[2, 3]`` (frame → crop pixels) and return ``[size, size, 3]``."""
    import cv2  # here, since reading a model card needs `CropSpec` only

    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    height, width = image.shape[:2]
    # Only the part that the crop can see, plus a pixel for interpolation.
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]], np.float64) @ inverse.T
    margin = 2 + 1 / max(scale, 1e-6)
    x0 = int(np.clip(math.floor(corners[:, 0].min() - margin), 0, max(width - 1, 0)))
    y0 = int(np.clip(math.floor(corners[:, 1].min() - margin), 0, max(height - 1, 0)))
    x1 = int(np.clip(math.ceil(corners[:, 0].max() + margin), x0 + 1, width))
    y1 = int(np.clip(math.ceil(corners[:, 1].max() + margin), y0 + 1, height))
    part = image[y0:y1, x0:x1]
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.array([x0, y0], np.float64)
    if scale < 0.8:
        small_w = max(1, round((x1 - x0) * scale))
        small_h = max(1, round((y1 - y0) * scale))
        part = np.asarray(cv2.resize(part, (small_w, small_h), interpolation=cv2.INTER_AREA), np.uint8)
        fx, fy = small_w / (x1 - x0), small_h / (y1 - y0)
        # Pixel centres: x_small = fx * (x + .5) - .5
        shifted[:, 2] += shifted[:, :2] @ np.array([0.5 / fx - 0.5, 0.5 / fy - 0.5])
        shifted[:, 0] /= fx
        shifted[:, 1] /= fy
    out = cv2.warpAffine(
        np.ascontiguousarray(part),
        shifted,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(out, np.uint8)


def _similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Least-squares rotation, scale and shift from `source` to `target` (Umeyama 1991, without mirror)."""
    a, b = source - source.mean(0), target - target.mean(0)
    spread = float((a**2).sum())
    if not np.isfinite(spread) or spread < 1.0:
        return None
    # In the plane the solution is closed: treat points as complex numbers.
    real = float((a * b).sum()) / spread
    imag = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    if math.hypot(real, imag) < 1e-6:
        return None
    rotation = np.array([[real, -imag], [imag, real]])
    shift = target.mean(0) - rotation @ source.mean(0)
    return np.concatenate([rotation, shift[:, None]], axis=1)
