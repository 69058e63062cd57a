"""Pictures that are in memory already: arrays and Pillow images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MediaError
from dfdetect.media.base import Media
from dfdetect.media.colour import composite, flatten
from dfdetect.media.limits import check_pixels, out_of_memory, turn
from dfdetect.media.photo import orientation
from dfdetect.results import Frame, MediaInfo, MediaKind, Reason

if TYPE_CHECKING:
    from dfdetect.settings import Settings


_WHITE = 1.001  # floats up to here are taken for rounding


class ImageMedia(Media):
    """A picture that is in memory already: an array or a Pillow image."""

    kind = MediaKind.PHOTO

    def __init__(self, image: object, settings: Settings) -> None:
        super().__init__()
        if isinstance(image, np.ndarray):
            width, height = _array_size(image)
            check_pixels(width, height, "the array", settings)
            self._image, self._rotation = from_array(image), 0
        else:
            self._image, self._rotation = _from_pillow(image, settings)

    def frames(self) -> Iterator[Frame]:
        """The picture, once."""
        self._count = 0
        yield self._frame(0.0, self._image)

    @property
    def info(self) -> MediaInfo:
        """Known from the beginning."""
        height, width = self._image.shape[:2]
        return MediaInfo(
            self.kind, "array", "", width, height, None, None, self._rotation, self._count, None, ()
        )


def from_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    """RGB ``uint8`` of an array ``[h, w]``, ``[h, w, 1]``, ``[h, w, 3]`` (RGB) or ``[h, w, 4]`` (RGBA).

    ``uint16`` is taken as 0–65535, floats as 0–1, booleans as black and white.  Raises `MediaError`.
    """
    _array_size(array)
    if array.dtype == np.uint16:
        array = ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    elif array.dtype.kind == "f":
        if array.size and float(np.nanmax(array, initial=0.0)) > _WHITE:
            raise MediaError(
                Reason.UNSUPPORTED, "an array of floats must hold 0 to 1: divide by 255, or pass uint8"
            )
        array = (np.clip(np.nan_to_num(array), 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
    elif array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    if array.dtype != np.uint8:
        raise MediaError(
            Reason.UNSUPPORTED,
            f"an array of {array.dtype} is not a picture: pass uint8, uint16 or floats from 0 to 1",
        )
    if array.ndim == 2:
        array = array[..., None]
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    return np.ascontiguousarray(composite(array) if array.shape[2] == 4 else array)


def _array_size(array: NDArray[Any]) -> tuple[int, int]:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or not array.size:
        raise MediaError(
            Reason.UNSUPPORTED,
            f"an array of shape {array.shape} is not one picture: pass [height, width, 3]",
        )
    return array.shape[1], array.shape[0]


def _from_pillow(image: Any, settings: Settings) -> tuple[NDArray[np.uint8], int]:
    width, height = image.size
    if not width or not height:
        raise MediaError(Reason.UNSUPPORTED, f"an image of {width}x{height} pixels shows nothing")
    check_pixels(width, height, "the image", settings)
    try:
        clockwise, mirrored = orientation(image)
        return turn(np.asarray(flatten(image)), clockwise, mirrored), clockwise
    except MemoryError as error:
        raise out_of_memory("the image") from error
    except Exception as error:
        raise MediaError(Reason.UNREADABLE, f"the image cannot be decoded: {error}") from error
