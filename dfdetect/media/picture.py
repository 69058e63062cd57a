"""Turn a decoded video frame into an upright RGB picture with square pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.media.colour import composite, is_hdr, tone_map
from dfdetect.media.limits import turn

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_HD_HEIGHT = 720
_UNSPECIFIED = 2
_BT709, _BT601 = 1, 5
_CONVERTED = frozenset({0, 1, 2, 4, 5, 6, 7, 9})
"""Matrices (ITU-T H.273) that FFmpeg turns into RGB; it refuses YCgCo, ICtCp and the like."""
_LINEAR = 8
"""Transfer characteristics (ITU-T H.273) of light itself."""
_COMBED_SHARE = 0.002


@dataclass(frozen=True, slots=True)
class Picture:
    """A converted frame and what was done to it."""

    image: NDArray[np.uint8]
    """RGB, upright, square pixels."""
    clockwise: int
    """Degrees by which it was turned."""
    hdr: bool
    interlaced: bool
    """Flagged as interlaced, whether or not its fields differ."""
    guessed: bool
    """Its matrix is one that FFmpeg does not know: another was taken, and the colours may be wrong."""


def convert(frame: VideoFrame, aspect: Fraction | None, *, mirrored: bool, linear: bool = False) -> Picture:
    """Convert `frame`, whose pixels are `aspect` times as wide as high and which may be stored `mirrored`.

    With `linear` its samples are light itself, without a word of that in the file.
    """
    hdr = is_hdr(int(frame.color_trc))
    coloured = not frame.format.is_rgb and len(frame.format.components) >= 3
    guessed = coloured and int(frame.colorspace) not in _CONVERTED
    if guessed:  # also for what asks whether there are combs
        frame.colorspace = _BT709 if frame.height >= _HD_HEIGHT else _BT601
    combed = frame.interlaced_frame and _is_combed(frame)
    image = _rgb(_one_field(frame) if combed else frame, frame.height, hdr=hdr, linear=linear)
    image = _enlarged(image, square_size(frame.width, frame.height, aspect))
    clockwise = _rotation(frame, mirrored=mirrored)
    return Picture(turn(image, clockwise, mirrored), clockwise, hdr, bool(frame.interlaced_frame), guessed)


def _rgb(frame: VideoFrame, height: int, *, hdr: bool, linear: bool) -> NDArray[np.uint8]:
    options: dict[str, Any] = {}
    if int(frame.colorspace) == _UNSPECIFIED and height >= _HD_HEIGHT:
        options["src_colorspace"] = "ITU709"  # what players assume; FFmpeg would take BT.601
    if hdr:
        deep: Any = frame.to_ndarray(format="rgb48le", **options)
        return tone_map(deep, int(frame.color_trc))
    see_through = any(component.is_alpha for component in frame.format.components)
    pixels: Any
    if linear or _is_light(frame):
        pixels = frame.to_ndarray(format="rgba64le" if see_through else "rgb48le", **options)
        pixels = _encoded(pixels)
    else:
        pixels = frame.to_ndarray(format="rgba" if see_through else "rgb24", **options)
    return composite(pixels) if see_through else np.asarray(pixels, np.uint8)


def _is_light(frame: VideoFrame) -> bool:
    """True for the linear light of an OpenEXR picture.

    Of samples that are no floats it is not believed: FFmpeg writes it into every DPX, and anybody can into
    a video.
    """
    return int(frame.color_trc) == _LINEAR and any(kind in frame.format.name for kind in ("f16", "f32"))


def _encoded(light: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Linear RGB or RGBA ``[h, w, c]`` as a screen wants it, which is what sRGB says."""
    image = _srgb()[light]
    image[..., 3:] = light[..., 3:] >> 8
    return image


@cache
def _srgb() -> NDArray[np.uint8]:
    """The code value for every 16-bit sample of light."""
    light = np.arange(65536) / 65535.0
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (255.0 * code + 0.5).astype(np.uint8)


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Width and height with square pixels: the shorter direction enlarged, so that no detail is lost."""
    if aspect is not None and aspect != 1 and Fraction(1, 8) <= aspect <= 8:
        if aspect > 1:
            width = round(width * aspect)
        else:
            height = round(height / aspect)
    return width, height


def _enlarged(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """`image` with this width and height; a single field is filled up."""
    if size == (image.shape[1], image.shape[0]):
        return image
    import cv2

    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _rotation(frame: VideoFrame, *, mirrored: bool) -> int:
    """Degrees clockwise, to the nearest right angle, that the display matrix of `frame` asks for.

    PyAV tells the direction of the matrix's first column, counter-clockwise; whether the matrix mirrors
    as well the caller must know.  (`frame.side_data` has all of it, but whoever asks for that ties the
    frame into a reference cycle, and a batch would run out of memory before Python breaks it.)
    """
    clockwise = -frame.rotation + (180 if mirrored else 0)
    return round(clockwise / 90) * 90 % 360


def _is_combed(frame: VideoFrame) -> bool:
    """True when the two fields of an interlaced frame really show different moments.

    Much material is flagged as interlaced and is not; halving its height would only blur it.  A pixel
    is combed when it differs from both neighbours above and below in the same direction.
    """
    grey = frame.to_ndarray(format="gray").astype(np.int16)
    if grey.shape[0] < 8:
        return False
    middle, up, down = grey[1:-1], grey[:-2], grey[2:]
    combed = (np.minimum(np.abs(middle - up), np.abs(middle - down)) > 12) & (
        (middle > up) == (middle > down)
    )
    field = grey[2:-2]
    above, below = grey[:-4], grey[4:]
    usual = (np.minimum(np.abs(field - above), np.abs(field - below)) > 12) & (
        (field > above) == (field > below)
    )
    # A picture taken at one moment differs less from line to line than over two lines.
    return float(combed.mean()) > 0.4 * float(usual.mean()) + _COMBED_SHARE


def _one_field(frame: VideoFrame) -> VideoFrame:
    """The upper field alone, half as high, with its own colours (planes may have half the lines)."""
    import av.filter

    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
    )
    field = graph.add("field", "type=top")
    sink = graph.add("buffersink")
    source.link_to(field)
    field.link_to(sink)
    graph.configure()
    graph.push(frame)
    pulled = graph.pull()
    assert isinstance(pulled, av.VideoFrame)
    return pulled
