"""Forgeries by blending: self-blended images, parts, local warps and swaps between two people.

Each function is (image, landmarks, rng[, other]) → (fake, mask): RGB uint8 ``[h, w, 3]``, landmarks
``[468, 2]`` in its pixels, mask float32 ``[h, w]``.  Where the mask is 0 the picture is untouched.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.train.forge.masks import FloatMap, part_mask

Image = NDArray[np.uint8]
Points = NDArray[np.floating]


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
    warped = _smooth_warp(image, rng, width * rng.uniform(0.01, 0.05))
    warped = _generator_look(warped, rng)
    return composite(warped, image, mask), mask


def swap(
    image: Image, landmarks: Points, rng: np.random.Generator, other: Image, other_landmarks: Points
) -> tuple[Image, FloatMap]:
    """Put another person's face on this one: least-squares affine of all landmarks, colour matched,
    a generator's look, feathered or Poisson blending.
    """
    part = str(rng.choice(["face", "face", "inner"]))
    mask = part_mask(image.shape[:2], landmarks, part, rng)
    a = np.concatenate([np.asarray(other_landmarks, np.float64), np.ones((len(other_landmarks), 1))], 1)
    solution, *_ = np.linalg.lstsq(a, np.asarray(landmarks, np.float64), rcond=None)
    size = (image.shape[1], image.shape[0])
    source = cv2.warpAffine(
        other, solution.T, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    source = match_colour(np.asarray(source, np.uint8), image, mask, float(rng.uniform(0.6, 1.0)))
    source = _generator_look(source, rng)
    if rng.random() < 0.25:
        poisson = _poisson(source, image, mask)
        if poisson is not None:
            return poisson, mask
    return composite(source, image, mask), mask


def composite(source: Image, target: Image, mask: FloatMap) -> Image:
    """Alpha blending: ``mask * source + (1 - mask) * target``."""
    m = mask[..., None]
    mixed = source.astype(np.float32) * m + target.astype(np.float32) * (1.0 - m)
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def match_colour(source: Image, target: Image, mask: FloatMap, amount: float) -> Image:
    """Move mean and deviation of `source` to those of `target` within the mask, in Lab (Reinhard 2001)."""
    inside = mask > 0.5
    if int(inside.sum()) < 64:
        return source
    a = cv2.cvtColor(source, cv2.COLOR_RGB2LAB).astype(np.float32)
    b = cv2.cvtColor(target, cv2.COLOR_RGB2LAB).astype(np.float32)
    ma, mb = a[inside].mean(0), b[inside].mean(0)
    sa, sb = a[inside].std(0) + 1.0, b[inside].std(0) + 1.0
    moved = (a - ma) * (sb / sa) + mb
    mixed = np.clip(a + amount * (moved - a), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(mixed, cv2.COLOR_LAB2RGB), np.uint8)


def _statistics(image: Image, rng: np.random.Generator) -> Image:
    """The source-target difference of self-blending: colour, then frequency."""
    shift = rng.uniform(-20, 20, 3) if rng.random() < 0.5 else np.zeros(3)
    out = image.astype(np.float32) + shift.astype(np.float32)
    out = (out - out.mean()) * rng.uniform(0.88, 1.12) + out.mean() + rng.uniform(-14, 14)
    out_u8 = np.clip(out, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(out_u8, cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-6, 6)) % 180
        hsv[..., 1:] *= rng.uniform(0.8, 1.2, 2).astype(np.float32)
        out_u8 = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB)
    if rng.random() < 0.5:
        return _generator_look(np.asarray(out_u8, np.uint8), rng)
    soft = cv2.GaussianBlur(out_u8, (0, 0), rng.uniform(0.8, 2.0))
    sharp = cv2.addWeighted(out_u8, 1 + (k := rng.uniform(0.2, 0.8)), soft, -k, 0)
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
        out = _smooth_warp(np.asarray(out, np.uint8), rng, reach * 0.01)
    return np.asarray(out, np.uint8)


def _smooth_warp(image: Image, rng: np.random.Generator, reach: float) -> Image:
    height, width = image.shape[:2]
    knots = int(rng.integers(3, 7))
    grid = rng.normal(0.0, 1.0, (2, knots, knots)).astype(np.float32) * reach
    dx = cv2.resize(grid[0], (width, height), interpolation=cv2.INTER_CUBIC)
    dy = cv2.resize(grid[1], (width, height), interpolation=cv2.INTER_CUBIC)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    kind = cv2.INTER_LINEAR if rng.random() < 0.6 else cv2.INTER_CUBIC
    return np.asarray(cv2.remap(image, xs + dx, ys + dy, kind, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def _generator_look(image: Image, rng: np.random.Generator) -> Image:
    """What passes through a small generator loses detail: shrink and enlarge, sometimes sharpened after."""
    height, width = image.shape[:2]
    factor = rng.uniform(0.3, 0.85)
    small = cv2.resize(
        image, (max(8, int(width * factor)), max(8, int(height * factor))), interpolation=cv2.INTER_AREA
    )
    kinds = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4, cv2.INTER_NEAREST)
    kind = kinds[int(rng.choice(4, p=[0.4, 0.35, 0.15, 0.1]))]
    out = cv2.resize(small, (width, height), interpolation=kind)
    if rng.random() < 0.35:
        soft = cv2.GaussianBlur(out, (0, 0), 1.2)
        out = cv2.addWeighted(out, 1.6, soft, -0.6, 0)
    return np.asarray(out, np.uint8)


def _poisson(source: Image, target: Image, mask: FloatMap) -> Image | None:
    solid = (mask > 0.5).astype(np.uint8) * 255
    solid[:2], solid[-2:], solid[:, :2], solid[:, -2:] = 0, 0, 0, 0
    ys, xs = np.nonzero(solid)
    if len(xs) < 64:
        return None
    centre = (int(xs.min() + xs.max()) // 2, int(ys.min() + ys.max()) // 2)
    try:
        return np.asarray(cv2.seamlessClone(source, target, solid, centre, cv2.NORMAL_CLONE), np.uint8)
    except cv2.error:  # a mask at the very border leaves no room for the solver
        return None
