import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from make import codes, corners, encode, failing, png_chunk, png_header, quarters
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from dfdetect.media.reader import open_media
from dfdetect.results import Frame, MediaInfo, MediaKind, Reason
from dfdetect.settings import Settings


def read(source: object, settings: Settings | None = None) -> tuple[Frame, MediaInfo]:
    with open_media(source, settings or Settings(frames=16)) as media:
        frames = list(media.frames())
        assert len(frames) == 1
        assert media.kind is MediaKind.PHOTO
        assert not list(media.closer([(0.0, 1.0)], 4))
        info = media.info
    image = frames[0].image
    assert image.dtype == np.uint8
    assert image.flags["C_CONTIGUOUS"]
    assert image.shape == (info.height, info.width, 3)
    assert (frames[0].index, frames[0].time) == (0, 0.0)
    assert info.frames_sampled == 1
    assert info.duration is None
    return frames[0], info


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_exif_orientations_give_the_same_pixels(orientation, form):
    upright = Image.fromarray(quarters())
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    stored = upright if undo is None else upright.transpose(undo)
    frame, info = read(encode(stored, form, exif=exif, **options))
    assert np.array_equal(frame.image, quarters())
    assert info.container == form.lower()
    if form != "TIFF":  # Pillow turns TIFF by itself and forgets the tag
        assert info.rotation == {3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}.get(orientation, 0)


XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'


def with_xmp(form: str, exif: Image.Exif) -> bytes:
    """A picture that XMP would turn by 180 degrees."""
    image = Image.fromarray(quarters())
    if form == "TIFF":
        return encode(image, form, tiffinfo={700: XMP, **exif})
    if form == "PNG":
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
        return encode(image, form, pnginfo=texts, exif=exif)
    return encode(image, form, xmp=XMP, exif=exif)


@pytest.mark.parametrize("stated", [None, 1, 6])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_a_picture_is_turned_by_exif_alone(form, stated):
    """As browsers do; Pillow goes by XMP as well."""
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    if stated is not None:
        exif[0x0112] = stated
    frame, _ = read(with_xmp(form, exif))
    turned = ["blue", "red", "white", "green"] if stated == 6 else ["red", "green", "blue", "white"]
    assert corners(frame.image) == turned


@pytest.mark.parametrize(
    ("form", "container"),
    [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp"), ("BMP", "bmp"), ("TIFF", "tiff"), ("GIF", "gif"),
     ("AVIF", "avif"), ("JPEG2000", "jpeg2000"), ("ICO", "ico")],
)  # fmt: skip
def test_formats_are_told_by_content(form, container, tmp_path):
    path = tmp_path / "wrong_name.mp4"
    path.write_bytes(encode(quarters(), form))
    frame, info = read(path)
    assert corners(frame.image) == ["red", "green", "blue", "white"]
    assert info.container == container
    assert info.size_bytes == path.stat().st_size


def test_cmyk_jpeg_is_not_inverted():
    frame, _ = read(encode(Image.fromarray(quarters()).convert("CMYK"), "JPEG", quality=95))
    assert corners(frame.image) == ["red", "green", "blue", "white"]


