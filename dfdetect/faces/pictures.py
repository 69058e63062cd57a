"""Small pictures of what was judged, for reports that people look at."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.results import Frame, FramePicture

FRAME_SIDE, FACE_SIDE = 480, 144
"""Longest side in pixels of the picture of a frame and of a face."""
MOST_FRAMES = 64
_QUALITY = 80


class PictureBook:
    """Pictures of frames, at most `MOST_FRAMES` however long the video is, spread evenly over those seen."""

    def __init__(self) -> None:
        self._pictures: list[FramePicture] = []
        self._every = 1
        self._seen = 0

    def add(self, frame: Frame) -> None:
        """Keep a picture of the frame, or not, if there are enough."""
        if self._seen % self._every == 0:
            height, width = frame.image.shape[:2]
            jpeg = small_jpeg(frame.image, FRAME_SIDE)
            self._pictures.append(FramePicture(frame.index, frame.time, width, height, jpeg))
            if len(self._pictures) > MOST_FRAMES:
                self._pictures, self._every = self._pictures[::2], self._every * 2
        self._seen += 1

    @property
    def pictures(self) -> tuple[FramePicture, ...]:
        """In order of time."""
        return tuple(sorted(self._pictures, key=lambda picture: (picture.time, picture.frame)))


def small_jpeg(image: NDArray[np.uint8], longest: int) -> bytes:
    """RGB ``[h, w, 3]`` as a JPEG whose longest side has at most `longest` pixels."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise RuntimeError("OpenCV cannot write a JPEG")
    return bytes(data.tobytes())
