"""Degraded copies of whole media files: what happens to photos and videos on their way through the world.

A copy is made by decoding with the package's own reader (upright, square pixels, 8-bit RGB), damaging every
picture and encoding again, so that a scan of the copy meets what a scan of such a file would meet.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MediaError
from dfdetect.media.reader import open_media
from dfdetect.results import MediaKind, Reason

if TYPE_CHECKING:
    from av.video.stream import VideoStream

    from dfdetect.media.base import Media
    from dfdetect.settings import Settings

Image = NDArray[np.uint8]

PLAIN_CRF = 16
"""Constant rate factor of the videos whose damage is not the codec's: hardly visible losses."""
_EVERY_PICTURE = 1 << 30
_TICKS = 90_000  # a second, as MPEG counts them: keeps the times of videos without a constant rate


class Damage(StrEnum):
    """Kinds of degradation."""

    JPEG = "jpeg"
    H264 = "h264"
    SCALE = "scale"
    BLUR = "blur"
    NOISE = "noise"


UNITS: dict[Damage, str] = {
    Damage.JPEG: "JPEG quality",
    Damage.H264: "H.264 constant rate factor",
    Damage.SCALE: "scale of both sides",
    Damage.BLUR: "Gaussian blur, sigma in pixels of the file",
    Damage.NOISE: "Gaussian noise, sigma in 8-bit steps",
}
"""What the amount of a level means."""


@dataclass(frozen=True, slots=True)
class Level:
    """One strength of one kind of damage."""

    damage: Damage
    amount: float
    """In the units of `UNITS`."""

    @property
    def media(self) -> tuple[MediaKind, ...]:
        """The media that can suffer it."""
        match self.damage:
            case Damage.JPEG:
                return (MediaKind.PHOTO,)
            case Damage.H264:
                return (MediaKind.VIDEO,)
        return (MediaKind.PHOTO, MediaKind.VIDEO)

    def __str__(self) -> str:
        names = {Damage.JPEG: "JPEG", Damage.H264: "CRF"}
        return f"{names.get(self.damage, self.damage.value)} {self.amount:g}"


LEVELS: tuple[Level, ...] = (
    *(Level(Damage.JPEG, quality) for quality in (95, 80, 60, 40, 20)),
    *(Level(Damage.H264, crf) for crf in (18, 23, 28, 35, 42)),
    *(Level(Damage.SCALE, factor) for factor in (0.75, 0.5, 0.33)),
    *(Level(Damage.BLUR, sigma) for sigma in (1, 2, 3)),
    *(Level(Damage.NOISE, sigma) for sigma in (5, 10, 20)),
)
"""Every kind from mild to strong."""


def damage_picture(image: Image, level: Level, rng: np.random.Generator) -> Image:
    """Scale, blur or add noise to RGB uint8 ``[h, w, 3]``; codecs leave it as it is.

    Scaling averages over areas and leaves at least one pixel; the noise is independent in every pixel,
    channel and picture.
    """
    import cv2

    amount = level.amount
    if level.damage is Damage.SCALE:
        height, width = image.shape[:2]
        size = (max(1, round(width * amount)), max(1, round(height * amount)))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    if level.damage is Damage.BLUR:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), amount), np.uint8)
    if level.damage is Damage.NOISE:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(amount)
        return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    return image


def write_copy(path: str, target: Path, level: Level, settings: Settings, rng: np.random.Generator) -> Path:
    """Write a degraded copy of a photo or video; `target` is its place without suffix.  Gives the place.

    Photos become JPEG (quality of the level) or PNG, videos MP4 with H.264, without sound; times of pictures
    stay.  Of a video the part between ``settings.start`` and ``settings.end`` is copied.  The same input
    gives the same bytes: coding uses one thread.

    Raises `MediaError` for a file that cannot be read, `ValueError` for a level that this medium cannot
    suffer, and `MissingExtraError` when this FFmpeg cannot write H.264.
    """
    with open_media(path, settings.replace(frames=_EVERY_PICTURE, fps=None)) as media:
        if media.kind not in level.media:
            raise ValueError(f"{level} is not for a {media.kind.value}")
        if media.kind is MediaKind.PHOTO:
            return _write_photo(damage_picture(next(media.frames()).image, level, rng), target, level)
        return _write_video(media, target.with_suffix(".mp4"), level, rng)


def _write_photo(image: Image, target: Path, level: Level) -> Path:
    import PIL.Image

    picture, content = PIL.Image.fromarray(image), io.BytesIO()
    if level.damage is Damage.JPEG:
        place = target.with_suffix(".jpg")
        try:
            picture.save(content, "JPEG", quality=round(level.amount), subsampling="4:2:0")
        except OSError as error:  # no full disk: JPEG ends at 65,500 pixels
            raise MediaError(Reason.UNSUPPORTED, f"the picture cannot be written as JPEG: {error}") from error
    else:
        place = target.with_suffix(".png")
        picture.save(content, "PNG", compress_level=1)
    # Written whole: on a full disk Pillow itself would cut a file short, and say nothing.
    place.write_bytes(content.getvalue())
    return place


def _write_video(media: Media, place: Path, level: Level, rng: np.random.Generator) -> Path:
    import av

    from dfdetect.media.writing import add_h264, frame_420

    crf = level.amount if level.damage is Damage.H264 else PLAIN_CRF
    # x264's macroblock tree gives other bytes from run to run on processors with AVX-512.
    options = {"crf": f"{crf:g}", "preset": "veryfast", "threads": "1", "mbtree": "0"}
    stream: VideoStream | None = None
    with av.open(str(place), "w", format="mp4") as container:
        for time, image in _moments(media, level, rng):
            if stream is None:
                # By now the reader has seen how many pictures a second there are.
                rate = Fraction(media.info.frame_rate or 25.0).limit_denominator(1001)
                stream = add_h264(container, rate, image.shape[1::-1], Fraction(1, _TICKS), options)
                length = round(_TICKS / rate)
            frame = frame_420(image, round(time * _TICKS), Fraction(1, _TICKS))
            frame.duration = length
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
    return place


def _moments(media: Media, level: Level, rng: np.random.Generator) -> Iterator[tuple[float, Image]]:
    """Seconds from the first picture, and pictures of even sides, all of the size of the first."""
    import cv2

    shape: tuple[int, int] | None = None
    start = 0.0
    for frame in media.every_frame():
        image = damage_picture(frame.image, level, rng)
        height, width = image.shape[:2]
        if shape is None:
            shape, start = (height, width), frame.time
        elif (height, width) != shape:  # some recordings change their size on the way
            image = np.asarray(cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        # Colours are stored for two by two pixels: a last odd line or column is left out.
        yield frame.time - start, np.ascontiguousarray(image[: shape[0] & ~1, : shape[1] & ~1])
