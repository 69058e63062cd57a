"""Animated GIF, WebP and PNG as videos: Pillow composes the pictures, the file's blocks give their times.

The blocks are walked without decoding, so that the length is known before the first picture is made.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MediaError
from dfdetect.media import gif
from dfdetect.media.base import FileMedia
from dfdetect.media.colour import flatten
from dfdetect.media.limits import check_pixels, out_of_memory, turn
from dfdetect.media.photo import ends_early, open_image, pillow_flags, stated_orientation
from dfdetect.media.profile import to_srgb
from dfdetect.media.sampling import Picks, choose, choose_closer, inside
from dfdetect.media.transfer import find_transfer, overrides_profile
from dfdetect.results import Frame, MediaKind, Reason

if TYPE_CHECKING:
    from PIL.Image import Image

    from dfdetect.media.source import Source
    from dfdetect.settings import Settings

_MOST_PICTURES = 200_000
_MOST_COMPOSED = 20_000_000_000
"""Pixels of all pictures that have to be composed for the last one sampled: some twenty seconds."""
# Browsers show pictures that ask for 10 ms or less (mostly a forgotten delay) for 100 ms.
_SHORTEST, _USUAL = 11, 100


@dataclass(frozen=True, slots=True)
class Animation:
    """What is known of an animation before a picture is made."""

    delays: tuple[float, ...]
    """How long each picture is shown, in milliseconds; fewer than two: nothing moves."""
    stands_beside: bool = False
    """Before them the file holds one that is no part of the animation, for programs that show none (PNG)."""
    goes_on: bool = False
    """There are more pictures than are looked at."""


def find_animation(source: Source, container: str) -> Animation:
    """The pictures that browsers show one after the other; none for formats without animations.

    Raises `MediaError` when the file cannot be read to its end.
    """
    walk = _WALKS.get(container)
    if walk is None:
        return Animation(())
    delays: list[float] = []
    stands_beside = goes_on = False
    try:
        with source.reading() as file:
            for delay in walk(file):
                if delay is None:
                    stands_beside = True
                    continue
                if len(delays) >= _MOST_PICTURES:
                    goes_on = True
                    break
                delays.append(delay if delay >= _SHORTEST else _USUAL)
    except (IndexError, ZeroDivisionError):
        pass  # cut off: the pictures up to here are there
    return Animation(tuple(delays), stands_beside, goes_on)


class AnimationMedia(FileMedia):
    """An animated picture, sampled like a video.

    A picture beside the animation has no time; it is given first, at 0 s, whatever part is asked for.
    """

    kind = MediaKind.VIDEO

    def __init__(self, source: Source, container: str, animation: Animation, settings: Settings) -> None:
        super().__init__(source, container, settings)
        # To the microsecond: the picture after sixty times 1/60 s comes at 1 s, not a trace before it.
        ends = np.round(np.cumsum(np.asarray(animation.delays, np.float64)) / 1000.0, 6)
        self._beside = int(animation.stands_beside)
        self._times: NDArray[np.float64] = np.concatenate((np.zeros(self._beside + 1), ends[:-1]))
        self._duration: float = float(ends[-1])
        self._rate = len(ends) / self._duration
        if ends_early(source, container):
            self._note("truncated", "The animation ends early; its last pictures are missing.")
        if animation.goes_on:
            self._note(
                "pages",  # reports know this code as one that says that something was not looked at
                f"The animation has more than {_MOST_PICTURES} pictures; those after"
                f" {self._duration:.1f} s were not looked at.",
            )
        with source.buffered() as file:
            image = open_image(file, container, source, settings, self._note)
            self._rotation, self._mirrored = _orientation(image)
            self._size = image.size if self._rotation % 180 == 0 else image.size[::-1]
        self._as_named = overrides_profile(find_transfer(source, container), container)
        if self._beside:
            self._note(
                "pages",
                "Programs that show no animations show another picture than those that do;"
                " both were looked at.",
            )

    def frames(self) -> Iterator[Frame]:
        """The sampled pictures, each composed with those before it as its format demands."""
        self._count = 0
        self._given.clear()
        self._peeked.clear()
        settings = self._settings.replace(frames=max(1, self._settings.frames - self._beside))
        picks = self._beside + choose(self._times[self._beside :], self._duration, settings)
        if not len(picks):
            raise MediaError(
                Reason.NO_PICTURE,
                f"{self._source.title} is {self._duration:.2f} s long, nothing lies after"
                f" start ({self._settings.start:g} s): choose an earlier start",
            )
        self._tell_part(self._duration)
        yield from self._read(np.concatenate((np.arange(self._beside), picks)))
        if not self._count:
            raise MediaError(
                Reason.UNREADABLE, f"{self._source.title} has no readable picture: copy it again"
            )

    def closer(
        self, windows: Sequence[tuple[float, float]], count: int, *, peek: bool = False
    ) -> Iterator[Frame]:
        """Further pictures inside `windows`; see `Media.closer`."""
        with self._peeking() if peek else contextlib.nullcontext():
            given = sorted(self._given)
            yield from self._read(choose_closer(self._times, windows, count, given, self._settings))

    def every_frame(self) -> Iterator[Frame]:
        """All pictures of the animation between start and end."""
        self._count = 0
        self._given.clear()
        times = self._times[self._beside :]
        yield from self._read(self._beside + inside(times, self._duration, self._settings))

    def _read(self, picks: Picks) -> Iterator[Frame]:
        if len(picks) and (int(picks[-1]) + 1) * self._size[0] * self._size[1] > _MOST_COMPOSED:
            raise self._too_much(*self._size)
        with self._source.buffered() as file:
            image = open_image(file, self._container, self._source, self._settings, self._note)
            composed = 0
            for pick in picks.tolist():
                try:
                    composed = self._seek(image, pick, composed)
                    picture = self._upright(image)
                except MediaError:
                    raise
                except MemoryError as error:
                    raise out_of_memory(self._source.title) from error
                except Exception:  # whatever Pillow's parsers meet; later pictures build on this one
                    self._note("damaged", f"The animation is damaged from picture {pick} on.")
                    return
                self._given.add(pick)
                yield self._frame(float(self._times[pick]), picture)

    def _upright(self, image: Image) -> NDArray[np.uint8]:
        """The present picture of `image`, which stays as it is: those that follow build on it."""
        shown = flatten(image) if self._as_named else to_srgb(image.copy(), self._note)
        return turn(np.asarray(shown), self._rotation, self._mirrored)

    def _seek(self, image: Image, pick: int, composed: int) -> int:
        """Go on to picture `pick`; the pixels composed by then, of which `composed` before.

        One by one, since every picture of a GIF may make all that follow larger.
        """
        for number in range(image.tell() + 1, pick + 1):
            with pillow_flags(self._source.title, self._settings):
                image.seek(number)
            check_pixels(*image.size, self._source.title, self._settings)
            composed += image.size[0] * image.size[1]
            if composed > _MOST_COMPOSED:
                raise self._too_much(*image.size)
        return composed

    def _too_much(self, width: int, height: int) -> MediaError:
        return MediaError(
            Reason.TOO_LARGE,
            f"{self._source.title} holds {len(self._times)} pictures of {width}x{height}"
            " pixels that build on each other: make it smaller or shorter",
        )


def _orientation(image: Image) -> tuple[int, bool]:
    """As that of a still picture, where it stands before the first picture: none is decoded for it."""
    told = image.info.keys() & {"exif", "Raw profile type exif"}
    return stated_orientation(image) if told else (0, False)


def _webp(file: io.BufferedReader) -> Iterator[int]:
    file.seek(12)
    while len(header := file.read(8)) == 8:
        length = int.from_bytes(header[4:], "little")
        start = file.tell()
        if header[:4] == b"ANMF":
            yield int.from_bytes(file.read(16)[12:15], "little")
        file.seek(start + length + (length & 1))


def _png(file: io.BufferedReader) -> Iterator[float | None]:
    """None stands for a picture that is no part of the animation; Pillow counts it as the first."""
    animated = begun = False
    file.seek(8)
    while len(header := file.read(8)) == 8:
        length = int.from_bytes(header[:4], "big")
        start = file.tell()
        if header[4:] == b"acTL":
            animated = True
        elif header[4:] == b"IDAT" and not begun:
            if not animated:  # whatever follows: for everybody a still picture
                return
            begun = True
            yield None
        elif header[4:] == b"fcTL":
            begun = True
            data = file.read(26)
            yield 1000 * int.from_bytes(data[20:22], "big") / (int.from_bytes(data[22:24], "big") or 100)
        elif header[4:] == b"IEND":
            return
        file.seek(start + length + 4)


_WALKS: dict[str, Callable[[io.BufferedReader], Iterator[float | None]]] = {
    "gif": gif.delays,
    "webp": _webp,
    "png": _png,
}
