"""Photos of more than 8 bits that Pillow takes for others, or does not open at all."""

import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from make import encode, failing, quarters
from numpy.typing import NDArray
from PIL import Image

from dfdetect.media.reader import open_media
from dfdetect.results import Reason
from dfdetect.settings import Settings


def tiff(
    planes: list[NDArray[np.generic]],
    photometric: int,
    sample_format: int | None = None,
    deflated: bool = False,
) -> bytes:
    """A TIFF in the byte order of its samples, one plane after another."""
    order = ">" if planes[0].dtype.byteorder == ">" else "<"
    height, width = planes[0].shape
    bits, count = planes[0].itemsize * 8, len(planes)
    parts = [zlib.compress(plane.tobytes()) if deflated else plane.tobytes() for plane in planes]
    size = max(len(part) for part in parts)
    parts = [part.ljust(size, b"\0") for part in parts]
    extra = struct.pack(order + "3H", *[bits] * 3) + struct.pack(
        order + "3I", *(8 + 18 + number * size for number in range(3))
    )
    data = b"".join(parts)
    at = 26 + len(data)
    several = count > 1
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, count, 8 if several else bits),
        (259, 3, 1, 8 if deflated else 1),
        (262, 3, 1, photometric),
        (273, 4, count, 14 if several else 26),
        (277, 3, 1, count),
        (278, 3, 1, height),
        (279, 4, count, at if several else size),
        (284, 3, 1, 2 if several else 1),
    ]
    if sample_format is not None:
        tags.append((339, 3, 1, sample_format))
    if several:
        data += struct.pack(order + "3I", *[size] * 3)
    entries = b"".join(
        struct.pack(order + "HHI", tag, form, number)
        + struct.pack(
            order + ("HH" if form == 3 and number == 1 else "I"),
            *((value, 0) if form == 3 and number == 1 else (value,)),
        )
        for tag, form, number, value in tags
    )
    head = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(order + "I", 26 + len(data))
    return head + extra + data + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def ramp() -> NDArray[np.uint16]:
    return np.tile(np.arange(0, 65536, 257, dtype=np.uint16), (64, 1))


def read(data: bytes) -> NDArray[np.uint8]:
    with open_media(data, Settings()) as media:
        (frame,) = media.frames()
        assert not media.info.notes
        return frame.image


GREYS = np.tile(np.arange(256, dtype=np.uint8), (64, 1))[..., None]


@pytest.mark.parametrize("sample_format", [None, 1])
def test_deep_grey_is_read_as_its_tags_mean_it(sample_format):
    assert np.array_equal(read(tiff([ramp()], 1, sample_format))[..., :1], GREYS)
    assert np.array_equal(read(tiff([65535 - ramp()], 0, sample_format))[..., :1], GREYS)
    deep = ramp().astype(np.uint32) * 65537
    assert np.array_equal(read(tiff([deep], 1, sample_format))[..., :1], GREYS)


@pytest.mark.parametrize("kind", ["<i2", ">i2", "<i4", ">i4"])
def test_samples_with_a_sign_reach_white_and_are_refused_below_zero(kind):
    samples = (ramp().astype(np.int64) * (65536 if "4" in kind else 1)) // 2
    shown = read(tiff([samples.astype(kind)], 1, 2))[..., :1]
    assert np.abs(shown.astype(int) - GREYS).max() <= 1
    error = failing(tiff([(samples - samples.max() // 2).astype(kind)], 1, 2))
    assert error.reason is Reason.UNSUPPORTED
    assert error.message == (
        "the data is TIFF of a kind that is not read here: convert it to PNG (samples below zero)"
    )


@pytest.mark.parametrize("kind", ["<u2", ">u2"])
def test_deep_planes_are_refused_and_others_read(kind):
    error = failing(tiff([ramp().astype(kind)] * 3, 2))
    assert error.reason is Reason.UNSUPPORTED
    assert "convert it to PNG (planes of more than 8 bits)" in error.message
    assert np.array_equal(read(tiff([GREYS[..., 0]] * 3, 2)), np.repeat(GREYS, 3, 2))
    together = cv2.imencode(".tiff", np.repeat(ramp()[..., None], 3, 2))[1].tobytes()
    assert np.abs(read(together).astype(int) - GREYS).max() <= 1


def test_jpeg_and_psd_of_more_than_8_bits_are_called_unread_even_by_a_fresh_program():
    jpeg = bytearray(encode(quarters(), "JPEG"))
    jpeg[jpeg.index(b"\xff\xc0") + 4] = 12
    psd = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 4, 4, 16, 3) + bytes(200)
    for data, kind, cause in (
        (jpeg, "JPEG", "cannot handle 12-bit layers"),
        (psd, "PSD", "colour mode 3 of 16 bits"),
    ):
        # Pillow knows MPO only after its first attempt; until then that is what it stumbles over.
        code = (
            "import sys; from dfdetect.errors import MediaError; from dfdetect.settings import Settings\n"
            "from dfdetect.media.reader import open_media\n"
            "try: open_media(sys.stdin.buffer.read(), Settings())\n"
            "except MediaError as error: print(error.reason.value, error.message)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], input=bytes(data), capture_output=True, check=True
        )
        assert done.stdout.decode().strip() == (
            f"unsupported the data is {kind} of a kind that is not read here: convert it to PNG ({cause})"
        )


def test_compressed_planes_are_read():
    planes = [np.full((64, 64), value, "<u2") for value in (50_000, 30_000, 10_000)]
    image = read(tiff(planes, 2, deflated=True))
    assert image[0, 0].tolist() == pytest.approx([195, 117, 39], abs=1)


@pytest.mark.parametrize(
    ("samples", "photometric", "sample_format", "deflated"),
    [
        (np.full((64, 64), 0.75, ">f4"), 1, 3, True),
        (np.full((64, 64), 20_000, ">i2"), 1, 2, True),
        (np.full((64, 64), 0.75, "<f4"), 0, 3, False),
    ],
)
def test_samples_that_come_out_wrong_are_refused(samples, photometric, sample_format, deflated):
    data = tiff([samples], photometric, sample_format, deflated)
    for source in (data, Image.open(io.BytesIO(data))):
        error = failing(source)
        assert error.reason is Reason.UNSUPPORTED
        assert "convert it to PNG" in error.message


def test_an_image_in_memory_is_read_as_its_file_is():
    for data in (tiff([65535 - ramp()], 0), tiff([ramp().astype(np.uint32) * 65537], 1)):
        with open_media(Image.open(io.BytesIO(data)), Settings()) as media:
            (frame,) = media.frames()
        assert np.array_equal(frame.image, read(data))
