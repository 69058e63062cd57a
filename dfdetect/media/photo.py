"""Read photos through Pillow: upright, 8-bit RGB, bombs refused before decoding, damage tolerated."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MediaError
from dfdetect.media import gif
from dfdetect.media.base import FileMedia
from dfdetect.media.colour import MAPPED, flatten, is_hdr, tone_map
from dfdetect.media.following import MOST_SCANS, find_following
from dfdetect.media.limits import check_pixels, out_of_memory, too_large, turn
from dfdetect.media.pages import MOST_PAGES, count_pages
from dfdetect.media.profile import to_srgb
from dfdetect.media.tiff import check_planes, grey_samples
from dfdetect.media.transfer import find_transfer, overrides_profile
from dfdetect.quiet import expected
from dfdetect.results import Frame, MediaKind, Reason

if TYPE_CHECKING:
    from PIL.Image import Image

    from dfdetect.media.source import Source
    from dfdetect.settings import Settings

_PLUGINS = {
    "jpeg": ("JPEG", "MPO"),
    "png": ("PNG",),
    "gif": ("GIF",),
    "webp": ("WEBP",),
    "bmp": ("BMP",),
    "tiff": ("TIFF",),
    "avif": ("AVIF",),
    "jpeg2000": ("JPEG2000",),
    "psd": ("PSD",),
    "ico": ("ICO",),
    "heic": ("HEIF",),
}
_ORIENTATION_TAG = 0x0112
# EXIF orientation: degrees clockwise, after mirroring left to right.
_ORIENTATION = {
    1: (0, False),
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (270, True),
    6: (90, False),
    7: (90, True),
    8: (270, False),
}
_XMP = frozenset({"xmp", "XML:com.adobe.xmp"})
# Pillow's words for files that may be sound.
_UNREAD_KIND = re.compile(
    r"unknown pixel mode|unknown data organization|Unsupported BMP|cannot handle [0-9]+-bit layers"
    r"|colour mode [0-9]+ of [0-9]+ bits"
)
_UNREAD_PSD = re.compile(r"\(([0-9]+), ([0-9]+)\)")
_pillow = threading.Lock()


def open_image(
    file: BinaryIO, container: str, source: Source, settings: Settings, note: Callable[[str, str], None]
) -> Image:
    """Read the header of a picture and refuse it when it is too large, before it is decoded.

    Only the plugin of the sniffed format may look at it.  `note` is told (code, text) when data beside the
    picture had to be left out.  Raises `MediaError`.
    """
    title = source.title
    if container == "heic":
        _register_heif(title)
    if container not in _PLUGINS:
        raise MediaError(Reason.UNSUPPORTED, f"{title} is {container.upper()}: convert it to JPEG or PNG")
    try:
        image = _open(file, container, title, settings, tolerant=False)
    except MediaError:
        raise
    except MemoryError as error:
        raise out_of_memory(title) from error
    except Exception as error:  # Pillow's plugins raise whatever their parsers meet
        spared = _open_without_metadata(file, container, title, settings)
        if spared is None:
            raise _refused(error, file, container, source, settings) from error
        text = "Data beside the picture (such as a colour profile or a text) is damaged or too large"
        note("metadata", f"{text}; the picture itself was read.")
        image = spared
    check_pixels(*image.size, title, settings)
    if container == "tiff":
        check_planes(image, title)
    return image


def _open(file: BinaryIO, container: str, title: str, settings: Settings, *, tolerant: bool) -> Image:
    from PIL import Image as pillow

    with pillow_flags(title, settings, tolerant=tolerant):
        return pillow.open(file, formats=_PLUGINS[container])


def _refused(
    error: Exception, file: BinaryIO, container: str, source: Source, settings: Settings
) -> MediaError:
    """The error for a picture whose header Pillow did not take."""
    cause, name = _said_by_plugin(error, file, container, source.title, settings), container.upper()
    early = ends_early(source, container)
    if _UNREAD_KIND.search(cause) and not early:
        return MediaError(
            Reason.UNSUPPORTED,
            f"{source.title} is {name} of a kind that is not read here: convert it to PNG ({cause})",
        )
    return MediaError(
        Reason.TRUNCATED if early else Reason.UNREADABLE,
        f"{source.title} begins like {name} but {'ends early' if early else 'is damaged'}:"
        f" copy or download it again ({cause})",
    )


def _said_by_plugin(error: Exception, file: BinaryIO, container: str, title: str, settings: Settings) -> str:
    """What the plugin of the format says where Pillow's own `error` is only that none could read the file."""
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    # KeyError: Pillow looked for the other plugin of the format, which is there only once one was used.
    if not isinstance(error, (UnidentifiedImageError, KeyError)):
        return str(error)
    plugin = _PLUGINS[container][0]  # that for JPEG opens MPO as well
    try:
        file.seek(0)
        with pillow_flags(title, settings):
            pillow.OPEN[plugin][0](file, "")
    except Exception as said:
        unread = _UNREAD_PSD.fullmatch(str(said))
        return f"colour mode {unread[1]} of {unread[2]} bits" if unread else str(said)
    return "it is not recognised"


