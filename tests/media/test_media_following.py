"""What stands behind the picture of a JPEG or PNG: previews, gain maps, the video of a motion photo."""

import io
import struct
import time

import numpy as np
import pytest
from make import codes, encode, numbered, quarters, video
from PIL import Image

from dfdetect.errors import MediaError
from dfdetect.media.reader import open_media
from dfdetect.results import MediaInfo, MediaKind, Reason
from dfdetect.settings import Settings

XMP = b"http://ns.adobe.com/xap/1.0/\0"
UNDEFINED, VGA, FULL_HD, ANGLE = 0, 0x010001, 0x010002, 0x020003
TWO = ("pages", "Only the first of 2 pictures in this file was looked at.")
VIDEO = (
    "video_follows",
    "A video follows the picture in this file and was not looked at; take it out and scan it.",
)


def jpeg(width: int, height: int, form: str = "JPEG") -> bytes:
    return encode(quarters(width, height), form)


def segment(mark: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, mark, 2 + len(data)) + data


def with_segment(picture: bytes, mark: int, data: bytes) -> bytes:
    return picture[:2] + segment(mark, data) + picture[2:]


def indexed(pictures: list[bytes], kinds: list[int], *, order: str = "<", filling: int = 0) -> bytes:
    """A JPEG whose index (CIPA DC-007) names the pictures behind it, as cameras write it."""
    first, *others = pictures
    index_bytes = 4 + 8 + 2 + 3 * 12 + 4 + 16 * len(pictures)
    at, base = len(first) + 4 + index_bytes, 2 + 4 + 4  # base: behind mark, length and name of the index
    entries = struct.pack(order + "IIIHH", 0x030000, at, 0, 0, 0)
    behind = b""
    for picture, kind in zip(others, kinds, strict=True):
        behind += bytes(filling)
        entries += struct.pack(order + "IIIHH", kind, len(picture), at + len(behind) - base, 0, 0)
        behind += picture
    fields = struct.pack(order + "HHI4s", 0xB000, 7, 4, b"0100")
    fields += struct.pack(order + "HHII", 0xB001, 4, 1, len(pictures))
    fields += struct.pack(order + "HHII", 0xB002, 7, len(entries), 8 + 2 + 3 * 12 + 4)
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    index = b"MPF\0" + head + struct.pack(order + "H", 3) + fields + bytes(4) + entries
    assert len(index) == index_bytes
    return with_segment(first, 0xE2, index) + behind


def look(data: bytes) -> MediaInfo:
    with open_media(data, Settings(frames=8)) as media:
        frames = list(media.frames())
        assert media.kind is MediaKind.PHOTO
        assert len(frames) == 1
        return media.info


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("filling", [0, 20_000])
@pytest.mark.parametrize(
    ("sizes", "kinds"),
    [
        ([(160, 120)], [UNDEFINED]),
        ([(640, 480)], [VGA]),
        ([(160, 120), (640, 480)], [VGA, FULL_HD]),
    ],
)
def test_previews_in_the_index_of_a_camera_are_no_further_pictures(sizes, kinds, filling, order):
    pictures = [jpeg(1200, 900), *(jpeg(*size) for size in sizes)]
    data = indexed(pictures, kinds, order=order, filling=filling)
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == len(pictures)  # Pillow takes it for an MPO
    assert look(data).notes == ()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("filling", [0, 20_000])
@pytest.mark.parametrize("kind", [UNDEFINED, ANGLE])
def test_pictures_in_the_index_of_a_camera_are_told(kind, filling, order):
    pictures = [jpeg(1200, 900), jpeg(640, 480), jpeg(1200, 900)]
    info = look(indexed(pictures, [VGA, kind], order=order, filling=filling))
    assert [tuple(note) for note in info.notes] == [TWO]


def test_a_picture_behind_a_preview_that_an_index_names_is_told():
    data = indexed([jpeg(1200, 900), jpeg(160, 120)], [VGA])
    assert [tuple(note) for note in look(data + jpeg(640, 480)).notes] == [TWO]


@pytest.mark.parametrize("place", [0, 1, 1 << 31, 0xFFFFFFFF])
def test_an_index_that_names_no_picture_does_no_harm(place):
    data = bytearray(indexed([jpeg(1200, 900), jpeg(160, 120), jpeg(160, 120)], [VGA, VGA]))
    entry = data.index(struct.pack("<I", VGA)) + 8
    data[entry : entry + 4] = struct.pack("<I", place)
    assert look(bytes(data)).notes == ()
    assert look(bytes(data[:-20])).notes == ()


