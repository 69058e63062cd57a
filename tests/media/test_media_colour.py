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
