"""What one file shows: faces are found, linked to persons and handed in to be scored, frame after frame.

Apart from `dfdetect.detector` so that all this is imported while the first frames are decoded.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dfdetect.faces.crop import cut
from dfdetect.faces.pictures import FACE_SIDE, PictureBook, small_jpeg
from dfdetect.faces.quality import measure_quality
from dfdetect.faces.tracks import Seam, Tracker
from dfdetect.results import (
    Face,
    FaceQuality,
    FaceScore,
    Frame,
    FramePicture,
    MediaKind,
    Note,
    Reason,
    TrackedCrop,
)
from dfdetect.verdict.judge import TrackEvidence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dfdetect.scoring.aside import Aside
    from dfdetect.scoring.card import Look
    from dfdetect.scoring.scorer import Scores
    from dfdetect.settings import Settings

HANDFUL = 2
"""Faces that go to the scorer at once: few, so that it begins early and works beside the detection."""
MOST_PENDING = 3
"""Handfuls that may wait for it."""


class Frames(Protocol):
    """Frames that are decoded while others are looked at."""

    def __iter__(self) -> Iterator[Frame]:
        """In order of time."""

    def close(self) -> None:
        """Stop decoding, and wait for it."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at the medium, at first sight or closer, found of each track."""

    scores: dict[int, list[FaceScore]] = field(default_factory=lambda: defaultdict(list))
    times: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[int, Counter[Reason]] = field(default_factory=lambda: defaultdict(Counter))
    frame_times: list[float] = field(default_factory=list)
    book: PictureBook = field(default_factory=PictureBook)