def _open_without_metadata(file: BinaryIO, container: str, title: str, settings: Settings) -> Image | None:
    """A PNG without those of its blocks beside the picture that cannot be used; None where more is wrong.

    Pillow's bounds on what such a block may unpack to stay: what exceeds them is left out, not unpacked.
    """
    if container != "png":  # no other format is opened differently when Pillow is told to be tolerant
        return None
    file.seek(0)
    try:
        return _open(file, container, title, settings, tolerant=True)
    except MediaError:
        raise
    except Exception:  # the first error says what is wrong
        return None


class PhotoMedia(FileMedia):
    """One still picture in a file.  Of several pages the first is taken, and a note says so.

    `beside`: so many further pictures were found that are no pages of the format.
    """

    kind = MediaKind.PHOTO

    def __init__(self, source: Source, container: str, settings: Settings, *, beside: int = 0) -> None:
        super().__init__(source, container, settings)
        with source.buffered() as file:
            image = open_image(file, container, source, settings, self._note)
            self._size, counted = image.size, count_pages(image, container, source)
        following = find_following(source, container)
        if following.scans > MOST_SCANS:
            raise MediaError(
                Reason.TOO_LARGE,
                f"{source.title} is drawn in more than {MOST_SCANS} passes (scans), which takes too long:"
                " convert it to PNG",
            )
        pages = max(counted, following.pictures) + beside
        if pages > 1:
            number = f"{pages}" if pages < MOST_PAGES else f"{MOST_PAGES} or more"
            self._note("pages", f"Only the first of {number} pictures in this file was looked at.")
        if following.video:
            self._note(
                "video_follows",
                "A video follows the picture in this file and was not looked at; take it out and scan it.",
            )

    def frames(self) -> Iterator[Frame]:
        """The picture, once."""
        self._count = 0
        image = self._read()
        self._size = (image.shape[1], image.shape[0])
        yield self._frame(0.0, image)

    def _read(self) -> NDArray[np.uint8]:
        title = self._source.title
        try:
            return self._decode(tolerant=False)
        except MediaError:
            raise
        except MemoryError as error:
            raise out_of_memory(title) from error
        except Exception as error:  # Pillow's plugins raise whatever their parsers meet
            cause = error
        early = ends_early(self._source, self._container) or "truncated" in str(cause)
        try:
            image = self._decode(tolerant=True)
        except MemoryError as error:
            raise out_of_memory(title) from error
        except Exception:
            image = None
        if image is None or image.max() == image.min():
            if early:
                raise MediaError(
                    Reason.TRUNCATED, f"{title} ends early, nothing can be seen: copy or download it again"
                ) from cause
            raise MediaError(
                Reason.UNREADABLE, f"{title} is damaged, nothing can be seen: copy it again ({cause})"
            ) from cause
        if early:
            self._note("truncated", "The picture ends early; the missing part is blank.")
        else:
            self._note("damaged", "The picture's data is damaged; parts of it may be wrong or blank.")
        return image

    def _decode(self, *, tolerant: bool) -> NDArray[np.uint8]:
        with self._source.buffered() as file:
            image = open_image(file, self._container, self._source, self._settings, self._note)
            with pillow_flags(self._source.title, self._settings, tolerant=tolerant):
                clockwise, mirrored = orientation(image)
            self._rotation = clockwise
            transfer = find_transfer(self._source, self._container)
            if self._container == "tiff":
                image = grey_samples(image, self._source.title)
            # Under the same name, so that what was read is freed.
            image = (
                flatten(image) if overrides_profile(transfer, self._container) else to_srgb(image, self._note)
            )
            pixels: NDArray[np.uint8] = np.asarray(image)
            if is_hdr(transfer):
                self._note("hdr", MAPPED)
                pixels = tone_map(pixels, transfer)
            return turn(pixels, clockwise, mirrored)


