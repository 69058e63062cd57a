"""List the packets of a video without decoding them: how many pictures there really are, and when.

What a header claims may be wrong; what is listed is there.  Listing a minute costs some milliseconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dfdetect.media.opening import Opened

MOST_PACKETS = 400_000
"""Four hours at 25 a second.  Longer lists are thinned to key pictures, and then to every second of them."""
_NO_TIME = -(1 << 63)
_KEY, _UNUSABLE, _MARKED = 1, 2, 4
_FEW_MARKED, _FEW_MARKED_SHARE = 2, 0.03
"""So many pictures marked as damaged are done without; where there are more, they are looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """The packets of a stream, or the key packets only (`thinned`) where there are too many."""

    index: NDArray[np.int64]
    """Number of the packet in the file."""
    pts: NDArray[np.int64]
    """Presentation time in the stream's unit; the number of the packet where the file has no times."""
    seconds: NDArray[np.float64]
    """When the picture is shown, from the first one on.  For a file without times: the row-th picture."""
    keys: NDArray[np.bool_]
    """Decoding may start here."""
    usable: NDArray[np.bool_]
    """A picture is shown at this time, and its data is not marked as damaged or `trusts_marked`."""
    unit: float
    """Seconds in one unit of `pts`, where the file has times."""
    timed: bool
    thinned: bool
    packets: int
    """Number of packets in the file."""
    shown: int
    """Number of those that are shown: where an MP4 was cut by its edit list, others are only decoded."""
    tail: float
    """How long the last picture is shown, in seconds."""
    marked: int
    """Number of pictures whose data is marked as damaged."""
    trusts_marked: bool
    """These are too many to do without (anybody can set such a mark): they are usable like all others."""

    @property
    def pictures(self) -> NDArray[np.intp]:
        """Rows of the usable pictures in order of time, each time once."""
        rows = np.flatnonzero(self.usable)
        _, first = np.unique(self.pts[rows], return_index=True)
        ordered: NDArray[np.intp] = rows[first]
        return ordered

    def time_of(self, pts: int) -> float:
        """Seconds from the first picture to the one shown at `pts`."""
        if self.timed:
            first = int(np.argmax(self.usable))
            return float(self.seconds[first] + (pts - int(self.pts[first])) * self.unit)
        return float(np.interp(pts, self.pts, self.seconds))


@dataclass(slots=True)
class Run:
    """Packets to decode without a gap, and the times wanted among them."""

    start: int
    """Number of the first packet; decoding may start there."""
    last: int
    """Number of the last packet that holds a wanted picture."""
    wanted: list[int]
    """Wanted times, increasing."""


@dataclass(slots=True)
class _Lists:
    """What is remembered of every packet."""

    index: array[int] = field(default_factory=lambda: array("q"))
    pts: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    flags: array[int] = field(default_factory=lambda: array("b"))

    def keep_keys(self, step: int) -> None:
        """Forget all but every `step`-th key packet."""
        rows = [row for row, flag in enumerate(self.flags) if flag & _KEY][::step]
        for name in ("index", "pts", "dts", "flags"):
            old = getattr(self, name)
            setattr(self, name, array(old.typecode, [old[row] for row in rows]))


def take_survey(opened: Opened) -> Survey:
    """Read all packets of `opened`, which is at the end afterwards."""
    lists = _Lists()
    stride, keys, number, shown, duration = 0, 0, 0, 0, 0
    for packet in opened.packets():
        key = packet.is_keyframe
        if not stride or (key and keys % stride == 0):
            lists.index.append(number)
            lists.pts.append(_NO_TIME if packet.pts is None else packet.pts)
            lists.dts.append(_NO_TIME if packet.dts is None else packet.dts)
            lists.flags.append(key * _KEY | packet.is_discard * _UNUSABLE | packet.is_corrupt * _MARKED)
        keys += key
        number += 1
        shown += not packet.is_discard
        duration = packet.duration or duration
        if len(lists.index) >= MOST_PACKETS:
            lists.keep_keys(2 if stride else 1)
            stride = stride * 2 or 1
    return _finish(opened, lists, stride > 0, number, shown or number, duration)


def _finish(opened: Opened, lists: _Lists, thinned: bool, packets: int, shown: int, duration: int) -> Survey:
    stream = opened.stream
    index, pts, dts = (np.array(values, np.int64) for values in (lists.index, lists.pts, lists.dts))
    flags = np.array(lists.flags, np.int8)
    keys = (flags & _KEY) != 0
    marked = (flags & _MARKED) != 0
    count = int(marked.sum())
    # In MP4 the mark means that the end of the file has cut the picture off.
    trusts_marked = not opened.cuts_are_marked and count > max(_FEW_MARKED, _FEW_MARKED_SHARE * len(flags))
    usable = (flags & _UNUSABLE) == 0
    if not trusts_marked:
        usable &= ~marked
    if not usable.any():  # everything is damaged: better a damaged picture than none
        usable[:] = True
        trusts_marked = count > 0
    missing = pts == _NO_TIME
    # AVI knows only the order of decoding; what FFmpeg makes of it is wrong where pictures are reordered.
    ordered = opened.container.format.name != "avi" or bool(keys.all())
    timed = ordered and stream.time_base is not None and int(missing.sum()) * 10 <= len(pts)
    unit = float(stream.time_base or 0)
    if timed:
        usable &= ~missing
        first = int(pts[usable].min()) if usable.any() else 0
        seconds = np.multiply(pts - first, unit, dtype=np.float64)
    elif unit and len(dts) and not (dts == _NO_TIME).any() and (np.diff(dts) > 0).all():
        pts, seconds = index, np.multiply(dts - dts[0], unit, dtype=np.float64)
    else:  # e.g. a bare elementary stream: count pictures at the rate it claims
        pts, seconds = index, np.divide(index, _rate(stream), dtype=np.float64)
        unit, duration = 1.0, 0
    tail = duration * unit
    if not tail and usable.sum() > 1:
        tail = float(np.median(np.diff(np.unique(seconds[usable]))))
    return Survey(
        index, pts, seconds, keys, usable, unit, timed, thinned, packets, shown, tail, count, trusts_marked
    )


def _rate(stream: Any) -> float:
    rate = float(stream.guessed_rate or stream.average_rate or 0)
    return rate if 1 <= rate <= 1000 else 25.0


def plan_runs(survey: Survey, rows: Iterable[int]) -> list[Run]:
    """The shortest stretches of packets that hold the pictures in `rows` (in order of time).

    Each begins at the last key picture that is neither later in the file nor in time, since the
    pictures which follow a key picture in the file but precede it in time may need older ones.
    """
    keys = np.flatnonzero(survey.keys)
    runs: list[Run] = []
    for row in rows:
        time, number = int(survey.pts[row]), int(survey.index[row])
        place = int(np.searchsorted(keys, row, "right")) - 1
        while place >= 0 and survey.pts[keys[place]] > time:
            place -= 1
        start = int(survey.index[keys[place]]) if place >= 0 else 0
        if runs and start <= runs[-1].last + 1:
            runs[-1].last = max(runs[-1].last, number)
            runs[-1].wanted.append(time)
        else:
            runs.append(Run(start, number, [time]))
    return runs
