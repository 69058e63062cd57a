"""Link faces into tracks, one per person, through cuts and gaps.

Frames are sampled, a tenth of a second or a minute apart, so that overlap alone says little.  A face joins a
track when it looks like one of the track's faces; where the scene has not changed and the face is where it
was, less likeness is enough.  At the end, tracks that look alike throughout, or one of which goes on where
another ends, are merged into persons.

Who turns the head or walks into the shade between two frames may look like somebody else in the second.  Such
places are known (`Tracker.seams`), and frames between the two tell a person who changes from a cut.

Splitting a person in two is the cheaper error: each part is judged by itself.  Two people in one track would
be averaged into one score that says nothing about either.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dfdetect.faces.appearance import Appearance, describe, likeness, scene
from dfdetect.results import Box, Face, Frame
from dfdetect.settings import Settings

# Likeness (a logit) from which two faces are one person's.  Chosen on clips of one person and on 700 pairs of
# clips cut together (A-B-A-B): with less, people of one studio begin to mix; with more, who turns the head is
# split.
_ALIKE = 2.8
_ALIKE_IN_PLACE = -0.3
_SAME_SCENE = 0.05  # mean difference of the thumbnails; .07 already takes two backdrops of one studio for one
_VIEWS = 8  # faces remembered of each track: bounds memory, and the time of a comparison
_RECENT = 64  # tracks that a new face is compared with
_MANY = 200
# Where a closer look may tell one person from two.  Of 51 clips of one person that were split, of 714, 33 are
# mended so, and of 223 clips of two people of one source cut together none is made one.
_SOON = 2.0  # seconds
_ABOUT_THERE, _ABOUT_AS_LARGE, _SIMILAR_SCENE = 1.0, 0.5, 0.15


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One face of a track, as it is remembered."""

    time: float
    box: Box
    looks: Appearance
    scene: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seam:
    """Two times, in seconds, between which one person may have become another for the tracker alone."""

    start: float
    end: float
    size: float
    """Height of the smaller one of the two faces, in pixels."""


@dataclass(slots=True)
class _Track:
    number: int
    views: list[View] = field(default_factory=list)
    together: set[int] = field(default_factory=set)
    """Tracks seen in the same frame: certainly other people."""

    def add(self, view: View) -> None:
        """Remember a face; the earliest and the latest are always kept, the rest is spread over time."""
        self.views.append(view)
        self.views.sort(key=lambda v: v.time)
        if len(self.views) > _VIEWS:
            times = [v.time for v in self.views]
            gaps = [times[i + 1] - times[i - 1] for i in range(1, len(times) - 1)]
            del self.views[1 + int(np.argmin(gaps))]


