"""Bring pictures with colours of their own (ICC profiles, gAMA of PNG) to sRGB, as viewers show them.

Whether a profile is sRGB itself is found by trying it: its name may say anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfdetect.media.colour import flatten, strips

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

_MOST_BYTES = 4 << 20
_COSTLY = b"mpet"
"""Elements of any number, each of which is calculated for every colour; not met in photos."""
_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
"""What a profile is for, and the mode of pictures that it is applied to."""
_GREY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"})
_GREYS = np.arange(256, dtype=np.uint8)[None]
_NEAR = 4
"""Levels by which a profile may move a colour and still count as sRGB."""
_GAMMA = 0.45455
_GAMMAS = 0.1, 10.0
"""Others are mistakes."""
_NEAR_GAMMA = 0.05


def to_srgb(image: Image, note: Callable[[str, str], None]) -> Image:
    """Turn `image` into mode RGB as `flatten` does, in the colours that viewers show; it may be drawn over.

    `note` is told (code, text) when its profile could not be used, which leaves the colours as they are.
    """
    from PIL import Image as pillow

    profile = image.info.get("icc_profile")
    if not profile or image.mode == "LAB":  # which is no colour space of a device
        return _brighten(flatten(image), 1.0 if profile else _exponent(image))
    mode = _MODES.get(profile[16:20], "") if isinstance(profile, bytes) else ""  # a TIFF may hold anything
    try:
        if mode not in _fitting(image):
            raise ValueError("it is damaged, or for another kind of picture")
        transform = _transform(profile, mode)
    except (ImportError, OSError, ValueError) as error:
        note(
            "colour_profile",
            f"The picture's colour profile could not be used ({error}); its colours may look different here.",
        )
        return flatten(image)
    if mode != "CMYK":
        image = flatten(image)
    if transform is None:
        return image
    if mode == "L":  # of which there are so few that each is looked up
        shown = transform.apply(pillow.fromarray(_GREYS))
        return image.point([level for band in shown.split() for level in np.asarray(band)[0].tolist()])
    out = image if mode == "RGB" else pillow.new("RGB", image.size)
    for row, strip in strips(image):
        out.paste(transform.apply(strip), (0, row))
    return out


def belongs(image: Image) -> bool:
    """Whether the profile of `image` is for its kind: Pillow's `convert` leaves that of what it was."""
    profile = image.info.get("icc_profile")
    return isinstance(profile, bytes) and _MODES.get(profile[16:20]) in _fitting(image)


def _fitting(image: Image) -> set[str]:
    return {"CMYK"} if image.mode == "CMYK" else {"RGB", "L"} if image.mode in _GREY else {"RGB"}


@lru_cache(maxsize=4)
def _transform(profile: bytes, mode: str) -> ImageCmsTransform | None:
    """What turns pictures of `mode` into sRGB; None where nothing has to be done.

    Raises OSError or ValueError when `profile` cannot be used, ImportError when Pillow lacks LittleCMS.
    """
    from PIL import Image as pillow
    from PIL import ImageCms

    if len(profile) > _MOST_BYTES or _COSTLY in profile:
        raise ValueError("it is too large")
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        wanted = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        # What is quick for pictures is too coarse for the shadows of grey ones.
        flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
        transform = ImageCms.ImageCmsTransform(given, wanted, mode, "RGB", flags=flags)
    except ImageCms.PyCMSError as error:
        raise ValueError(str(error)) from error
    if mode == "CMYK":
        return transform
    colours = _colours() if mode == "RGB" else _GREYS
    shown = np.asarray(transform.apply(pillow.fromarray(colours))).astype(np.int16)
    moved = np.abs(shown - colours.reshape(1, -1, 3 if mode == "RGB" else 1))
    return transform if moved.max() > _NEAR else None


def _colours() -> NDArray[np.uint8]:
    """Colours from everywhere, side by side."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)


def _exponent(image: Image) -> float:
    """What brings the samples of a PNG without a profile to the curve of sRGB; 1 where it names no other."""
    gamma = image.info.get("gamma")
    if not isinstance(gamma, float) or "srgb" in image.info or not _GAMMAS[0] <= gamma <= _GAMMAS[1]:
        return 1.0
    exponent = _GAMMA / gamma
    return exponent if abs(exponent - 1.0) > _NEAR_GAMMA else 1.0


def _brighten(image: Image, exponent: float) -> Image:
    if exponent == 1.0:
        return image
    return image.point([round(255.0 * (level / 255.0) ** exponent) for level in range(256)] * 3)
