"""Media to measure speed on, made of the package's samples: nothing is downloaded, little is stored.

Their content is what a decoder and a face detector find in practice: a textured background, a face that
moves, key pictures as far apart as encoders put them by default.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import InputError
from dfdetect.media.plain import read_picture_file, write_jpeg_file
from dfdetect.packaged import SAMPLES, required

Image = NDArray[np.uint8]

RATE = 25
"""Pictures a second of all clips."""
TALK_GOP = 5 * RATE
"""Pictures from one key picture to the next in a talk; video platforms choose two to five seconds."""
PICTURES = 500
_QUALITY = 90
_SAMPLE = "astronaut.jpg"
_FACE = (134, 32, 184, 184)
"""A square around the face of the sample: x, y, width, height in pixels."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of media."""

    summary: str
    make: Callable[[Path], None]
    """Writes it to a path: a file, or a folder of pictures."""
    suffix: str
    reference: bool = True
    """Whether the reference pipeline can be waited for."""


def make_media(name: str, folder: Path) -> Path:
    """Write the media of this name (of `KINDS`) into `folder` and give the path.

    Raises `InputError` when the disk is full, `MissingExtraError` when PyAV lacks the encoder.
    """
    kind = KINDS[name]
    path = folder / f"{name}{kind.suffix}"
    try:
        kind.make(path)
    except OSError as error:
        raise InputError(
            f"the media for '{name}' cannot be written to {folder} ({error.strerror or error}); "
            "set TMPDIR to a place with more room"
        ) from error
    return path


def make_talk(path: Path) -> None:
    """Ten seconds of 1080p H.264 in front of a fixed wall; `loop` makes a longer one of it."""
    _encode(path, _scene(1920, 1080, 10 * RATE, pan=0.0), "libx264", TALK_GOP, {"crf": "26"})


def loop(source: Path, target: Path, times: int) -> None:
    """Repeat an MP4 with one stream, which begins with a key picture; packets are copied, not encoded."""
    import av

    with av.open(str(target), "w", options={"movflags": "+faststart"}) as out:
        stream: Any = None
        offset = 0
        for _ in range(times):
            with av.open(str(source)) as again:
                inner = again.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(inner)
                assert inner.duration is not None
                for packet in again.demux(inner):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    out.mux(packet)
                offset += inner.duration


def sample(name: str = _SAMPLE) -> Path:
    """A sample of the package."""
    return required(SAMPLES) / name


def _photo(path: Path) -> None:
    shutil.copyfile(sample(), path)


def _clip(path: Path) -> None:
    # x264's default: a key picture every 250 pictures and where the scene changes.
    _encode(path, _scene(1920, 1080, 10 * RATE, pan=2.0), "libx264", 250, {"crf": "23"})


def _clip_4k(path: Path) -> None:
    once = path.with_suffix(".once.mp4")
    quiet = {"crf": "28", "x265-params": "log-level=error", "preset": "ultrafast"}
    _encode(once, _scene(3840, 2160, 4 * RATE, pan=1.0), "libx265", 250, quiet)
    loop(once, path, 15)
    once.unlink()


def _hour(path: Path) -> None:
    once = path.with_suffix(".once.mp4")
    make_talk(once)
    loop(once, path, 360)
    once.unlink()


def _crowd(path: Path) -> None:
    """Twenty-four faces of 70 to 130 pixels, every other one mirrored."""
    import cv2

    rng = np.random.default_rng(3)
    picture = _wall(1920, 1280)
    x, y, width, height = _FACE
    face = read_picture_file(sample())[y : y + height, x : x + width]
    for row in range(4):
        for column in range(6):
            side = int(rng.integers(130, 240))
            small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
            top = 320 * row + int(rng.integers(0, 320 - side))
            left = 320 * column + int(rng.integers(0, 320 - side))
            picture[top : top + side, left : left + side] = small[:, :: -1 if column % 2 else 1]
    write_jpeg_file(path, picture, _QUALITY)


def _folder(path: Path) -> None:
    """The sample five hundred times, each brighter, larger, mirrored or cut otherwise."""
    import cv2

    rng = np.random.default_rng(4)
    path.mkdir()
    whole = read_picture_file(sample())
    for number in range(PICTURES):
        left, top = (int(v) for v in rng.integers(0, 64, 2))
        part: Any = whole[top : top + 448, left : left + 448, :]
        side = int(rng.integers(320, 960))
        part = cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR)
        part = cv2.convertScaleAbs(part, alpha=float(rng.uniform(0.8, 1.15)))
        write_jpeg_file(path / f"{number:03d}.jpg", part[:, :: int(rng.choice([-1, 1]))], _QUALITY)


KINDS: Mapping[str, Kind] = {
    "photo": Kind("a photo of 512×512 pixels with one face", _photo, ".jpg"),
    "clip": Kind("10 s of 1080p H.264, a key picture every 10 s", _clip, ".mp4"),
    "clip-4k": Kind("60 s of 4K HEVC", _clip_4k, ".mp4"),
    "hour": Kind("an hour of 1080p H.264, a key picture every 5 s", _hour, ".mp4"),
    "crowd": Kind("a photo of 1920×1280 pixels with 24 faces", _crowd, ".jpg"),
    "folder": Kind(f"a folder of {PICTURES} photos", _folder, ""),
}
"""What can be made, by name."""


def _scene(width: int, height: int, count: int, pan: float) -> Iterator[Image]:
    """A face that moves slowly in front of a wall; the camera pans by `pan` pixels a picture."""
    import cv2

    reach = round(pan * count) + 1
    wall = _wall(width + reach, height)
    side = round(0.7 * height)
    person = cv2.resize(read_picture_file(sample()), (side, side), interpolation=cv2.INTER_CUBIC)
    rim: Any = np.zeros((side, side), np.float32)
    rim[side // 12 : -side // 12, side // 12 : -side // 12] = 1
    rim = cv2.GaussianBlur(rim, (0, 0), side / 40)
    for number in range(count):
        t = 2 * np.pi * number / count  # the end meets the beginning: a loop has no cut
        start = round(pan * number)
        picture = wall[:, start : start + width].copy()
        left = round((width - side) * (0.5 + 0.2 * np.sin(t)))
        top = round((height - side) * (0.6 + 0.2 * np.sin(2 * t)))
        part = picture[top : top + side, left : left + side]
        part[:] = cv2.blendLinear(person, np.ascontiguousarray(part), rim, 1 - rim)
        yield picture


def _wall(width: int, height: int) -> Image:
    """Smooth noise of several sizes, as plaster, leaves or books out of focus have it; no faces in it."""
    import cv2

    rng = np.random.default_rng(7)
    total = np.full((height, width, 3), (118, 108, 96), np.float32)
    for cell, strength in ((240, 26.0), (60, 14.0), (12, 7.0), (3, 3.0)):
        shape = height // cell + 2, width // cell + 2
        grey, colour = rng.normal(0, strength, (*shape, 1)), rng.normal(0, strength / 4, (*shape, 3))
        total += cv2.resize(
            (grey + colour).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
    return np.clip(total, 0, 255).astype(np.uint8)


def _encode(path: Path, pictures: Iterator[Image], codec: str, gop: int, options: Mapping[str, str]) -> None:
    import av

    from dfdetect.media.writing import add_stream

    # x264's macroblock tree gives other bytes from run to run on processors with AVX-512.
    steady = {"mbtree": "0", "preset": "veryfast"} if codec == "libx264" else {}
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = add_stream(container, codec, RATE, {**steady, **options})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
