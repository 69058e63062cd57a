import io
import os
import struct
import subprocess
import sys

import av
import pytest
from make import (
    codes,
    numbered,
    read_number,
    read_video,
    video,
)

from dfdetect.media import video as video_module
from dfdetect.media.reader import open_media
from dfdetect.settings import Settings


def test_closer_frames_are_new_and_in_their_windows():
    data = video(numbered(100), gop=25)
    with open_media(data, Settings(frames=8)) as media:
        before = [read_number(frame.image) for frame in media.frames()]
        frames = list(media.closer([(1.0, 1.4), (3.0, 3.2)], 6))
        again = list(media.closer([(1.0, 1.4), (3.0, 3.2)], 100))
        numbers = [read_number(frame.image) for frame in frames]
        assert len(numbers) == 6
        assert all(0.99 < f.time < 1.41 or 2.99 < f.time < 3.21 for f in frames + again)
        everything = before + numbers + [read_number(frame.image) for frame in again]
        assert len(set(everything)) == len(everything)
        assert {*range(25, 36), *range(75, 81)} <= set(everything)
        assert [f.index for f in frames + again] == list(range(8, len(everything)))
        assert media.info.frames_sampled == len(everything)
        assert list(media.closer([(1.0, 1.4)], 4)) == []


def test_a_closer_look_ends_before_the_end_that_was_asked_for():
    with open_media(video(numbered(50), gop=25), Settings(frames=8, end=1.0)) as media:
        frames = [*media.frames(), *media.closer([(0.0, 1.0)], 100)]
    assert sorted(read_number(frame.image) for frame in frames) == list(range(25))


@pytest.mark.parametrize("count", [4, 16])
def test_jumps_end_before_the_end_that_was_asked_for(count, monkeypatch):
    """Ten pictures lie in the second before the end, whether fewer or more are wanted."""
    monkeypatch.setattr(video_module, "ORDINARY_SECONDS", 30.0)
    monkeypatch.setattr(video_module, "SHORT_SECONDS", 30.0)
    monkeypatch.setattr(video_module, "take_survey", None)
    data = video(numbered(600), rate=10, gop=50, options={"bf": "0"})
    with open_media(data, Settings(frames=count, start=20, end=21)) as media:
        first = list(media.frames())
        closer = list(media.closer([(20.0, 21.0)], 16))
        assert codes(media.info) == ["part"]
    assert len(first) >= min(count, 9)
    assert {read_number(frame.image) for frame in first + closer} <= set(range(200, 210))
    with open_media(data, Settings(start=20.52, end=20.56)) as media:
        assert len(list(media.frames())) == 1, "what is shown between two pictures"


@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts"])
def test_long_files_are_sampled_by_jumps(form, monkeypatch):
    monkeypatch.setattr(video_module, "ORDINARY_SECONDS", 30.0)
    monkeypatch.setattr(video_module, "SHORT_SECONDS", 30.0)
    # No survey may be needed.
    monkeypatch.setattr(video_module, "take_survey", None)
    data = video(numbered(600), rate=10, gop=50, form=form, options={"bf": "0"})
    frames, info = read_video(data, frames=6)
    assert info.duration == pytest.approx(60, abs=0.3)
    for frame, wanted in zip(frames, (5, 15, 25, 35, 45, 55), strict=True):
        assert frame.time == pytest.approx(wanted, abs=5.1)
        assert read_number(frame.image) == round(frame.time * 10)
    dense, _ = read_video(data, fps=5, start=20, end=30)
    assert len(dense) == 50
    assert [read_number(frame.image) for frame in dense] == pytest.approx(list(range(201, 300, 2)), abs=1)
    with open_media(data, Settings(frames=6)) as media:
        before = {frame.time for frame in media.frames()}
        closer = list(media.closer([(10.0, 12.0), (40.0, 42.0)], 8))
        assert len(closer) == 8
        assert all(9.9 <= f.time <= 12.1 or 39.9 <= f.time <= 42.1 for f in closer)
        assert not before & {f.time for f in closer}