class Tracker:
    """Gives every face a provisional track number, and in the end every track a person.

    Frames may come in any order of time.  The same calls give the same numbers.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._tracks: list[_Track] = []
        self._first: tuple[Frame, Sequence[Face]] | None = None
        self._groups: list[list[_Track]] | None = None

    def assign(self, frame: Frame, faces: Sequence[Face]) -> list[int]:
        """The track number of each face of one frame, in the order of `faces`; no number comes twice."""
        if not faces:
            return []
        if not self._tracks:
            # A photo has no other frame to compare with: its faces need not be described.
            self._first = frame, faces
            return [track.number for track in self._begin(len(faces))]
        return self.assign_views(_views(frame, faces))

    def assign_views(self, views: Sequence[View]) -> list[int]:
        """As `assign`, for the faces of one frame that were described before."""
        if not views:
            return []
        self._describe_first()
        recent = sorted(self._tracks, key=lambda t: -max(v.time for v in t.views))[:_RECENT]
        pairs = [(fit, i, track) for track, fits in _fits(recent, views) for i, fit in enumerate(fits)]
        pairs.sort(key=lambda p: (-p[0], p[1], p[2].number))
        chosen: dict[int, _Track] = {}
        taken: set[int] = set()
        for fit, i, track in pairs:
            if fit >= 0 and i not in chosen and track.number not in taken:
                chosen[i] = track
                taken.add(track.number)
        for i in range(len(views)):
            if i not in chosen:
                (chosen[i],) = self._begin(1)
        joined = [chosen[i] for i in range(len(views))]
        _add(joined, views)
        self._groups = None
        return [track.number for track in joined]

    def final_ids(self) -> dict[int, int]:
        """The person of every track number, counted from 1 in order of first appearance."""
        if self._first is not None:
            return {track.number: person for person, track in enumerate(self._tracks, 1)}
        return {track.number: person for person, group in enumerate(self._persons(), 1) for track in group}

    def seams(self) -> list[Seam]:
        """Where a person ends and soon after another begins, at about that place, who was never seen beside
        the first; in order of time.
        """
        if self._first is not None or len(self._tracks) > _MANY:  # what took seconds would be done anew
            return []
        groups = self._persons()
        person = {track.number: k for k, group in enumerate(groups) for track in group}
        together = [{person[number] for track in group for number in track.together} for group in groups]
        found: dict[tuple[float, float], float] = {}
        for (one, a), (other, b) in _neighbours(self._tracks):
            i, j = person[one.number], person[other.number]
            if i != j and j not in together[i] and _about_there(a, b):
                size = min(a.box.height, b.box.height)
                found[a.time, b.time] = min(size, found.get((a.time, b.time), size))
        return [Seam(start, end, size) for (start, end), size in sorted(found.items())]

    def _persons(self) -> list[list[_Track]]:
        """The tracks of each person, in order of first appearance."""
        if self._groups is None:  # among a thousand tracks it takes seconds, and is asked for after each look
            groups = _merge([[track] for track in self._tracks], _likeness_table(self._tracks))
            groups.sort(key=lambda g: (min(t.views[0].time for t in g), min(t.number for t in g)))
            self._groups = groups
        return self._groups

    def _begin(self, count: int) -> list[_Track]:
        new = [_Track(len(self._tracks) + i) for i in range(count)]
        self._tracks += new
        return new

    def _describe_first(self) -> None:
        if self._first is not None:
            views, self._first = _views(*self._first), None
            _add(self._tracks, views)


def _views(frame: Frame, faces: Sequence[Face]) -> list[View]:
    thumbnail = scene(frame.image)
    return [View(frame.time, face.box, describe(frame.image, face), thumbnail) for face in faces]


def _add(tracks: Sequence[_Track], views: Sequence[View]) -> None:
    """Remember the faces of one frame, each in its track; they are different people."""
    numbers = {track.number for track in tracks}
    for track, view in zip(tracks, views, strict=True):
        track.add(view)
        track.together |= numbers - {track.number}


def _fits(tracks: Sequence[_Track], views: Sequence[View]) -> Iterator[tuple[_Track, list[float]]]:
    """By how much each face exceeds what is needed to join each track; negative: it does not."""
    if not tracks:
        return
    known = [seen.looks for track in tracks for seen in track.views]
    likes = likeness(known, [view.looks for view in views])
    start = 0
    for track in tracks:
        part = likes[start : start + len(track.views)]
        start += len(track.views)
        fits = (part.max(axis=0) - _ALIKE).tolist()
        for j, view in enumerate(views):
            nearest = int(np.argmin([abs(seen.time - view.time) for seen in track.views]))
            if _in_place(track.views[nearest], view):
                fits[j] = max(fits[j], float(part[nearest, j]) - _ALIKE_IN_PLACE)
        yield track, fits


def _neighbours(tracks: Sequence[_Track]) -> Iterator[tuple[tuple[_Track, View], tuple[_Track, View]]]:
    """Each two faces of different tracks in two frames that follow each other, of those remembered."""
    frames: dict[float, list[tuple[_Track, View]]] = defaultdict(list)
    for track in tracks:
        for view in track.views:
            frames[view.time].append((track, view))
    for before, after in itertools.pairwise(faces for _, faces in sorted(frames.items(), key=lambda f: f[0])):
        for one, other in itertools.product(before, after):
            if one[0] is not other[0]:
                yield one, other


def _in_place(a: View, b: View) -> bool:
    """Whether the scene is the same and the face about where, and as large as, it was."""
    return _is_near(a, b, 0.6, 0.7, _SAME_SCENE)


def _about_there(a: View, b: View) -> bool:
    """Whether it may be the same face a little later, for all that the frames show."""
    near = abs(a.time - b.time) <= _SOON
    return near and _is_near(a, b, _ABOUT_THERE, _ABOUT_AS_LARGE, _SIMILAR_SCENE)


def _is_near(a: View, b: View, shift: float, ratio: float, change: float) -> bool:
    """Whether a face moved by less than `shift` of its height, which changed by less than `ratio`, and the
    scene by no more than `change`.
    """
    size = (a.box.height + b.box.height) / 2
    dx = (a.box.x0 + a.box.x1 - b.box.x0 - b.box.x1) / 2
    dy = (a.box.y0 + a.box.y1 - b.box.y0 - b.box.y1) / 2
    if math.hypot(dx, dy) >= shift * size or not ratio < a.box.height / max(b.box.height, 1e-6) < 1 / ratio:
        return False
    return float(np.abs(a.scene - b.scene).mean()) <= change


def _likeness_table(tracks: Sequence[_Track]) -> NDArray[np.float64]:
    """Likeness of each two tracks ``[n, n]`` by their likest faces; minus infinity if seen together.

    Where one goes on where the other ends, it is raised by as much less as is enough there.
    """
    n = len(tracks)
    table = np.full((n, n), -np.inf)
    # Hundreds of tracks are compared by three faces each: a long film must not take minutes.
    chosen = [t.views if n <= _MANY else [t.views[i] for i in (0, len(t.views) // 2, -1)] for t in tracks]
    starts = np.cumsum([0, *(len(views) for views in chosen)])
    looks = [view.looks for views in chosen for view in views]
    for i in range(1, n):
        likes = likeness([view.looks for view in chosen[i]], looks[: starts[i]]).max(axis=0)
        table[i, :i] = np.maximum.reduceat(likes, starts[:i])
    for (one, a), (other, b) in _neighbours(tracks):
        i, j = max(one.number, other.number), min(one.number, other.number)
        if _in_place(a, b):
            in_place = float(likeness([a.looks], [b.looks])[0, 0]) - _ALIKE_IN_PLACE + _ALIKE
            table[i, j] = max(table[i, j], in_place)
    for i, track in enumerate(tracks):
        table[i, list(track.together)] = -np.inf
    lower = np.tril_indices(n, -1)
    table[lower[::-1]] = table[lower]
    return table


def _merge(groups: list[list[_Track]], table: NDArray[np.float64]) -> list[list[_Track]]:
    """Join the two groups that are most alike on average, as long as there are two that are alike enough."""
    while len(groups) > 1:
        i, j = divmod(int(table.argmax()), len(groups))
        if table[i, j] < _ALIKE:
            break
        i, j = min(i, j), max(i, j)
        a, b = len(groups[i]), len(groups[j])
        table[i] = table[:, i] = (a * table[i] + b * table[j]) / (a + b)
        table[i, i] = -np.inf
        table = np.delete(np.delete(table, j, axis=0), j, axis=1)
        groups[i] += groups.pop(j)
    return groups
