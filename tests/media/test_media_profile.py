"""Colour profiles: what viewers show is what is looked at."""

import io
import struct
import time

import numpy as np
import pytest
from make import codes, encode, png_chunk, read_video
from numpy.typing import NDArray
from PIL import Image, ImageCms

from dfdetect.media.reader import open_media
from dfdetect.results import MediaInfo
from dfdetect.settings import Settings


def srgb(renamed: dict[bytes, bytes] | None = None, space: bytes = b"RGB ") -> bytes:
    """The profile of sRGB, with some of its tags under other names."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[16:20] = space
    for at in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12):
        data[at : at + 4] = (renamed or {}).get(bytes(data[at : at + 4]), data[at : at + 4])
    return bytes(data)


def linear(profile: bytes) -> bytes:
    """`profile` with samples proportional to light."""
    data = bytearray(profile)
    for at in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12):
        if data[at + 1 : at + 4] == b"TRC":
            start = int.from_bytes(data[at + 4 : at + 8], "big")
            data[start : start + 12] = b"curv" + bytes(8)
    return bytes(data)


def for_ink(lightness: int) -> bytes:
    """A profile by which every mixture of inks is the same grey."""
    table = b"".join(
        (
            struct.pack(">4s4x3Bx9i", b"mft1", 4, 3, 2, *(65536, 0, 0, 0, 65536, 0, 0, 0, 65536)),
            bytes(range(256)) * 4,
            bytes([lightness, 128, 128]) * 16,
            bytes(range(256)) * 3,
        )
    )
    head = bytearray(srgb()[:128])
    head[12:24] = b"prtrCMYKLab "
    head[:4] = struct.pack(">I", 144 + len(table))
    return bytes(head) + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


SWAPPED = srgb({b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"})


def picture() -> NDArray[np.uint8]:
    ramp = np.linspace(20, 230, 96).astype(np.uint8)
    return np.stack(
        (np.tile(ramp, (64, 1)), np.full((64, 96), 90, np.uint8), np.tile(ramp[::-1], (64, 1))), -1
    )


def read(data: object) -> tuple[NDArray[np.uint8], MediaInfo]:
    with open_media(data, Settings()) as media:
        (frame,) = media.frames()
        return frame.image, media.info


def apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_a_profile_that_swaps_colours_hides_nothing(form):
    stored = picture()[..., ::-1]
    shown, info = read(encode(stored, form, icc_profile=SWAPPED, quality=100))
    assert apart(shown, picture()) < 4
    assert not codes(info)
    plain, _ = read(encode(stored, form, quality=100))
    assert apart(plain, stored) < 4


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_what_is_srgb_itself_is_left_alone(form):
    with_profile, info = read(encode(picture(), form, icc_profile=srgb()))
    assert np.array_equal(with_profile, read(encode(picture(), form))[0])
    assert not codes(info)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "RGB", "RGBA", "P"])
def test_linear_light_of_any_mode_is_brought_to_the_usual_curve(mode):
    grey = mode[0] in "LI"
    profile = linear(srgb({b"rTRC": b"kTRC"}, b"GRAY") if grey else srgb())
    ramp = np.tile(np.arange(0, 256, dtype=np.uint8), (8, 1))
    image = (
        Image.fromarray(ramp.astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.fromarray(ramp).convert(mode)
    )
    shown, info = read(encode(image, "PNG", icc_profile=profile))
    light = np.arange(256) / 255
    expected = 255 * np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(shown[3] - expected[:, None]).max() < 2
    assert not codes(info)


def test_inks_are_mixed_as_the_profile_says():
    ink = Image.new("CMYK", (64, 48), (200, 30, 20, 10))
    shown, info = read(encode(ink, "TIFF", icc_profile=for_ink(128)))
    assert np.ptp(shown.astype(int)) <= 2
    assert abs(int(shown[0, 0, 0]) - 119) < 4  # L* 50
    assert not codes(info)


@pytest.mark.parametrize(
    "profile",
    [
        b"none",
        SWAPPED[:300],
        SWAPPED[:160] + bytes(len(SWAPPED) - 160),
        for_ink(128),
        SWAPPED + bytes(5 << 20),
        SWAPPED + b"mpet",
    ],
    ids=["short", "cut", "blank", "inks", "large", "costly"],
)
def test_a_profile_that_cannot_be_used_costs_a_note(profile):
    begun = time.monotonic()
    shown, info = read(encode(picture(), "TIFF", icc_profile=profile))
    assert time.monotonic() - begun < 5
    assert np.array_equal(shown, picture())
    assert codes(info) == ["colour_profile"]


def png_with(*blocks: tuple[bytes, bytes], **options: object) -> bytes:
    whole = encode(picture(), "PNG", **options)
    return whole[:33] + b"".join(png_chunk(kind, data) for kind, data in blocks) + whole[33:]


@pytest.mark.parametrize("transfer", [13, 16])
def test_what_a_png_names_goes_before_its_profile(transfer):
    named = (b"cICP", bytes((9 if transfer == 16 else 1, transfer, 0, 1)))
    assert np.array_equal(read(png_with(named, icc_profile=SWAPPED))[0], read(png_with(named))[0])


def test_the_gamma_of_a_png_counts_where_nothing_else_is_said():
    def shown(gamma: int, *more: tuple[bytes, bytes], **options: object) -> NDArray[np.uint8]:
        return read(png_with((b"gAMA", struct.pack(">I", gamma)), *more, **options))[0]

    expected = 255 * (picture() / 255) ** 0.45455
    assert np.abs(shown(100_000) - expected).max() < 1
    assert np.array_equal(shown(45_455), picture())
    assert np.array_equal(shown(0), picture())
    assert np.array_equal(shown(100_000, (b"sRGB", b"\0")), picture())
    assert np.array_equal(shown(100_000, icc_profile=srgb()), picture())
    assert np.array_equal(shown(100_000, (b"cICP", b"\1\15\0\1")), picture())


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_every_picture_of_an_animation_is_converted(form):
    stored = [np.roll(picture()[..., ::-1], 7 * number, 1) for number in range(5)]
    first, *others = map(Image.fromarray, stored)
    options = {"lossless": True} if form == "WEBP" else {}
    data = encode(
        first, form, save_all=True, append_images=others, duration=100, icc_profile=SWAPPED, **options
    )
    frames, info = read_video(data, frames=5)
    assert len(frames) == 5
    for frame, as_stored in zip(frames, stored, strict=True):
        assert apart(frame.image, as_stored[..., ::-1]) < 1
    assert not codes(info)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_an_image_in_memory_is_seen_as_its_file_is_and_stays_as_it_was(form):
    data = encode(picture()[..., ::-1], form, icc_profile=SWAPPED)
    image = Image.open(io.BytesIO(data))
    shown, info = read(image)
    assert (shown == read(data)[0]).all()
    assert (np.asarray(image) == picture()[..., ::-1]).all()
    assert not codes(info)
    other = Image.open(io.BytesIO(encode(picture()[..., 0], form, icc_profile=srgb(space=b"GRAY"))))
    shown, info = read(other.convert("RGB"))  # keeps the profile, which is not for its kind any more
    assert (shown == picture()[..., :1]).all()
    assert not codes(info)
