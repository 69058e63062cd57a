"""Pictures that nobody here reads: what they are, so that it is clear what to do."""

import pytest
from make import encode, failing, quarters
from PIL import Image

from dfdetect.media.sniff import Family, sniff
from dfdetect.results import Reason

PIXELS = b"1 2 3  40 50 60\n7 8 9  250 251 252\n"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"P1\n3 2\n101\n010\n", "ASCII PBM"),
        (b"P1\n# by hand\n3 2\n1 0 1 0 1 0", "ASCII PBM"),
        (b"P2\n2 2\n255\n1 2 3 4", "ASCII PGM"),
        (b"P2 1 1 255 7", "ASCII PGM"),
        (b"P3\n2 2\n255\n" + PIXELS, "ASCII PPM"),
        (b"P3\n# by\n# hand\n2 2 # too\n# and white\n255\n" + PIXELS, "ASCII PPM"),
    ],
)
def test_a_picture_in_numbers_is_to_be_converted(data, name):
    error = failing(data)
    assert error.reason is Reason.UNSUPPORTED
    assert error.message == f"the data is {name}: convert it to JPEG or PNG"


@pytest.mark.parametrize(
    "text", [b"P1 is a class", b"P1 12 15 people", b"P2 100 200\n", b"P3 1 2 of 3", b"P4 1 2 3 4 5 6\n"]
)
def test_text_that_begins_alike_is_text(text):
    assert sniff(text).family is Family.TEXT


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize("packed", [None, "tga_rle"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_tga_is_to_be_converted(mode, packed, version):
    """The first version ends with the picture, the second with a mark."""
    data = encode(Image.fromarray(quarters()).convert(mode), "TGA", compression=packed)
    error = failing(data if version == 2 else data[:-26])
    assert error.reason is Reason.UNSUPPORTED
    assert error.message == "the data is TGA: convert it to JPEG or PNG"


@pytest.mark.parametrize(
    ("place", "value"),
    [(1, 1), (2, 7), (4, 1), (12, 0), (14, 0), (16, 12), (17, 0xE0)],
    ids=["list", "kind", "length of a list", "width", "height", "depth", "order"],
)
def test_a_header_with_a_flaw_is_none(place, value):
    data = bytearray(encode(quarters(), "TGA")[:-26])
    data[place] = value
    assert failing(bytes(data)).reason is Reason.NOT_MEDIA
