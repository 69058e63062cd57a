"""Files made so that a look at their beginning, or at what is marked as good, shows something else."""

import io
import os
import struct
import tracemalloc
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import codes, encode, numbered, png_chunk, quarters, read_number, read_video, video
from PIL import Image

from dfdetect.batch.sources import find_media
from dfdetect.errors import SettingsError
from dfdetect.media.colour import BACKGROUND, composite, flatten
from dfdetect.media.credentials import read_trust_list
from dfdetect.media.reader import open_media
from dfdetect.media.sampling import choose
from dfdetect.media.sniff import Family, sniff
from dfdetect.results import Frame, MediaInfo, MediaKind
from dfdetect.settings import Settings


def read(data: bytes) -> tuple[MediaKind, list[Frame], MediaInfo]:
    with open_media(data, Settings(frames=8)) as media:
        return media.kind, list(media.frames()), media.info


def numbers(frames: list[Frame]) -> list[int]:
    return [read_number(frame.image) for frame in frames]


def jpeg(number: int, size: int = 64, form: str = "JPEG") -> bytes:
    return encode(list(numbered(number + 1, size))[number], form)


# --- marks of damage in a transport stream


def marked(stream: bytes, first: int, last: int) -> bytes:
    """Set the error mark on the packets of the pictures from `first` to before `last`."""
    data = bytearray(stream)
    places = [i for i in range(0, len(data), 188) if (data[i + 1] & 0x1F) << 8 | data[i + 2] == 0x100]
    picture = -1
    for place in places:
        picture += data[place + 1] >> 6 & 1
        if first <= picture < last:
            data[place + 1] |= 0x80
    return bytes(data)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
@pytest.mark.parametrize(("first", "last"), [(10, 86), (0, 76), (20, 96)])
def test_many_pictures_marked_as_damaged_are_looked_at(codec, first, last):
    whole = video(numbered(98), form="mpegts", codec=codec, options={"bf": "0"})
    expected, _ = read_video(whole, frames=8)
    frames, info = read_video(marked(whole, first, last), frames=8)
    assert numbers(frames) == numbers(expected)
    assert codes(info) == ["damaged"]
    # FFmpeg's marks lie two pictures before the packets'.
    assert info.notes[0].text.startswith(f"{last - max(first, 2)} of 98 pictures")


def test_few_pictures_marked_as_damaged_are_left_out_and_counted():
    whole = video(numbered(98), form="mpegts", options={"bf": "0"})
    frames, info = read_video(marked(whole, 40, 42), frames=98)
    assert len(frames) == 96
    assert [note.text for note in info.notes] == [
        "2 of 98 pictures are marked as damaged and were not looked at."
    ]


def test_one_picture_marked_as_damaged():
    whole = video(numbered(98), form="mpegts", options={"bf": "0"})
    _, info = read_video(marked(whole, 40, 41), frames=98)
    assert [note.text for note in info.notes] == [
        "1 of 98 pictures is marked as damaged and was not looked at."
    ]


# --- animated PNGs with a picture beside the animation


def beside(count: int) -> bytes:
    """A PNG that shows picture 0 to programs that know no animations, and `count` others to browsers."""
    data = [zlib.compress(b"".join(b"\0" + row.tobytes() for row in p[..., 0])) for p in numbered(count + 1)]
    blocks = [
        png_chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)),
        png_chunk(b"acTL", struct.pack(">II", count, 0)),
        png_chunk(b"IDAT", data[0]),
    ]
    for place in range(count):
        control = struct.pack(">IIIIIHHBB", 2 * place, 64, 64, 0, 0, 80, 1000, 0, 0)
        blocks += [png_chunk(b"fcTL", control)]
        blocks += [png_chunk(b"fdAT", struct.pack(">I", 2 * place + 1) + data[place + 1])]
    return b"\x89PNG\r\n\x1a\n" + b"".join(blocks) + png_chunk(b"IEND", b"")


FIRST_OF = "Only the first of {} pictures in this file was looked at."
BOTH = "Programs that show no animations show another picture than those that do; both were looked at."


@pytest.mark.parametrize("count", [2, 5])
def test_a_picture_beside_the_animation_hides_none_of_it(count):
    kind, frames, info = read(beside(count))
    assert kind is MediaKind.VIDEO
    assert numbers(frames) == list(range(count + 1))
    assert [(n.code, n.text) for n in info.notes] == [("pages", BOTH)]


@pytest.mark.parametrize("choices", [{"frames": 8}, {"frames": 1}, {"frames": 8, "start": 2.0}, {"fps": 2.0}])
def test_a_picture_beside_the_animation_is_looked_at_whatever_is_sampled(choices):
    with open_media(beside(75), Settings(**choices)) as media:
        frames = list(media.frames())
        closer = list(media.closer([(0.0, 0.5)], 99))
        every = list(media.every_frame())
        info = media.info
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert len(frames) == max(2, choices.get("frames", 13))
    assert read_number(frames[0].image) == 0
    assert 0 not in numbers(closer) + numbers(every)
    assert codes(info) == (["pages", "part"] if "start" in choices else ["pages"])


