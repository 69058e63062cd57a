"""Pictures that are in memory already: what floats mean, byte orders, and images of several pictures."""

import io

import numpy as np
import pytest
from make import codes, encode, quarters
from PIL import Image

from dfdetect import Detector
from dfdetect.errors import MediaError
from dfdetect.media.reader import open_media
from dfdetect.results import Frame, MediaInfo, Reason
from dfdetect.settings import Settings


def read(source: object) -> tuple[Frame, MediaInfo]:
    with open_media(source, Settings()) as media:
        (frame,) = media.frames()
        return frame, media.info


def several(form: str, count: int = 3, size: tuple[int, int] = (96, 64)) -> bytes:
    others = [Image.new("RGB", size, colour) for colour in ("navy", "olive", "teal")[: count - 1]]
    return encode(quarters(), form, save_all=form != "JPEG", append_images=others)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f8"])
def test_floats_below_zero_are_refused_with_what_to_do(dtype):
    with pytest.raises(MediaError, match="from -1 to 1: add 1 and halve") as caught:
        read((quarters() / 127.5 - 1).astype(dtype))
    assert caught.value.reason is Reason.UNSUPPORTED
    with pytest.raises(MediaError, match="undo its normalisation"):
        read(((quarters() / 255 - 0.45) / 0.225).astype(dtype))
    rounded = (quarters() / 255).astype(dtype)
    rounded[0, :3] = [[-0.1], [np.nan], [1.1]]  # a filter leaves such
    assert np.array_equal(read(rounded)[0].image[1:], quarters()[1:])


def test_images_of_floats_below_zero_are_refused_only_where_nothing_else_is_meant():
    grey = quarters()[..., 0].astype(np.float32)
    with pytest.raises(MediaError, match="an image of mode F must hold 0 to 1") as caught:
        read(Image.fromarray(grey / 127.5 - 1))
    assert caught.value.reason is Reason.UNSUPPORTED
    assert np.array_equal(read(Image.fromarray(np.where(grey > 0, grey, -3)))[0].image[..., 0], grey)
    filtered = np.where(grey > 0, grey / 255, -0.1).astype(np.float32)
    filtered[0, 0] = 1.1
    assert np.array_equal(read(Image.fromarray(filtered))[0].image[1:, :, 0], grey[1:])
    measured = encode(np.where(grey > 0, grey / 255, -0.1).astype(np.float32), "TIFF")
    for source in (measured, Image.open(io.BytesIO(measured))):
        assert np.array_equal(read(source)[0].image[..., 0], grey)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_deep_integers_of_either_byte_order(dtype):
    assert np.array_equal(read((quarters().astype(np.uint16) * 257).astype(dtype))[0].image, quarters())


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PNG", "WEBP", "AVIF", "MPO"])
def test_of_several_pictures_the_present_one_counts_and_a_note_says_so(form, tmp_path):
    (tmp_path / "several").write_bytes(several(form))
    for source in (tmp_path / "several", io.BytesIO(several(form))):
        with Image.open(source) as image:
            for present in (0, 1, 1):  # the last one is decoded by then
                image.seek(present)
                frame, info = read(image)
                assert image.tell() == present
                assert codes(info) == ["pages"]
                assert info.notes[0].text.startswith("Of 3 pictures in this image only its present one")
                assert np.array_equal(frame.image, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PNG", "WEBP", "AVIF", "MPO"])
def test_what_a_program_drew_on_one_of_several_pictures_is_seen_and_stays(form):
    image = Image.open(io.BytesIO(several(form)))
    white = image.getpixel((90, 60))
    image.paste(white, (0, 0, 24, 24))
    assert (read(image)[0].image[:16, :16] > 200).all()
    assert (np.asarray(image.convert("RGB"))[:16, :16] > 200).all()


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PNG", "WEBP", "AVIF", "JPEG"])
def test_one_picture_has_no_note(form):
    assert not read(Image.open(io.BytesIO(several(form, 1))))[1].notes
    assert not read(Image.open(io.BytesIO(several(form))).copy())[1].notes


def test_previews_are_no_pictures_and_damage_costs_none():
    assert not read(Image.open(io.BytesIO(several("MPO", 2, (16, 10)))))[1].notes
    cut = Image.open(io.BytesIO(several("GIF")[:-30]))
    assert np.array_equal(read(cut)[0].image, np.asarray(cut.convert("RGB")))


@pytest.mark.parametrize("shape", [(64, 96), (64, 96, 1), (64, 96, 3)])
def test_booleans_are_black_and_white(shape):
    image = read(np.random.default_rng(0).random(shape) < 0.5)[0].image
    assert image.shape == (64, 96, 3)
    assert image.dtype == np.uint8
    assert np.unique(image).tolist() == [0, 255]
    white = np.zeros(shape, np.bool_)
    white[10:20] = True
    assert np.array_equal(read(white)[0].image[..., 0] == 255, white.reshape(64, 96, -1)[..., 0])


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.complex64, object])
def test_numbers_that_are_no_pixels_are_refused_with_what_to_pass(dtype):
    with pytest.raises(
        MediaError, match=f"an array of {np.dtype(dtype)} .* pass uint8, uint16 or floats"
    ) as e:
        read(np.ones((64, 96, 3), dtype))
    assert e.value.reason is Reason.UNSUPPORTED


def breaking(form: str) -> Image.Image:
    """An image that was opened, and whose file lost its second half then."""
    held = io.BytesIO(encode(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8), form))
    image = Image.open(held)
    held.truncate(len(held.getvalue()) // 2)
    return image


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "GIF", "BMP"])
def test_an_image_that_breaks_while_it_is_decoded_is_unreadable(form):
    image = breaking(form)
    with pytest.raises(MediaError, match=r"the image cannot be decoded: .") as caught:
        read(image)
    assert caught.value.reason is Reason.UNREADABLE


def test_an_image_whose_file_was_closed_is_unreadable():
    image = Image.open(io.BytesIO(encode(quarters(), "PNG")))
    image.close()
    with pytest.raises(MediaError, match="the image cannot be decoded") as caught:
        read(image)
    assert caught.value.reason is Reason.UNREADABLE


def test_an_image_for_which_memory_is_short_says_so(monkeypatch):
    image = Image.open(io.BytesIO(encode(quarters(), "PNG")))

    def load(self):
        raise MemoryError

    monkeypatch.setattr(type(image), "load", load)
    with pytest.raises(MediaError) as caught:
        read(image)
    assert caught.value.reason is Reason.OUT_OF_MEMORY


def test_a_broken_image_is_a_result_of_a_scan():
    result = Detector(model="light").scan(breaking("JPEG"))
    assert (result.label, result.reason) == (None, Reason.UNREADABLE)
    assert "the image cannot be decoded" in result.message
