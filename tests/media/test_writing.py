"""Writing videos: pictures, times, sizes, colours and sound survive."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from make import corners, numbered, quarters, read_number, video
from numpy.typing import NDArray

from dfdetect.errors import InputError, MissingExtraError
from dfdetect.media.reader import open_media
from dfdetect.media.writing import Sound, VideoWriter, add_stream, fits
from dfdetect.results import Frame
from dfdetect.settings import Settings

RATE = 48_000


def every(source: Any, **choices: Any) -> list[Frame]:
    with open_media(source, Settings(**choices)) as media:
        return list(media.every_frame())


def written(
    path: Path, pictures: list[NDArray[np.uint8]], times: list[float], end: float | None = None
) -> list[Frame]:
    height, width = pictures[0].shape[:2]
    with VideoWriter(path, (width, height)) as writer:
        for picture, time in zip(pictures, times, strict=True):
            writer.write(picture, time)
        writer.finish(end)
    return every(path)


def with_sound(path: Path, codec: str, form: str, offset: float = 0.0) -> Path:
    """Fifty pictures at 25 a second, bright from picture 25 on, and a tone from second 1 on."""
    with av.open(str(path), "w", format=form) as container:
        pictures: Any = container.add_stream("libx264", rate=25, options={"bf": "2", "mbtree": "0"})
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        sound: Any = container.add_stream(codec, rate=RATE)
        sound.layout = "mono"
        for number in range(50):
            image = np.full((64, 64, 3), 220 if number >= 25 else 20, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number + round(offset * 25), Fraction(1, 25)
            container.mux(pictures.encode(frame))
        wave = np.sin(np.arange(2 * RATE) * 0.06).astype(np.float32) * (np.arange(2 * RATE) >= RATE)
        for start in range(0, 2 * RATE, 960):
            part: Any = av.AudioFrame.from_ndarray(wave[None, start : start + 960], "fltp", "mono")
            part.sample_rate, part.time_base = RATE, Fraction(1, RATE)
            part.pts = start + round(offset * RATE)
            container.mux(sound.encode(part))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    return path


def heard(path: Path) -> tuple[float, float, str]:
    """When the tone begins, when the sound ends, and its codec; what is marked as run-in is left out."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        codec = stream.codec_context.name
        loud, end = -1.0, 0.0
        for frame in container.decode(stream):
            assert frame.time is not None
            data = frame.to_ndarray().astype(np.float32)
            data /= 32768 if data.max() > 2 else 1
            above = np.flatnonzero(np.abs(data[0]) > 0.25)
            if loud < 0 and len(above):
                loud = frame.time + above[0] / frame.sample_rate
            end = frame.time + frame.samples / frame.sample_rate
    return loud, end, codec


def copied(source: Path, target: Path, **choices: Any) -> list[Frame]:
    """The video written again with its sound, as the chain does it."""
    with open_media(source, Settings(**choices)) as media:
        frames = list(media.every_frame())
        first, end = frames[0].time, choices.get("end")
        length = None if end is None else end - first
        with (
            Sound(source, media.origin + first, length) as sound,
            VideoWriter(target, (64, 64), 25, sound) as writer,
        ):
            for frame in frames:
                writer.write(frame.image, frame.time - first)
            writer.finish()
    return every(target)


@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts", "avi"])
def test_every_frame_is_every_picture_in_order(form: str) -> None:
    frames = every(video(numbered(40), form=form, options={"bf": "2"}))
    assert [read_number(frame.image) for frame in frames] == list(range(40))
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(40)], abs=0.002)


def test_every_frame_keeps_to_start_and_end() -> None:
    data = video(numbered(50), gop=20)
    assert [read_number(f.image) for f in every(data, start=0.6, end=1.2)] == list(range(15, 30))
    assert [read_number(f.image) for f in every(data, start=1.6)] == list(range(40, 50))
    assert len(every(data, start=0.601, end=0.61)) == 1, "what is shown then"


def test_every_frame_leaves_the_samples_alone() -> None:
    data = video(numbered(50))
    with open_media(data, Settings(frames=5)) as media:
        before = [frame.time for frame in media.frames()]
        assert len(list(media.every_frame())) == 50
        assert [frame.time for frame in media.frames()] == before


def test_a_list_too_long_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfdetect.media.survey.MOST_PACKETS", 30)
    data = video(numbered(60), options={"bf": "2"})
    frames = every(data, start=0.4, end=2.0)
    assert [read_number(frame.image) for frame in frames] == list(range(10, 50))
    assert frames[0].time == pytest.approx(0.4)


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.05, 0.3, 1001 / 3000, 0.9, 1.0]
    frames = written(tmp_path / "v.mp4", list(numbered(7)), times, end=1.5)
    assert [read_number(frame.image) for frame in frames] == list(range(7))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=2e-6)
    with open_media(tmp_path / "v.mp4", Settings()) as media:
        list(media.frames())
        assert media.info.duration == pytest.approx(1.5, abs=1e-3)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60)])
def test_usual_rates_are_exact(rate: Fraction, tmp_path: Path) -> None:
    times = [float(n / rate) for n in range(12)]
    written(tmp_path / "v.mp4", list(numbered(12)), times)
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == rate
        assert stream.frames == 12
        assert stream.codec_context.pix_fmt == "yuv420p"
        shown = sorted(p.pts * p.time_base for p in container.demux(stream) if p.pts is not None)
    assert all(b - a == 1 / rate for a, b in pairwise(shown))


