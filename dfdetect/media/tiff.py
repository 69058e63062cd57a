"""TIFF of kinds that Pillow opens but gives wrong samples of: mended where that is simple, else refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dfdetect.errors import MediaError
from dfdetect.results import Reason

if TYPE_CHECKING:
    from PIL.Image import Image

_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANES, _FORMAT = 258, 259, 262, 277, 284, 339
_WHITE_IS_ZERO, _SEPARATE, _SIGNED, _UNSIGNED = 0, 2, 2, 1


def check_planes(image: Image, title: str) -> None:
    """Raise `MediaError` for a plane per colour of more than 8 bits, which Pillow takes for 8-bit ones.

    Those that are compressed LibTIFF reads for it, and rightly.
    """
    tags = _tags(image)
    if (
        not _is_compressed(image)
        and tags.get(_PLANES) == _SEPARATE
        and tags.get(_SAMPLES, 1) > 1
        and max(tags.get(_BITS, (1,)), default=1) > 8
    ):
        raise _unsupported(title, "planes of more than 8 bits")


def grey_samples(image: Image, title: str) -> Image:
    """Deep grey samples as their tags mean them: white as 0 inverted, 32 bits without a sign, 16 with one.

    Takes a picture that is loaded; gives all others back as they are.  Raises `MediaError` for samples below
    zero, of which nobody says what black is, and for what Pillow reads in the wrong order of bytes.
    """
    tags = _tags(image)
    signed = tags.get(_FORMAT, (_UNSIGNED,))[0] == _SIGNED
    if image.mode == "F" and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        raise _unsupported(title, "floats with white as 0")
    backwards = getattr(tags, "prefix", b"II") == b"MM" and _is_compressed(image)
    if backwards and (image.mode == "F" or (image.mode == "I" and signed)):
        raise _unsupported(title, "compressed samples, the higher byte first")
    if image.mode == "I;16" and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        return _deep(65535 - np.asarray(image), image)
    if image.mode != "I":
        return image
    samples = np.asarray(image)
    if tags.get(_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED:
        samples = samples.view(np.uint32)
        return _deep(samples >> 16, image) if samples.max(initial=0) > 65535 else image
    if signed and samples.min(initial=0) < 0:
        raise _unsupported(title, "samples below zero")
    if signed and tags.get(_BITS, (32,))[0] == 16:
        return _deep(samples * 2 + (samples >> 14), image)
    return image


def _is_compressed(image: Image) -> bool:
    return bool(_tags(image).get(_COMPRESSION, 1) != 1)


def _tags(image: Image) -> Any:
    return getattr(image, "tag_v2", {})


def _deep(samples: Any, image: Image) -> Image:
    """A picture of 16-bit samples with what is told about `image`."""
    from PIL import Image as pillow

    deep = pillow.fromarray(samples.astype("<u2"))
    deep.info = image.info
    return deep


def _unsupported(title: str, cause: str) -> MediaError:
    return MediaError(
        Reason.UNSUPPORTED, f"{title} is TIFF of a kind that is not read here: convert it to PNG ({cause})"
    )
