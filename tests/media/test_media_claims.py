"""How long a video claims to be: when that is said to be wrong, and how the file is read by it."""

from pathlib import Path

import av
import pytest
from make import codes, numbered, read_number, read_video, video
from test_media_long import claiming

from dfdetect.media import video as video_module


@pytest.mark.parametrize(("claim", "told"), [(5, []), (6, ["wrong_header"]), (40, ["wrong_header"])])
def test_a_header_that_claims_half_as_much_again_is_wrong(claim, told):
    """Of 4 s; a tenth and a second more are no news."""
    frames, info = read_video(claiming(video(numbered(100), form="matroska"), "matroska", claim))
    assert info.duration == pytest.approx(4.0, abs=0.01)
    assert len(frames) == 16
    assert codes(info) == told


@pytest.fixture(scope="module")
def a_minute():
    return video(numbered(120), rate=2, gop=10, options={"bf": "0"})


@pytest.mark.parametrize(
    ("most_bytes", "most_seconds", "way"),
    [(1 << 30, 120.0, "take_survey"), (1 << 30, 30.0, "Rover"), (9, 120.0, "Rover")],
)
@pytest.mark.parametrize(("ordinary_bytes", "ordinary_seconds"), [(9, 900.0), (100 << 20, 30.0)])
def test_only_what_claims_to_be_short_is_listed_if_it_is_large(
    a_minute, ordinary_bytes, ordinary_seconds, most_bytes, most_seconds, way, monkeypatch
):
    """Large by its bytes or by its length; the others are sampled by jumps."""
    monkeypatch.setattr(video_module, "ORDINARY_BYTES", ordinary_bytes)
    monkeypatch.setattr(video_module, "ORDINARY_SECONDS", ordinary_seconds)
    monkeypatch.setattr(video_module, "SHORT_BYTES", most_bytes)
    monkeypatch.setattr(video_module, "SHORT_SECONDS", most_seconds)
    ways = []
    for name in ("take_survey", "Rover"):
        made = getattr(video_module, name)
        noted = lambda *given, name=name, made=made: ways.append(name) or made(*given)  # noqa: E731
        monkeypatch.setattr(video_module, name, noted)
    frames, _ = read_video(a_minute, frames=6)
    assert len(frames) == 6
    assert ways == [way]


def shifted(data: bytes, path: Path, form: str, seconds: float) -> bytes:
    """The same packets, their times later by so much; in MP4 an edit list hides what comes before 0."""
    path.write_bytes(data)
    copy = path.with_suffix(f".{form}")
    with av.open(str(path)) as whole, av.open(str(copy), "w", format=form) as target:
        source = whole.streams.video[0]
        stream = target.add_stream_from_template(source)
        for packet in whole.demux(source):
            if packet.size:
                later = round(seconds / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, stream
                target.mux(packet)
    return copy.read_bytes()


def test_pictures_that_an_edit_list_hides_do_not_count(tmp_path):
    """As cutting without encoding anew leaves them: needed to decode those that are shown."""
    data = shifted(video(numbered(100), gop=10, options={"bf": "0"}), tmp_path / "whole", "mp4", -2.32)
    frames, info = read_video(data, frames=99)
    assert info.frame_rate == pytest.approx(25)
    assert info.duration == pytest.approx(1.68)
    assert [read_number(frame.image) for frame in frames] == list(range(58, 100))
    assert codes(info) == []


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """Four seconds that begin at 100 s."""
    return shifted(video(numbered(100)), tmp_path_factory.mktemp("late") / "early", "matroska", 100.0)


@pytest.mark.parametrize(("claim", "told"), [(104, []), (4, []), (0, []), (105, []), (106, ["wrong_header"])])
def test_a_header_may_claim_when_late_times_end_or_how_long_they_last(late, claim, told):
    """As FFmpeg writes it, and as others do."""
    frames, info = read_video(claiming(late, "matroska", claim))
    assert [read_number(frame.image) for frame in frames] == [round(frame.time * 25) for frame in frames]
    assert info.duration == pytest.approx(4.0, abs=0.01)
    assert codes(info) == told


@pytest.mark.parametrize("claim", [160, 60])
def test_late_times_are_no_reason_to_list_a_long_file(claim, tmp_path, monkeypatch):
    monkeypatch.setattr(video_module, "ORDINARY_SECONDS", 9.0)
    monkeypatch.setattr(video_module, "SHORT_SECONDS", 9.0)
    monkeypatch.setattr(video_module, "take_survey", None)
    data = shifted(video(numbered(120), rate=2, gop=4), tmp_path / "early", "matroska", 100.0)
    frames, info = read_video(claiming(data, "matroska", claim), frames=6)
    assert info.duration == pytest.approx(60.0, abs=0.01)
    assert [frame.time for frame in frames] == pytest.approx([5, 15, 25, 35, 45, 55], abs=1)
    assert codes(info) == []
