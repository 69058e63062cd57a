"""Draw a scan into its pictures: a box per person, the heat map over the face, and a strip that explains it.

Pure functions of a picture, a `ScanResult` and a time; nothing is scanned or decoded here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.explain.caption import FOR_FAKE, FOR_REAL, NOBODY, Caption, Colour, person_words, track_colour
from dfdetect.explain.follow import Segment, judged_segments
from dfdetect.explain.lettering import plate
from dfdetect.reports.heat import balanced, full_scale, strengths
from dfdetect.results import LABEL_ORDER, Box, ScanResult, TrackResult

Corners = NDArray[np.float64]
"""``[4, 2]``: where the corners of a face's crop (upper left, upper right, lower right, lower left) lie in
the frame, in pixels."""

NARROWEST = 320
"""Narrower pictures are enlarged to this width, so that the text beside them can be read."""
_LETTER, _LETTER_BEYOND, _LARGE = 0.019, 0.01, 1440.0
"""Height of the letters as a share of the picture's size (the root of its area), up to full HD and beyond."""
_SMALLEST_LETTER = 12
_STRONGEST = 0.55
_GRID = 64
_FRACTION = 3
_Drawn = tuple[Box, Colour, tuple[str, ...]]
"""Where, in which colour, and what may stand beside it, the longest first; an empty text: nothing."""


