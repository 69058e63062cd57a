import struct
import zlib

import numpy as np
import pytest
from make import encode, numbered, png_chunk, quarters, read_number
from PIL import Image

from dfdetect.errors import MediaError
from dfdetect.media import animation as animation_module
from dfdetect.media.reader import open_media
from dfdetect.results import Frame, MediaInfo, MediaKind, Reason
from dfdetect.settings import Settings


def animation(form: str, count: int = 10, duration: int | list[int] = 80, **options: object) -> bytes:
    pictures = [Image.fromarray(picture) for picture in numbered(count)]
    return encode(pictures[0], form, save_all=True, append_images=pictures[1:], duration=duration, **options)


def read(data: bytes, **choices: object) -> tuple[list[Frame], MediaInfo]:
    with open_media(data, Settings(**{"frames": 16, **choices})) as media:
        assert media.kind is MediaKind.VIDEO
        return list(media.frames()), media.info


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animations_are_videos(form):
    frames, info = read(animation(form), frames=5)
    assert [read_number(frame.image) for frame in frames] == [1, 3, 5, 7, 9]
    assert [frame.time for frame in frames] == pytest.approx([0.08, 0.24, 0.4, 0.56, 0.72])
    assert info.container == form.lower()
    assert (info.width, info.height, info.frames_sampled) == (64, 64, 5)
    assert info.duration == pytest.approx(0.8)
    assert info.frame_rate == pytest.approx(12.5)
    everything, _ = read(animation(form))
    assert [read_number(frame.image) for frame in everything] == list(range(10))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_uneven_delays(form):
    frames, info = read(animation(form, 4, [100, 500, 50, 350]))
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.1, 0.6, 0.65])
    assert info.duration == pytest.approx(1.0)


def test_delays_of_a_png_are_fractions_of_a_second():
    """120 pictures of 1/60 s were 1.92 s, each cut to milliseconds; 1/91 s is too short for browsers."""
    for rate, seconds in ((60, 2.0), (91, 12.0)):
        data = bytearray(animation("PNG", 120))
        place = data.find(b"fcTL")
        while place >= 0:
            data[place + 24 : place + 28] = struct.pack(">HH", 1, rate)
            checked = bytes(data[place : place + 30])
            data[place + 30 : place + 34] = struct.pack(">I", zlib.crc32(checked))
            place = data.find(b"fcTL", place + 1)
        frames, info = read(bytes(data), frames=120)
        assert info.duration == seconds
        assert info.frame_rate == 120 / seconds
        half = [frame.time for frame in frames][60]
        assert half == seconds / 2
        assert len(read(bytes(data), frames=120, end=half)[0]) == 60


def test_forgotten_delays_are_shown_as_browsers_do():
    _, info = read(animation("GIF", 4, 0))
    assert info.duration == pytest.approx(0.4)


def test_partial_pictures_with_disposal_are_composed():
    base = np.full((64, 64, 3), 40, np.uint8)
    pictures = []
    for number in range(4):
        picture = base.copy()
        picture[8 * number : 8 * number + 8, :16] = 220
        pictures.append(Image.fromarray(picture))
    for disposal in (0, 1, 2):
        frames, _ = read(
            encode(
                pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=50, disposal=disposal
            )
        )
        assert len(frames) == 4
        for number, frame in enumerate(frames):
            assert np.abs(frame.image.astype(int) - np.asarray(pictures[number])).max() < 8


def test_one_picture_is_a_photo():
    for form in ("GIF", "WEBP", "PNG"):
        data = encode(next(iter(numbered(1))), form, save_all=True)
        with open_media(data, Settings(frames=16)) as media:
            assert media.kind is MediaKind.PHOTO
            assert len(list(media.frames())) == 1


def test_damage_beside_the_pictures_costs_nothing():
    whole = animation("PNG", 4)
    profile = png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(3 << 20)))
    frames, info = read(whole[:33] + profile + whole[33:])
    assert [read_number(frame.image) for frame in frames] == [0, 1, 2, 3]
    assert [note.code for note in info.notes] == ["metadata"]


def test_window_and_closer():
    data = animation("GIF", 50, 100)
    frames, _ = read(data, start=1.0, end=2.0, frames=5)
    assert [read_number(frame.image) for frame in frames] == [11, 13, 15, 17, 19]
    with open_media(data, Settings(frames=4)) as media:
        before = [read_number(frame.image) for frame in media.frames()]
        closer = list(media.closer([(1.0, 2.0)], 3))
        assert len(closer) == 3
        assert all(1.0 <= frame.time <= 2.0 for frame in closer)
        assert not {read_number(frame.image) for frame in closer} & set(before)
    with open_media(data, Settings(frames=4, end=2.0)) as media:
        frames = [*media.frames(), *media.closer([(1.0, 2.0)], 99)]
        assert max(read_number(frame.image) for frame in frames) == 19
    with pytest.raises(MediaError) as caught:
        read(data, start=100.0)
    assert caught.value.reason is Reason.NO_PICTURE


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_gif_is_noticed_whatever_bytes_its_pictures_hold(share):
    noise = np.random.default_rng(1).integers(0, 255, (8, 96, 96, 3), np.uint8)
    first, *rest = (Image.fromarray(picture) for picture in noise)
    whole = encode(first, "GIF", save_all=True, append_images=rest, duration=80)
    assert whole.count(b";") > 10
    _, info = read(whole[: int(len(whole) * share)])
    assert "truncated" in [note.code for note in info.notes]
    _, info = read(whole)
    assert not info.notes