class Looks:
    """Collects what one file shows: faces, their tracks and scores.  Crops are dropped once scored."""

    def __init__(
        self,
        settings: Settings,
        ways: Sequence[Look],
        gate: Callable[[FaceQuality], Reason | None],
        aside: Aside,
    ) -> None:
        """`ways` say how a face is cut out (`ModelCard.looks`), `gate` why one cannot be judged, `aside`
        scores the rest.
        """
        self._settings, self._ways, self._gate, self._aside = settings, ways, gate, aside
        self._pending: deque[tuple[list[TrackedCrop], Future[Scores]]] = deque()
        self._tracker = Tracker(settings)
        self._waiting: list[TrackedCrop] = []
        self._looks: list[_Look] = []
        self._largest: dict[int, float] = defaultdict(float)
        self._dropped = 0
        self._linked = 0
        self._evidence: list[TrackEvidence] | None = None

    @property
    def pictures(self) -> tuple[FramePicture, ...]:
        """Pictures of frames with faces that count, if the settings ask for them, in order of time."""
        counted = {score.frame for track in self.tracks() for score in track.scores}
        pictures = (picture for look in self._looks for picture in look.book.pictures)
        return tuple(sorted((p for p in pictures if p.frame in counted), key=lambda p: (p.time, p.frame)))

    @property
    def frames(self) -> int:
        """Frames looked at so far."""
        return sum(len(look.frame_times) for look in self._looks)

    @property
    def dropped(self) -> int:
        """Faces of one frame, at most, that were not looked at since there were more than `max_faces`."""
        return self._dropped

    def look(self, frames: Frames, find: Callable[[NDArray[np.uint8]], list[Face]]) -> None:
        """Find (by `find`), link and score the faces of further frames.  `frames` is closed at the end."""
        # Also after an error: whoever decodes ahead must be done before the medium is closed.
        with contextlib.closing(frames):
            self._look(frames, find)

    def _look(self, frames: Iterable[Frame], find: Callable[[NDArray[np.uint8]], list[Face]]) -> None:
        self._looks.append(_Look())
        self._evidence = None
        for frame in frames:
            self._looks[-1].frame_times.append(frame.time)
            crops = list(self._crops(frame, find(frame.image)))
            self._waiting.extend(crops)
            if crops and self._settings.pictures:
                self._looks[-1].book.add(frame)
            if len(self._waiting) >= HANDFUL:
                self._hand_in()
            while len(self._pending) > MOST_PENDING:
                self._take()
        self._hand_in()
        while self._pending:
            self._take()

    def seams(self) -> list[Seam]:
        """Where a frame between two would tell whether one person was taken for two; see `Tracker.seams`.

        As many, at most, as there are frames to spend: together no more than at first sight.
        """
        return self._tracker.seams()[: max(0, self._settings.frames - self._linked)]

    def link(self, frames: Frames, find: Callable[[NDArray[np.uint8]], list[Face]]) -> int:
        """Look at further frames, and give their number, for who is who alone: their faces are neither scored
        nor counted.

        They lie where somebody moves or is hardly seen, and would outweigh the rest.
        """
        self._evidence = None
        before = self._linked
        with contextlib.closing(frames):
            for frame in frames:
                self._linked += 1
                self._tracker.assign(frame, find(frame.image)[: self._settings.max_faces])
        return self._linked - before

    def _crops(self, frame: Frame, found: list[Face]) -> Iterator[TrackedCrop]:
        faces, look = found[: self._settings.max_faces], self._looks[-1]
        self._dropped = max(self._dropped, len(found) - len(faces))
        for face, track in zip(faces, self._tracker.assign(frame, faces), strict=True):
            look.times[track].append(frame.time)
            quality = measure_quality(frame.image, face)
            self._largest[track] = max(self._largest[track], quality.size)
            reason = self._gate(quality)
            if reason is not None:
                look.failed[track][reason] += 1
                continue
            looks = tuple(
                tuple(cut(frame.image, face.box, face.landmarks, spec) for spec in way.crops)
                for way in self._ways
            )
            yield TrackedCrop(track, frame.index, frame.time, face, quality, looks)

    def _hand_in(self) -> None:
        if self._waiting:
            crops = [look for item in self._waiting for look in item.looks]
            self._pending.append((self._waiting, self._aside.hand_in(crops)))
            self._waiting = []

    def _take(self) -> None:
        items, future = self._pending.popleft()
        scores = self._aside.take(future).averaged([way.weight for way in self._ways])
        for i, item in enumerate(items):
            heat = None if scores.heatmaps is None else scores.heatmaps[i].tolist()
            self._looks[-1].scores[item.track].append(
                FaceScore(
                    time=item.time,
                    frame=item.frame,
                    box=item.face.box,
                    detection=item.face.probability,
                    quality=item.quality,
                    logit=float(scores.fused[i]),
                    experts=tuple(float(value) for value in scores.experts[i]),
                    heatmap=None if heat is None else tuple(tuple(row) for row in heat),
                    picture=small_jpeg(item.looks[0][0], FACE_SIDE) if self._settings.pictures else None,
                )
            )

    @property
    def found(self) -> bool:
        """Whether any face was found."""
        return any(look.times for look in self._looks)

    @property
    def scored(self) -> bool:
        """Whether any face was scored."""
        return any(look.scores for look in self._looks)

    def notes(self) -> list[Note]:
        """What a reader of the verdict must know of the faces."""
        if not self._dropped:
            return []
        limit = self._settings.max_faces
        more = (
            "1 more face in a frame was"
            if self._dropped == 1
            else f"{self._dropped} more faces in a frame were"
        )
        largest = "largest one" if limit == 1 else f"{limit} largest"
        text = f"Up to {more} not looked at, only the {largest}; raise --max-faces."
        return [Note("faces_dropped", text)]

    def worth_a_closer_look(self, kind: MediaKind) -> list[tuple[float, float]]:
        """Time windows around the faces of every person seen in too few frames to be judged.

        A face that is there for one second of a minute falls between the samples; a second pass looks where
        the first has seen something, and everywhere when it has seen nobody.  Persons none of whose faces can
        be judged are not worth it.
        """
        if kind is not MediaKind.VIDEO:
            return []
        first, last, gap = self._settings.start or 0.0, self._settings.end or math.inf, self._spacing()
        if not self.found:
            return [(first, last)] if self.frames <= self._settings.frames else []
        times = sorted(
            score.time
            for members in self._persons().values()
            if not self._is_enough(members, self._looks)
            for score in _scores(members, self._looks)
        )
        return [(max(first, t - gap), min(last, t + gap)) for t in dict.fromkeys(times)]

    def _spacing(self) -> float:
        times = sorted(t for look in self._looks for t in look.frame_times)
        return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0

    def _persons(self) -> dict[int, list[int]]:
        """The tracks of each person who counts."""
        counted = {track for look in self._looks for track in look.times}
        persons: dict[int, list[int]] = defaultdict(list)
        for track, person in self._tracker.final_ids().items():
            if track in counted:
                persons[person].append(track)
        return {number: persons[person] for number, person in enumerate(sorted(persons), 1)}

    def _is_enough(self, members: list[int], looks: Sequence[_Look]) -> bool:
        """Whether a person can be judged by what these looks found of their tracks."""
        return len(_scores(members, looks)) >= min(self._settings.min_frames, self.frames)

    def tracks(self) -> list[TrackEvidence]:
        """What the verdict needs of each person."""
        if self._evidence is None:
            self._evidence = [self._of(*person) for person in sorted(self._persons().items())]
        return self._evidence

    def _of(self, person: int, members: list[int]) -> TrackEvidence:
        """Of the first looks that were enough: closer ones went where somebody else was, and what
        is to be seen there would outweigh the rest of the clip.
        """
        counts = range(1, len(self._looks))
        looks = self._looks[: next((n for n in counts if self._is_enough(members, self._looks[:n])), None)]
        times = sorted(t for look in looks for track in members for t in look.times.get(track, ()))
        failed = (look.failed.get(track, Counter[Reason]()) for look in looks for track in members)
        return TrackEvidence(
            id=person,
            scores=tuple(_scores(members, looks)),
            faces_found=len(times),
            frames=sum(len(look.frame_times) for look in looks),
            failed=sum(failed, Counter[Reason]()),
            largest=max((self._largest[track] for track in members), default=None),
            times=tuple(times),
        )


def _scores(members: list[int], looks: Sequence[_Look]) -> list[FaceScore]:
    return [score for look in looks for track in members for score in look.scores.get(track, ())]