@pytest.mark.parametrize(
    ("mark", "data"),
    [
        (0xE1, XMP + b'<x:xmpmeta><rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"/>'),
        (0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)),
        (0xE1, XMP + b"<apdi:AuxiliaryImageType>urn:com:apple:photo:2020:aux:hdrgainmap</apdi:Auxiliary>"),
    ],
    ids=["adobe", "iso", "apple"],
)
def test_a_gain_map_is_no_further_picture(mark, data):
    photo = with_segment(jpeg(640, 480), mark, data)  # the photo says that one follows
    gain_map = with_segment(jpeg(320, 240), mark, data)
    assert look(photo + gain_map).notes == ()
    assert look(indexed([photo, gain_map], [UNDEFINED])).notes == ()
    for whole in (photo + gain_map + jpeg(320, 240), indexed([photo, jpeg(320, 240)], [UNDEFINED])):
        assert [tuple(note) for note in look(whole).notes] == [TWO]


@pytest.mark.parametrize("form", ["mp4", "mov"])
@pytest.mark.parametrize("between", [b"", b"MotionPhoto_Data", bytes(2000)])
@pytest.mark.parametrize("still", ["JPEG", "PNG"])
def test_the_video_of_a_motion_photo_is_told(still, between, form):
    moving = video(numbered(5), form=form)
    info = look(jpeg(96, 64, still) + between + moving)
    assert [tuple(note) for note in info.notes] == [VIDEO]


def test_the_video_behind_a_gain_map_is_told():
    gain_map = with_segment(jpeg(320, 240), 0xE2, b"urn:iso:std:iso:ts:21496:-1\0")
    data = indexed([jpeg(640, 480), gain_map], [UNDEFINED]) + video(numbered(5))
    assert [tuple(note) for note in look(data).notes] == [VIDEO]


def test_what_only_looks_like_a_video_is_not_told():
    still = encode(np.zeros((64, 64, 3), np.uint8), "AVIF")
    for behind in (b"ftyp", b"a line about ftyp and moov", still):
        assert codes(look(jpeg(96, 64) + behind)) == []


def test_a_second_photo_with_a_gain_map_of_its_own_is_told():
    mark = b"urn:iso:std:iso:ts:21496:-1\0"
    photo, gain_map = (with_segment(jpeg(*size), 0xE2, mark) for size in ((640, 480), (320, 240)))
    assert [tuple(note) for note in look(2 * (photo + gain_map)).notes] == [TWO]
    large = with_segment(jpeg(800, 600), 0xE2, mark)
    assert [tuple(note) for note in look(photo + large).notes] == [TWO], "no map is larger than its photo"


@pytest.mark.parametrize("before", range(4080, 4092))
def test_a_beginning_that_is_cut_off_is_no_video(before):
    still = b"\0\0\0\x18ftypheic" + bytes(20)
    assert codes(look(jpeg(96, 64) + bytes(before) + still)) == []


def test_thousands_of_tiny_pictures_and_beginnings_take_no_time():
    tiny = b"\xff\xd8\xff\xc0\0\x07\x08\0\1\0\1\xff\xd9" + b"\0\0\0\x10ftypavifx"
    clock = time.process_time()
    look(jpeg(96, 64) + 8_000 * tiny)
    assert time.process_time() - clock < 2


def with_scans(count: int, between: bytes) -> bytes:
    """A progressive JPEG of so many scans; all but the first ones are empty."""
    whole = encode(Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + (count - whole.count(b"\xff\xda")) * (between + scan) + whole[-2:]


# What decoders pass over: without bytes, with other ones, a comment without text, filling, a lost restart.
@pytest.mark.parametrize("between", [b"", b"other", b"\xff\xfe\0\2", b"\xff\xff", b"\xff\xd3", b"\xff\0"])
def test_a_photo_of_hundreds_of_scans_is_refused(between):
    assert look(with_scans(500, between)).notes == ()
    with pytest.raises(MediaError, match="more than 500 passes") as caught:
        look(with_scans(501, between))
    assert caught.value.reason is Reason.TOO_LARGE


def test_counting_scans_takes_no_time():
    data = with_scans(50_000, b"")
    clock = time.process_time()
    with pytest.raises(MediaError):
        look(data)
    assert time.process_time() - clock < 0.5
