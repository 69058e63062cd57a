"""MP4 files whose index says what is not so."""

import io
import struct
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from make import codes, failing, numbered, read_number, read_video, video

from dfdetect.results import Reason

PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def box(kind: bytes, *contents: bytes) -> bytes:
    data = b"".join(contents)
    return struct.pack(">I4s", len(data) + 8, kind) + data


def changed(data: bytes, change: Callable[[bytes, bytes], bytes]) -> bytes:
    """`data` with the contents of all its boxes as `change` gives them; the index must come last."""
    out, at = b"", 0
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + length]
        out += box(kind, change(kind, changed(body, change) if kind in PARENTS else body))
        at += length
    return out


# --- more samples than bytes


def of_one_size(count: int, size: int, handler: bytes, tick: int) -> bytes:
    """A video whose table of samples claims so many of so many bytes, in one chunk."""
    tables = {
        b"stsz": struct.pack(">III", 0, size, count),
        b"stts": struct.pack(">IIII", 0, 1, count, tick),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, count, 1),
        b"stco": struct.pack(">III", 0, 1, 48),
    }

    def change(kind: bytes, body: bytes) -> bytes:
        return body[:8] + handler + body[12:] if kind == b"hdlr" else tables.get(kind, body)

    return changed(video(numbered(5)), change)


def in_a_fragment(count: int) -> bytes:
    """A fragment that claims so many samples of one byte."""
    muxer = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    whole = video(numbered(5), muxer=muxer)
    head = whole[: whole.index(b"moof") - 4]
    track = box(b"tfhd", struct.pack(">IIII", 0x020018, 1, 1, 1))
    run = box(b"trun", struct.pack(">II", 0, count))
    return head + box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", track, run)) + box(b"mdat", bytes(16))


@pytest.mark.parametrize(
    "data",
    [
        of_one_size(2_000_000, 1, b"vide", 1),
        of_one_size(2_000_000, 1, b"text", 1),
        of_one_size(2_000_000, 1, b"soun", 2),
        in_a_fragment(2_000_000),
    ],
    ids=["video", "text", "sound", "fragment"],
)
def test_more_samples_than_the_file_can_hold_are_refused_before_they_are_listed(data):
    error = failing(data)
    assert error.reason is Reason.UNREADABLE
    assert "its index claims more than the file can hold" in error.message


def test_a_file_cut_off_and_long_plain_sound_are_not_refused():
    cut = failing(of_one_size(50_000, 1000, b"vide", 1))
    assert "its index claims" not in cut.message
    assert failing(of_one_size(2_000_000, 1, b"soun", 1)).reason is Reason.NO_PICTURE


def test_quicktime_with_long_plain_sound_is_read():
    """A track of it has two handlers: one of its kind and one of where its data lie."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mov") as container:
        pictures = container.add_stream("mpeg4", rate=1)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=44100, layout="mono")
        for second, picture in enumerate(numbered(25)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = second, Fraction(1, 1)
            container.mux(pictures.encode(frame))
            heard = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.int16), format="s16", layout="mono")
            heard.sample_rate, heard.pts = 44100, second * 44100
            container.mux(sound.encode(heard))
        container.mux(pictures.encode(None))
    frames, _ = read_video(buffer.getvalue(), frames=5)
    assert len(frames) == 5


# --- pictures of chapters


def with_chapters(count: int, *, enabled: bool) -> bytes:
    """Ten seconds of a video, and `count` pictures that it names as those of its chapters."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        streams = [container.add_stream("mpeg4", rate=10) for _ in range(2)]
        for stream in streams:
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, 10)
        pictures = list(numbered(200))
        for stream, first, step in ((streams[0], 100, 1), (streams[1], 0, 100 // count)):
            for number in range(0, 100, step):
                frame = av.VideoFrame.from_ndarray(pictures[first + number], format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    headers = []

    def change(kind: bytes, body: bytes) -> bytes:
        if kind == b"tkhd":
            headers.append(body)
            return body if len(headers) == 1 else body[:3] + (b"\x03" if enabled else b"\x02") + body[4:]
        if kind == b"trak" and len(headers) == 1:
            return body + box(b"tref", box(b"chap", struct.pack(">I", 2)))
        return body

    return changed(buffer.getvalue(), change)


@pytest.mark.parametrize(("count", "enabled"), [(100, True), (100, False), (2, True)])
def test_a_track_that_plays_is_looked_at_or_told_though_it_is_called_one_of_chapters(count, enabled):
    data = with_chapters(count, enabled=enabled)
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.video[1].disposition & av.stream.Disposition.timed_thumbnails
    _, info = read_video(data, frames=8)
    assert codes(info) == ["streams"]


def test_pictures_of_chapters_are_no_stream():
    frames, info = read_video(with_chapters(2, enabled=False), frames=8)
    assert codes(info) == []
    assert all(read_number(frame.image) >= 100 for frame in frames)