class Annotator:
    """Draws one result into its picture or into every frame of its video.

    ``Annotator(result, (width, height)).draw(image, time)``
    """

    def __init__(
        self,
        result: ScanResult,
        size: tuple[int, int],
        *,
        segments: Sequence[Segment] | None = None,
        corners: Mapping[Box, Corners] | None = None,
        others: Sequence[Box] = (),
        span: tuple[float, float] | None = None,
        fits: Callable[[int, int], bool] | None = None,
    ) -> None:
        """`size` is (width, height) of the pictures that will be given.

        `segments`: where the persons are (default: from the judged faces alone); `corners`: for the box of
        each judged face where its heat map lies, without which none is drawn; `others`: faces that could not
        be judged, for a photo; `span`: the seconds of the time line (default for a video: from the first to
        the last judged face); `fits`: whether a finished picture of this width and height is small enough,
        otherwise all is drawn smaller.
        """
        still = not result.is_video
        self._tracks = {track.id: track for track in result.tracks}
        found = judged_segments(result.tracks, still) if segments is None else segments
        found = [segment for segment in found if segment.track in self._tracks]
        self._segments = list(zip(found, _heat(self._tracks, found, corners or {}), strict=True))
        self._others = tuple(others)
        if span is None and not still:
            times = [face.time for track in result.tracks for face in track.faces]
            span = (min(times, default=0.0), max(times, default=0.0))
        self._size = size
        scale = max(1.0, NARROWEST / size[0])
        while True:
            self._lay_out(result, scale, None if still else span)
            if fits is None or scale < 0.05 or fits(*self.size):
                break
            scale *= 0.97

    def _lay_out(self, result: ScanResult, scale: float, span: tuple[float, float] | None) -> None:
        width, height = (max(1, round(side * scale)) for side in self._size)
        self._width, self._height = width, height
        side = math.sqrt(width * height)
        letter = _LETTER * min(side, _LARGE) + _LETTER_BEYOND * max(side - _LARGE, 0.0)
        self._letter = max(_SMALLEST_LETTER, round(letter))
        self._caption = Caption(result, width, self._letter, span, heat=any(h for _, h in self._segments))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the finished picture."""
        return self._width, self._height + self._caption.height

    def draw(
        self, image: NDArray[np.uint8], time: float = 0.0, out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """The annotated picture; `image` is RGB ``[height, width, 3]`` and stays as it is.

        `out`, of the right size, is drawn into and returned, which spares a video much memory traffic.
        """
        canvas = np.empty((self.size[1], self._width, 3), np.uint8) if out is None else out
        picture = canvas[: self._height]
        if image.shape[:2] == picture.shape[:2]:
            picture[:] = image
        else:
            shrinks = image.shape[1] > self._width
            how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            cv2.resize(image, (self._width, self._height), dst=picture, interpolation=how)
        self._caption.paint(canvas[self._height :], time)
        factors = np.array([self._width / image.shape[1], self._height / image.shape[0]])
        shown = []
        for segment, heat in self._segments:
            if segment.start <= time < segment.end:
                box = segment.box_at(time)
                shown.append((self._tracks[segment.track], box))
                if heat is not None:
                    corners, values = heat.at(time, box)
                    _blend(picture, corners * factors, values)
        self._boxes(picture, shown, factors)
        return canvas

    def _boxes(
        self, picture: NDArray[np.uint8], shown: list[tuple[TrackResult, Box]], factors: NDArray[np.float64]
    ) -> None:
        boxes = [(_scaled(box, factors), track_colour(track.id), _texts(track)) for track, box in shown]
        boxes += [(_scaled(box, factors), NOBODY, ("not judged", "")) for box in self._others]
        thick = max(2, round(self._letter / 8))
        for box, colour, _ in boxes:
            _outline(picture, box, colour, thick)
        # In a crowd there is not room for all: the suspicious choose first, then the large.
        taken: list[Box] = []
        for box, colour, texts in _by_weight(boxes, [track for track, _ in shown]):
            around = [other for other, _, _ in boxes if other is not box]
            for text in texts:
                if not text:
                    break
                image = plate(text, self._letter, colour)
                spot = _spot(picture, box, image, taken, around, thick, inside=text is texts[-1])
                if spot is not None:
                    left, top = round(spot.x0), round(spot.y0)
                    picture[top : round(spot.y1), left : round(spot.x1)] = image
                    taken.append(spot)
                    break


class _Heat:
    """The heat maps of one segment, over time."""

    def __init__(self, times: list[float], corners: list[Corners], maps: list[NDArray[np.float32]]) -> None:
        self._times, self._corners, self._maps = times, corners, maps

    def at(self, time: float, box: Box) -> tuple[Corners, NDArray[np.float32]]:
        """Corners in the frame and values (-1 for real to 1 for fake), linear between the judged faces."""
        after = int(np.searchsorted(self._times, time))
        a, b = max(after - 1, 0), min(after, len(self._times) - 1)
        gap = self._times[b] - self._times[a]
        share = np.float32((time - self._times[a]) / gap if gap > 0 else 0.0)
        place = self._corners[a] + (self._corners[b] - self._corners[a]) * share
        values = self._maps[a] + (self._maps[b] - self._maps[a]) * share
        return place * [box.width, box.height] + [box.x0, box.y0], values


def _heat(
    tracks: Mapping[int, TrackResult], segments: Sequence[Segment], corners: Mapping[Box, Corners]
) -> list[_Heat | None]:
    """For each segment the heat maps of the judged faces in it, all on one scale."""
    maps = {
        face.box: balanced(face.heatmap, face.logit)
        for track in tracks.values()
        for face in track.faces
        if face.heatmap is not None and face.box in corners
    }
    scale = full_scale(maps.values())
    found: list[_Heat | None] = []
    for segment in segments:
        faces = [
            face
            for face in tracks[segment.track].faces
            if segment.start <= face.time <= segment.end and face.box in maps
        ]
        places = [(corners[f.box] - f.box[:2]) / [f.box.width, f.box.height] for f in faces]
        heat = _Heat([f.time for f in faces], places, [maps[f.box] / scale for f in faces])
        found.append(heat if faces else None)
    return found


def _blend(picture: NDArray[np.uint8], corners: Corners, values: NDArray[np.float32]) -> None:
    """Lay the heat map over its place in the picture: strong where it says something, clear elsewhere."""
    height, width = picture.shape[:2]
    x0, y0 = (max(0, math.floor(v)) for v in corners.min(axis=0))
    x1, y1 = (
        min(side, math.ceil(v) + 1) for side, v in zip((width, height), corners.max(axis=0), strict=True)
    )
    if x1 <= x0 or y1 <= y0:
        return
    painted = strengths(values, _GRID)
    alpha = (_STRONGEST * np.abs(painted)).astype(np.float32)
    colours = np.where(painted[..., None] > 0, np.array(FOR_FAKE, np.float32), np.array(FOR_REAL, np.float32))
    layer = np.dstack([colours * alpha[..., None], alpha])
    source = np.array([[0, 0], [_GRID, 0], [_GRID, _GRID]], np.float32) - 0.5
    matrix = cv2.getAffineTransform(source, (corners[:3] - [x0, y0] - 0.5).astype(np.float32))
    laid = cv2.warpAffine(layer, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    part = picture[y0:y1, x0:x1]
    part[:] = (part * (1 - laid[..., 3:]) + laid[..., :3] + 0.5).astype(np.uint8)


def _scaled(box: Box, factors: NDArray[np.float64]) -> Box:
    fx, fy = (float(factor) for factor in factors)
    return Box(box.x0 * fx, box.y0 * fy, box.x1 * fx, box.y1 * fy)


def _by_weight(boxes: list[_Drawn], tracks: list[TrackResult]) -> list[_Drawn]:
    """The persons' boxes, of which `tracks` come first, in the order in which they choose places."""
    ranks = [LABEL_ORDER[track.label] for track in tracks] + [len(LABEL_ORDER)] * (len(boxes) - len(tracks))
    order = sorted(range(len(boxes)), key=lambda i: (ranks[i], -boxes[i][0].height))
    return [boxes[i] for i in order]