def ends_early(source: Source, container: str) -> bool:
    """True when the end mark of the format is missing, or the file is shorter than its header says.

    `MediaError` when it cannot be read that far.
    """
    if container == "webp":
        return int.from_bytes(source.head(8)[4:8], "little") + 8 > source.size
    if container == "gif":
        with source.reading() as file:
            return not gif.is_whole(file)
    mark = {"jpeg": b"\xff\xd9", "png": b"IEND"}.get(container)
    if mark is None:
        return False
    with source.reading() as file:
        file.seek(max(0, source.size - 65_536))
        return mark not in file.read(65_536)


def orientation(image: Image) -> tuple[int, bool]:
    """Degrees clockwise that make `image` upright, after mirroring it if the second answer says so.

    Only EXIF and what a program set count, as in browsers; where EXIF is silent, Pillow goes by XMP.
    Loads `image`, and raises what that raises.
    """
    xmp = image.info.pop("xmp", None)
    try:
        image.load()  # which turns a TIFF, and would by XMP
    finally:
        if xmp is not None:
            image.info["xmp"] = xmp
    return stated_orientation(image)


def stated_orientation(image: Image) -> tuple[int, bool]:
    """As `orientation`, of a picture that is not turned when it is loaded, or is loaded.  Never raises."""
    try:
        number = image.getexif().get(_ORIENTATION_TAG, 1)
        if number != 1 and _stated(image, by_xmp=True) == number and _stated(image, by_xmp=False) is None:
            number = 1
        return _ORIENTATION.get(number, (0, False))
    except Exception:  # a damaged EXIF block is no reason to refuse the picture
        return 0, False


def _stated(image: Image, *, by_xmp: bool) -> int | None:
    """The orientation that XMP states, or EXIF, in what came with `image` from its file."""
    from PIL import Image as pillow

    bare = pillow.new("L", (1, 1))
    bare.info = {key: value for key, value in image.info.items() if (key in _XMP) == by_xmp}
    number: int | None = bare.getexif().get(_ORIENTATION_TAG)
    return number


class _TrueHere:
    """True in the thread that made it; in others what it was `before`, as Pillow asks it each time anew."""

    def __init__(self, before: bool) -> None:
        self._before, self._thread = before, threading.get_ident()

    def __bool__(self) -> bool:
        return bool(self._before) or threading.get_ident() == self._thread


@contextmanager
def pillow_flags(title: str, settings: Settings, *, tolerant: bool = False) -> Iterator[None]:
    """Pillow's limits are global; ours are settings.  Held as briefly as possible, one thread at a time.

    Only the limit on pixels holds for other threads too: damage is tolerated in this one alone.

    Raises `MediaError` for what Pillow finds too large.  It must look itself, for it decodes some pictures
    (ICO, what a GIF is to be cleared to) before it tells their size.  Its warnings about odd tags would only
    litter standard error, or be errors to a program that makes errors of warnings.
    """
    from PIL import Image, ImageFile

    with _pillow:
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS = (settings.max_pixels + 1) // 2  # it refuses what is twice as large
        if tolerant:
            ImageFile.LOAD_TRUNCATED_IMAGES = _TrueHere(before[1])  # type: ignore[assignment]
        try:
            with expected(module=r"PIL\b"):
                yield
        except Image.DecompressionBombError as error:
            counted = re.search(r"[0-9]+(?= pixels)", str(error))
            claim = f"{counted[0]} pixels, more" if counted else "more pixels"
            raise too_large(title, claim, settings) from error
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _register_heif(title: str) -> None:
    try:
        import pillow_heif  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise MediaError(
            Reason.UNSUPPORTED, f"{title} is HEIC: install pillow-heif, or convert it to JPEG"
        ) from error
    pillow_heif.register_heif_opener()
