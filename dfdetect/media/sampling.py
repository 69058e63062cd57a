"""Which pictures of a video are looked at.  Pure functions of presentation times; nothing is decoded here.

Times are seconds from the first picture.  The middle of each of `count` equal intervals is wanted, and
the picture *shown* at that time is taken: the last one whose time is not later.  So black lead-ins and
tails get no more weight than the rest, and one picture in the middle represents a clip asked for one.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfdetect.settings import Settings

Times = NDArray[np.float64]
Picks = NDArray[np.intp]
_MOST_MOVED = 4
"""One in so many wanted pictures may be moved to a neighbour because another time asks for the same one."""
_EXACT = 1e-6
"""Times in seconds are exact to this."""


def clip_window(duration: float, start: float | None, end: float | None) -> tuple[float, float] | None:
    """The part of ``[0, duration]`` between `start` and `end`; None when nothing is left."""
    low = 0.0 if start is None else start
    high = duration if end is None else min(end, duration)
    return (low, high) if low < high or (low == high == 0.0) else None


def midpoints(start: float, end: float, count: int) -> Times:
    """The middles of `count` equal intervals of ``[start, end]``, increasing."""
    times: Times = start + (np.arange(count, dtype=np.float64) + 0.5) * ((end - start) / count)
    return times


def wanted_times(window: tuple[float, float], settings: Settings, most: int) -> Times:
    """The times that `settings` ask for inside `window`, increasing, at most `most` of them."""
    start, end = window
    if settings.fps is None:
        return midpoints(start, end, min(settings.frames, most))
    count = _intervals(window, settings.fps)
    if count > most:
        return midpoints(start, end, most)
    return midpoints(start, start + min(count / settings.fps, end - start), count)


def _intervals(window: tuple[float, float], fps: float) -> int:
    return max(1, round((window[1] - window[0]) * fps))


def choose(times: Times, duration: float, settings: Settings) -> Picks:
    """Indices into `times` (increasing) of the pictures to look at, increasing, each at most once.

    `duration` is when the last picture disappears.  With ``settings.frames`` exactly that many are
    chosen, or all inside the window where it has fewer; with ``settings.fps`` one an interval.
    Empty when the window lies behind the end.
    """
    window = clip_window(duration, settings.start, settings.end)
    if window is None or not len(times):
        return np.empty(0, np.intp)
    low = int(np.searchsorted(times, window[0], "left")) if settings.start else 0
    high = int(np.searchsorted(times, window[1], "left")) if settings.end is not None else len(times)
    if high <= low:
        # The window lies between two pictures: what is shown there is the one before.
        return np.array([max(low - 1, 0)], np.intp)
    if settings.fps is not None:
        count = _intervals(window, settings.fps)
        fitted = count / length if (length := window[1] - window[0]) else 0.0
        # The last interval may not reach beyond the window: its middle would be the end, black or faded.
        return low + _at_rate(times[low:high] - window[0], max(settings.fps, fitted), count)
    if settings.frames >= high - low:
        return np.arange(low, high)
    wanted = midpoints(*window, settings.frames)
    shown = np.clip(np.searchsorted(times, wanted + _EXACT, "right") - 1, low, high - 1)
    distinct = np.unique(shown)
    if (len(shown) - len(distinct)) * _MOST_MOVED > len(shown):
        return _filled(distinct, len(shown), low, high)
    return _distinct(shown, low, high)


def inside(times: Times, duration: float, settings: Settings) -> Picks:
    """Indices of all pictures between ``settings.start`` and ``settings.end``, as `choose` sees them."""
    every = settings.replace(fps=None, frames=max(1, len(times)))
    return choose(times, duration, every)


def choose_closer(
    times: Times,
    windows: Sequence[tuple[float, float]],
    count: int,
    given: Picks | Sequence[int],
    settings: Settings,
) -> Picks:
    """Indices of up to `count` further pictures inside `windows`, evenly among those not yet `given`.

    Both ends of a window belong to it, ``settings.end`` does not: as for `choose`.
    """
    inside = np.zeros(len(times), bool)
    for start, end in windows:
        inside |= (times >= start - _EXACT) & (times <= end + _EXACT)
    if settings.end is not None:
        inside &= times < settings.end
    inside[np.asarray(given, np.intp)] = False
    candidates = np.flatnonzero(inside)
    if count <= 0 or not len(candidates):
        return np.empty(0, np.intp)
    count = min(count, len(candidates))
    return candidates[midpoints(0, len(candidates), count).astype(np.intp)]


def spread(windows: Sequence[tuple[float, float]], count: int, duration: float) -> Times:
    """`count` times evenly over the union of `windows` clipped to ``[0, duration]``, increasing."""
    merged: list[list[float]] = []
    for start, end in sorted((max(0.0, a), min(b, duration)) for a, b in windows):
        if end < start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    if not merged or count <= 0:
        return np.empty(0)
    lengths = np.array([end - start for start, end in merged])
    ends = np.cumsum(lengths)
    along = midpoints(0.0, float(ends[-1]), count)
    part = np.minimum(np.searchsorted(ends, along, "left"), len(merged) - 1)
    starts = np.array([start for start, _ in merged])
    result: Times = starts[part] + along - (ends[part] - lengths[part])
    return result


def _at_rate(times: Times, fps: float, intervals: int) -> Picks:
    """Indices of the pictures shown in the middle of any of `intervals` intervals; no list of them."""
    first = np.clip(np.ceil((times - _EXACT) * fps - 0.5), 0, intervals)
    first[0] = 0
    return np.flatnonzero(first < np.append(first[1:], intervals))


def _filled(picks: Picks, count: int, low: int, high: int) -> Picks:
    """Distinct increasing `picks` and others of ``[low, high)`` between them, `count` in all.

    For a video some of whose pictures stay so long that most times ask for them: the others fill the
    widest gaps, by number of pictures.  There must be `count` pictures.
    """
    edges = [low - 1, *picks.tolist(), high]
    gaps = [(before + 1, after) for before, after in itertools.pairwise(edges) if after - before > 1]
    given = [0] * len(gaps)
    widest = [(start - end, place) for place, (start, end) in enumerate(gaps)]
    heapq.heapify(widest)
    for _ in range(count - len(picks)):
        place = widest[0][1]
        given[place] += 1
        start, end = gaps[place]
        heapq.heapreplace(widest, ((start - end) / (given[place] + 1), place))
    parts = [midpoints(*gap, more).astype(np.intp) for gap, more in zip(gaps, given, strict=True) if more]
    result: Picks = np.sort(np.concatenate((picks, *parts)))
    return result


def _distinct(picks: Picks, low: int, high: int) -> Picks:
    """Move non-decreasing `picks` as little as needed to be distinct, all in ``[low, high)``."""
    steps = np.arange(len(picks))
    forward = np.maximum.accumulate(picks - steps) + steps
    result: Picks = np.minimum(forward, high - len(picks) + steps)
    return np.maximum(result, low + steps)
