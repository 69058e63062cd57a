"""What happens to pictures on their way: the same kinds of damage for reals and fakes.

A `Damage` is drawn once and can be applied to a real and to its fake alike, so that sharpness, size,
codec and colour say nothing about the label.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.train.codecs import through_picture, through_video

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
        return _clipped(image + own.standard_normal(shape, np.float32) * np.float32(sigma))

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


def _night(rng: np.random.Generator, seed: int) -> Step:
    """Little light: dark, noise that grows with the signal, colour noise smoothed by the camera."""
    gain, gamma, lift = rng.uniform(0.35, 0.8), rng.uniform(1.0, 1.3), rng.uniform(1.0, 1.8)
    shot, read = rng.uniform(0.1, 0.8), rng.uniform(1.0, 5.0)
    tint = np.array([rng.uniform(0.9, 1.15), 1.0, rng.uniform(0.8, 1.1)], np.float32)
    denoise = rng.random() < 0.6

    def step(image: Image) -> Image:
        own = np.random.default_rng(seed)
        levels = np.arange(256, dtype=np.float32)[:, None] / 255.0
        table = np.clip(levels**gamma * gain * tint * 255.0, 0, 255).astype(np.uint8)[None]
        dark = np.asarray(cv2.LUT(image, table), np.float32)
        noise = own.standard_normal(image.shape, np.float32) * np.sqrt(shot * dark + read**2)
        noisy = _clipped((dark + noise.astype(np.float32)) * lift)
        if not denoise:
            return noisy
        ycc = cv2.cvtColor(noisy, cv2.COLOR_RGB2YCrCb)
        ycc[..., 1:] = cv2.blur(ycc[..., 1:], (5, 5))
        return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.uint8)

    return step


def _filter(rng: np.random.Generator, seed: int) -> Step:
    """The look of an app's filter: colour grading by a matrix and a tone curve, vignette, glow."""
    matrix = np.eye(3) + rng.normal(0, 0.06, (3, 3))
    matrix /= matrix.sum(1, keepdims=True)  # grey stays grey, the curve tints it
    black, white = rng.uniform(0, 35, 3), rng.uniform(215, 255, 3)
    levels = np.arange(256) / 255.0
    curved = levels + rng.uniform(-0.12, 0.12) * np.sin(2 * np.pi * levels)
    table = np.clip(black + curved[:, None] * (white - black), 0, 255).astype(np.uint8)[None]
    vignette = rng.uniform(0.2, 0.7) if rng.random() < 0.4 else 0.0
    cx, cy = rng.uniform(-0.3, 0.3, 2)
    glow = rng.uniform(0.1, 0.35) if rng.random() < 0.25 else 0.0

    def step(image: Image) -> Image:
        out = cv2.LUT(cv2.transform(image, matrix), table)
        height, width = image.shape[:2]
        if glow:
            out = cv2.addWeighted(out, 1 - glow / 2, cv2.blur(out, (15, 15)), glow, 0)
        if vignette:
            xs = (np.linspace(-1, 1, width, dtype=np.float32) - np.float32(cx)) ** 2
            ys = (np.linspace(-1, 1, height, dtype=np.float32) - np.float32(cy)) ** 2
            shade = 1 - np.float32(vignette / 2) * np.minimum(xs[None] + ys[:, None], 2.0)
            out = _clipped(out * shade[..., None])
        return np.asarray(out, np.uint8)

    return step


def _screen(rng: np.random.Generator, seed: int) -> Step:
    """A screenshot or a screen filmed: resampled off the grid, with a faint moiré per colour channel."""
    factor = rng.uniform(0.6, 1.7)
    kind = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.integers(3))]
    amount = rng.uniform(0.01, 0.07) if rng.random() < 0.6 else 0.0
    fx, fy = rng.uniform(-2.6, 2.6, 2)  # radians a pixel: up to near the finest grid
    phases = rng.uniform(0, 2 * np.pi) + np.arange(3) * rng.uniform(0, 2.1)

    def step(image: Image) -> Image:
        height, width = image.shape[:2]
        size = (max(8, int(width * factor)), max(8, int(height * factor)))
        out = cv2.resize(cv2.resize(image, size, interpolation=kind), (width, height))
        if amount:
            angle = np.float32(fx) * np.arange(width, dtype=np.float32)[None]
            angle = angle + np.float32(fy) * np.arange(height, dtype=np.float32)[:, None]
            wave = np.stack([np.sin(angle + np.float32(phase)) for phase in phases], 2)
            out = _clipped(out * (1 + np.float32(amount) * wave))
        return np.asarray(out, np.uint8)

    return step


