"""What happens to pictures on their way: the same kinds of damage for reals and fakes.

A `Damage` is drawn once and can be applied to a real and to its fake alike, so that sharpness, size,
codec and colour say nothing about the label.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Step = Callable[[Image], Image]


class Damage:
    """A chain of degradations that has been drawn; calling it applies the very same chain.

    `strength` (0–1) scales the probability of every step; 0 gives the identity.
    """

    def __init__(self, rng: np.random.Generator, strength: float = 1.0) -> None:
        self._steps: list[Step] = []
        self._seed = int(rng.integers(2**32))
        for chance, draw in _CHAIN:
            if rng.random() < chance * strength:
                self._steps.append(draw(rng, self._seed))

    def __call__(self, image: Image) -> Image:
        """Apply the drawn chain to one RGB picture."""
        for step in self._steps:
            image = step(image)
        return image


def _resample(rng: np.random.Generator, seed: int) -> Step:
    factor = rng.uniform(0.3, 0.95)
    down = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.integers(3))]
    up = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[int(rng.integers(3))]

    def step(image: Image) -> Image:
        h, w = image.shape[:2]
        small = cv2.resize(image, (max(8, int(w * factor)), max(8, int(h * factor))), interpolation=down)
        return np.asarray(cv2.resize(small, (w, h), interpolation=up), np.uint8)

    return step


def _blur(rng: np.random.Generator, seed: int) -> Step:
    sigma = rng.uniform(0.4, 1.8)
    if rng.random() < 0.3:  # motion blur, as hand-held video has
        length, angle = int(rng.integers(3, 9)), rng.uniform(0, 180)
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1.0
        turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), angle, 1.0)
        turned = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
        turned /= max(float(turned.sum()), 1e-6)
        return lambda image: np.asarray(cv2.filter2D(image, -1, turned), np.uint8)
    return lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def _sharpen(rng: np.random.Generator, seed: int) -> Step:
    amount, sigma = rng.uniform(0.3, 1.5), rng.uniform(0.7, 2.0)

    def step(image: Image) -> Image:
        soft = cv2.GaussianBlur(image, (0, 0), sigma)
        return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), np.uint8)

    return step


def _beautify(rng: np.random.Generator, seed: int) -> Step:
    colour, mix = rng.uniform(15, 45), rng.uniform(0.4, 1.0)

    def step(image: Image) -> Image:
        smooth = cv2.bilateralFilter(image, 7, colour, 5)
        return np.asarray(cv2.addWeighted(smooth, mix, image, 1 - mix, 0), np.uint8)

    return step


def _noise(rng: np.random.Generator, seed: int) -> Step:
    sigma, grey = rng.uniform(1.5, 9.0), rng.random() < 0.4

    def step(image: Image) -> Image:
        own = np.random.default_rng(seed)
        shape = (*image.shape[:2], 1) if grey else image.shape
        noisy = image.astype(np.float32) + own.normal(0, sigma, shape).astype(np.float32)
        return np.clip(noisy, 0, 255).astype(np.uint8)

    return step


def _light(rng: np.random.Generator, seed: int) -> Step:
    gamma, gain = rng.uniform(0.6, 1.6), rng.uniform(0.8, 1.2, 3)
    gain = gain if rng.random() < 0.5 else np.full(3, gain[0])
    levels = np.arange(256, dtype=np.float32)[:, None] / 255.0
    table = np.clip((levels**gamma) * gain[None] * 255.0, 0, 255).astype(np.uint8)[None]
    return lambda image: np.asarray(cv2.LUT(image, table), np.uint8)


def _grey(rng: np.random.Generator, seed: int) -> Step:
    keep = 0.0 if rng.random() < 0.5 else rng.uniform(0.2, 0.7)

    def step(image: Image) -> Image:
        plain = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return np.asarray(cv2.addWeighted(image, keep, plain, 1 - keep, 0), np.uint8)

    return step


def _jpeg(rng: np.random.Generator, seed: int) -> Step:
    quality = int(rng.integers(28, 97))
    kind, flag = (
        (".jpg", cv2.IMWRITE_JPEG_QUALITY) if rng.random() < 0.8 else (".webp", cv2.IMWRITE_WEBP_QUALITY)
    )

    def step(image: Image) -> Image:
        return _through_codec(image, kind, [flag, quality])

    return step


def _overlay(rng: np.random.Generator, seed: int) -> Step:
    """A caption, a logo or a cut border: neither says anything about the face."""
    x, y, w, h = rng.random(4)
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    text = "".join(chr(int(c)) for c in rng.integers(65, 91, 6))
    cut = rng.random() < 0.4

    def step(image: Image) -> Image:
        out = image.copy()
        height, width = out.shape[:2]
        if cut:
            side, depth = int(x * 4), int((0.04 + 0.14 * y) * min(height, width))
            region = (np.s_[:depth], np.s_[-depth:], np.s_[:, :depth], np.s_[:, -depth:])[side]
            edge = (
                out[depth : depth + 1],
                out[-depth - 1 : -depth],
                out[:, depth : depth + 1],
                out[:, -depth - 1 : -depth],
            )[side]
            out[region] = edge if w < 0.5 else np.array(colour if h < 0.5 else (0, 0, 0), np.uint8)
            return out
        origin = (int(x * width * 0.6), int((0.1 if y < 0.3 else 0.95) * height))
        cv2.putText(
            out, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.3 + 0.6 * w, colour, 1 + int(2 * h), cv2.LINE_AA
        )
        return out

    return step


def _storing(rng: np.random.Generator, seed: int) -> Step:
    """The way stored training crops were encoded: JPEG 87."""

    def step(image: Image) -> Image:
        return _through_codec(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 87])

    return step


def _through_codec(image: Image, suffix: str, options: list[int]) -> Image:
    data = cv2.imencode(suffix, image[..., ::-1], options)[1]
    back = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if back is None:
        raise RuntimeError(f"OpenCV cannot read its own {suffix}")
    return np.ascontiguousarray(back[..., ::-1], dtype=np.uint8)


_CHAIN: tuple[tuple[float, Callable[[np.random.Generator, int], Step]], ...] = (
    (0.20, _beautify),
    (0.40, _light),
    (0.45, _resample),
    (0.25, _blur),
    (0.25, _sharpen),
    (0.25, _noise),
    (0.10, _grey),
    (0.15, _overlay),
    (0.20, _storing),
    (0.65, _jpeg),
)