def test_odd_sizes_become_even(tmp_path: Path) -> None:
    frames = written(tmp_path / "v.mp4", [quarters(95, 63)] * 2, [0.0, 0.1])
    assert frames[0].image.shape == (64, 96, 3)
    assert corners(frames[0].image) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("size", [(96, 64), (1280, 720)])
def test_colours_are_kept(size: tuple[int, int], tmp_path: Path) -> None:
    picture = quarters(*size)
    (frame, _) = written(tmp_path / "v.mp4", [picture] * 2, [0.0, 0.1])
    middle = (slice(8, 24), slice(8, 24))
    assert np.abs(frame.image[middle].astype(int) - picture[middle]).max() <= 6


def test_pictures_closer_than_the_clock_can_tell_are_left_out(tmp_path: Path) -> None:
    times = [n / 1_000_000 for n in range(20)]
    frames = written(tmp_path / "v.mp4", list(numbered(20)), times)
    assert [read_number(frame.image) for frame in frames] == [0, 2, 5, 7, 10, 13, 16, 19]


@pytest.mark.parametrize("gap", [2.0**28, 2.0**50])
def test_times_that_mp4_cannot_hold_are_told(gap: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="times of this video cannot be written to MP4"):
        written(tmp_path / "v.mp4", list(numbered(4)), [n * gap for n in range(4)])


def test_wrong_pictures_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", (96, 64)) as writer:
        writer.write(quarters(), 0.5)
        with pytest.raises(ValueError, match="order of time"):
            writer.write(quarters(), 0.4)
        with pytest.raises(ValueError, match=r"\[64, 96, 3\]"):
            writer.write(quarters(64, 96), 1.0)
        writer.finish()


@pytest.mark.parametrize(
    ("codec", "form", "kept"),
    [
        ("aac", "mp4", "aac"),
        ("aac", "mpegts", "aac"),
        ("libmp3lame", "matroska", "mp3"),
        ("pcm_s16le", "mov", "aac"),
        ("flac", "matroska", "aac"),
    ],
)
def test_sound_is_kept_in_step(codec: str, form: str, kept: str, tmp_path: Path) -> None:
    source = with_sound(tmp_path / "source", codec, form)
    frames = copied(source, tmp_path / "v.mp4")
    assert len(frames) == 50
    bright = next(frame.time for frame in frames if frame.image.mean() > 120)
    begins, ends, name = heard(tmp_path / "v.mp4")
    assert name.startswith(kept)
    assert begins - bright == pytest.approx(heard(source)[0] - 1.0 if form != "mpegts" else 0.0, abs=0.03)
    assert ends == pytest.approx(2.0, abs=0.08)


def test_packets_are_copied_as_they_are(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "source.mp4", "aac", "mp4")
    copied(source, tmp_path / "v.mp4")

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]

    assert packets(tmp_path / "v.mp4") == packets(source)


@pytest.mark.parametrize(("codec", "form"), [("aac", "mp4"), ("pcm_s16le", "mov")])
def test_a_part_has_its_sound(codec: str, form: str, tmp_path: Path) -> None:
    source = with_sound(tmp_path / "source", codec, form)
    frames = copied(source, tmp_path / "v.mp4", start=0.6, end=1.6)
    assert len(frames) == 25
    bright = next(frame.time for frame in frames if frame.image.mean() > 120)
    begins, ends, _ = heard(tmp_path / "v.mp4")
    assert bright == pytest.approx(0.4)
    assert begins == pytest.approx(bright, abs=0.05)
    assert ends == pytest.approx(1.0, abs=0.06)


def test_a_clock_that_does_not_begin_at_zero(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "source.ts", "aac", "mpegts", offset=7.0)
    frames = copied(source, tmp_path / "v.mp4")
    bright = next(frame.time for frame in frames if frame.image.mean() > 120)
    assert heard(tmp_path / "v.mp4")[0] == pytest.approx(bright, abs=0.03)


@pytest.mark.parametrize("codec", ["aac", "mp2"])
def test_a_clock_of_sound_that_runs_back_ends_nothing(codec: str, tmp_path: Path) -> None:
    once = with_sound(tmp_path / "source.ts", codec, "mpegts").read_bytes()
    (tmp_path / "twice.ts").write_bytes(once * 2)
    copied(tmp_path / "twice.ts", tmp_path / "v.mp4")
    with av.open(str(tmp_path / "v.mp4")) as container:
        times = [p.dts for p in container.demux(container.streams.audio[0]) if p.dts is not None]
    assert len(times) > 50
    assert all(a < b for a, b in pairwise(times))


def test_silent_files_have_no_sound(tmp_path: Path) -> None:
    (tmp_path / "source.mp4").write_bytes(video(numbered(5)))
    copied(tmp_path / "source.mp4", tmp_path / "v.mp4")
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert not container.streams.audio


def test_an_encoder_that_this_pyav_lacks_is_told(tmp_path: Path) -> None:
    with (
        av.open(str(tmp_path / "v.mp4"), "w") as container,
        pytest.raises(MissingExtraError, match="cannot encode with libx267, its wheel can: python -m pip"),
    ):
        add_stream(container, "libx267", 25, {})


def test_what_players_can_show() -> None:
    assert fits(3840, 2160)
    assert fits(4096, 2304)
    assert not fits(3840, 2700)
    assert not fits(9000, 16)
