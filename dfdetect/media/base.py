"""What every opened medium offers to the rest of dfdetect."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dfdetect.media.sampling import clip_window
from dfdetect.results import Frame, MediaInfo, MediaKind, Note
from dfdetect.words import moment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dfdetect.media.source import Source
    from dfdetect.settings import Settings

_LEFT_OUT, _LEFT_OUT_SHARE = 0.1, 0.1
"""Seconds, and share of a short file, that a window may leave out without a word: a picture or two."""


class Media(ABC):
    """A medium opened for reading; a context manager.

    Frames come one at a time and none is kept, so memory does not depend on the length of the file.
    """

    kind: MediaKind

    def __init__(self) -> None:
        self._count = 0
        self._notes: dict[str, Note] = {}

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """The sampled frames in order of time.

        Raises `MediaError` when the file has not one usable picture.  Damage that leaves usable
        pictures becomes a note of `info`.
        """

    def closer(
        self, windows: Sequence[tuple[float, float]], count: int, *, peek: bool = False
    ) -> Iterator[Frame]:
        """Up to `count` further frames inside `windows` (seconds), none that was given before.

        Those of a `peek` count as given for the next one only: where there are few, they may be needed again.
        """
        return iter(())

    def every_frame(self) -> Iterator[Frame]:
        """All pictures between `Settings.start` and `Settings.end`, in order of time.

        For who shows or draws a medium; what is judged are the samples of `frames`.  Raises `MediaError`
        as that does.
        """
        return self.frames()

    @property
    def origin(self) -> float:
        """What the container's own clock shows at time 0, in seconds; final once frames were read."""
        return 0.0

    @property
    @abstractmethod
    def info(self) -> MediaInfo:
        """What is known so far; final once `frames` is exhausted."""

    def close(self) -> None:  # noqa: B027  (not everything holds a file)
        """Free files and decoders.  Harmless when called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, code: str, text: str) -> None:
        """Add a note, once per code."""
        self._notes.setdefault(code, Note(code, text))

    def _frame(self, time: float, image: NDArray[np.uint8]) -> Frame:
        """Number a frame that is handed out."""
        frame = Frame(self._count, time, image)
        self._count += 1
        return frame


class FileMedia(Media):
    """A medium that is read from a `Source` and closes it; subclasses fill in what `info` tells."""

    def __init__(self, source: Source, container: str, settings: Settings) -> None:
        super().__init__()
        self._source, self._settings = source, settings
        self._container = self._codec = container
        self._size = (0, 0)
        self._rotation = 0
        self._duration: float | None = None
        self._rate: float | None = None
        self._given: set[int] = set()
        """What tells the frames apart that were handed out."""
        self._peeked: set[int] = set()

    @contextlib.contextmanager
    def _peeking(self) -> Iterator[None]:
        """What is handed out inside counts as given inside such blocks alone."""
        before = self._given
        self._given = before | self._peeked
        try:
            yield
        finally:
            self._peeked |= self._given - before
            self._given = before

    @property
    def info(self) -> MediaInfo:
        """What the header claims; after `frames` what was found."""
        moving = self.kind is MediaKind.VIDEO
        return MediaInfo(
            kind=self.kind,
            container=self._container,
            codec=self._codec,
            width=self._size[0],
            height=self._size[1],
            duration=self._duration if moving else None,
            frame_rate=self._rate if moving else None,
            rotation=self._rotation,
            frames_sampled=self._count,
            size_bytes=self._source.size if self._source.is_file else None,
            notes=tuple(self._notes.values()),
        )

    def _tell_part(self, duration: float) -> None:
        """Note which part of the `duration` was looked at, where `Settings.start` and `end` leave some out.

        Else the answer about it would pass for that about the file, since only the settings name the part.
        """
        window = clip_window(duration, self._settings.start, self._settings.end)
        if window is None:
            return
        left_out = duration - (window[1] - window[0])
        if left_out > min(_LEFT_OUT, duration * _LEFT_OUT_SHARE):
            self._note("part", f"Only {_part_words(*window, duration)} was looked at.")

    def close(self) -> None:
        """Free the source."""
        self._source.close()


def _part_words(start: float, end: float, duration: float) -> str:
    """``0:10 to 0:20.5 of 1:00``; in words that tell the ends of a very short part from each other."""
    if duration < 1:
        return f"{start:.2f} to {end:.2f} of {duration:.2f} s"
    first, last, whole = (moment(time).removesuffix(".0") for time in (start, end, duration))
    return f"the moment at {first} of {whole}" if first == last else f"{first} to {last} of {whole}"
