"""Pictures that are in memory already: arrays and Pillow images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MediaError
from dfdetect.media.animation import find_animation
from dfdetect.media.base import Media
from dfdetect.media.colour import FLOAT_WHITE, composite, flatten
from dfdetect.media.following import find_following
from dfdetect.media.limits import check_pixels, out_of_memory, turn
from dfdetect.media.pages import MOST_PAGES, count_pages
from dfdetect.media.photo import orientation
from dfdetect.media.profile import belongs, to_srgb
from dfdetect.media.source import make_source
from dfdetect.media.tiff import check_planes, grey_samples
from dfdetect.results import Frame, MediaInfo, MediaKind, Reason

if TYPE_CHECKING:
    from dfdetect.settings import Settings


_BLACK = -0.25
"""Floats from here to `FLOAT_WHITE` are 0 to 1, with what a filter has left; others were normalised."""
_CONTAINERS = {"JPEG": "jpeg", "MPO": "jpeg", "TIFF": "tiff", "GIF": "gif"}
_COUNTED_BY_PILLOW = frozenset({"PNG", "WEBP", "AVIF", "HEIF"})  # when it opens them


class ImageMedia(Media):
    """A picture that is in memory already: an array or a Pillow image."""

    kind = MediaKind.PHOTO

    def __init__(self, image: object, settings: Settings) -> None:
        super().__init__()
        if isinstance(image, np.ndarray):
            self._image, self._rotation = _from_array(image, settings), 0
        else:
            pictures = _count_pictures(image)
            self._image, self._rotation = _from_pillow(image, settings, self._note)
            if pictures > 1:
                number = f"{pictures}" if pictures < MOST_PAGES else f"{MOST_PAGES} or more"
                self._note(
                    "pages",
                    f"Of {number} pictures in this image only its present one was looked at;"
                    " seek to each of the others and pass it.",
                )

    def frames(self) -> Iterator[Frame]:
        """The picture, once."""
        self._count = 0
        yield self._frame(0.0, self._image)

    @property
    def info(self) -> MediaInfo:
        """Known from the beginning."""
        height, width = self._image.shape[:2]
        notes = tuple(self._notes.values())
        return MediaInfo(
            self.kind, "array", "", width, height, None, None, self._rotation, self._count, None, notes
        )


def _from_array(array: NDArray[Any], settings: Settings) -> NDArray[np.uint8]:
    """RGB ``uint8`` of an array ``[h, w]``, ``[h, w, 1]``, ``[h, w, 3]`` (RGB) or ``[h, w, 4]`` (RGBA).

    ``uint16`` is taken as 0–65535, floats as 0–1, booleans as black and white.  Raises `MediaError`.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or not array.size:
        raise MediaError(
            Reason.UNSUPPORTED,
            f"an array of shape {array.shape} is not one picture: pass [height, width, 3]",
        )
    check_pixels(array.shape[1], array.shape[0], "the array", settings)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # of either byte order
        array = ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    elif array.dtype.kind == "f":
        if float(np.nanmin(array, initial=0.0)) < _BLACK:
            raise _below_black("an array of floats")
        if float(np.nanmax(array, initial=0.0)) > FLOAT_WHITE:
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


def _below_black(what: str) -> MediaError:
    return MediaError(
        Reason.UNSUPPORTED,
        f"{what} must hold 0 to 1: undo its normalisation (from -1 to 1: add 1 and halve), or pass uint8",
    )


def _from_pillow(
    image: Any, settings: Settings, note: Callable[[str, str], None]
) -> tuple[NDArray[np.uint8], int]:
    width, height = image.size
    if not width or not height:
        raise MediaError(Reason.UNSUPPORTED, f"an image of {width}x{height} pixels shows nothing")
    check_pixels(width, height, "the image", settings)
    try:
        if image.format == "TIFF":
            check_planes(image, "the image")
        clockwise, mirrored = orientation(image)
        if image.mode == "F" and image.format is None:  # those of files may be measurements
            _check_floats(np.asarray(image))
        if image.format == "TIFF":
            image = grey_samples(image, "the image")
        named = belongs(image) or ("gamma" in image.info and "icc_profile" not in image.info)
        shown = to_srgb(image.copy(), note) if named else flatten(image)
        return turn(np.asarray(shown), clockwise, mirrored), clockwise
    except MediaError:
        raise
    except MemoryError as error:
        raise out_of_memory("the image") from error
    except Exception as error:
        raise MediaError(Reason.UNREADABLE, f"the image cannot be decoded: {error}") from error


def _check_floats(samples: NDArray[Any]) -> None:
    """Raise `MediaError` for what is not 0 to 1; 0 to 255 is taken too, with what a filter left below."""
    low, high = float(np.nanmin(samples, initial=0.0)), float(np.nanmax(samples, initial=0.0))
    if low < _BLACK and high <= FLOAT_WHITE:
        raise _below_black("an image of mode F")


def _count_pictures(image: Any) -> int:
    """Pictures in the file that `image` was opened from, as far as that is still open; otherwise 1.

    Not as Pillow counts those of a GIF or TIFF, by walking `image` itself through them, which undoes what a
    program drew on it, nor those of an MPO, previews among them.
    """
    with suppress(Exception):  # a damaged file, or one that was closed: what is in memory is still a picture
        if image.format in _COUNTED_BY_PILLOW:
            return int(image.n_frames)
        container = _CONTAINERS[image.format]
        file = image.fp or image._fp  # the latter once the picture was read
        place = file.tell()
        try:
            file.seek(0)
            with closing(make_source(file)) as source:
                if container == "gif":
                    return len(find_animation(source, container).delays)
                return max(count_pages(image, container, source), find_following(source, container).pictures)
        finally:
            file.seek(place)
    return 1