def test_sixteen_bits_are_scaled_and_not_cut_off():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, axis=0)
    for form in ("PNG", "TIFF"):
        frame, _ = read(encode(Image.fromarray(ramp), form))
        assert np.abs(frame.image[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def hdr_avif(number: int, belongs: bool = True) -> bytes:
    """An AVIF of one grey whose transfer characteristics, if they are those of its picture, are `number`."""
    data = bytearray(encode(Image.fromarray(np.full((64, 64, 3), 100, np.uint8)), "AVIF", quality=100))
    place = data.index(b"colrnclx") + 10
    data[place : place + 2] = struct.pack(">H", number)
    if not belongs:
        last = data.index(b"ipma") + 4 + 4 + 4 + 2 + 1 + 3
        assert data[last] == 4  # the fourth property, which names the colours
        data[last] = 2
    return bytes(data)


@pytest.mark.parametrize(("transfer", "level"), [(16, 107), (18, 104)])
def test_high_dynamic_range_is_mapped(transfer, level):
    picture = encode(Image.fromarray(np.full((64, 64, 3), 100, np.uint8)), "PNG")
    named = png_chunk(b"cICP", bytes((9, transfer, 0, 1)))
    for data in (picture[:33] + named + picture[33:], hdr_avif(transfer)):
        frame, info = read(data)
        assert [tuple(n) for n in info.notes] == [("hdr", "High dynamic range was mapped to standard range.")]
        assert int(frame.image[32, 32].mean()) == pytest.approx(level, abs=2)


def test_what_is_not_named_as_high_dynamic_range_is_not_mapped():
    picture = encode(Image.fromarray(np.full((64, 64, 3), 100, np.uint8)), "PNG")
    named, late = png_chunk(b"cICP", bytes((1, 13, 0, 1))), png_chunk(b"cICP", bytes((9, 16, 0, 1)))
    cut = hdr_avif(16).replace(b"ipma", b"free")  # which then belongs to nothing
    for data in (
        picture[:33] + named + picture[33:],
        picture[:-12] + late + picture[-12:],
        hdr_avif(13),
        hdr_avif(16, belongs=False),
    ):
        frame, info = read(data)
        assert not info.notes
        assert int(frame.image[32, 32].mean()) == pytest.approx(100, abs=2)
    assert failing(cut).reason is Reason.UNREADABLE


def test_a_sound_picture_of_a_kind_that_is_not_read_is_not_called_damaged():
    floats = np.random.default_rng(0).random((64, 64, 3), np.float32)
    error = failing(cv2.imencode(".tiff", floats)[1].tobytes())
    assert error.reason is Reason.UNSUPPORTED
    assert error.message == (
        "the data is TIFF of a kind that is not read here: convert it to PNG (unknown pixel mode)"
    )


def test_why_a_picture_cannot_be_read_is_told_without_names_of_the_program():
    error = failing(with_block(b"PLTE", bytes(9), wrong=True))
    assert error.reason is Reason.UNREADABLE
    assert "begins like PNG but is damaged" in error.message
    assert "<" not in error.message


def test_alpha_is_laid_on_grey():
    image = np.dstack((quarters(), np.full((64, 96), 255, np.uint8)))
    image[:, 48:, 3] = 0
    frame, _ = read(encode(Image.fromarray(image), "PNG"))
    assert np.array_equal(frame.image[:, :48], quarters()[:, :48])
    assert (frame.image[:, 48:] == 128).all()


def test_transparent_palette_and_grey():
    image = Image.fromarray(quarters()).convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    index = image.getpixel((2, 2))
    frame, _ = read(encode(image, "PNG", transparency=index))
    assert tuple(frame.image[2, 2]) == (128, 128, 128)
    grey, _ = read(encode(Image.fromarray(quarters()).convert("L"), "PNG"))
    assert (np.ptp(grey.image, axis=2) == 0).all()
    mask, _ = read(encode(Image.fromarray(quarters()).convert("1"), "PNG"))
    assert set(np.unique(mask.image)) == {0, 255}


@pytest.mark.parametrize("big", [False, True])
def test_first_page_counts_and_a_note_says_so(big):
    pages = [Image.fromarray(quarters()), Image.new("RGB", (10, 10)), Image.new("RGB", (10, 10))]
    frame, info = read(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:], big_tiff=big))
    assert np.array_equal(frame.image, quarters())
    assert codes(info) == ["pages"]
    assert "first of 3 pictures" in info.notes[0].text
    assert not read(encode(pages[0], "TIFF", big_tiff=big))[1].notes


def test_a_chain_of_pages_that_bites_its_tail_or_leaves_the_file_ends():
    whole = bytearray(encode(quarters(), "TIFF"))
    first = int.from_bytes(whole[4:8], "little")
    place = first + 2 + 12 * int.from_bytes(whole[first : first + 2], "little")
    for following in (first, len(whole) + 1000):
        whole[place : place + 4] = following.to_bytes(4, "little")
        frame, info = read(bytes(whole))
        assert np.array_equal(frame.image, quarters())
        assert not info.notes


