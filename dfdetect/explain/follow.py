"""Where each judged person is between the judged frames, for drawing.

A scan judges a handful of frames.  Here faces are looked for four times a second and chained from one look
to the next by overlap; cuts break a chain; and a chain is a person's if the person's judged faces lie on it,
or the part of it around them where it bears the judged faces of several.
Nothing here changes a score.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dfdetect.faces.appearance import scene
from dfdetect.results import Box, Face, Frame, TrackResult

INTERVAL = 0.25
"""Seconds between two looks."""
_PATIENCE = 1.0
"""Seconds that a face may be missed (a turned head, a hand before it) without ending its chain."""
_CUT = 0.1
"""Mean change of the thumbnail from one picture to the next that is taken for a cut; motion stays below."""
_OVERLAP = 0.25
_SAME = 0.6
_NEAR = 2.0
_EXACT = 1e-3


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which a person's face was followed without a break."""

    track: int
    """`TrackResult.id`."""
    start: float
    end: float
    """Seconds; the face is shown at `start` and no longer at `end`."""
    times: tuple[float, ...]
    """When it was looked at, increasing; beyond `start` and `end` where another person was judged there."""
    boxes: tuple[Box, ...]
    """Where it was, one for each of `times`, in pixels of the upright frame."""

    def box_at(self, time: float) -> Box:
        """Where the face is at `time`: linear between the two looks around it."""
        after = bisect.bisect(self.times, time)
        if after in (0, len(self.times)):
            return self.boxes[max(after - 1, 0)]
        share = (time - self.times[after - 1]) / (self.times[after] - self.times[after - 1])
        pairs = zip(self.boxes[after - 1], self.boxes[after], strict=True)
        return Box(*(a + (b - a) * share for a, b in pairs))


def judged_segments(tracks: Sequence[TrackResult], still: bool = False) -> tuple[Segment, ...]:
    """Segments from the judged faces alone, for a photo (`still`) or where nobody has followed the faces.

    Two judged faces are joined where the person can have stayed in view: less than `_NEAR` seconds apart and
    hardly moved.  Alone they are shown for half of `INTERVAL` before and after.
    """
    segments = []
    for track in tracks:
        runs: list[list[tuple[float, Box]]] = []
        for face in track.faces:
            if (
                runs
                and face.time - runs[-1][-1][0] <= _NEAR
                and overlap(runs[-1][-1][1], face.box) > _OVERLAP
            ):
                runs[-1].append((face.time, face.box))
            else:
                runs.append([(face.time, face.box)])
        edge = np.inf if still else INTERVAL / 2
        for run in runs:
            times, boxes = zip(*run, strict=True)
            segments.append(Segment(track.id, times[0] - edge, times[-1] + edge, times, boxes))
    return tuple(segments)


@dataclass(slots=True)
class _Chain:
    times: list[float]
    boxes: list[Box]
    ends: float = np.inf
    votes: list[tuple[float, int]] = field(default_factory=list)
    """When it bore a judged face, increasing, and whose."""

    def segments(self) -> Iterator[Segment]:
        """One for each person in turn; between the judged faces of two, half of the time is either's."""
        changes = [(a + b) / 2 for (a, one), (b, other) in itertools.pairwise(self.votes) if one != other]
        edges = itertools.pairwise([self.times[0], *changes, self.ends])
        persons = (track for track, _ in itertools.groupby(track for _, track in self.votes))
        for track, (start, end) in zip(persons, edges, strict=False):  # no persons: nothing to tell
            yield Segment(track, start, end, tuple(self.times), tuple(self.boxes))


class Follower:
    """Is shown every picture of a video in order, and then tells where everybody was."""

    def __init__(
        self, find: Callable[[NDArray[np.uint8]], Sequence[Face]], tracks: Sequence[TrackResult]
    ) -> None:
        """`find` gives the faces of an RGB picture; `tracks` are the persons of the scan."""
        self._find = find
        self._judged = sorted(
            ((face.time, track.id, face.box) for track in tracks for face in track.faces),
            key=lambda item: item[:2],
        )
        self._next = 0
        self._open: list[_Chain] = []
        self._done: list[_Chain] = []
        self._thumbnail: NDArray[np.float32] | None = None
        self._looked = -np.inf

    def show(self, frame: Frame) -> None:
        """The next picture."""
        thumbnail = scene(frame.image)
        before, self._thumbnail = self._thumbnail, thumbnail
        if before is None or float(np.abs(thumbnail - before).mean()) > _CUT:
            self._close(self._open, frame.time)
            self._open, self._looked = [], -np.inf
        judged = self._judged_now(frame.time)
        if judged or frame.time - self._looked >= INTERVAL - _EXACT:
            self._look(frame, judged)

    def segments(self) -> tuple[Segment, ...]:
        """Where the judged persons were, in order of time; the video is over."""
        self._close(self._open, np.inf)
        self._open = []
        found = (segment for chain in self._done for segment in chain.segments())
        return tuple(sorted(found, key=lambda segment: (segment.start, segment.track)))

    def _judged_now(self, time: float) -> list[tuple[int, Box]]:
        first = self._next
        while self._next < len(self._judged) and self._judged[self._next][0] <= time + _EXACT:
            self._next += 1
        return [
            (track, box) for when, track, box in self._judged[first : self._next] if when >= time - _EXACT
        ]

    def _look(self, frame: Frame, judged: list[tuple[int, Box]]) -> None:
        self._close([c for c in self._open if frame.time - c.times[-1] > _PATIENCE], frame.time)
        self._open = [c for c in self._open if frame.time - c.times[-1] <= _PATIENCE]
        self._looked = frame.time
        boxes = [face.box for face in self._find(frame.image)]
        taken: set[int] = set()
        pairs = ((overlap(c.boxes[-1], box), c, i) for c in self._open for i, box in enumerate(boxes))
        for much, chain, i in sorted(pairs, key=lambda pair: -pair[0]):
            if much >= _OVERLAP and i not in taken and chain.times[-1] < frame.time:
                chain.times.append(frame.time)
                chain.boxes.append(boxes[i])
                taken.add(i)
        self._open += [_Chain([frame.time], [box]) for i, box in enumerate(boxes) if i not in taken]
        for chain in self._open:
            if chain.times[-1] == frame.time and judged:
                much, track = max((overlap(box, chain.boxes[-1]), track) for track, box in judged)
                if much >= _SAME:
                    chain.votes.append((frame.time, track))

    def _close(self, chains: Sequence[_Chain], time: float) -> None:
        for chain in chains:
            # Who is no longer there at the next look has gone somewhere in between.
            gone = chain.times[-1] < self._looked
            chain.ends = min(time, chain.times[-1] + (INTERVAL / 2 if gone else INTERVAL))
        self._done += chains


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.width * a.height + b.width * b.height - shared)
