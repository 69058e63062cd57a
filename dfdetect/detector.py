"""The one place that chains the stages: media → faces → tracks → scores → verdict.

The command line, a worker process and a Python user all call `Detector.scan`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import threading
import time
import weakref
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from dfdetect import __version__
from dfdetect.ending import is_at_the_end
from dfdetect.errors import DfdetectError, MediaError
from dfdetect.media.ahead import Ahead
from dfdetect.media.base import Media
from dfdetect.media.reader import is_pixels, open_media
from dfdetect.media.source import Source as ByteSource
from dfdetect.media.source import make_source
from dfdetect.results import Evidence, Face, Frame, MediaInfo, MediaKind, Note, Reason, ScanResult
from dfdetect.scoring.aside import Aside
from dfdetect.scoring.models import load_model
from dfdetect.scoring.scorer import Scorer
from dfdetect.settings import DEFAULT_DETECTOR, Settings, require_settings
from dfdetect.shortage import is_out_of_memory, what_ran_out
from dfdetect.verdict.judge import Judge, Verdict

if TYPE_CHECKING:
    import mmap

    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

    from dfdetect.faces.detect import FaceDetector
    from dfdetect.faces.lookout import Lookout
    from dfdetect.looks import Frames, Looks

    Path = str | os.PathLike[str] | os.PathLike[bytes]
    Content = bytes | bytearray | memoryview
    File = IO[bytes] | io.BufferedIOBase | mmap.mmap
    Source = Path | Content | File | NDArray[Any] | PIL.Image.Image
    """A path, the bytes of a file, an open binary file, an RGB array ``[h, w, 3]`` (``uint8``, ``uint16`` or
    floats from 0 to 1) or a PIL image."""
else:
    Source = Any  # for `typing.get_type_hints`, without loading what the names above come from


CLOSER_LOOKS = 2
"""One for whoever appears only briefly, and one more where the first frames showed nobody at all."""
LINKING_LOOKS = 3
"""Each in the middle of what the one before has left open: an eighth of the distance of two frames."""
LINKING_SHARE = 0.5  # of the face that is lost: smaller ones are not it
_loaded: weakref.WeakSet[Detector] = weakref.WeakSet()
"""The detectors of this process whose networks were loaded."""


class Detector:
    """Judges photos and videos, one at a time.

    Networks are loaded at the first scan and kept.  A detector is not shared between threads or processes,
    and of no use in one that is forked later; `dfdetect.batch.pool.scan_many` gives every worker its own.

    While a photo is opened and decoded, ``PIL.Image.MAX_IMAGE_PIXELS`` goes by `Settings.max_pixels` in the
    whole process; so does torch's number of threads by `Settings.threads` while it computes.  Beside threads
    of a program that relies on its own, use `scan_many`.  Of damaged files, decoders (libtiff, libjpeg) may
    write lines to standard error.
    """

    def __init__(self, settings: Settings | None = None, **changes: Any) -> None:
        """`changes` are names of `Settings`: ``Detector(frames=32, model="light")``.

        Raises `SettingsError` for a wrong setting or a device that is not there, `ModelError` for a model
        that cannot be used and `MissingExtraError` for an engine or a detector that is not installed.
        """
        if settings is not None:
            require_settings(settings, "Detector")
        base = settings or Settings()
        if changes:
            base = base.replace(**changes)
        self.settings = base
        self._model = load_model(base.model)
        self._scorer = Scorer(self._model, base)
        self._judge = Judge(self._model.calibration, base)
        if base.detector != DEFAULT_DETECTOR:
            from dfdetect.faces.reference import check_installed

            check_installed()
        self._finder: FaceDetector | None = None
        self._finding = threading.Lock()
        self._process: int | None = None
        self._trust: str | None = None
        if base.trust_list:
            from dfdetect.media.credentials import read_trust_list

            self._trust = read_trust_list(base.trust_list)

    def scan(self, source: Source, *, name: str | os.PathLike[str] | None = None) -> ScanResult:
        """Judge one photo or video.

        `name` is what the result calls it (default: the path).  A file that cannot be read or judged gives a
        result with a `reason`; only wrong use raises: `TypeError` for what is no source, `ValueError` for a
        closed file, `DfdetectError` in a process that was forked after an earlier scan.  `Settings.timeout`
        holds only in worker processes (`scan_many`, the command line): here nothing can end a decoder that
        hangs.  What a signal handler raises to end a scan must derive from `BaseException` alone, as
        `KeyboardInterrupt` does: an `Exception` may be taken for damage of the file.
        """
        self._check_process()
        clock = time.perf_counter()
        path = os.fsdecode(name) if name is not None else _name(source)
        info: MediaInfo | None = None
        record: Evidence | None = None
        try:
            opened: Any = source
            if self.settings.evidence:
                from dfdetect.media.evidence import gather_evidence

                opened = source if is_pixels(source) else make_source(source)
                record = gather_evidence(opened if isinstance(opened, ByteSource) else None, self._trust)
            # The file first: what cannot be opened needs no network.
            with (
                _as_hashed(opened),
                open_media(opened, self.settings) as media,
                Aside(self._scorer, self.load_finder) as aside,
            ):
                evidence = self._look(media, aside)
                info = replace(media.info, frames_sampled=evidence.frames)
                verdict = self._judge.judge(
                    media.kind, evidence.tracks(), evidence.frames, beyond=evidence.dropped > 0
                )
        except MediaError as error:
            return self._failed(path, error.reason, error.message, clock, record)
        except Exception as error:
            if (text := what_ran_out(error)) is None:
                raise
            return self._failed(path, Reason.OUT_OF_MEMORY, text, clock, record)
        return self._result(path, verdict, info, evidence, clock, record)

    def find_faces(self, image: NDArray[np.uint8], at_least: float = 0.0, tiny: bool = True) -> list[Face]:
        """All faces of an RGB picture, largest first; `FaceDetector.detect` says what may be left out."""
        return self.load_finder().detect(image, at_least, tiny)

    def load_finder(self) -> FaceDetector:
        """The face detector; its networks are loaded by the first call, of whatever thread."""
        self._check_process()  # before the lock, which a thread may have held that is not in this process
        self._process = os.getpid()
        _loaded.add(self)
        with self._finding:
            if self._finder is None:
                from dfdetect.faces.detect import create_detector

                self._finder = create_detector(self.settings)
            return self._finder

    def _check_process(self) -> None:
        """Refuse to wait for threads of networks that were left behind in another process."""
        if self._process not in (None, os.getpid()):
            raise DfdetectError("this Detector was used before the process forked: make one in each process")

    def _look(self, media: Media, aside: Aside) -> Looks:
        """Everything that is to be seen of `media`, at first sight and closer."""
        with contextlib.closing(_hurried(media.frames(), media.kind, aside)) as frames:
            # Only now, while the first frames of a video are being decoded.
            from dfdetect.looks import Looks

            looks = Looks(self.settings, self._model.card.looks(media.kind), self._judge.gate, aside)
            looks.look(frames, self._lookout().look)
        self._link(media, looks, aside)
        for _ in range(CLOSER_LOOKS):
            windows = looks.worth_a_closer_look(media.kind)
            if not windows:
                break
            # Twice as many, so that they fall between those that showed nobody.
            count = self.settings.frames * (1 if looks.found else 2)
            find = self.find_faces if looks.found else self._lookout().look
            looks.look(_hurried(media.closer(windows, count), media.kind, aside), find)
            self._link(media, looks, aside)
        return looks

    def _link(self, media: Media, looks: Looks, aside: Aside) -> None:
        """Look between two frames where one person may have been taken for two, and between those again."""
        for _ in range(LINKING_LOOKS):
            seams = looks.seams()
            if not seams:
                break
            least = LINKING_SHARE * min(seam.size for seam in seams)
            middles = media.closer([(seam.start, seam.end) for seam in seams], len(seams), peek=True)
            find = functools.partial(self.find_faces, at_least=least, tiny=False)
            if not looks.link(_hurried(middles, media.kind, aside), find):
                break

    def _lookout(self) -> Lookout:
        from dfdetect.faces.detect import saving_from
        from dfdetect.faces.lookout import Lookout

        return Lookout(self.find_faces, saving_from(self.settings.min_face))

    def _result(
        self,
        path: str,
        verdict: Verdict,
        info: MediaInfo,
        evidence: Looks,
        clock: float,
        record: Evidence | None,
    ) -> ScanResult:
        # A file without scored faces must not tell whether another one had loaded the engine before it.
        engine = self._scorer.engine if evidence.scored else self.settings.engine
        return ScanResult(
            path=path,
            label=verdict.label,
            reason=verdict.reason,
            message=verdict.message,
            fake_probability=verdict.fake_probability,
            logit=verdict.logit,
            band=verdict.band,
            tracks=verdict.tracks,
            media=info,
            detector=self._finder.stamp if self._finder and evidence.frames else None,
            evidence=record,
            frames=evidence.pictures,
            notes=_unique([*info.notes, *evidence.notes(), *verdict.notes]),
            model=self._model.stamp(engine),
            settings=self.settings.as_dict(),
            tool_version=__version__,
            elapsed=time.perf_counter() - clock,
            novelty=verdict.novelty,
        )

    def _failed(
        self, path: str, reason: Reason, message: str, clock: float, record: Evidence | None
    ) -> ScanResult:
        elapsed = time.perf_counter() - clock
        return ScanResult.failed(path, reason, message, self.settings.as_dict(), elapsed, record)


@contextlib.contextmanager
def _as_hashed(source: object) -> Iterator[None]:
    """Raise `MediaError`, instead of what was found wrong with the file too, if it was written to meanwhile.

    Else the hash would not be of what was judged, or of what could not be.
    """
    if not isinstance(source, ByteSource):  # was not hashed
        yield
        return
    with source.open():  # once the media are closed, nobody could tell
        try:
            yield
        except Exception as error:
            if isinstance(error, MediaError) or is_out_of_memory(error):
                source.check_unchanged()
            raise
        source.check_unchanged()


def _hurried(frames: Iterator[Frame], kind: MediaKind, aside: Aside) -> Frames:
    """The frames of a video are decoded while those before them are looked at: a tenth of the time.

    A photo waits for the networks: what loading needs for a moment would lie on top of what detection needs.
    """
    if kind is MediaKind.VIDEO:
        try:
            return Ahead(frames)
        except RuntimeError as error:
            if not is_at_the_end(error):
                raise
    return _after_networks(frames, aside)


def _after_networks(frames: Iterator[Frame], aside: Aside) -> Generator[Frame]:
    for frame in frames:
        aside.wait_for_networks()
        yield frame


def _name(source: Source) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    # An upload's `name` may be that of the field of its form.  A GzipFile has both, and warns of `filename`.
    names = ("name",) if isinstance(source, io.IOBase) else ("filename", "name")
    named = next((value for name in names if (value := getattr(source, name, None))), None)
    text = os.fsdecode(named) if isinstance(named, (str, bytes, os.PathLike)) else ""
    return text or f"<{type(source).__name__}>"


def _unique(notes: list[Note]) -> tuple[Note, ...]:
    return tuple(dict.fromkeys(notes))


def _never_freed() -> None:
    """Keep what a forked process has inherited: ONNX Runtime's destructors wait for threads left behind.

    Not by a list, which would be emptied at the end of the process.
    """
    import ctypes

    for detector in _loaded:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(detector))


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_never_freed)