def test_a_picture_beside_the_animation_has_no_time():
    with open_media(beside(75), Settings(frames=99)) as media:
        frames, info = list(media.frames()), media.info
    assert info.duration == pytest.approx(6.0)  # as browsers show it
    assert info.frame_rate == pytest.approx(12.5)
    assert [frame.time for frame in frames] == pytest.approx([0.0, *(0.08 * place for place in range(75))])
    assert numbers(frames) == list(range(76))


def test_a_picture_beside_one_that_does_not_move_is_a_photo():
    kind, frames, info = read(beside(1))
    assert kind is MediaKind.PHOTO
    assert numbers(frames) == [0]
    assert [note.text for note in info.notes] == [FIRST_OF.format(2)]


def test_what_would_be_an_animation_is_a_photo_where_nothing_announces_it():
    whole = beside(3)
    kind, frames, _ = read(whole.replace(whole[33:53], b""))
    assert kind is MediaKind.PHOTO
    assert numbers(frames) == [0]


# --- several streams


def several(count: int, form: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(count)]
        for stream in streams:
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(numbered(12)):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts"])
def test_other_video_streams_are_told(form):
    _, info = read_video(several(3, form))
    assert codes(info) == ["streams"]
    assert "one of 3 video streams" in info.notes[0].text
    _, info = read_video(several(1, form))
    assert codes(info) == []


def test_a_cover_is_no_stream(tmp_path):
    path = tmp_path / "covered.mp4"
    with av.open(io.BytesIO(several(1, "mp4"))) as source, av.open(str(path), "w", format="mp4") as out:
        moving = out.add_stream_from_template(source.streams.video[0])
        cover = out.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = moving
                out.mux(packet)
        frame = av.VideoFrame.from_ndarray(quarters(64, 64), format="rgb24")
        out.mux([*cover.encode(frame), *cover.encode(None)])
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    _, info = read_video(path)
    assert codes(info) == []


# --- pictures that stay long


def test_one_picture_that_stays_does_not_swallow_the_samples():
    times = np.append(np.arange(86) / 25, 123.44)
    picks = choose(times, 123.48, Settings(frames=8))
    assert len(picks) == 8
    assert 85 in picks  # the one that stays
    assert max(np.diff([-1, *picks, 87])) <= 87 / 7 + 1


@given(st.lists(st.integers(0, 99), min_size=1, max_size=5, unique=True), st.integers(2, 40))
def test_pictures_that_stay_are_looked_at_and_so_is_what_lies_between(long, count):
    gaps = np.full(100, 0.04)
    gaps[long] = 1000.0
    times = np.concatenate(([0.0], np.cumsum(gaps)[:-1]))
    picks = choose(times, float(gaps.sum()), Settings(frames=count))
    assert len(picks) == len(set(picks.tolist())) == count
    assert (np.diff(picks) > 0).all()
    if count >= 2 * len(long):
        assert set(long) <= set(picks.tolist())
        rest = count - len(long)
        assert max(np.diff([-1, *picks, 100])) <= 101 / max(1, rest - len(long)) + 2


def test_flashes_before_a_picture_that_stays():
    first, *rest = (Image.fromarray(picture) for picture in numbered(20))
    durations = [20] * 19 + [10_000]
    data = encode(first, "WEBP", save_all=True, append_images=rest, duration=durations, lossless=True)
    _, frames, _ = read(data)
    assert 19 in numbers(frames)
    assert len(frames) == 8


# --- pictures in a row


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (jpeg(1) + jpeg(2), 2),
        (jpeg(1) + b"filling" + jpeg(2), 2),
        (jpeg(1) + jpeg(2) * 40, 41),
        (jpeg(1) + jpeg(2, 128) + jpeg(3, 128), 3),
        (jpeg(1, form="PNG") + jpeg(2, form="PNG") + jpeg(3, form="PNG"), 3),
    ],
)
def test_of_pictures_in_a_row_the_first_is_looked_at_as_every_viewer_shows_it(data, count):
    kind, frames, info = read(data)
    assert kind is MediaKind.PHOTO
    assert numbers(frames) == [1]
    assert [(n.code, n.text) for n in info.notes] == [("pages", FIRST_OF.format(count))]


def test_what_cameras_write_behind_a_photo_or_into_it_is_no_further_picture():
    photo, preview = jpeg(1, 640), jpeg(1, 64)
    inside = photo[:2] + b"\xff\xe1" + struct.pack(">H", 2 + 3 * len(preview)) + preview * 3 + photo[2:]
    for data in (photo + preview * 5, inside, photo + bytes(5000), photo + preview[:50], photo):
        kind, _, info = read(data)
        assert (kind, info.notes) == (MediaKind.PHOTO, ())
    first, *others = (Image.fromarray(picture) for picture in numbered(4))
    kind, _, info = read(encode(first, "MPO", save_all=True, append_images=others))
    assert (kind, codes(info)) == (MediaKind.PHOTO, ["pages"])


