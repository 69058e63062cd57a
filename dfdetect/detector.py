"""The one place that chains the stages: media → faces → tracks → scores → verdict.

The command line, a worker process and a Python user all call `Detector.scan`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from typing import IO, TYPE_CHECKING, Any

from dfdetect import __version__
from dfdetect.errors import MediaError, SettingsError
from dfdetect.faces.crop import cut
from dfdetect.faces.detect import FaceDetector, create_detector, saving_from
from dfdetect.faces.lookout import Lookout
from dfdetect.faces.pictures import FACE_SIDE, PictureBook, small_jpeg
from dfdetect.faces.quality import measure_quality
from dfdetect.faces.tracks import Tracker
from dfdetect.media.ahead import ahead
from dfdetect.media.reader import is_pixels, open_media
from dfdetect.media.source import Source as ByteSource
from dfdetect.media.source import make_source
from dfdetect.results import (
    Evidence,
    Face,
    FaceScore,
    Frame,
    FramePicture,
    MediaInfo,
    MediaKind,
    Note,
    Reason,
    ScanResult,
    TrackedCrop,
)
from dfdetect.scoring.aside import Aside
from dfdetect.scoring.models import load_model
from dfdetect.scoring.scorer import Scorer, Scores
from dfdetect.settings import Settings
from dfdetect.verdict.judge import Judge, TrackEvidence, Verdict

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

    Source = str | os.PathLike[str] | bytes | IO[bytes] | NDArray[np.uint8] | PIL.Image.Image
    """A path, the bytes of a file, an open binary file, an RGB array ``[h, w, 3]`` or a PIL image."""


HANDFUL = 2
"""Faces that go to the scorer at once: few, so that it begins early and works beside the detection."""
MOST_PENDING = 3
"""Handfuls that may wait for it."""
CLOSER_LOOKS = 2
"""One for whoever appears only briefly, and one more where the first frames showed nobody at all."""


class Detector:
    """Judges photos and videos, one at a time.

    Networks are loaded at the first scan and kept.  A detector is not shared between threads or processes;
    `dfdetect.batch.pool.scan_many` gives every worker its own.
    """

    def __init__(self, settings: Settings | None = None, **changes: Any) -> None:
        """`changes` are names of `Settings`: ``Detector(frames=32, model="light")``.

        Raises `SettingsError` for a wrong setting and `ModelError` for a model that cannot be used.
        """
        if settings is not None and not isinstance(settings, Settings):
            raise SettingsError(
                f"settings must be a Settings, not {type(settings).__name__}; "
                "single ones are given by name: Detector(model='light', frames=32)"
            )
        base = settings or Settings()
        if changes:
            base = Settings.from_mapping({**base.as_dict(), **changes})
        self.settings = base
        self._model = load_model(base.model)
        self._scorer = Scorer(self._model, base)
        self._judge = Judge(self._model.calibration, base)
        self._finder: FaceDetector | None = None
        self._finding = threading.Lock()
        self._trust: str | None = None
        if base.trust_list:
            from dfdetect.media.credentials import read_trust_list

            self._trust = read_trust_list(base.trust_list)

    def scan(self, source: Source, *, name: str | None = None) -> ScanResult:
        """Judge one photo or video.

        `name` is what the result calls it (default: the path).  A file that cannot be read or judged gives a
        result with a `reason`; only wrong use raises.
        """
        clock = time.perf_counter()
        path = name if name is not None else _name(source)
        info: MediaInfo | None = None
        record: Evidence | None = None
        try:
            opened: Source | ByteSource = source
            if self.settings.evidence:
                from dfdetect.media.evidence import gather_evidence

                opened = source if is_pixels(source) else make_source(source)
                record = gather_evidence(opened if isinstance(opened, ByteSource) else None, self._trust)
            # The file first: what cannot be opened needs no network.
            with (
                open_media(opened, self.settings) as media,
                Aside(self._scorer, self.load_finder) as aside,
            ):
                evidence = _Looks(self, aside)
                lookout = Lookout(self.find_faces, saving_from(self.settings.min_face))
                evidence.look(_hurried(media.frames(), media.kind, aside), lookout.look)
                for _ in range(CLOSER_LOOKS):
                    windows = evidence.worth_a_closer_look(media.kind)
                    if not windows:
                        break
                    # Twice as many, so that they fall between those that showed nobody.
                    count = self.settings.frames * (1 if evidence.found else 2)
                    evidence.look(_hurried(media.closer(windows, count), media.kind, aside), self.find_faces)
                info = media.info
                verdict = self._judge.judge(media.kind, evidence.tracks(), evidence.frames)
        except MediaError as error:
            return self._failed(path, error.reason, error.message, clock, record)
        except MemoryError:
            text = "memory ran out while scanning this file; scan it alone or on a machine with more memory"
            return self._failed(path, Reason.OUT_OF_MEMORY, text, clock, record)
        return self._result(path, verdict, info, evidence, clock, record)

    def find_faces(self, image: NDArray[np.uint8], at_least: float = 0.0) -> list[Face]:
        """All faces of an RGB picture, largest first; those below `at_least` pixels may be left out."""
        return self.load_finder().detect(image, at_least)

    def load_finder(self) -> FaceDetector:
        """The face detector; its networks are loaded by the first call, of whatever thread."""
        with self._finding:
            if self._finder is None:
                self._finder = create_detector(self.settings)
            return self._finder

    def _result(
        self,
        path: str,
        verdict: Verdict,
        info: MediaInfo,
        evidence: _Looks,
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
        result = ScanResult.failed(path, reason, message, self.settings.as_dict(), elapsed)
        return dataclasses.replace(result, evidence=record)


class _Looks:
    """Collects what one file shows: faces, their tracks and scores.  Crops are dropped once scored."""

    def __init__(self, detector: Detector, aside: Aside) -> None:
        self._d, self._aside = detector, aside
        self._pending: deque[tuple[list[TrackedCrop], Future[Scores]]] = deque()
        self._tracker = Tracker(detector.settings)
        self._waiting: list[TrackedCrop] = []
        self._scores: dict[int, list[FaceScore]] = defaultdict(list)
        self._times: dict[int, list[float]] = defaultdict(list)
        self._failed: dict[int, Counter[Reason]] = defaultdict(Counter)
        self._largest: dict[int, float] = defaultdict(float)
        self._frame_times: list[float] = []
        self._dropped = 0
        self._book = PictureBook()

    @property
    def pictures(self) -> tuple[FramePicture, ...]:
        """Pictures of frames with judged faces, if the settings ask for them."""
        return self._book.pictures

    @property
    def frames(self) -> int:
        """Frames looked at so far."""
        return len(self._frame_times)

    def look(self, frames: Generator[Frame], find: Callable[[NDArray[np.uint8]], list[Face]]) -> None:
        """Find (by `find`), link and score the faces of further frames.  `frames` is closed at the end."""
        # Also after an error: whoever decodes ahead must be done before the medium is closed.
        with contextlib.closing(frames):
            self._look(frames, find)

    def _look(self, frames: Iterable[Frame], find: Callable[[NDArray[np.uint8]], list[Face]]) -> None:
        for frame in frames:
            self._frame_times.append(frame.time)
            crops = list(self._crops(frame, find(frame.image)))
            self._waiting.extend(crops)
            if crops and self._d.settings.pictures:
                self._book.add(frame)
            if len(self._waiting) >= HANDFUL:
                self._hand_in()
            while len(self._pending) > MOST_PENDING:
                self._take()
        self._hand_in()
        while self._pending:
            self._take()

    def _crops(self, frame: Frame, found: list[Face]) -> Iterator[TrackedCrop]:
        faces = found[: self._d.settings.max_faces]
        self._dropped = max(self._dropped, len(found) - len(faces))
        for face, track in zip(faces, self._tracker.assign(frame, faces), strict=True):
            self._times[track].append(frame.time)
            quality = measure_quality(frame.image, face)
            self._largest[track] = max(self._largest[track], quality.size)
            reason = self._d._judge.gate(quality)
            if reason is not None:
                self._failed[track][reason] += 1
                continue
            experts = self._d._model.card.experts
            crops = tuple(cut(frame.image, face.box, face.landmarks, expert.crop) for expert in experts)
            yield TrackedCrop(track, frame.index, frame.time, face, quality, crops)

    def _hand_in(self) -> None:
        if self._waiting:
            self._pending.append((self._waiting, self._aside.hand_in([item.crops for item in self._waiting])))
            self._waiting = []

    def _take(self) -> None:
        items, future = self._pending.popleft()
        scores = self._aside.take(future)
        for i, item in enumerate(items):
            heat = None if scores.heatmaps is None else scores.heatmaps[i].tolist()
            self._scores[item.track].append(
                FaceScore(
                    time=item.time,
                    frame=item.frame,
                    box=item.face.box,
                    detection=item.face.probability,
                    quality=item.quality,
                    logit=float(scores.fused[i]),
                    experts=tuple(float(value) for value in scores.experts[i]),
                    heatmap=None if heat is None else tuple(tuple(row) for row in heat),
                    picture=small_jpeg(item.crops[0], FACE_SIDE) if self._d.settings.pictures else None,
                )
            )

    @property
    def found(self) -> bool:
        """Whether any face was found."""
        return bool(self._times)

    @property
    def scored(self) -> bool:
        """Whether any face was scored."""
        return bool(self._scores)

    def notes(self) -> list[Note]:
        """What a reader of the verdict must know of the faces."""
        if not self._dropped:
            return []
        limit = self._d.settings.max_faces
        text = (
            f"up to {self._dropped} more faces in a frame were not looked at, only the {limit} largest; "
            "raise --max-faces"
        )
        return [Note("faces_dropped", text)]

    def worth_a_closer_look(self, kind: MediaKind) -> list[tuple[float, float]]:
        """Time windows around the faces of every person seen in too few frames to be judged.

        A face that is there for one second of a minute falls between the samples; a second pass looks where
        the first has seen something, and everywhere when it has seen nobody.  Persons none of whose faces can
        be judged are not worth it.
        """
        if kind is not MediaKind.VIDEO:
            return []
        first, last, gap = self._d.settings.start or 0.0, self._d.settings.end or math.inf, self._spacing()
        if not self.found:
            return [(first, last)] if self.frames <= self._d.settings.frames else []
        need = min(self._d.settings.min_frames, self.frames)
        seen: dict[int, list[float]] = defaultdict(list)
        final = self._tracker.final_ids()
        for track, scores in self._scores.items():
            seen[final[track]] += [score.time for score in scores]
        times = sorted({t for person in seen.values() if len(person) < need for t in person})
        return [(max(first, t - gap), min(last, t + gap)) for t in times]

    def _spacing(self) -> float:
        times = sorted(self._frame_times)
        return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0

    def tracks(self) -> list[TrackEvidence]:
        """What the verdict needs of each person."""
        persons: dict[int, list[int]] = defaultdict(list)
        for track, person in self._tracker.final_ids().items():
            persons[person].append(track)
        return [self._evidence(person, members) for person, members in sorted(persons.items())]

    def _evidence(self, person: int, members: list[int]) -> TrackEvidence:
        failed = sum((self._failed[track] for track in members), Counter[Reason]())
        times = sorted(t for track in members for t in self._times[track])
        scores = sorted(
            (s for track in members for s in self._scores[track]), key=lambda s: (s.time, s.frame)
        )
        return TrackEvidence(
            id=person,
            scores=tuple(scores),
            faces_found=len(times),
            faces_small=failed[Reason.FACE_TOO_SMALL],
            faces_blurred=failed[Reason.FACE_TOO_BLURRED],
            faces_dark=failed[Reason.FACE_TOO_DARK],
            largest=max((self._largest[track] for track in members), default=None),
            times=tuple(times),
        )


def _hurried(frames: Iterator[Frame], kind: MediaKind, aside: Aside) -> Generator[Frame]:
    """The frames of a video are decoded while those before them are looked at: a tenth of the time.

    A photo waits for the networks: what loading needs for a moment would lie on top of what detection needs.
    """
    if kind is MediaKind.VIDEO:
        yield from ahead(frames)
        return
    for frame in frames:
        aside.wait_for_networks()
        yield frame


def _name(source: Source) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    named = getattr(source, "name", None) or getattr(source, "filename", None)
    return named if isinstance(named, str) else f"<{type(source).__name__}>"


def _unique(notes: list[Note]) -> tuple[Note, ...]:
    return tuple(dict.fromkeys(notes))
