"""The time line: score of each person over time, as geometry of an SVG that stretches with the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dfdetect.results import FaceScore, ScanResult, TrackResult
from dfdetect.words import clock, moment

WIDTH, HEIGHT = 1000, 200
"""Of the view box; the SVG is stretched to the page, strokes are not."""
MOST_POINTS = 600
"""Corners of one line; beyond them only the extremes of each stretch are kept."""
LEAST_SPAN = 2.0
"""The axis reaches at least to ± this logit, so that noise about zero does not fill the picture."""
COLOURS = 8
"""Persons with a colour of their own; the others share a grey."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A judged face that can be pointed at."""

    k: int
    """Number of the face in the file."""
    colour: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """One person's scores."""

    colour: int
    path: str
    """SVG path in the view box."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A time line."""

    lines: tuple[Line, ...]
    dots: tuple[Dot, ...]
    ticks: tuple[str, ...]
    """Times at equal distances, the first at the left edge, the last at the right one."""


def colours_of(result: ScanResult) -> dict[int, int]:
    """The number of each person's colour; 0 is the common grey."""
    return {track.id: i + 1 if i < COLOURS else 0 for i, track in enumerate(result.tracks)}


def make_chart(result: ScanResult, numbers: Mapping[tuple[int, int], int]) -> Chart | None:
    """The time line of a video with at least two moments, else None.

    `numbers` has the number of each face that can be pointed at: (person, position among its faces) → k.
    """
    tracks = [track for track in result.tracks if track.faces]
    times = sorted({face.time for track in tracks for face in track.faces})
    if len(times) < 2 or result.media is None:
        return None
    first, last = _span(result, times)
    reach = max(LEAST_SPAN, *(abs(_finite(f.logit)) for t in tracks for f in t.faces)) * 1.12

    def place(face: FaceScore) -> tuple[float, float]:
        x = (face.time - first) / (last - first) * WIDTH
        return round(x, 1), round((1 - _finite(face.logit) / reach) * HEIGHT / 2, 1)

    colours = colours_of(result)
    # Grey lines, of which there may be many, lie under the coloured ones.
    drawn = sorted(tracks, key=lambda track: colours[track.id] != 0)
    lines = [Line(colours[t.id], _path([place(face) for face in _thinned(t)])) for t in drawn]
    dots = [
        Dot(numbers[t.id, i], colours[t.id], *place(face))
        for t in drawn
        for i, face in enumerate(t.faces)
        if (t.id, i) in numbers
    ]
    return Chart(tuple(lines), tuple(dots), _ticks(first, last))


def _ticks(first: float, last: float) -> tuple[str, ...]:
    """Five times at equal distances, with the decimals that it takes to show them as equal."""
    step = (last - first) / 4
    times = [first + i * step for i in range(5)]
    digits = next((d for d in range(3) if all(abs(t - round(t, d)) <= step / 50 for t in times)), 3)
    if last - first >= 8:
        return tuple(moment(time) if digits else clock(round(time)) for time in times)
    digits = max(digits, 1)
    return tuple(f"{time:.{digits}f} s" for time in times)


def _span(result: ScanResult, times: Sequence[float]) -> tuple[float, float]:
    """From where to where the video was looked at, as far as it is known."""
    start, end = result.settings.get("start"), result.settings.get("end")
    first = min(float(start or 0.0), times[0])
    length = result.media.duration if result.media is not None else None
    last = min((edge for edge in (end, length) if isinstance(edge, (int, float))), default=times[-1])
    return first, max(float(last), times[-1], first + 0.001)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _thinned(track: TrackResult) -> list[FaceScore]:
    """All faces, or of each stretch of time the lowest and the highest, in order of time."""
    faces = track.faces
    if len(faces) <= MOST_POINTS:
        return list(faces)
    size = math.ceil(2 * len(faces) / MOST_POINTS)
    kept: list[FaceScore] = []
    for start in range(0, len(faces), size):
        part = faces[start : start + size]
        ends = {id(f): f for f in (min(part, key=lambda f: f.logit), max(part, key=lambda f: f.logit))}
        kept += sorted(ends.values(), key=lambda face: face.time)
    return kept


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