def _texts(track: TrackResult) -> tuple[str, ...]:
    return person_words(track), person_words(track, short=True), str(track.id)


def _outline(picture: NDArray[np.uint8], box: Box, colour: Colour, thick: int) -> None:
    """A frame with a dark edge, to be seen on any background; in eighths of a pixel, for smooth motion."""
    one = 1 << _FRACTION
    first, last = ((round(x * one), round(y * one)) for x, y in ((box.x0, box.y0), (box.x1, box.y1)))
    for tone, width in (((20, 22, 26), thick + max(2, thick // 2)), (colour, thick)):
        cv2.rectangle(picture, first, last, tone, width, cv2.LINE_AA, _FRACTION)


def _spot(
    picture: NDArray[np.uint8],
    box: Box,
    image: NDArray[np.uint8],
    labels: list[Box],
    faces: list[Box],
    thick: int,
    *,
    inside: bool,
) -> Box | None:
    """Where a label hides no face and no other label: above, below or beside its box.

    Where there is no such place, a corner `inside` the box, if it may be; else None.
    """
    (height, width), (h, w) = picture.shape[:2], image.shape[:2]
    if w > width or h > height:
        return None
    spots = []
    for x, y in (
        (box.x0 - thick, box.y0 - h - thick),
        (box.x0 - thick, box.y1 + thick),
        (box.x1 + thick, box.y0),
        (box.x0 - w - thick, box.y0),
        (box.x0 + thick, box.y0 + thick),
        (box.x0 + thick, box.y1 - h - thick),
    ):
        left, top = round(min(max(x, 0), width - w)), round(min(max(y, 0), height - h))
        spots.append(Box(left, top, left + w, top + h))
    free = [spot for spot in spots if not any(_touch(spot, label) for label in labels)]
    for spot in free:
        if not any(_touch(spot, face) for face in (box, *faces)):
            return spot
    return next((spot for spot in free if inside and spot in spots[4:]), None)


def _touch(a: Box, b: Box) -> bool:
    return min(a.x1, b.x1) > max(a.x0, b.x0) and min(a.y1, b.y1) > max(a.y0, b.y0)