def test_mpo_is_its_first_picture_and_a_note_says_so():
    pages = [Image.fromarray(quarters()), Image.new("RGB", (96, 64))]
    frame, info = read(encode(pages[0], "MPO", save_all=True, append_images=pages[1:]))
    assert corners(frame.image) == ["red", "green", "blue", "white"]
    assert info.container == "jpeg"
    assert codes(info) == ["pages"]


def test_the_sizes_of_an_icon_are_one_picture():
    _, info = read(encode(Image.fromarray(quarters(64, 64)), "ICO", sizes=[(16, 16), (32, 32), (64, 64)]))
    assert not info.notes


def test_bomb_is_refused_before_decoding():
    error = failing(png_header(40_000, 40_000))
    assert error.reason is Reason.TOO_LARGE
    assert "max_pixels" in error.message
    picture = encode(quarters(), "PNG")
    assert failing(picture, max_pixels=96 * 64 - 1).reason is Reason.TOO_LARGE
    read(picture, Settings(max_pixels=96 * 64))


@pytest.mark.parametrize("limit", [1_000, 1_001])
def test_what_is_decoded_while_it_is_opened_is_refused_before(limit, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 77)  # the limit of the program around us
    inner = png_header(32, limit // 32 + 1)  # would be unreadable if anybody tried
    icon = struct.pack("<HHH BBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(inner), 22) + inner
    error = failing(icon, max_pixels=limit)
    assert error.reason is Reason.TOO_LARGE
    assert "max_pixels" in error.message
    assert Image.MAX_IMAGE_PIXELS == 77
    whole = encode(Image.fromarray(quarters(64, 64)), "ICO", sizes=[(64, 64)])
    read(whole, Settings(max_pixels=64 * 64))
    assert failing(whole, max_pixels=64 * 64 - 1).reason is Reason.TOO_LARGE
    assert Image.MAX_IMAGE_PIXELS == 77


def test_truncated_jpeg_gives_what_is_there_and_says_so():
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    whole = encode(Image.fromarray(noise), "JPEG", quality=95)
    full, info = read(whole)
    assert not info.notes
    frame, info = read(whole[: len(whole) * 7 // 10])
    assert [note.code for note in info.notes] == ["truncated"]
    assert np.array_equal(frame.image[:48], full.image[:48])
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert failing(whole[: whole.index(b"\xff\xda") + 8]).reason is Reason.TRUNCATED


def test_damaged_png_is_read_or_refused():
    whole = bytearray(encode(Image.fromarray(quarters(256, 256)), "PNG", compress_level=0))
    whole[len(whole) // 2] ^= 0xFF
    _, info = read(bytes(whole))
    assert [note.code for note in info.notes] == ["damaged"]
    assert failing(whole[:40]).reason is Reason.TRUNCATED


def with_block(kind: bytes, data: bytes, *, wrong: bool = False) -> bytes:
    """A PNG with one more block before its picture, with a wrong checksum if asked."""
    whole, block = encode(quarters(), "PNG"), png_chunk(kind, data)
    if wrong:
        block = block[:-1] + bytes([block[-1] ^ 0xFF])
    return whole[:33] + block + whole[33:]


@pytest.mark.parametrize(
    "data",
    [
        with_block(b"iCCP", b"profile\0\0" + zlib.compress(bytes(3 << 20))),
        with_block(b"zTXt", b"words\0\0" + zlib.compress(bytes(3 << 20))),
        with_block(b"tEXt", b"words\0more", wrong=True),
    ],
    ids=["profile", "text", "checksum"],
)
def test_damage_beside_the_picture_of_a_png_costs_no_verdict(data):
    frame, info = read(data)
    assert np.array_equal(frame.image, quarters())
    assert codes(info) == ["metadata"]
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_png_that_is_damaged_where_it_matters_is_still_refused():
    assert failing(with_block(b"PLTE", bytes(9), wrong=True)).reason is Reason.UNREADABLE
    bomb = png_header(40_000, 40_000)
    text = png_chunk(b"tEXt", b"words\0more")[:-4] + bytes(4)
    assert failing(bomb[:33] + text + bomb[33:]).reason is Reason.TOO_LARGE


def test_truncated_webp():
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    whole = encode(Image.fromarray(noise), "WEBP")
    assert failing(whole[: len(whole) // 2]).reason is Reason.TRUNCATED


def test_arrays():
    frame, info = read(quarters())
    assert np.array_equal(frame.image, quarters())
    assert (info.container, info.codec, info.size_bytes) == ("array", "", None)
    grey, _ = read(quarters()[..., 0])
    assert np.array_equal(grey.image[..., 2], quarters()[..., 0])
    deep, _ = read(quarters().astype(np.uint16) * 257)
    assert np.array_equal(deep.image, quarters())
    floats, _ = read(quarters() / 255)
    assert np.array_equal(floats.image, quarters())
    clear, _ = read(np.zeros((4, 4, 4), np.uint8))
    assert (clear.image == 128).all()
    for wrong in (
        np.zeros((2, 8, 8, 3), np.uint8),
        np.zeros((8, 8, 2)),
        np.zeros((0, 8, 3)),
        np.zeros((8, 8), int),
    ):
        assert failing(wrong).reason is Reason.UNSUPPORTED
    assert failing(quarters(), max_pixels=10).reason is Reason.TOO_LARGE


def test_pillow_images():
    image = Image.fromarray(quarters())
    exif = image.getexif()
    exif[0x0112] = 3
    frame, info = read(image)
    assert np.array_equal(frame.image, quarters()[::-1, ::-1])
    assert (info.container, info.rotation) == ("array", 180)
    turned = Image.open(io.BytesIO(encode(image, "TIFF", exif=exif)))
    assert np.array_equal(read(turned)[0].image, quarters()[::-1, ::-1])  # once
    by_xmp = Image.open(io.BytesIO(with_xmp("JPEG", Image.Exif())))
    assert corners(read(by_xmp)[0].image) == ["red", "green", "blue", "white"]
    opened, _ = read(Image.open(io.BytesIO(encode(image.convert("RGBA"), "PNG"))))
    assert np.array_equal(opened.image, quarters())


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_images_that_a_program_opened_are_turned_by_exif_and_by_the_program(form):
    camera, upright = Image.Exif(), ["red", "green", "blue", "white"]
    camera[0x010F] = "a camera"
    for exif in (Image.Exif(), camera):
        assert corners(read(Image.open(io.BytesIO(with_xmp(form, exif))))[0].image) == upright
    for number, turned in ((1, upright), (6, ["blue", "red", "white", "green"])):
        image = Image.open(io.BytesIO(with_xmp(form, Image.Exif())))
        image.getexif()[0x0112] = number
        xmp = image.info.get("xmp")
        assert corners(read(image)[0].image) == turned
        assert image.info.get("xmp") == xmp


def test_what_a_program_sets_counts_though_xmp_states_no_orientation():
    image = Image.open(io.BytesIO(encode(quarters(), "JPEG", xmp=b"<x:xmpmeta/>")))
    image.getexif()[0x0112] = 3
    assert read(image)[1].rotation == 180


def test_heic_names_what_to_install():
    heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64)
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        error = failing(heic)
        assert error.reason is Reason.UNSUPPORTED
        assert "pillow-heif" in error.message
    else:
        assert failing(heic).reason is Reason.UNREADABLE


def test_warnings_of_others_are_left_alone():
    """`catch_warnings` that overlaps with another thread's leaves the filters of one of them for good."""
    before = list(warnings.filters)
    with (
        open_media(encode(quarters(), "PNG"), Settings()) as media,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        list(media.frames())
        warnings.warn("mine", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["mine"]
    assert list(warnings.filters) == before


@pytest.mark.parametrize("form", ["pcx", "ppm", "sgi", "png"])
def test_a_part_of_videos_says_nothing_about_pictures(form: str):
    picture = encode(quarters(), form)
    with open_media(picture, Settings(start=1.0, end=2.0)) as media:
        (frame,) = media.frames()
        assert media.kind is MediaKind.PHOTO
    assert frame.time == 0.0
