"""Scan one file and write it again with what was found drawn into it."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.detector import Detector
from dfdetect.errors import InputError, MediaError
from dfdetect.explain.annotate import Annotator, Corners
from dfdetect.explain.follow import Follower, Segment
from dfdetect.faces.crop import crop_matrix
from dfdetect.files import WholeFile, unwritable
from dfdetect.media.reader import open_media
from dfdetect.media.writing import Sound, VideoWriter, fits
from dfdetect.results import Box, Face, MediaKind, ScanResult
from dfdetect.settings import Settings

PHOTO_SUFFIXES, VIDEO_SUFFIXES = (".png", ".jpg", ".jpeg"), (".mp4",)
Progress = Callable[[str, float], None]
"""Is told what is being done and how far it is, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What `explain` has done."""

    result: ScanResult
    path: Path | None
    """The annotated picture or video; None when the file could not be read."""
    sound_left_out: float = 0.0
    """Seconds of sound before the first picture, which the annotated video does not have."""


def explain(
    path: str,
    out: str | None = None,
    settings: Settings | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Explained:
    """Scan the photo or video at `path` and write it with boxes, heat maps and verdict to `out`.

    `out` ends in .png or .jpg for a photo and in .mp4 for a video; None: ``NAME.explained.png`` or ``.mp4``
    in the current folder.  It appears whole or not at all, and a file that is replaced keeps its permissions.
    The verdict is that of a scan with the same settings.  A file that cannot be read gives its result and no
    picture.  Raises `InputError` for an `out` that cannot be written (what is drawn and cannot be put there
    is kept beside it, and the error says where), that is the input itself, or that exists, unless `force`,
    and for a file that was changed or replaced meanwhile.
    """
    tell = progress or _silent
    detector = _Witness((settings or Settings()).replace(heatmaps=True))
    before = _stamp(path)
    try:
        with open_media(path, detector.settings) as media:
            kind = media.kind
    except MediaError:
        return Explained(detector.scan(path), None)
    target = choose_target(path, out, kind, force)
    with _opened(target) as file:
        tell("scanning", 0.0)
        result = detector.scan(path)
        if result.media is None:
            return Explained(result, None)
        left_out = 0.0
        with _untouched_since(before, path):
            if kind is MediaKind.PHOTO:
                _photo(path, detector, result, file.part, target.suffix.lower())
            else:
                left_out = _video(path, detector, result, file.part, tell)
        _commit(file, target)
    return Explained(result, target, left_out)


def choose_target(path: str, out: str | None, kind: MediaKind, force: bool) -> Path:
    """Where to write; `InputError` for a place that is not to be written to."""
    suffixes = PHOTO_SUFFIXES if kind is MediaKind.PHOTO else VIDEO_SUFFIXES
    target = Path(out) if out is not None else Path(f"{Path(path).stem}.explained{suffixes[0]}")
    if target.suffix.lower() not in suffixes:
        wanted = " or ".join(suffixes[:2])
        raise InputError(f"'{target}' must end in {wanted}: the annotated {kind.value} is written as that")
    # Functions of `os.path`, since the methods of `Path` raise for a name that is too long.
    if os.path.isdir(target):
        raise InputError(f"'{target}' is a folder: name a file in it")
    if os.path.exists(target):
        if os.path.samefile(target, path):
            raise InputError(
                f"'{target}' is the file that is to be explained: choose another name with --out"
            )
        if not force:
            raise InputError(f"'{target}' exists: choose another name with --out, or replace it with --force")
    return target


def _opened(target: Path) -> WholeFile:
    try:
        return WholeFile(target)
    except OSError as error:
        raise unwritable(f"'{target}'", Path(os.path.realpath(target)), error) from error


def _commit(file: WholeFile, target: Path) -> None:
    try:
        file.commit()
    except OSError as error:
        why = error.strerror or error
        hint = file.whereabouts("explain") or "close it where it is open, or name another file"
        raise InputError(f"cannot write '{target}': {why}; {hint}") from error


@contextlib.contextmanager
def _untouched_since(before: tuple[int, ...] | None, path: str) -> Iterator[None]:
    """Raise `InputError`, instead of whatever came of it, if `path` is no longer the file that it was.

    It is opened by its name again and again: a verdict must not get into the pictures of another file.
    """
    message = f"'{path}' was changed while it was explained: explain it again"
    try:
        yield
    except Exception as error:
        if _stamp(path) != before:
            raise InputError(message) from error
        raise
    if _stamp(path) != before:
        raise InputError(message)


def _stamp(path: str) -> tuple[int, ...] | None:
    """What is another number once the file is another one; None where there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a zero byte in the path
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class _Witness(Detector):
    """A detector that remembers where the crops of the faces lie, over which their heat maps are drawn."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._seen: dict[Box, NDArray[np.floating[Any]]] = {}

    def find_faces(self, image: NDArray[np.uint8], at_least: float = 0.0, tiny: bool = True) -> list[Face]:
        """As `Detector.find_faces`."""
        faces = super().find_faces(image, at_least, tiny)
        self._seen.update((face.box, face.landmarks) for face in faces)
        return faces

    def find_again(self, image: NDArray[np.uint8]) -> list[Face]:
        """The same after the scan: nothing is remembered."""
        return super().find_faces(image)

    @property
    def boxes(self) -> list[Box]:
        """Of all faces found in the scan, judged or not."""
        return list(self._seen)

    def corners(self, result: ScanResult) -> dict[Box, Corners]:
        """Box of each judged face → corners of the crop of the first expert, in frame pixels."""
        spec = self._model.card.experts[0].crop
        square = np.array([[0, 0], [spec.size, 0], [spec.size, spec.size], [0, spec.size]], np.float64)
        found = {}
        for box in (face.box for track in result.tracks for face in track.faces):
            if box in self._seen:
                matrix = crop_matrix(box, self._seen[box], spec)
                found[box] = (square - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        return found


def _photo(path: str, detector: _Witness, result: ScanResult, place: Path, suffix: str) -> None:
    from PIL import Image

    with open_media(path, detector.settings) as media:
        image = next(iter(media.frames())).image
    judged = {face.box for track in result.tracks for face in track.faces}
    others = [box for box in detector.boxes if box not in judged]
    size = (image.shape[1], image.shape[0])
    drawn = Annotator(result, size, corners=detector.corners(result), others=others).draw(image)
    if suffix == ".png":
        Image.fromarray(drawn).save(place, "PNG")
    else:
        Image.fromarray(drawn).save(place, "JPEG", quality=93, subsampling=0)


def _video(path: str, detector: _Witness, result: ScanResult, place: Path, tell: Progress) -> float:
    """Draw the video; the seconds of sound that had to be left out since nothing was to be seen yet."""
    settings, info = detector.settings, result.media
    assert info is not None
    start = settings.start or 0.0
    end = min(settings.end or np.inf, info.duration or np.inf)
    length = end - start if start < end < np.inf else 1.0
    segments = _follow(path, detector, result, lambda time: tell("following faces", (time - start) / length))
    with contextlib.ExitStack() as stack:
        media = stack.enter_context(open_media(path, settings))
        frames = media.every_frame()
        head = next(frames)
        first = head.time
        drawing = Annotator(
            result,
            (head.image.shape[1], head.image.shape[0]),
            segments=segments,
            corners=detector.corners(result),
            span=(start, start + length),
            fits=fits,
        )
        sound = stack.enter_context(
            Sound(path, media.origin + first, None if settings.end is None else end - first)
        )
        writer = stack.enter_context(
            VideoWriter(place, drawing.size, info.frame_rate, sound, settings.threads)
        )
        canvas = np.empty((drawing.size[1], drawing.size[0], 3), np.uint8)
        for frame in itertools.chain([head], frames):
            writer.write(drawing.draw(frame.image, frame.time, canvas), frame.time - first)
            tell("drawing", (frame.time - start) / length)
        writer.finish(end - first if end < np.inf else None)
        # With a start of the user's own, what lies before it is not missed.
        return 0.0 if settings.start is not None else sound.before


def _follow(
    path: str, detector: _Witness, result: ScanResult, tell: Callable[[float], None]
) -> tuple[Segment, ...]:
    if not any(track.faces for track in result.tracks):
        return ()
    follower = Follower(detector.find_again, result.tracks)
    with open_media(path, detector.settings) as media:
        for frame in media.every_frame():
            follower.show(frame)
            tell(frame.time)
    return follower.segments()


def _silent(what: str, share: float) -> None:
    return None
