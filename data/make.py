"""Make the sample media of this folder: ``python data/make.py``.

The pictures come from scikit-image: *astronaut* (Eileen Collins, NASA, public domain) and *coffee*
(Rachel Michetti, CC0).  The forgeries are our own: the face is bent, passed through a low resolution as a
generator would, recoloured and blended back with a soft rim.  Needs scikit-image (extra ``test``).
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

HERE = Path(__file__).resolve().parent
FACE = (224, 122, 54, 74)  # centre x, y and half axes of the astronaut's face in the 512 px original
Image = NDArray[np.uint8]


def forged(picture: Image, seed: int) -> Image:
    """The astronaut with another expression and skin."""
    rng = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    scale = width / 512
    cx, cy, ax, ay = (value * scale for value in FACE)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    grid = rng.normal(0, 3.5 * scale, (2, 5, 5)).astype(np.float32)
    dx, dy = (cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in grid)
    bent = cv2.remap(picture, xs + dx, ys + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    small = cv2.resize(bent, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    bent = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    toned = np.clip(bent.astype(np.float32) * [1.05, 0.97, 0.9] + [6, 0, -4], 0, 255)
    mask = ((((xs - cx) / ax) ** 2 + ((ys - cy) / ay) ** 2) < 1).astype(np.float32)
    mask = cv2.GaussianBlur(mask, (0, 0), 7 * scale)[..., None]
    return np.asarray(toned * mask + picture * (1 - mask), np.uint8)


def clip(path: Path, pictures: list[Image], rate: int = 12) -> None:
    """Write pictures as H.264 without sound."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "26", "preset": "slow"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, rate)
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def camera(picture: Image, count: int = 36, side: int = 320) -> list[Image]:
    """Views of a slowly moving camera over a picture."""
    views = []
    for i in range(count):
        t = i / (count - 1)
        zoom = 0.78 + 0.12 * np.sin(3 * t)
        matrix = cv2.getRotationMatrix2D((224 + 20 * t, 140 + 10 * np.sin(5 * t)), 4 * np.sin(4 * t), zoom)
        matrix[:, 2] += np.array([side / 2, side / 2]) - [224 + 20 * t, 140 + 10 * np.sin(5 * t)]
        views.append(
            np.asarray(
                cv2.warpAffine(
                    picture, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT_101
                ),
                np.uint8,
            )
        )
    return views


def main() -> None:
    """Write every sample."""
    astronaut = np.asarray(data.astronaut(), np.uint8)
    jpeg = [cv2.IMWRITE_JPEG_QUALITY, 90]
    cv2.imwrite(str(HERE / "astronaut.jpg"), astronaut[..., ::-1], jpeg)
    cv2.imwrite(str(HERE / "astronaut_forged.jpg"), forged(astronaut, 5)[..., ::-1], jpeg)
    coffee = cv2.resize(
        np.asarray(data.coffee(), np.uint8), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA
    )
    cv2.imwrite(str(HERE / "coffee.jpg"), coffee[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    views = camera(astronaut)
    clip(HERE / "moving.mp4", views)
    # Only the second half of this clip is forged, so that a time line has something to show.
    bad = camera(forged(astronaut, 5))
    clip(HERE / "moving_forged.mp4", views[:18] + bad[18:])


if __name__ == "__main__":
    main()
