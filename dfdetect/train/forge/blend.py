"""Forgeries by blending: self-blended images, parts, local warps and swaps between two people.

Each function is (image, landmarks, rng[, other]) → (fake, mask): RGB uint8 ``[h, w, 3]``, landmarks
``[468, 2]`` in its pixels, mask float32 ``[h, w]``.  Where the mask is 0 the picture is untouched, with two
exceptions: `self_blend` may change its colours and sharpness all over, and the low frequencies of a `swap`
that is blended band by band spread a little beyond the mask.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.train.forge.looks import generator_look
from dfdetect.train.forge.masks import FloatMap, part_mask
from dfdetect.train.forge.warps import lay_onto, smooth_warp

Image = NDArray[np.uint8]
Points = NDArray[np.floating]

_LEVELS = 3  # of the pyramid of `multi_band`


def self_blend(image: Image, landmarks: Points, rng: np.random.Generator) -> tuple[Image, FloatMap]:
    """Blend a face with a slightly changed copy of itself (Shiohara and Yamasaki, CVPR 2022).

    Source or target, by a coin, get a colour and a frequency change; the source is shifted and scaled
    by a few per cent; the mask covers the face or a part of it.
    """
    part = str(rng.choice(["face", "face", "face", "inner", "lower", "mouth", "eyes"]))
    mask = part_mask(image.shape[:2], landmarks, part, rng)
    source, target = image, image
    if rng.random() < 0.5:
        source = _statistics(source, rng)
    else:
        target = _statistics(target, rng)
    source = _nudge(source, landmarks, rng)
    alpha = float(rng.choice([0.25, 0.5, 0.75, 1.0, 1.0, 1.0]))
    return composite(source, target, mask * alpha), mask


def local_warp(image: Image, landmarks: Points, rng: np.random.Generator) -> tuple[Image, FloatMap]:
    """Change an expression: a smooth dense warp of mouth, lower face or eyes, resampled as a generator
    would, pasted back with a soft rim.  Imitates lip-sync and reenactment.
    """
    part = str(rng.choice(["mouth", "mouth", "lower", "eyes", "inner", "face"]))
    mask = part_mask(image.shape[:2], landmarks, part, rng)
    points = np.asarray(landmarks, np.float32)
    width = max(float(np.ptp(points[:, 0])), 16.0)
    warped = smooth_warp(image, rng, width * rng.uniform(0.01, 0.05))
    warped = generator_look(warped, rng)
    return composite(warped, image, mask), mask


def swap(
    image: Image, landmarks: Points, rng: np.random.Generator, other: Image, other_landmarks: Points
) -> tuple[Image, FloatMap]:
    """Put another person's face on this one: laid onto its landmarks (affine, or bent to its shape),
    matched in colour, with a generator's look; feathered, multi-band or Poisson blending.
    """
    part = str(rng.choice(["face", "face", "inner"]))
    bend = float(rng.uniform(0.3, 1.0)) if rng.random() < 0.6 else 0.0
    source, inside = lay_onto(other, other_landmarks, landmarks, image.shape[:2], bend)
    mask = part_mask(image.shape[:2], landmarks, part, rng) * inside
    source = match_colour(source, image, mask, float(rng.uniform(0.6, 1.0)))
    source = generator_look(source, rng)
    pick = rng.random()
    if pick < 0.15:
        seamless = poisson(source, image, mask)
        if seamless is not None:
            return seamless, mask
    elif pick < 0.35:
        return multi_band(source, image, mask), mask
    return composite(source, image, mask), mask


def composite(source: Image, target: Image, mask: FloatMap) -> Image:
    """Alpha blending: ``mask * source + (1 - mask) * target``."""
    return np.asarray(cv2.blendLinear(source, target, mask, 1.0 - mask), np.uint8)


def multi_band(source: Image, target: Image, mask: FloatMap) -> Image:
    """Blend band by band with ever softer masks (Burt and Adelson, "A multiresolution spline", 1983).

    Low frequencies spread beyond the mask, details do not; outside the reach of the softest mask the
    target stays.
    """
    a, b, m = source.astype(np.float32), target.astype(np.float32), mask
    bands: list[cv2.typing.MatLike] = []
    for _ in range(_LEVELS):
        size = (a.shape[1], a.shape[0])
        below = cv2.pyrDown(a), cv2.pyrDown(b), cv2.pyrDown(m)
        detail = [cv2.subtract(x, cv2.pyrUp(y, dstsize=size)) for x, y in ((a, below[0]), (b, below[1]))]
        bands.append(cv2.blendLinear(detail[0], detail[1], m, 1.0 - m))
        a, b, m = (np.asarray(x, np.float32) for x in below)
    out = cv2.blendLinear(a, b, m, 1.0 - m)
    for band in reversed(bands):
        out = cv2.add(cv2.pyrUp(out, dstsize=(band.shape[1], band.shape[0])), band)
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


def match_colour(source: Image, target: Image, mask: FloatMap, amount: float) -> Image:
    """Move mean and deviation of `source` to those of `target` within the mask, in Lab (Reinhard 2001)."""
    inside = (mask > 0.5).astype(np.uint8)
    if cv2.countNonZero(inside) < 64:
        return source
    a, b = cv2.cvtColor(source, cv2.COLOR_RGB2LAB), cv2.cvtColor(target, cv2.COLOR_RGB2LAB)
    (ma, sa), (mb, sb) = cv2.meanStdDev(a, mask=inside), cv2.meanStdDev(b, mask=inside)
    levels = np.arange(256.0)
    moved = (levels - ma) * ((sb + 1.0) / (sa + 1.0)) + mb
    table = _as_table(levels + amount * (moved - levels))
    return np.asarray(cv2.cvtColor(cv2.LUT(a, table), cv2.COLOR_LAB2RGB), np.uint8)


def _as_table(levels: NDArray[np.floating]) -> Image:
    """``[3, 256]`` new levels as a table for `cv2.LUT`: every change of one level to another is one."""
    return np.ascontiguousarray(np.clip(levels + 0.5, 0, 255).astype(np.uint8).T[None])


def _statistics(image: Image, rng: np.random.Generator) -> Image:
    """The source-target difference of self-blending: colour, then frequency."""
    shift = rng.uniform(-20, 20, 3) if rng.random() < 0.5 else np.zeros(3)
    mean = float(np.mean(cv2.mean(image)[:3])) + float(shift.mean())
    levels = np.arange(256.0)[None] + shift[:, None]
    levels = (levels - mean) * rng.uniform(0.88, 1.12) + mean + rng.uniform(-14, 14)
    out = cv2.LUT(image, _as_table(levels))
    if rng.random() < 0.5:
        hue = (np.arange(256.0) + rng.uniform(-6, 6)) % 180
        gain = np.arange(256.0)[None] * rng.uniform(0.8, 1.2, 2)[:, None]
        hue = np.minimum(hue, 179.0)  # rounding up must not leave the circle
        table = _as_table(np.concatenate([hue[None], gain]))
        out = cv2.cvtColor(cv2.LUT(cv2.cvtColor(out, cv2.COLOR_RGB2HSV), table), cv2.COLOR_HSV2RGB)
    changed = np.asarray(out, np.uint8)
    if rng.random() < 0.6:
        return generator_look(changed, rng)
    soft = cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.8, 2.0))
    sharp = cv2.addWeighted(changed, 1 + (k := rng.uniform(0.2, 0.8)), soft, -k, 0)
    return np.asarray(sharp, np.uint8)


def _nudge(image: Image, landmarks: Points, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    reach = float(np.ptp(np.asarray(landmarks)[:, 0]))
    cx, cy = np.asarray(landmarks, np.float64).mean(0)
    turn = cv2.getRotationMatrix2D((float(cx), float(cy)), rng.uniform(-2, 2), rng.uniform(0.95, 1.05))
    matrix = np.asarray(turn, np.float64)
    matrix[:, 2] += rng.uniform(-0.03, 0.03, 2) * reach
    out = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    if rng.random() < 0.3:
        out = smooth_warp(np.asarray(out, np.uint8), rng, reach * 0.01)
    return np.asarray(out, np.uint8)


def poisson(source: Image, target: Image, mask: FloatMap) -> Image | None:
    """Blend the gradients (Pérez et al., "Poisson image editing", 2003); None where there is no room."""
    solid = (mask > 0.5).astype(np.uint8) * 255
    solid[:2], solid[-2:], solid[:, :2], solid[:, -2:] = 0, 0, 0, 0
    ys, xs = np.nonzero(solid)
    if len(xs) < 64:
        return None
    # OpenCV pastes what is in the mask's box at the centre less half of the box's size, rounded down.
    centre = (int(xs.min() + xs.max() + 1) // 2, int(ys.min() + ys.max() + 1) // 2)
    try:
        return np.asarray(cv2.seamlessClone(source, target, solid, centre, cv2.NORMAL_CLONE), np.uint8)
    except cv2.error:  # a mask at the very border leaves no room for the solver
        return None
