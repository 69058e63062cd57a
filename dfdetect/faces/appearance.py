"""Describe how a person looks in one frame, so that the person can be recognised in another.

No network: gradient histograms of the aligned face, and the colours of face, hair and clothes.  That is
enough to say that two frames of one file show the same person in the same clothes, and is not an identity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.faces.crop import CropSpec, cut, warp
from dfdetect.faces.pooling import divided
from dfdetect.results import Face

Vector = NDArray[np.float32]

# The inner face alone: beyond it, the repeated border of tight pictures and the background would look alike.
_FACE = CropSpec("five_point", 96, 1.2)
_HEAD = CropSpec("five_point", 64, 0.62)
_CELLS, _CELL, _ORIENTATIONS = 8, 12, 8
_CELL_OF = np.arange(_CELLS * _CELL) // _CELL
_FIRST_BIN = ((_CELL_OF[:, None] * _CELLS + _CELL_OF) * _ORIENTATIONS).ravel()
_RADII = np.array([3.2, 2.2])[:, None, None] ** 2
# Of 8 x 8 patches of the head crop, those in an ellipse around face and hair: backgrounds are shared.
_HEAD_PATCHES = ((np.mgrid[0:8, 0:8] - np.array([2.9, 3.5])[:, None, None]) ** 2 / _RADII).sum(0) <= 1
# sRGB to XYZ (IEC 61966-2-1), each row over the white point's.
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
) / np.array([[0.950456], [1.0], [1.088754]])
_BODY = 48  # side of the picture of the shoulders, which is four faces wide

# Fitted on 18,000 pairs of frames of one person and 79,000 of two, of 200 clips.
_BIAS, _BY_FACE, _BY_HEAD, _BY_CLOTHES = 6.1, 4.4, 42.0, 17.4
_ENOUGH_CLOTHES = 6  # patches
_UNKNOWN_CLOTHES = 0.04
_ENOUGH_FOR_SCENE = 128  # pixels of the short side


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """How one face looks in one frame."""

    face: Vector
    """Gradient histograms of the aligned face, of length 1."""
    head: Vector
    """Lab colours of patches of face and hair, ``[n, 3]``, in units of 100."""
    clothes: Vector
    """Lab colours below the face, ``[n, 3]``, in units of 100; NaN where the frame ends."""


def describe(image: NDArray[np.uint8], face: Face) -> Appearance:
    """Describe one face in an RGB picture ``[h, w, 3]``."""
    return Appearance(
        gradients(cut(image, face.box, face.landmarks, _FACE)),
        colours(cut(image, face.box, face.landmarks, _HEAD)),
        _clothes(image, face),
    )


def likeness(a: Sequence[Appearance], b: Sequence[Appearance]) -> NDArray[np.float64]:
    """How much each two faces look like one person, ``[len(a), len(b)]``.

    The logit of a regression; `dfdetect.faces.tracks` says what is enough.
    """
    # Not by BLAS: its threads cost more than they bring here, and their number would sway the last digits.
    face = 1.0 - np.einsum("ik,jk->ij", np.stack([x.face for x in a]), np.stack([x.face for x in b]))
    head = _differences([x.head for x in a], [x.head for x in b]).mean(axis=2)
    clothes = np.sort(
        _differences([x.clothes for x in a], [x.clothes for x in b]), axis=2
    )  # unknown ones come last
    known = np.sum(~np.isnan(clothes), axis=2, keepdims=True)
    middle = np.maximum(known - 1, 0) // 2, known // 2
    median = sum(np.take_along_axis(clothes, np.minimum(i, clothes.shape[2] - 1), axis=2) for i in middle) / 2
    worn = np.where(known >= _ENOUGH_CLOTHES, median, _UNKNOWN_CLOTHES)[..., 0]
    return np.asarray(_BIAS - _BY_FACE * face - _BY_HEAD * head - _BY_CLOTHES * worn, np.float64)


def _differences(a: Sequence[Vector], b: Sequence[Vector]) -> Vector:
    """Mean difference of the colours of each patch, ``[len(a), len(b), patches]``."""
    return np.asarray(np.abs(np.stack(a)[:, None] - np.stack(b)[None]).mean(axis=3), np.float32)


def scene(image: NDArray[np.uint8]) -> Vector:
    """A thumbnail ``[16, 16, 3]`` in Lab, in units of 100, that changes when the camera cuts."""
    # Whole rows and columns are left out first: to average all pixels costs as much as finding a face.
    step = max(1, min(image.shape[:2]) // (2 * _ENOUGH_FOR_SCENE))
    image = np.ascontiguousarray(image[::step, ::step])
    small = divided(image, min(image.shape[:2]) // _ENOUGH_FOR_SCENE)
    return _lab(cv2.resize(small, (16, 16), interpolation=cv2.INTER_AREA))


def gradients(aligned: NDArray[np.uint8]) -> Vector:
    """Histograms of gradients of an aligned face ``[96, 96, 3]``, of length 1 as a whole."""
    grey = cv2.GaussianBlur(cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 2.0)
    grey = np.sqrt(grey)
    gx, gy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    size, angle = cv2.cartToPolar(gx, gy)
    # Each gradient is shared between its two nearest orientations (of 180 degrees), then summed in cells.
    place = (angle * (_ORIENTATIONS / np.pi)).ravel()
    low = np.floor(place)
    share = size.ravel() * (place - low)
    lower, bins = low.astype(np.intp), _CELLS * _CELLS * _ORIENTATIONS
    sums = np.bincount(_FIRST_BIN + lower % _ORIENTATIONS, size.ravel() - share, bins)
    sums = sums + np.bincount(_FIRST_BIN + (lower + 1) % _ORIENTATIONS, share, bins)
    cells = np.asarray(sums, np.float64).reshape(_CELLS, _CELLS, _ORIENTATIONS)
    # Every cell counts about the same, whatever the light; one without structure counts little.
    cells /= np.linalg.norm(cells, axis=2, keepdims=True) + 20
    cells -= cells.mean(axis=2, keepdims=True)
    flat = cells.reshape(-1)
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), np.float32)


def colours(aligned: NDArray[np.uint8]) -> Vector:
    """Lab colours ``[n, 3]`` of an aligned head."""
    patches = _lab(cv2.resize(aligned, (8, 8), interpolation=cv2.INTER_AREA))
    return np.asarray(patches[_HEAD_PATCHES], np.float32)


def _clothes(image: NDArray[np.uint8], face: Face) -> Vector:
    box = face.box
    side = 4 * max(box.width, box.height, 1.0)
    scale = _BODY / side
    left, top = (box.x0 + box.x1) / 2 - side / 2, box.y1
    # By a whole factor first: that is several times as quick, and colours of patches need no more.
    factor = max(1, int(side / (2 * _BODY)))
    x0, y0 = (
        min(max(0, math.floor(at) - factor), size - 1)
        for at, size in ((left, image.shape[1]), (top, image.shape[0]))
    )
    x1, y1 = math.ceil(left + side) + factor, math.ceil(top + side / 2) + factor
    part = divided(image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)], factor)
    offset = np.array([x0 - left, y0 - top]) + (factor - 1) / 2
    matrix = np.array([[scale * factor, 0.0, scale * offset[0]], [0.0, scale * factor, scale * offset[1]]])
    body = warp(part, matrix, _BODY)[: _BODY // 2]
    # Four rows of six patches across the shoulders; a patch that the picture does not hold is unknown.
    patches = _lab(cv2.resize(body, (8, 4), interpolation=cv2.INTER_AREA))[:, 1:7]
    step = side / 8
    rows, columns = np.mgrid[0:4, 1:7]
    inside = (
        (left + columns * step >= -step / 2)
        & (left + (columns + 1) * step <= image.shape[1] + step / 2)
        & (top + (rows + 1) * step <= image.shape[0] + step / 2)
    )
    return np.asarray(np.where(inside[..., None], patches, np.nan).reshape(-1, 3), np.float32)


def _lab(pixels: NDArray[Any]) -> Vector:
    """CIE L*a*b* (D65) of sRGB bytes ``[…, 3]``, in units of 100.

    Not by OpenCV, whose first call fills tables for a tenth of a second; here are a few hundred pixels.
    """
    part = pixels.astype(np.float32) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    xyz = np.einsum("...j,ij->...i", linear, _TO_XYZ)
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.asarray(np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1) / 100, np.float32)
