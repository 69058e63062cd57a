"""Small media for the tests of this room, made on the spot, and how to read them."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dfdetect.errors import MediaError
from dfdetect.media.reader import open_media
from dfdetect.results import Frame, MediaInfo, MediaKind
from dfdetect.settings import Settings

RED, GREEN, BLUE, WHITE = (230, 30, 30), (30, 200, 30), (30, 30, 230), (240, 240, 240)


def quarters(width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """Red top left, green top right, blue bottom left, white bottom right: shows every way of turning."""
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = RED
    image[: height // 2, width // 2 :] = GREEN
    image[height // 2 :, : width // 2] = BLUE
    image[height // 2 :, width // 2 :] = WHITE
    return image


def encode(picture: NDArray[np.uint8] | Image.Image, form: str, **options: object) -> bytes:
    """A picture in a format of Pillow."""
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, form, **options)
    return buffer.getvalue()


def corners(image: NDArray[np.uint8]) -> list[str]:
    """Names of the colours in the corners: top left, top right, bottom left, bottom right."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    found = []
    for y, x in ((8, 8), (8, -9), (-9, 8), (-9, -9)):
        pixel = image[y, x].astype(int)
        found.append(min(names, key=lambda n: int(np.abs(pixel - names[n]).sum())))
    return found


def numbered(count: int, size: int = 64) -> Iterable[NDArray[np.uint8]]:
    """Pictures that carry their number, in sixteen black or white squares; see `read_number`."""
    for number in range(count):
        bits = [(number >> bit) & 1 for bit in range(16)]
        grid = np.array(bits, np.uint8).reshape(4, 4) * 180 + 40
        yield np.repeat(np.kron(grid, np.ones((size // 4, size // 4), np.uint8))[..., None], 3, axis=2)


def read_number(image: NDArray[np.uint8]) -> int:
    """The number that a picture of `numbered` carries."""
    height, width = image.shape[:2]
    middles = image[height // 8 :: height // 4, width // 8 :: width // 4, 1][:4, :4]
    return sum(1 << bit for bit, value in enumerate(middles.ravel().tolist()) if value > 130)


def video(
    pictures: Iterable[NDArray[np.uint8]],
    *,
    codec: str = "libx264",
    form: str = "mp4",
    rate: int = 25,
    pts: Sequence[int] | None = None,
    gop: int = 12,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> bytes:
    """Encode `pictures`; `pts` in milliseconds, else `rate` pictures a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video")  # a file, since moving the index to the front needs one
        _encode(path, pictures, codec, form, rate, pts, gop, pix_fmt, options or {}, muxer or {})
        return path.read_bytes()


def _encode(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    codec: str,
    form: str,
    rate: int,
    pts: Sequence[int] | None,
    gop: int,
    pix_fmt: str,
    options: dict[str, str],
    muxer: dict[str, str],
) -> None:
    with av.open(str(path), "w", format=form, options=muxer) as container:
        stream: Any = None
        for number, picture in enumerate(pictures):
            if stream is None:
                # x264's macroblock tree gives other bytes from run to run on processors with AVX-512.
                steady = {"mbtree": "0"} if codec == "libx264" else {}
                stream = container.add_stream(codec, rate=rate, options={**steady, **options})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pix_fmt
                stream.codec_context.gop_size = gop
                if pts is not None:
                    stream.codec_context.time_base = Fraction(1, 1000)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number if pts is None else pts[number]
            frame.time_base = Fraction(1, rate) if pts is None else Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def sound(form: str = "mp4", codec: str = "aac", seconds: float = 0.5) -> bytes:
    """A file with sound only."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=44100)
        tone = np.sin(np.arange(int(44100 * seconds)) / 20).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def song_with_cover(cover: bytes) -> bytes:
    """An MP3 with a cover picture (JPEG) in an ID3 tag."""
    frame = b"\x00image/jpeg\x00\x03\x00" + cover
    apic = b"APIC" + struct.pack(">I", len(frame)) + b"\x00\x00" + frame
    size = len(apic)
    tag = b"ID3\x03\x00\x00" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return tag + apic + sound("mp3", "mp3")


def turned(mp4: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """Put the display matrix (a, b, c, d) into the track header of an MP4."""
    place = mp4.index(b"tkhd") + 4
    assert mp4[place] == 0
    a, b, c, d = (value * 65536 for value in matrix)
    packed = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return mp4[: place + 40] + packed + mp4[place + 76 :]


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be large and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b""))
    )


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One block of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def read_video(data: object, **choices: object) -> tuple[list[Frame], MediaInfo]:
    """All sampled frames of a video, after checking what holds for every video."""
    with open_media(data, Settings(**{"frames": 16, **choices})) as media:
        frames = list(media.frames())
        assert media.kind is MediaKind.VIDEO
        info = media.info
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert info.frames_sampled == len(frames)
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.shape == (info.height, info.width, 3)
    return frames, info


def codes(info: MediaInfo) -> list[str]:
    """Codes of the notes."""
    return [note.code for note in info.notes]


def failing(data: object, **choices: object) -> MediaError:
    """The error that reading `data` raises."""
    with (
        pytest.raises(MediaError) as caught,
        open_media(data, Settings(**{"frames": 16, **choices})) as media,
    ):
        list(media.frames())
    return caught.value
