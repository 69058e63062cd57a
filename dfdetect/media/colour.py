"""Bring high dynamic range (PQ, HLG) and transparent pictures to plain 8-bit RGB.

The curve, in this order, all on linear light:

1. decode PQ (SMPTE ST 2084) to cd/m², or HLG (ARIB STD-B67) for a display of 1000 cd/m² (gamma 1.2);
2. divide by 203 cd/m², the white of a sheet of paper in HDR (ITU-R BT.2408), so that it becomes 1;
3. BT.2020 primaries to BT.709, negative values cut off;
4. leave everything up to 0.7 alone (skin lies far below) and bend the rest smoothly towards 1;
5. encode with gamma 1/2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

PQ, HLG = 16, 18
"""Transfer characteristics as numbered by ITU-T H.273."""
MAPPED = "High dynamic range was mapped to standard range."
"""What a note (`hdr`) says where `tone_map` was used."""
BACKGROUND = 128
"""Grey that shows through transparent pixels: neither end of the scale, no colour."""
FLOAT_WHITE = 1.25
"""Floats up to here are 0 to 1, with what a filter has left above; others are 0 to 255."""

_PAPER_WHITE = 203.0
_KNEE = 0.7
_BRIGHTEST = 16.0
"""Times paper white; everything brighter is white."""
_ROWS = 64
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def is_hdr(transfer: int) -> bool:
    """True for the transfer characteristics that `tone_map` understands."""
    return transfer in (PQ, HLG)


def tone_map(image: NDArray[np.uint16] | NDArray[np.uint8], transfer: int) -> NDArray[np.uint8]:
    """Turn RGB code values ``[h, w, 3]`` (8 or 16 bits, BT.2020) into 8-bit SDR RGB by the curve above."""
    table, curve = _light(transfer), _curve()
    out = np.empty(image.shape, np.uint8)
    for row in range(0, len(image), _ROWS):  # in strips: a 4K picture in floats would take 100 MB
        code = image[row : row + _ROWS].reshape(-1, 3)
        light = table[code if image.dtype == np.uint16 else code.astype(np.uint16) * 257]
        if transfer == HLG:
            luma = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
            light *= (1000.0 / _PAPER_WHITE) * np.maximum(luma, 1e-6)[:, None] ** 0.2
        light = np.clip(light @ _BT2020_TO_BT709.T, 0.0, _BRIGHTEST)
        place = (np.sqrt(light) * ((len(curve) - 1) / _BRIGHTEST**0.5) + 0.5).astype(np.intp)
        out[row : row + _ROWS] = curve[place].reshape(-1, *image.shape[1:])
    return out


@cache
def _curve() -> NDArray[np.uint8]:
    """Steps 4 and 5 as a table over the square root of light, whose steps suit the eye."""
    light = np.linspace(0.0, _BRIGHTEST**0.5, 8192) ** 2
    bent = _KNEE + (1 - _KNEE) * (1 - np.exp(-(light - _KNEE) / (1 - _KNEE)))
    return (255.0 * np.where(light > _KNEE, bent, light) ** (1 / 2.2) + 0.5).astype(np.uint8)


@cache
def _light(transfer: int) -> NDArray[np.float32]:
    """Linear light for every 16-bit code value: in units of paper white for PQ, scene light 0–1 for HLG."""
    code = np.arange(65536) / 65535.0
    if transfer == PQ:
        power = code ** (1 / 78.84375)
        light = (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
        return (light * (10_000 / _PAPER_WHITE)).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12).astype(np.float32)


def composite(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay an RGBA picture ``[h, w, 4]`` on neutral grey; gives RGB."""
    out = np.empty((*image.shape[:2], 3), np.uint8)
    for row in range(0, len(image), _ROWS):
        part = image[row : row + _ROWS]
        alpha = part[..., 3:].astype(np.uint16)
        over = part[..., :3] * alpha + BACKGROUND * (255 - alpha)
        out[row : row + _ROWS] = (over + 127) // 255
    return out


def flatten(image: Image) -> Image:
    """Turn any Pillow picture into mode RGB: samples scaled to 8 bits, transparency laid on grey."""
    from PIL import Image as pillow

    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _shallow(image)
    if image.mode not in ("RGBA", "LA", "La", "PA", "RGBa") and "transparency" not in image.info:
        return image.convert("RGB")
    out = pillow.new("RGB", image.size)
    for row, strip in strips(image):
        if strip.mode == "La":
            strip = strip.convert("LA")
        see_through = strip if strip.mode == "RGBA" else strip.convert("RGBA")
        out.paste(pillow.fromarray(composite(np.asarray(see_through))), (0, row))
    return out


def strips(image: Image) -> Iterator[tuple[int, Image]]:
    """First row and picture of every strip: whole copies would take several times the picture."""
    for row in range(0, image.height, _ROWS):
        yield row, image.crop((0, row, image.width, min(row + _ROWS, image.height)))


def _shallow(image: Image) -> Image:
    """Scale samples of more than 8 bits; plain conversion would cut them off at 255."""
    from PIL import Image as pillow

    # Not `max`, nor Pillow's extrema, which lose a sample that is no number.
    top = float(np.max([np.asarray(strip).max(initial=0) for _, strip in strips(image)], initial=0))
    out = pillow.new("RGB", image.size)
    for row, strip in strips(image):
        shallow = pillow.fromarray(_eight_bits(np.asarray(strip), image.mode, top))
        out.paste(shallow.convert("RGB"), (0, row))
    return out


def _eight_bits(samples: NDArray[Any], mode: str, top: float) -> NDArray[np.uint8]:
    """Scale some of the samples of a picture, of which `top` is the highest."""
    if mode.startswith("I;16"):
        return ((samples.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if mode == "F":
        samples = np.nan_to_num(samples, nan=0.0, posinf=255.0, neginf=0.0)
        scale = 255.0 if top <= FLOAT_WHITE else 1.0
    else:
        # Mode I holds 32-bit samples, and 16-bit ones in older releases of Pillow.
        scale = 255.0 / (65535.0 if top <= 65535 else 2147483647.0)
    return (np.clip(samples * scale, 0, 255) + 0.5).astype(np.uint8)