def _letterbox(rng: np.random.Generator) -> Step:
    depth, upright, level = rng.uniform(0.03, 0.16), rng.random() < 0.3, int(rng.choice([0, 0, 0, 16, 255]))

    def step(image: Image) -> Image:
        out = image.copy()
        bars = out.swapaxes(0, 1) if upright else out
        size = max(1, int(depth * bars.shape[0]))
        bars[:size], bars[-size:] = level, level
        return out

    return step


def _video(rng: np.random.Generator, seed: int) -> Step:
    """A frame of a video, mostly H.264, often coded at a smaller size than it is looked at."""
    codec = str(rng.choice(["h264", "mpeg4", "vp9", "hevc"], p=[0.87, 0.08, 0.03, 0.02]))
    low, high = {"h264": (18, 41), "mpeg4": (2, 25), "vp9": (25, 61), "hevc": (20, 39)}[codec]
    quality = int(rng.integers(low, high))
    preset = str(rng.choice(["ultrafast", "superfast", "veryfast"], p=[0.15, 0.35, 0.5]))
    frames = int(rng.choice([1, 2, 3], p=[0.25, 0.5, 0.25]))
    right, down = rng.normal(0, 1.2, 2)
    across, along = rng.integers(0, 16, 2)
    factor = rng.uniform(0.5, 1.0) if rng.random() < 0.5 else 1.0

    def step(image: Image) -> Image:
        height, width = image.shape[:2]
        if factor < 1:
            size = (max(16, int(width * factor)), max(16, int(height * factor)))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        out = through_video(
            image,
            codec,
            quality,
            preset=preset,
            frames=frames,
            motion=(float(right), float(down)),
            offset=(int(across), int(along)),
        )
        return out if factor >= 1 else np.asarray(cv2.resize(out, (width, height)), np.uint8)

    return step


def _jpeg(rng: np.random.Generator, seed: int) -> Step:
    suffix, quality = (".jpg" if rng.random() < 0.8 else ".webp"), int(rng.integers(28, 97))
    across, along = rng.integers(0, 8, 2)
    return lambda image: through_picture(image, suffix, quality, (int(across), int(along)))


def _reshared(rng: np.random.Generator, seed: int) -> Step:
    """Saved and sent on several times: JPEG on shifted grids or WebP, from good to poor, slightly resized."""
    times = int(rng.integers(2, 4))
    suffixes = rng.choice([".jpg", ".webp"], times, p=[0.6, 0.4])
    qualities = rng.integers(30, 95, times)
    offsets = rng.integers(0, 16, (times, 2))
    factor = rng.uniform(0.7, 1.0)

    def step(image: Image) -> Image:
        height, width = image.shape[:2]
        size = (max(8, int(width * factor)), max(8, int(height * factor)))
        out = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        for suffix, quality, (across, along) in zip(suffixes, qualities, offsets, strict=True):
            out = through_picture(out, str(suffix), int(quality), (int(across), int(along)))
        return np.asarray(cv2.resize(out, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    return step


def _overlay(rng: np.random.Generator, seed: int) -> Step:
    """A caption, a logo, a cut border or letterbox bars: none says anything about the face."""
    if rng.random() < 0.25:
        return _letterbox(rng)
    x, y, w, h = rng.random(4)
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    text = "".join(chr(int(c)) for c in rng.integers(65, 91, 6))
    cut = rng.random() < 0.4

    def step(image: Image) -> Image:
        out = image.copy()
        height, width = out.shape[:2]
        if cut:
            side, depth = int(x * 4), max(1, int((0.04 + 0.14 * y) * min(height, width)))
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
    return lambda image: through_picture(image, ".jpg", 87)


def _clipped(values: NDArray[np.float32]) -> Image:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


# In the order of a picture's life: camera, app, overlay, video, screen, storage, sharing.
_CHAIN: tuple[tuple[float, Callable[[np.random.Generator, int], Step]], ...] = (
    (0.06, _night),
    (0.18, _beautify),
    (0.36, _light),
    (0.10, _filter),
    (0.40, _resample),
    (0.22, _blur),
    (0.22, _sharpen),
    (0.20, _noise),
    (0.08, _grey),
    (0.15, _overlay),
    (0.30, _video),
    (0.05, _screen),
    (0.20, _storing),
    (0.06, _reshared),
    (0.50, _jpeg),
)