def test_a_long_file_with_a_wrong_claim_is_read_in_order(monkeypatch):
    monkeypatch.setattr(video_module, "ORDINARY_SECONDS", 1.0)
    monkeypatch.setattr(video_module, "SHORT_SECONDS", 1.0)
    whole = bytearray(video(numbered(100), codec="mjpeg", form="avi", pix_fmt="yuvj420p"))
    for mark, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        place = whole.index(mark) + offset
        whole[place : place + 4] = (900_000).to_bytes(4, "little")
    frames, info = read_video(bytes(whole), frames=4)
    assert [read_number(frame.image) for frame in frames] == [12, 37, 62, 87]
    assert codes(info) == ["wrong_header"]


def claiming(data: bytes, form: str, seconds: int) -> bytes:
    """Make the header claim another length."""
    made = bytearray(data)
    if form == "matroska":
        place = made.index(b"\x44\x89\x88") + 3
        made[place : place + 8] = struct.pack(">d", seconds * 1000.0)
        return bytes(made)
    for kind, unit_at, at in ((b"mvhd", 12, 16), (b"mdhd", 12, 16), (b"tkhd", None, 20)):
        place = made.index(kind) + 4
        unit = 1000 if unit_at is None else int.from_bytes(made[place + unit_at : place + unit_at + 4], "big")
        made[place + at : place + at + 4] = (seconds * unit).to_bytes(4, "big")
    return bytes(made)


@pytest.mark.parametrize("gop", [10, 600])
@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_a_long_file_that_goes_on_after_its_claimed_end_is_read_in_order(form, gop, monkeypatch):
    monkeypatch.setattr(video_module, "ORDINARY_SECONDS", 10.0)
    monkeypatch.setattr(video_module, "SHORT_SECONDS", 10.0)
    data = claiming(video(numbered(600), rate=10, gop=gop, form=form, options={"bf": "0"}), form, 20)
    frames, info = read_video(data, frames=6)
    assert info.duration == pytest.approx(60, abs=0.3)
    assert [read_number(frame.image) for frame in frames] == pytest.approx(
        [50, 150, 250, 350, 450, 550], abs=2
    )


def test_endless_lists_are_thinned(monkeypatch):
    from dfdetect.media import survey

    monkeypatch.setattr(survey, "MOST_PACKETS", 40)
    frames, info = read_video(video(numbered(400), gop=4, form="matroska", options={"bf": "0"}), frames=10)
    assert len(frames) == 10
    assert info.duration == pytest.approx(16, abs=1.5)
    assert info.frame_rate == pytest.approx(25, rel=0.1)
    for frame in frames:
        assert read_number(frame.image) == round(frame.time * 25)


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    """A scan of two hours takes as much memory as one of two minutes, within a tenth."""
    if not os.path.exists("/proc/self/status"):
        pytest.skip("the child measures itself as Linux does")  # ru_maxrss would begin at what pytest takes
    script = (
        "import re, sys\n"
        "from dfdetect.media.reader import open_media\n"
        "from dfdetect.settings import Settings\n"
        "with open_media(sys.argv[1], Settings(frames=16)) as m: n = sum(1 for _ in m.frames())\n"
        "print(n, re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    peaks = []
    for name, seconds in (("short", 120), ("long", 7200)):
        path = tmp_path / f"{name}.mkv"
        path.write_bytes(looped(video(numbered(250, 128), options={"bf": "0"}), seconds))
        out = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, check=True, text=True
        )
        count, peak = map(int, out.stdout.split())
        assert count == 16
        peaks.append(peak)
    assert peaks[1] < 1.1 * peaks[0]


def looped(data: bytes, seconds: int) -> bytes:
    """`data` again and again, without encoding."""
    with av.open(io.BytesIO(data)) as source:
        packets = [packet for packet in source.demux(video=0) if packet.size]
        length = int(10 / source.streams.video[0].time_base)
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="matroska") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for turn in range(seconds // 10):
                for packet in packets:
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts = packet.pts + turn * length, packet.dts + turn * length
                    copy.time_base, copy.is_keyframe, copy.stream = (
                        packet.time_base,
                        packet.is_keyframe,
                        stream,
                    )
                    target.mux(copy)
        return buffer.getvalue()
