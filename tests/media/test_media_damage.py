import io
import struct
import wave

import numpy as np
import pytest
from make import (
    codes,
    encode,
    failing,
    numbered,
    quarters,
    read_number,
    read_video,
    song_with_cover,
    sound,
    video,
)

from dfdetect.results import Reason


def test_truncated_video_gives_what_is_there_and_says_so():
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(50)]
    whole = video(pictures, muxer={"movflags": "faststart"})
    frames, info = read_video(whole[: len(whole) * 6 // 10])
    assert "truncated" in codes(info)
    assert len(frames) == 16
    assert 0.8 < info.duration < 1.6
    whole = video(pictures, form="matroska")
    frames, info = read_video(whole[: len(whole) * 6 // 10])
    assert codes(info) == ["truncated"]
    assert len(frames) >= 15  # the last one may be cut off
    _, info = read_video(whole)
    assert codes(info) == []


def test_cut_off_first_picture_is_salvaged():
    picture = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    whole = video([picture] * 3, muxer={"movflags": "faststart"}, options={"x264-params": "slices=1"})
    start = whole.index(b"mdat") + 4
    frames, info = read_video(whole[: start + (len(whole) - start) // 2])
    assert len(frames) == 1
    assert codes(info) == ["truncated", "damaged"]


def test_wrong_claims_are_found_out():
    whole = bytearray(video(numbered(50), codec="mjpeg", form="avi", pix_fmt="yuvj420p"))
    for mark, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        place = whole.index(mark) + offset
        whole[place : place + 4] = (900_000).to_bytes(4, "little")
    frames, info = read_video(bytes(whole))
    assert len(frames) == 16
    assert info.duration == pytest.approx(2.0)
    assert codes(info) == ["wrong_header"]


@pytest.mark.parametrize(
    ("pictures", "said"),
    [(1, "0.04 s with 1 picture"), (2, "0.08 s with 2 pictures"), (5, "0.2 s with 5 pictures")],
)
def test_how_little_is_there_is_told_in_words_that_fit(pictures, said):
    whole = bytearray(video(numbered(pictures), codec="mjpeg", form="avi", pix_fmt="yuvj420p"))
    for mark, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        place = whole.index(mark) + offset
        whole[place : place + 4] = (900_000).to_bytes(4, "little")
    _, info = read_video(bytes(whole))
    (note,) = info.notes
    assert note.text.endswith(f"the file holds {said}.")


def test_damage_in_the_middle_is_passed_over():
    whole = bytearray(video(numbered(100), codec="mpeg2video", form="mpegts"))
    for place in range(len(whole) // 3, len(whole) // 2, 97):
        whole[place] ^= 0x55
    frames, _ = read_video(bytes(whole), frames=50)
    assert len(frames) > 20


def test_key_pictures_that_are_none_are_found_out():
    honest = video(numbered(60), gop=30)
    lying = honest.replace(b"stss", b"free")  # now every picture claims to be a key picture
    assert lying != honest
    frames, _ = read_video(lying, frames=8)
    assert [read_number(frame.image) for frame in frames] == [
        read_number(frame.image) for frame in read_video(honest, frames=8)[0]
    ]


def test_no_index():
    whole = video(numbered(10))
    error = failing(whole[: whole.index(b"moov") - 4])
    assert error.reason is Reason.TRUNCATED
    assert "moov" in error.message


def test_an_index_that_is_cut_off():
    whole = video(numbered(10))
    for kept in (whole.index(b"moov") + 60, whole.index(b"stsd") - 20, whole.index(b"stsd") + 150):
        error = failing(whole[:kept])
        assert error.reason is Reason.TRUNCATED
        assert "ends before its first whole picture: copy or download it again" in error.message


def test_boxes_in_boxes_without_end_are_passed_over():
    whole = video(numbered(5))
    nest = b""
    for _ in range(1500):
        nest = (8 + len(nest)).to_bytes(4, "big") + b"trak" + nest
    start = whole.index(b"moov") - 4
    length = int.from_bytes(whole[start : start + 4], "big")
    index = (length + len(nest)).to_bytes(4, "big") + whole[start + 4 : start + length] + nest
    frames, _ = read_video(whole[:start] + index)
    assert len(frames) == 5


def test_encrypted():
    error = failing(video(numbered(5)).replace(b"avc1\x00", b"encv\x00"))
    assert error.reason is Reason.ENCRYPTED


def test_sound_only():
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    for data in (sound(), buffer.getvalue(), song_with_cover(encode(quarters(), "JPEG"))):
        assert failing(data).reason is Reason.NO_PICTURE


def test_neither_picture_nor_sound():
    header = struct.pack(">I4s12xII80x", 108, b"mvhd", 1000, 1).ljust(108, b"\0")
    empty = (
        struct.pack(">I4s4s4x4s", 20, b"ftyp", b"isom", b"isom") + struct.pack(">I4s", 116, b"moov") + header
    )
    error = failing(empty)
    assert error.reason is Reason.NO_PICTURE
    assert error.message == "the data holds neither picture nor sound: get the file again"


def test_bombs_are_refused():
    error = failing(video([quarters()] * 2), max_pixels=96 * 64 - 1)
    assert error.reason is Reason.TOO_LARGE


def test_nothing_reaches_standard_error(capfd):
    whole = video(numbered(50), muxer={"movflags": "faststart"})
    capfd.readouterr()
    broken = bytearray(whole[: len(whole) * 2 // 3])
    rest = len(broken) * 3 // 4
    broken[rest::50] = bytes(len(broken[rest::50]))
    read_video(bytes(broken))
    failing(whole[:200])
    assert capfd.readouterr() == ("", "")