# --- the first bytes


@pytest.mark.parametrize("length", [256, 442, 435])
def test_a_first_box_whose_length_spells_another_magic(length):
    whole = video(numbered(10))
    old = int.from_bytes(whole[:4], "big")
    head = struct.pack(">I", length) + whole[4:old] + b"isom" * ((length - old) // 4)
    data = head.ljust(length, b"\0") + whole[old:]
    assert sniff(data[:4096]).format == "mp4"
    begun = whole.index(b"stco") + 12
    data = data.replace(
        whole[begun : begun + 4],
        struct.pack(">I", int.from_bytes(whole[begun : begun + 4], "big") + length - old),
    )
    frames, _ = read_video(data, frames=8)
    assert len(frames) == 8


def test_icons_are_told_from_what_begins_with_the_same_bytes():
    icon = encode(quarters(64, 64), "ICO", sizes=[(16, 16), (64, 64)])
    assert sniff(icon).format == "ico"
    assert sniff(b"\x00\x00\x01\x00" + bytes(60)).family is Family.UNKNOWN


@pytest.mark.parametrize("size", [188, 192])
@pytest.mark.parametrize("before", [b"\n" * 5, b"<html>\n", b"a line of text\n" * 100])
def test_a_transport_stream_behind_other_bytes_is_found(before, size, tmp_path):
    whole = video(numbered(20), form="mpegts")
    if size == 192:  # as cameras and discs have it
        whole = b"".join(bytes(4) + whole[at : at + 188] for at in range(0, len(whole), 188))
    path = tmp_path / "a.ts"
    path.write_bytes(before + whole)
    assert list(find_media([str(tmp_path)])) == [str(path)]
    with open_media(path, Settings(frames=8)) as media:
        assert media.kind is MediaKind.VIDEO
        assert numbers(list(media.frames()))


@pytest.mark.parametrize(
    "data",
    [
        b"." * 5 + b"G" * 4096,
        b"x" + (b"G001" + b"." * 183 + b"\n") * 20,
        b"\0" + np.random.default_rng(5).bytes(65_535),
        b"\x93NUMPY" + np.random.default_rng(0).integers(36_000, 44_000, 20_000).astype("<f4").tobytes(),
    ],
)
def test_what_only_looks_like_a_transport_stream_is_none(data):
    assert sniff(data).family in (Family.TEXT, Family.UNKNOWN)


def test_digital_video_is_found(tmp_path):
    pictures = [np.full((576, 720, 3), level, np.uint8) for level in (50, 200)]
    data = video(pictures, codec="dvvideo", form="dv", pix_fmt="yuv420p")
    (tmp_path / "no suffix").write_bytes(data)
    (tmp_path / "a.dv").symlink_to("gone.dv")
    assert len(list(find_media([str(tmp_path)]))) == 2
    assert sniff(data).format == "dv"
    assert len(read(data)[1]) == 2


# --- transparency


@pytest.mark.parametrize("mode", ["RGBA", "LA", "La", "RGBa", "P", "RGB", "L"])
def test_transparency_is_laid_on_grey_row_by_row_as_at_once(mode):
    pixels = np.random.default_rng(3).integers(0, 256, (333, 17, 4), np.uint8)
    image = Image.fromarray(pixels)
    if mode in ("P", "RGB", "L"):
        image = image.convert("RGB").convert(mode)
        image.info["transparency"] = {"P": 3, "RGB": tuple(pixels[0, 0, :3].tolist()), "L": 77}[mode]
    elif mode in ("LA", "La"):
        image = image.convert("LA").convert(mode)
    else:
        image = image.convert(mode)
    plain = image.convert("LA") if mode == "La" else image
    whole = np.asarray(plain.convert("RGBA")).astype(int)
    over = whole[..., :3] * whole[..., 3:] + BACKGROUND * (255 - whole[..., 3:])
    assert (np.asarray(flatten(image)) == (over + 127) // 255).all()


def test_a_large_transparent_picture_takes_little_more_than_its_own_memory():
    pixels = np.full((2048, 2048, 4), 200, np.uint8)
    tracemalloc.start()
    composite(pixels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * pixels.nbytes


# --- other files that a user names


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_trust_list_without_end_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large.pem"
    large.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    os.truncate(large, 100 << 20)
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(SettingsError, match="not a regular file"):
            read_trust_list(path)
    with pytest.raises(SettingsError, match="larger than 16 MB"):
        read_trust_list(large)
    with pytest.raises(SettingsError, match="No such file"):
        read_trust_list(tmp_path / "nothing.pem")


def test_a_trust_list_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "certs.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert read_trust_list("~/certs.pem").startswith("-----BEGIN")
