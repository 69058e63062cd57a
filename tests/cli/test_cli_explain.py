"""``dfdetect explain``, with the small model and real media."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from dfdetect import Detector
from dfdetect.cli.main import main
from dfdetect.errors import InputError
from dfdetect.explain import explain
from dfdetect.results import Label, ScanResult
from dfdetect.settings import Settings

DATA = Path(__file__).resolve().parents[2] / "data"
LIGHT = ("--model", "light", "--threads", "1")
FAST = Settings(model="light", threads=1, frames=3)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def clip(path: Path, *, times: list[float] | None = None, size: int = 160, sound: bool = True) -> Path:
    """The sample clip, smaller, 20 pictures at 20 a second or at `times`, with a tone."""
    with av.open(str(DATA / "moving.mp4")) as source:
        pictures = [frame.reformat(size, size) for frame in source.decode(video=0)][:20]
    times = times or [n / 20 for n in range(20)]
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=20, options={"mbtree": "0"})
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        tone: Any = container.add_stream("aac", rate=44_100) if sound else None
        for picture, time in zip(pictures, times, strict=False):
            frame = av.VideoFrame.from_ndarray(picture.to_ndarray(format="rgb24"), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            wave = np.sin(np.arange(44_100) / 20).astype(np.float32)[None]
            part: Any = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            part.sample_rate = 44_100
            container.mux(tone.encode(part))
            container.mux(tone.encode(None))
    return path


def read(path: Path) -> tuple[list[float], tuple[int, int], list[str]]:
    """Times, size, and codecs of the sound."""
    with av.open(str(path)) as container:
        sound = [stream.codec_context.name for stream in container.streams.audio]
        frames = list(container.decode(video=0))
    assert {(frame.width, frame.height) for frame in frames} == {(frames[0].width, frames[0].height)}
    return [float(frame.time or 0) for frame in frames], (frames[0].width, frames[0].height), sound


def test_a_photo(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(DATA / "astronaut.jpg"), *LIGHT]) in (0, 1)
    drawn, original = Image.open(place / "astronaut.explained.png"), Image.open(DATA / "astronaut.jpg")
    assert drawn.width == original.width
    assert drawn.height > original.height
    changed = (np.asarray(drawn)[: original.height] != np.asarray(original)).any(axis=2)
    assert 0.01 < changed.mean() < 0.3, "a box, a label and a heat map, and the rest as it was"
    output = capsys.readouterr()
    assert "astronaut.jpg" in output.out
    assert "wrote astronaut.explained.png" in output.err


def test_jpeg_by_its_suffix(place: Path) -> None:
    main(["explain", str(DATA / "astronaut.jpg"), "--out", "a.jpg", *LIGHT])
    assert Image.open(place / "a.jpg").format == "JPEG"


def test_a_video_with_its_sound_and_times(place: Path) -> None:
    times = [0.0, *np.cumsum(np.tile([0.03, 0.08], 10))[:19].round(3).tolist()]
    clip(place / "c.mp4", times=times)
    done = explain("c.mp4", settings=FAST)
    assert done.path == Path("c.explained.mp4")
    assert done.result.label in set(Label)
    found, size, sound = read(place / "c.explained.mp4")
    assert found == pytest.approx(times, abs=1e-5)
    assert size[0] == 320, "enlarged, so that the text can be read"
    assert size[1] > 320
    assert size[1] % 2 == 0
    assert sound == ["aac"]
    with av.open("c.explained.mp4") as new, av.open("c.mp4") as old:
        for kind in ("audio", "video"):
            (a,), (b,) = getattr(new.streams, kind), getattr(old.streams, kind)
            assert float(a.duration * a.time_base) == pytest.approx(float(b.duration * b.time_base), abs=0.06)


def test_sound_before_the_first_picture_is_said_to_be_left_out(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip(place / "late.mp4", times=[0.6 + n / 20 for n in range(20)])
    main(["explain", "late.mp4", "--frames", "3", *LIGHT])
    assert "0.6 s of sound before the first picture left out" in capsys.readouterr().err
    main(["explain", "late.mp4", "--frames", "3", "--start", "0.1", "--out", "part.mp4", *LIGHT])
    assert "left out" not in capsys.readouterr().err


def test_the_verdict_is_that_of_a_scan(place: Path) -> None:
    clip(place / "c.mp4", sound=False)
    result = explain("c.mp4", settings=FAST).result
    assert result.logit == Detector(FAST).scan("c.mp4").logit
    assert result.path == "c.mp4"
    assert read(place / "c.explained.mp4")[2] == []


def test_a_part_of_a_video(place: Path) -> None:
    clip(place / "c.mp4")
    explain("c.mp4", settings=FAST.replace(start=0.25, end=0.75))
    times, _, sound = read(place / "c.explained.mp4")
    assert times == pytest.approx([n / 20 for n in range(10)], abs=1e-5)
    assert sound == ["aac"]
    with av.open("c.explained.mp4") as container:
        assert float(container.duration or 0) / 1e6 == pytest.approx(0.5, abs=0.06)


def test_a_turned_video_is_written_upright(place: Path) -> None:
    data = clip(place / "c.mp4").read_bytes()
    with av.open(str(place / "c.mp4")) as container:
        upright = next(container.decode(video=0)).to_ndarray(format="rgb24")
    at = data.index(b"tkhd") + 4
    matrix = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    (place / "c.mp4").write_bytes(data[: at + 40] + matrix + data[at + 76 :])
    explain("c.mp4", settings=FAST)
    with av.open("c.explained.mp4") as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == 0
        drawn = frame.to_ndarray(format="rgb24")[:320:2, ::2].astype(int)
    assert np.abs(drawn - np.rot90(upright, -1)).mean() < 12


def test_nobody_in_the_picture(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(DATA / "coffee.jpg"), *LIGHT]) == 0
    assert "No face was found" in capsys.readouterr().out
    drawn, original = Image.open("coffee.explained.png"), Image.open(DATA / "coffee.jpg")
    assert np.array_equal(np.asarray(drawn)[: original.height], np.asarray(original))


def test_faces_too_small_are_drawn(place: Path) -> None:
    done = explain(str(DATA / "astronaut.jpg"), settings=FAST.replace(min_face=400))
    assert done.result.label is None
    original = np.asarray(Image.open(DATA / "astronaut.jpg"))
    drawn = np.asarray(Image.open("astronaut.explained.png"))[: len(original)]
    assert (drawn != original).any(axis=2).mean() > 0.003


def test_what_cannot_be_read_leaves_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "broken.mp4").write_bytes(b"\0\0\0\x20ftypisom and nothing more")
    for name, word in (("gone.jpg", "does not exist"), ("broken.mp4", "unreadable")):
        assert main(["explain", name, *LIGHT]) == 3
        assert word in capsys.readouterr().out
    assert [path.name for path in place.iterdir()] == ["broken.mp4"]


def test_nothing_is_overwritten_unasked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = place / "photo.png"
    Image.open(DATA / "astronaut.jpg").resize((128, 128)).save(photo)
    before = photo.read_bytes()
    (place / "link.png").symlink_to(photo)
    (place / "old.png").write_bytes(b"old")
    for out, word in (
        ("photo.png", "is the file that is to be explained"),
        ("link.png", "is the file that is to be explained"),
        ("old.png", "--force"),
        ("a.mp4", "must end in .png or .jpg"),
        ("no/a.png", "does not exist"),
    ):
        force = ["--force"] if "explained" in word else []
        assert main(["explain", "photo.png", "--out", out, *force, *LIGHT]) == 2
        assert word in capsys.readouterr().err
    assert photo.read_bytes() == before
    assert (place / "old.png").read_bytes() == b"old"
    assert main(["explain", "photo.png", "--out", "old.png", "--force", *LIGHT]) in (0, 1)
    assert Image.open(place / "old.png").format == "PNG"


def test_a_video_becomes_a_video(place: Path) -> None:
    clip(place / "c.mp4", sound=False)
    with pytest.raises(InputError, match=r"must end in \.mp4"):
        explain("c.mp4", "c.png", FAST)


def remux(path: Path, unit: Fraction, step: int) -> Path:
    """The pictures of the sample clip, `step` units apart."""
    options = {"video_track_timescale": str(1 / unit)}
    with (
        av.open(str(DATA / "moving.mp4")) as source,
        av.open(str(path), "w", format="mp4", options=options) as target,
    ):
        stream: Any = target.add_stream_from_template(source.streams.video[0])
        stream.time_base = unit
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for n, packet in enumerate(packets):
            packet.stream, packet.time_base = stream, unit
            packet.pts = packet.dts = n * step
            packet.duration = 0
            target.mux(packet)
    return path


def test_pictures_a_microsecond_apart(place: Path) -> None:
    remux(place / "c.mp4", Fraction(1, 1_000_000), 1)
    explain("c.mp4", settings=FAST)
    times, _, _ = read(place / "c.explained.mp4")
    assert len(times) > 3


def test_pictures_years_apart_are_told_and_leave_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remux(place / "c.mp4", Fraction(1), 2**28)
    assert main(["explain", "c.mp4", *LIGHT, "--frames", "3"]) == 2
    assert "the times of this video cannot be written to MP4" in capsys.readouterr().err
    assert [path.name for path in place.iterdir()] == ["c.mp4"]


@pytest.mark.parametrize("stage", ["scanning", "following faces", "drawing"])
def test_an_interruption_leaves_nothing(stage: str, place: Path) -> None:
    clip(place / "c.mp4")
    (place / "old.mp4").write_bytes(b"old")

    def stop(what: str, share: float) -> None:
        if what == stage and share >= (0.0 if stage == "scanning" else 0.5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain("c.mp4", "old.mp4", FAST, force=True, progress=stop)
    assert sorted(path.name for path in place.iterdir()) == ["c.mp4", "old.mp4"]
    assert (place / "old.mp4").read_bytes() == b"old"


def test_an_animation(place: Path) -> None:
    frames = [Image.open(DATA / "astronaut.jpg").resize((200, 200)).rotate(n) for n in range(4)]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:], duration=[100, 200, 100, 300])
    explain("a.gif", settings=FAST)
    times, _, sound = read(place / "a.explained.mp4")
    assert times == pytest.approx([0.0, 0.1, 0.3, 0.4], abs=1e-5)
    assert sound == []


def _replace(path: Path, other: Path) -> None:
    other.replace(path)


def _write_into(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())
    other.unlink()


def _break(path: Path, other: Path) -> None:
    path.write_bytes(b"\0\0\0\x20ftypisom and nothing more")
    other.unlink()


@pytest.mark.parametrize("change", [_replace, _write_into, _break])
def test_a_verdict_is_not_drawn_into_another_file(change: Callable[[Path, Path], None], place: Path) -> None:
    video, other = clip(place / "c.mp4"), clip(place / "other.mp4", size=128)
    (place / "old.mp4").write_bytes(b"old")

    def swap(what: str, share: float) -> None:
        if what == "scanning":
            return
        if other.exists():
            change(video, other)

    with pytest.raises(InputError, match=r"'c\.mp4' was changed while it was explained: explain it again"):
        explain("c.mp4", "old.mp4", FAST, force=True, progress=swap)
    assert sorted(path.name for path in place.iterdir()) == ["c.mp4", "old.mp4"]
    assert (place / "old.mp4").read_bytes() == b"old"


def test_a_verdict_is_not_drawn_into_a_photo_that_is_replaced(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, source in (("photo.jpg", "astronaut.jpg"), ("other.jpg", "coffee.jpg")):
        (place / name).write_bytes((DATA / source).read_bytes())
    scan = Detector.scan

    def scan_and_replace(self: Detector, source: str) -> ScanResult:
        result = scan(self, source)
        _replace(place / "photo.jpg", place / "other.jpg")
        return result

    monkeypatch.setattr(Detector, "scan", scan_and_replace)
    with pytest.raises(InputError, match=r"'photo\.jpg' was changed while it was explained"):
        explain("photo.jpg", settings=FAST)
    assert [path.name for path in place.iterdir()] == ["photo.jpg"]
