"""Pictures whose samples mean something else than usual: palettes, rare matrices, light itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import av
import cv2
import numpy as np
import pytest
from make import codes, failing, numbered, read_number, read_video, video
from test_media_video import combed_pictures

from dfdetect.media import video as video_module
from dfdetect.media.reader import open_media
from dfdetect.results import MediaKind, Reason
from dfdetect.settings import Settings


def grey_mov(count: int, rate: int = 25) -> bytes:
    """FFmpeg reads such samples as places in a palette."""
    return video(numbered(count), codec="rawvideo", form="mov", pix_fmt="gray", rate=rate)


def palette_avi(count: int) -> bytes:
    """The samples are the opposite of what they stand for."""
    levels = np.arange(255, -1, -1, dtype=np.uint8)[:, None]
    palette = np.concatenate([np.full((256, 1), 255, np.uint8), np.repeat(levels, 3, 1)], 1)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi") as container:
        stream: Any = container.add_stream("rawvideo", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "pal8"
        for number, picture in enumerate(numbered(count)):
            frame = av.VideoFrame.from_ndarray((255 - picture[..., 0], palette), format="pal8")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def still(picture: np.ndarray, codec: str, pix_fmt: str, form: str = "image2pipe") -> bytes:
    return video([picture], codec=codec, form=form, pix_fmt=pix_fmt)


def plain(value: int) -> np.ndarray:
    return np.full((48, 64, 3), value, np.uint8)


@pytest.mark.parametrize("make", [grey_mov, palette_avi])
def test_a_palette_that_comes_with_the_first_packet_serves_the_later_ones(make: Callable[[int], bytes]):
    data = make(60)
    frames, info = read_video(data, frames=4)
    assert codes(info) == []
    assert min(frame.time for frame in frames) > 0
    for frame in frames:
        assert read_number(frame.image) == round(frame.time * 25)
        assert frame.image.max() > 200
    with open_media(data, Settings(frames=2, start=1.0, end=2.0)) as media:
        for frame in [*media.frames(), *media.closer([(0.5, 1.0), (1.5, 2.0)], 4)]:
            assert read_number(frame.image) == round(frame.time * 25)


def test_a_palette_is_not_lost_by_jumps(monkeypatch: pytest.MonkeyPatch):
    for name in ("ORDINARY_BYTES", "ORDINARY_SECONDS", "SHORT_BYTES", "SHORT_SECONDS"):
        monkeypatch.setattr(video_module, name, 1)
    monkeypatch.setattr(video_module, "take_survey", None)
    with open_media(grey_mov(120, rate=2), Settings(frames=5)) as media:
        frames = list(media.frames())
        closer = list(media.closer([(20.0, 30.0)], 3))
    assert (len(frames), len(closer)) == (5, 3)
    for frame in frames + closer:
        assert read_number(frame.image) == round(frame.time * 2)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("matrix", ["YCgCo", "bt2020c", "chroma-derived-nc", "ICtCp"])
def test_a_matrix_that_ffmpeg_does_not_convert_is_told(matrix: str, pix_fmt: str):
    data = video(numbered(12), pix_fmt=pix_fmt, options={"x264-params": f"colormatrix={matrix}"})
    frames, info = read_video(data, frames=4)
    assert codes(info) == ["colours"]
    assert [read_number(frame.image) for frame in frames] == [round(frame.time * 25) for frame in frames]
    _, info = read_video(video(numbered(4), options={"x264-params": "colormatrix=bt2020nc"}))
    assert codes(info) == []


@pytest.mark.parametrize(("codec", "pix_fmt"), [("ffv1", "gray"), ("ffv1", "bgr0")])
def test_pictures_without_such_colours_need_no_matrix(codec: str, pix_fmt: str):
    """FFmpeg keeps what a stream claims in a Matroska file, and does not ask for it then."""
    data = video(numbered(4), codec=codec, pix_fmt=pix_fmt, form="matroska", options={"colorspace": "ycgco"})
    with av.open(io.BytesIO(data)) as container:
        assert next(container.decode(video=0)).colorspace == 8
    _, info = read_video(data)
    assert codes(info) == []


def test_such_a_matrix_in_an_interlaced_video():
    options = {"flags": "+ildct+ilme", "x264-params": "colormatrix=YCgCo:tff=1"}
    frames, info = read_video(video(combed_pictures(8), options=options))
    assert len(frames) == 8
    assert codes(info) == ["colours", "interlaced"]


def test_a_picture_that_ffmpeg_cannot_convert_is_an_error_of_the_file(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(video_module, "convert", refuse)
    error = failing(video(numbered(4)))
    assert error.reason is Reason.UNREADABLE
    assert "Operation not supported" in str(error)


@pytest.mark.parametrize("form", ["exr", "exr_alpha", "hdr"])
def test_light_is_encoded_for_the_screen(form: str):
    # 55 of 255 parts of light are what sRGB calls 128.
    if form == "hdr":
        data = cv2.imencode(".hdr", plain(55).astype(np.float32) / 255)[1].tobytes()
    else:
        data = still(plain(55), "exr", "gbrpf32le" if form == "exr" else "gbrapf32le")
    with open_media(data, Settings()) as media:
        (frame,) = media.frames()
        assert media.kind is MediaKind.PHOTO
    assert np.abs(frame.image.astype(int) - 128).max() <= 1


def test_integers_are_not_taken_for_light():
    """FFmpeg calls every DPX linear that it writes."""
    with open_media(still(plain(55), "dpx", "rgb24"), Settings()) as media:
        (frame,) = media.frames()
    assert np.abs(frame.image.astype(int) - 55).max() <= 1
    frames, _ = read_video(video([plain(55)] * 3, options={"x264-params": "transfer=linear"}))
    assert np.abs(frames[0].image.astype(int) - 55).max() <= 3


def test_fits_is_a_photo():
    with open_media(still(plain(200), "fits", "gbrp", "fits"), Settings(start=2.0)) as media:
        (frame,) = media.frames()
        assert media.kind is MediaKind.PHOTO
        assert media.info.duration is None
    assert np.abs(frame.image.astype(int) - 200).max() <= 1