def test_pictures_on_a_huge_canvas_are_refused_before_any_is_composed():
    picture = b"!\xf9\x04\x00\x01\x00\x00\x00," + bytes(4) + b"\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00"
    data = b"GIF89a" + struct.pack("<HH", 15_000, 15_000) + b"\x80\x00\x00" + bytes(6) + picture * 500 + b";"
    with pytest.raises(MediaError, match="500 pictures of 15000x15000") as caught:
        read(data)
    assert caught.value.reason is Reason.TOO_LARGE


def test_truncated_animations():
    for form in ("GIF", "PNG"):
        whole = animation(form, 40)
        frames, info = read(whole[: len(whole) * 6 // 10], frames=99)
        assert "truncated" in [note.code for note in info.notes]
        assert 10 < len(frames) < 40
        assert [read_number(frame.image) for frame in frames[:10]] == list(range(10))
    whole = animation("WEBP", 40)
    with pytest.raises(MediaError) as caught:
        read(whole[: len(whole) * 6 // 10])
    assert caught.value.reason is Reason.TRUNCATED


def test_bombs_are_refused():
    with pytest.raises(MediaError) as caught:
        read(animation("GIF"), max_pixels=64 * 64 - 1)
    assert caught.value.reason is Reason.TOO_LARGE


def placed(*boxes: tuple[int, int, int, int]) -> bytes:
    """A GIF of 16x16 whose pictures lie at these (left, top, width, height), with next to no data in them."""
    frames = b"".join(
        b"!\xf9\x04\x00\x08\x00\x00\x00," + struct.pack("<4HB", *box, 0) + b"\x02\x02\x44\x01\x00"
        for box in boxes
    )
    return b"GIF89a" + struct.pack("<HH", 16, 16) + b"\x80\x00\x00" + bytes(6) + frames + b";"


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_a_gif_that_grows_past_the_limit_is_refused(frames):
    data = placed((0, 0, 1, 1), (300, 300, 1, 1), *[(0, 0, 1, 1)] * 7)
    with pytest.raises(MediaError) as caught:
        read(data, frames=frames, max_pixels=301 * 301 - 1)
    assert caught.value.reason is Reason.TOO_LARGE
    _, info = read(data, frames=frames, max_pixels=301 * 301)
    assert info.frames_sampled == frames


def test_a_gif_that_grows_is_refused_once_it_is_too_much_work(monkeypatch):
    monkeypatch.setattr(animation_module, "_MOST_COMPOSED", 7 * 301 * 301)
    data = placed((0, 0, 1, 1), (300, 300, 1, 1), *[(0, 0, 1, 1)] * 7)
    with pytest.raises(MediaError, match="9 pictures of 301x301") as caught:
        read(data)
    assert caught.value.reason is Reason.TOO_LARGE
    read(data, end=0.6)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_pictures_that_are_not_looked_at_since_there_are_too_many_are_told(form, monkeypatch):
    monkeypatch.setattr(animation_module, "_MOST_PICTURES", 10)
    frames, info = read(animation(form, 11))
    assert len(frames) == 10
    assert [note.code for note in info.notes] == ["pages"]
    assert "more than 10 pictures; those after 0.8 s" in info.notes[0].text
    assert not read(animation(form, 10))[1].notes


@pytest.mark.parametrize("orientation", [2, 3, 5, 6, 8])
@pytest.mark.parametrize("form", ["WEBP", "PNG"])
def test_animations_are_turned_by_exif_as_still_pictures_are(form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pictures = [Image.fromarray(quarters()), Image.fromarray(quarters() // 2)]
    options = {"lossless": True} if form == "WEBP" else {}
    with open_media(encode(pictures[0], form, exif=exif, **options), Settings()) as media:
        (still,) = media.frames()
        turned = media.info.rotation
    data = encode(
        pictures[0], form, save_all=True, append_images=pictures[1:], duration=100, exif=exif, **options
    )
    with open_media(data, Settings(frames=2)) as media:
        before = media.info
    frames, info = read(data, frames=2)
    assert np.array_equal(frames[0].image, still.image)
    assert len(frames) == 2
    for told in (before, info):
        assert (told.height, told.width) == still.image.shape[:2]
        assert told.rotation == turned
    assert all(frame.image.flags["C_CONTIGUOUS"] for frame in frames)
