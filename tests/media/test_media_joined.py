"""Files joined from parts that each begin their clock anew: `cat a.ts b.ts`."""

import numpy as np
import pytest
from make import codes, numbered, read_number, read_video, video

from dfdetect.media import video as video_module
from dfdetect.media.reader import open_media
from dfdetect.settings import Settings


def joined(form: str, lengths: tuple[int, ...], rate: int = 25, gop: int = 12, b_frames: int = 0) -> bytes:
    """Videos one after the other, whose pictures are numbered through."""
    codec = "mpeg2video" if form == "mpeg" else "libx264"
    options = {"bf": str(b_frames)}
    muxer = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if form == "mp4" else {}
    pictures = list(numbered(sum(lengths)))
    ends = np.cumsum(lengths).tolist()
    return b"".join(
        video(
            pictures[end - length : end],
            codec=codec,
            form=form,
            rate=rate,
            gop=gop,
            options=options,
            muxer=muxer,
        )
        for end, length in zip(ends, lengths, strict=True)
    )


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("form", ["mpegts", "mpeg", "matroska"])
def test_all_parts_are_looked_at(form, b_frames):
    data = joined(form, (50, 50), b_frames=b_frames)
    frames, info = read_video(data, frames=10)
    assert info.duration == pytest.approx(4.0, abs=0.1)
    for frame in frames:
        assert read_number(frame.image) == pytest.approx(frame.time * 25, abs=2)
    assert [read_number(frame.image) for frame in frames] == pytest.approx(list(range(5, 100, 10)), abs=3)


def test_fragments_of_an_mp4_that_begin_anew_are_looked_at():
    frames, info = read_video(joined("mp4", (50, 50), b_frames=0), frames=10)
    assert info.duration == pytest.approx(4.0, abs=0.1)
    assert max(read_number(frame.image) for frame in frames) > 90


def test_parts_shorter_than_a_second_are_looked_at():
    frames, info = read_video(joined("mpegts", (10,) * 10), frames=10)
    assert info.duration == pytest.approx(4.0, abs=0.1)
    assert [read_number(frame.image) for frame in frames] == pytest.approx(list(range(5, 100, 10)), abs=1)


def test_later_looks_at_joined_parts():
    data = joined("mpegts", (50, 50))
    with open_media(data, Settings(frames=4)) as media:
        list(media.frames())
        closer = [read_number(frame.image) for frame in media.closer([(3.0, 3.2)], 20)]
        every = [read_number(frame.image) for frame in media.every_frame()]
    assert closer
    assert all(74 <= number <= 81 for number in closer)
    assert every == sorted(every)
    assert len(every) >= 99


@pytest.mark.parametrize("lengths", [(300, 300), (300, 100), (100, 300, 100)])
@pytest.mark.parametrize("form", ["mpegts", "mpeg"])
def test_long_joined_files_are_read_in_order(form, lengths, monkeypatch):
    """Jumps go by time, and would find the pictures of one part only."""
    monkeypatch.setattr(video_module, "ORDINARY_SECONDS", 5.0)
    monkeypatch.setattr(video_module, "SHORT_SECONDS", 5.0)
    total = sum(lengths)
    frames, info = read_video(joined(form, lengths, rate=10, gop=10), frames=10)
    assert info.duration == pytest.approx(total / 10, rel=0.05)
    wanted = [(place + 0.5) * total / 10 for place in range(10)]
    assert [read_number(frame.image) for frame in frames] == pytest.approx(wanted, abs=total * 0.05)
    assert codes(info) in ([], ["damaged"])  # the last packet of a part, whose end FFmpeg misses


@pytest.mark.parametrize("first", [9, 15])
def test_a_first_part_much_shorter_than_the_rest_is_looked_at(first, monkeypatch):
    monkeypatch.setattr(video_module, "ORDINARY_SECONDS", 5.0)
    monkeypatch.setattr(video_module, "SHORT_SECONDS", 5.0)
    total = first + 515
    frames, info = read_video(joined("mpegts", (first, 515), rate=1, gop=2), frames=100)
    assert info.duration == pytest.approx(total, abs=2)
    wanted = [(place + 0.5) * total / 100 for place in range(100)]
    assert [read_number(frame.image) for frame in frames] == pytest.approx(wanted, abs=2)
