"""Open a photo or a video, whatever it comes in, by what its bytes are."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MediaError
from dfdetect.media.base import Media
from dfdetect.media.sniff import Family, Sniffed, sniff
from dfdetect.media.source import Source, make_source
from dfdetect.results import Reason

if TYPE_CHECKING:
    from PIL.Image import Image

    from dfdetect.settings import Settings

_OTHERS = {
    "zip": "a ZIP archive or an Office document",
    "ole": "an old Office document",
    "elf": "a program",
    "sqlite": "a database",
}
"""What files that are not media are called; the others by the name of their format."""


def open_media(
    source: str | os.PathLike[str] | bytes | IO[bytes] | NDArray[Any] | Image | Source, settings: Settings
) -> Media:
    """Open a photo or a video: a path, bytes, a binary file object, an array or a Pillow image.

    An array is ``[height, width, 3]`` in RGB (or grey, or RGBA); a file object is read from its
    current position; a `Source` is closed with what is made of it.  The kind is found from the
    content, never from the name.  Use the result as a context manager.

    Raises `MediaError`, whose `reason` and message say what is wrong with the file and what to do, and
    `TypeError` for any other type of `source`.
    """
    if is_pixels(source):
        from dfdetect.media.memory import ImageMedia

        return ImageMedia(source, settings)
    made = source if isinstance(source, Source) else make_source(source)
    try:
        return _open_by_content(made, sniff(made.head()), settings)
    except BaseException:
        made.close()
        raise


def _open_by_content(source: Source, sniffed: Sniffed, settings: Settings) -> Media:
    _refuse(source.title, sniffed)
    if sniffed.family is Family.PHOTO:
        from dfdetect.media.animation import AnimationMedia, find_animation
        from dfdetect.media.photo import PhotoMedia

        animation = find_animation(source, sniffed.format)
        if len(animation.delays) > 1:
            return AnimationMedia(source, sniffed.format, animation, settings)
        beside = len(animation.delays) if animation.stands_beside else 0
        return PhotoMedia(source, sniffed.format, settings, beside=beside)
    from dfdetect.media.video import VideoMedia

    return VideoMedia(source, sniffed, settings)


def _refuse(title: str, sniffed: Sniffed) -> None:
    """Raise for what is known not to be media."""
    if sniffed.format == "html":
        raise MediaError(
            Reason.NOT_MEDIA, f"{title} is a web page: the download went wrong, get the media file itself"
        )
    if sniffed.format.startswith("ascii "):
        raise MediaError(
            Reason.UNSUPPORTED, f"{title} is {sniffed.format.upper()}: convert it to JPEG or PNG"
        )
    if sniffed.family is Family.TEXT:
        raise MediaError(Reason.NOT_MEDIA, f"{title} is text, not a photo or video: check the file")
    if sniffed.family is Family.OTHER:
        what = _OTHERS.get(sniffed.format, sniffed.format.upper())
        raise MediaError(Reason.NOT_MEDIA, f"{title} is {what}: take the photo or video out of it")


def is_pixels(source: object) -> bool:
    """Whether this is an array or a Pillow image, without bytes of a file behind it."""
    if isinstance(source, np.ndarray):
        return True
    # By module name, so that Pillow is imported only when a picture comes.
    return any(kind.__module__ == "PIL.Image" for kind in type(source).__mro__)
