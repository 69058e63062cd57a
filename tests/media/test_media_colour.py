import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dfdetect.media.colour import BACKGROUND, HLG, PQ, composite, flatten, is_hdr, tone_map
from dfdetect.media.mend import length_size, shorten_last_unit


def grey(code: float) -> np.ndarray:
    return np.full((3, 5, 3), round(code * 65535), np.uint16)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_tone_curve_rises_and_keeps_grey_grey(transfer):
    ramp = np.repeat(np.linspace(0, 65535, 300).astype(np.uint16)[None, :, None], 3, 2)
    out = tone_map(ramp, transfer)
    assert out.dtype == np.uint8
    assert (np.diff(out[0, :, 1].astype(int)) >= 0).all()
    assert np.ptp(out.astype(int), axis=2).max() <= 2
    assert out[0, 0].max() == 0
    assert out[0, -1].min() == 255


def test_paper_white_is_the_same_in_both():
    # ITU-R BT.2408: 203 cd/m² is 58 % in PQ and 75 % in HLG.
    assert int(tone_map(grey(0.58), PQ)[0, 0, 0]) == pytest.approx(241, abs=3)
    assert int(tone_map(grey(0.75), HLG)[0, 0, 0]) == pytest.approx(241, abs=3)
    assert is_hdr(PQ)
    assert is_hdr(HLG)
    assert not is_hdr(1)


@given(st.integers(0, 255), st.integers(0, 255))
def test_composite_lies_between_picture_and_background(value, alpha):
    pixel = np.array([[[value, value, value, alpha]]], np.uint8)
    assert int(composite(pixel)[0, 0, 0]) == pytest.approx(
        (value * alpha + BACKGROUND * (255 - alpha)) / 255, abs=0.6
    )


def test_floats_and_deep_integers_are_scaled():
    assert np.asarray(flatten(Image.fromarray(np.full((2, 2), 0.5, np.float32))))[0, 0, 0] == 128
    assert np.asarray(flatten(Image.fromarray(np.full((2, 2), 200.0, np.float32))))[0, 0, 0] == 200
    assert np.asarray(flatten(Image.fromarray(np.full((2, 2), 32768, np.int32))))[0, 0, 0] == 128


@pytest.mark.parametrize("dtype", ["<u2", ">u2", np.int32, np.float32])
@pytest.mark.parametrize("top", [1.0, 200.0, 60_000.0, 2e9, np.nan, np.inf])
def test_deep_pictures_are_scaled_row_by_row_as_at_once(dtype, top):
    """The highest sample, by which all are scaled, stands in the last row, or in the first."""
    whole = np.random.default_rng(4).random((333, 17)) * (min(top, 65535.0) if np.isfinite(top) else 1.0)
    whole[-1, 0] = min(top, 65535.0) if "u2" in str(dtype) else top
    if dtype != np.float32:
        whole = np.nan_to_num(whole, posinf=2e9 if dtype == np.int32 else 65535)
    for samples in (whole.astype(dtype), whole[::-1].astype(dtype)):
        image = Image.fromarray(samples)
        assert image.mode == {np.int32: "I", np.float32: "F", "<u2": "I;16", ">u2": "I;16B"}[dtype]
        if dtype == np.float32:
            samples = np.nan_to_num(samples, nan=0.0, posinf=255.0)
            scale = 255.0 if top <= 1 else 1.0
        else:
            scale = 255 / (2**31 - 1 if samples.max() > 65535 else 65535)
        expected = (np.clip(samples * scale, 0, 255) + 0.5).astype(np.uint8)
        assert (np.asarray(flatten(image)) == expected[..., None]).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_a_large_deep_picture_takes_little_more_than_its_own_memory(dtype):
    image = Image.fromarray(np.zeros((2048, 2048), dtype))
    tracemalloc.start()  # which sees the arrays
    flatten(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2048 * 2048


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), st.data())
def test_mended_packets_hold_whole_units(units, data):
    packet = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    assert shorten_last_unit(packet, 4) == packet
    cut = packet[: data.draw(st.integers(0, len(packet)))]
    mended = shorten_last_unit(cut, 4)
    found, at = [], 0
    while at < len(mended):
        length = int.from_bytes(mended[at : at + 4], "big")
        found.append(mended[at + 4 : at + 4 + length])
        at += 4 + length
    assert at == len(mended)
    assert b"".join(units).startswith(b"".join(found))


def test_only_streams_with_lengths_are_mended():
    assert length_size("h264", b"\x01\x64\x00\x1e\xff\xe1") == 4
    assert length_size("h264", b"\x00\x00\x00\x01\x67") == 0
    assert length_size("hevc", b"\x01" + bytes(20) + b"\x03" + bytes(5)) == 4
    assert length_size("mjpeg", None) == 0
