"""What generators leave in a picture: lost detail, traces of up-sampling, the look of restoration.

All take and return RGB uint8 ``[h, w, 3]``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_UP = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4, cv2.INTER_NEAREST)


def generator_look(image: Image, rng: np.random.Generator) -> Image:
    """One of the looks below, by chance."""
    pick = rng.random()
    if pick < 0.55:
        return shrunk(image, rng)
    if pick < 0.82:
        return decoded(image, rng)
    return restored(image, rng)


def shrunk(image: Image, rng: np.random.Generator, factor: float | None = None) -> Image:
    """What passes through a small generator loses detail: shrink and enlarge, sometimes sharpened.

    Without a `factor` it is 0.3–0.85.
    """
    height, width = image.shape[:2]
    factor = float(rng.uniform(0.3, 0.85)) if factor is None else factor
    chances = [0.4, 0.4, 0.15, 0.05] if factor > 0.5 else [0.45, 0.4, 0.15, 0.0]
    size = (max(8, int(width * factor)), max(8, int(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    out = cv2.resize(small, (width, height), interpolation=_UP[int(rng.choice(4, p=chances))])
    if rng.random() < 0.35:
        out = _sharper(out, 0.6, 1.2)
    return np.asarray(out, np.uint8)


def decoded(image: Image, rng: np.random.Generator) -> Image:
    """Traces of a decoder's up-sampling at its own resolution: detail made from a half or a quarter of
    the samples (nearest, bilinear), with the checkerboard of transposed convolutions.

    A gain that repeats every 2, 4 or 8 pixels copies the spectrum to the fractions of the sampling
    frequency where such networks leave their peaks (Odena et al., "Deconvolution and Checkerboard
    Artifacts", 2016; Frank et al., ICML 2020).
    """
    height, width = image.shape[:2]
    factor, period = rng.uniform(0.5, 1.0), int(rng.choice([2, 4, 8], p=[0.5, 0.35, 0.15]))
    cols, rows = (max(16, int(side * factor) // 8 * 8) for side in (width, height))
    native = cv2.resize(image, (cols, rows), interpolation=cv2.INTER_AREA)
    depth = 4 if rng.random() < 0.25 else 2
    coarse = cv2.resize(native, (cols // depth, rows // depth), interpolation=cv2.INTER_AREA)
    kind = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.integers(3))]
    up = cv2.resize(coarse, (cols, rows), interpolation=kind)
    # A decoder invents the detail that it was not given: part of it comes back.
    up = cv2.addWeighted(up, k := float(rng.uniform(0.3, 0.8)), native, 1 - k, 0)
    channels = 3 if rng.random() < 0.5 else 1
    gain = rng.normal(0, rng.uniform(0.004, 0.03), (period, period, channels)).astype(np.float32)
    tiled = np.tile(1 + gain - gain.mean(), (rows // period, cols // period, 1))
    made = np.clip(up * tiled + np.float32(0.5), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(made, (width, height), interpolation=_UP[int(rng.integers(3))]), np.uint8)


def restored(image: Image, rng: np.random.Generator) -> Image:
    """The look of face restoration and enhancement: skin without pores, edges too crisp."""
    height, width = image.shape[:2]
    factor = rng.uniform(0.5, 1.0)
    size = (max(16, int(width * factor)), max(16, int(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    flat = cv2.bilateralFilter(small, 5, rng.uniform(20, 50), 4)
    crisp = _sharper(flat, rng.uniform(0.6, 1.6), rng.uniform(0.8, 1.6))
    out = cv2.resize(crisp, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.addWeighted(out, k := float(rng.uniform(0.6, 1.0)), image, 1 - k, 0), np.uint8)


def _sharper(image: cv2.typing.MatLike, amount: float, sigma: float) -> cv2.typing.MatLike:
    return cv2.addWeighted(image, 1 + amount, cv2.GaussianBlur(image, (0, 0), sigma), -amount, 0)
