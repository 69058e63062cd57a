"""The strip below an annotated picture: verdict, scores over time, legend, and what made it.

It stands below, not on, the picture, so that nothing of the evidence is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dfdetect.explain.lettering import DARK, GREY, WHITE, plate, shorten, text_width, wrap, write
from dfdetect.reports.findings import worst_first
from dfdetect.results import Label, ScanResult, TrackResult
from dfdetect.words import label_words, moment, percent, reason_words, share_words

Colour = tuple[int, int, int]

# Okabe and Ito's colours, which people with any of the usual colour deficiencies can tell apart, without the
# two that the heat map uses; numbers stand beside them, so that no meaning hangs on a colour alone.
PALETTE: tuple[Colour, ...] = (
    (240, 228, 66),
    (86, 180, 233),
    (204, 121, 167),
    (0, 158, 115),
    (245, 245, 245),
)
FOR_FAKE, FOR_REAL = (230, 97, 0), (45, 105, 235)
"""Ends of the heat map: orange and blue, the usual pair for diverging data."""
NOBODY: Colour = (150, 156, 164)
"""A face that could not be judged."""
NO_PROOF = "An automatic estimate that can be wrong: no proof by itself."
_CHIPS: dict[Label | None, Colour] = {
    Label.FAKE: (178, 60, 0),
    Label.UNCERTAIN: (122, 94, 0),
    Label.REAL: (24, 82, 190),
    None: (84, 92, 104),
}
_PANEL = (34, 37, 43)
_LINE = (92, 98, 108)
_HIGH, _LOW = "more fake", "less fake"
"""Ends of the scores: where the answers part depends on the file, so neither is *real* nor *fake*."""
_WIDE = 44
"""From this many letters' heights on there are two columns."""
_PERSONS = 8
_LINES = 6
"""Lines that the message may take."""


def track_colour(id: int) -> Colour:
    """The colour of a person with judged faces, by `TrackResult.id`; one without has `NOBODY`."""
    return PALETTE[(id - 1) % len(PALETTE)]


def person_words(track: TrackResult, short: bool = False) -> str:
    """``person 2: fake 93 %`` or ``person 2: real (fake 7 %)``, in short without *person*."""
    words = label_words(track.label, track.reason)
    if track.fake_probability is not None:
        words += share_words(track.label, track.fake_probability)
    elif track.reason is not None and not short:
        words += f" ({reason_words(track.reason)})"
    return f"{track.id}: {words}" if short else f"person {track.id}: {words}"


class Caption:
    """The strip for one result; `at` gives it with the present moment marked."""

    def __init__(
        self,
        result: ScanResult,
        width: int,
        letter: int,
        span: tuple[float, float] | None = None,
        heat: bool = False,
    ) -> None:
        """`width` and `letter` (height of the letters) in pixels; `span` the seconds of the time line.

        Without `span` (a photo) there is no time line; `heat` explains the colours of the heat map.
        """
        from PIL import Image, ImageDraw

        self._result, self._width, self._letter, self._span = result, width, letter, span
        self._pad = max(4, round(0.6 * letter))
        self._small = max(11, round(0.85 * letter))
        self._page = Image.new("RGB", (width, 60 * letter + 40 * self._small), DARK)
        self._draw = ImageDraw.Draw(self._page)
        y = self._headline(self._pad)
        self._chart = self._time_line(y, *span) if span is not None else None
        if self._chart is not None:
            y = round(self._chart[3] + 1.3 * self._small) + self._pad
        x, y = self._persons(y)
        if heat:
            y = self._heat_scale(x, y)
        y = self._footer(y + round(1.45 * letter))
        self._image = np.asarray(self._page)[: y + self._pad // 2].copy()
        del self._page, self._draw
        if self._chart is not None:
            self._curves()

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self._image.shape[0])

    def at(self, time: float) -> NDArray[np.uint8]:
        """The strip ``[height, width, 3]`` at this moment."""
        image = np.empty_like(self._image)
        self.paint(image, time)
        return image

    def paint(self, image: NDArray[np.uint8], time: float) -> None:
        """The same into an array of its size."""
        image[:] = self._image
        if self._chart is None:
            return
        left, top, right, bottom = self._chart
        x = self._x(time)
        thick = max(1, self._letter // 8)
        cv2.line(image, (x, top), (x, bottom), WHITE, thick)
        label = plate(moment(time), self._small, DARK)  # a bar would be a second cursor
        height, width = label.shape[:2]
        x0 = min(max(left, x - width // 2), right - width)
        image[bottom : bottom + height, x0 : x0 + width] = label

    def _headline(self, y: int) -> int:
        result, letter, pad = self._result, self._letter, self._pad
        wide = self._width >= _WIDE * letter and result.band is not None
        column = round(self._width * 0.62) if wide else self._width - pad
        words = label_words(result.label, result.reason).upper()
        size = round(1.3 * letter)
        chip = (text_width(words, size) + 2 * pad, round(2.0 * letter))
        self._draw.rounded_rectangle(
            (pad, y, pad + chip[0], y + chip[1]), max(2, letter // 4), _CHIPS[result.label]
        )
        write(self._draw, (2 * pad, y + chip[1] / 2), words, size, WHITE, bold=True, anchor="lm")
        beside = column - chip[0] - 3 * pad >= 18 * letter
        x, top = (2 * pad + chip[0], y) if beside else (pad, y + chip[1] + pad // 2)
        lines = wrap(result.message, letter, column - x, _LINES)
        step = round(1.2 * letter)
        if beside and len(lines) == 1:
            top += (chip[1] - step) // 2
        for number, line in enumerate(lines):
            write(self._draw, (x, top + number * step), line, letter, WHITE)
        bottom = max(y + chip[1], top + len(lines) * step)
        if result.band is not None and result.fake_probability is not None:
            if wide:
                bottom = max(bottom, self._gauge(column + 2 * pad, y, self._width - pad))
            else:
                bottom = self._gauge(pad, bottom + pad, self._width - pad)
        return bottom + pad

    def _gauge(self, left: int, y: int, right: int) -> int:
        """Where the probability lies between the limits of the three answers."""
        result, small, letter = self._result, self._small, self._letter
        assert result.band is not None
        assert result.fake_probability is not None
        title = f"Probability of a fake: {percent(result.fake_probability)}"
        write(self._draw, (left, y), title, small, GREY)
        y += round(1.8 * small)
        height, wide = max(5, round(0.6 * letter)), right - left
        edges = [0.0, *result.band, 1.0]
        for low, high, label in zip(
            edges, edges[1:], (Label.REAL, Label.UNCERTAIN, Label.FAKE), strict=False
        ):
            box = (left + low * wide, y, left + high * wide, y + height)
            if box[2] - box[0] < 1:
                continue
            self._draw.rectangle(box, _CHIPS[label], DARK)
            if text_width(label.value, small) <= box[2] - box[0]:
                middle = ((box[0] + box[2]) / 2, y + height + small * 0.25)
                write(self._draw, middle, label.value, small, GREY, anchor="ma")
        x = left + result.fake_probability * wide
        size = max(4, round(0.45 * letter))
        self._draw.polygon([(x - size, y - size), (x + size, y - size), (x, y + height * 0.6)], WHITE, DARK)
        return round(y + height + 1.5 * small)

    def _time_line(self, y: int, start: float, end: float) -> tuple[int, int, int, int]:
        """The empty chart; gives its edges (left, top, right, bottom)."""
        pad, small, letter = self._pad, self._small, self._letter
        title = (
            "Score at each judged moment, the higher the more like a fake (single moments are not calibrated)"
        )
        for line in wrap(title, small, self._width - 2 * pad, 2):
            write(self._draw, (pad, y), line, small, GREY)
            y += round(1.25 * small)
        y += pad // 2
        gutter = text_width(_HIGH, small) + pad // 2
        box = (pad + gutter, y, self._width - pad, y + round(4.2 * letter))
        self._draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), _PANEL)
        write(self._draw, (pad, box[1]), _HIGH, small, GREY)
        write(self._draw, (pad, box[3]), _LOW, small, GREY, anchor="ld")
        y = box[3] + pad // 3
        write(self._draw, (box[0], y), moment(start), small, GREY)
        write(self._draw, (box[2], y), moment(end), small, GREY, anchor="ra")
        return box

    def _x(self, time: float) -> int:
        assert self._chart is not None
        assert self._span is not None
        left, _, right, _ = self._chart
        start, end = self._span
        share = (time - start) / (end - start) if end > start else 0.0
        return round(left + min(max(share, 0.0), 1.0) * (right - left - 1))

    def _curves(self) -> None:
        """Lines through the scores of each person, on the finished strip."""
        assert self._chart is not None
        _, top, _, bottom = self._chart
        logits = [face.logit for track in self._result.tracks for face in track.faces]
        reach = 1.15 * max(3.0, *map(abs, logits)) if logits else 3.0
        middle, half = (top + bottom) / 2, (bottom - top) / 2
        cv2.line(self._image, (self._chart[0], round(middle)), (self._chart[2] - 1, round(middle)), _LINE, 1)
        thick = max(1, self._letter // 9)
        for track in self._result.tracks:
            points = [(self._x(f.time), round(middle - f.logit / reach * half)) for f in track.faces]
            if not points:
                continue
            colour = track_colour(track.id)
            line = np.array(points, np.int32).reshape(-1, 1, 2)
            cv2.polylines(self._image, [line], False, colour, thick, cv2.LINE_AA)
            if len(points) <= 400:
                for point in points:
                    cv2.circle(self._image, point, max(3, 2 * thick), colour, -1, cv2.LINE_AA)

    def _persons(self, y: int) -> tuple[int, int]:
        """Everybody's colour and answer; gives where the last line of it ends."""
        letter, pad = self._letter, self._pad
        size = round(0.7 * letter)
        x, step = pad, round(1.45 * letter)
        for track, words in _listed(self._result.tracks):
            words = shorten(words, letter, self._width - 3 * pad - size)
            width = size + pad // 2 + text_width(words, letter)
            if x > pad and x + width > self._width - pad:
                x, y = pad, y + step
            if track is not None:
                top = y + (letter - size) // 2 + letter // 6
                colour = track_colour(track.id) if track.faces else NOBODY
                self._draw.rectangle((x, top, x + size, top + size), colour)
                write(self._draw, (x + size + pad // 2, y), words, letter, WHITE)
            else:
                write(self._draw, (x, y), words, letter, GREY)
            x += width + 2 * pad
        return x, y

    def _heat_scale(self, x: int, y: int) -> int:
        """What the colours of the heat map say, on the line at `y` if there is room from `x` on."""
        letter, pad, small = self._letter, self._pad, self._small
        head, real, fake = "Heat map (not what was altered): ", "against a fake", "for a fake"
        bar = round(4 * letter)
        rest = bar + text_width(fake, small) + pad
        width = text_width(head + real, small) + rest
        if width > self._width - 2 * pad:  # in a small picture the words get a line of their own
            y += round(1.45 * letter) if x > pad else 0
            write(self._draw, (pad, y), head.rstrip(), small, GREY)
            y += round(1.45 * letter)
            x, width = pad, text_width(real, small) + rest
        else:
            real = head + real
        if x > pad and x + width > self._width - pad:
            y += round(1.45 * letter)
            x = pad
        elif x > pad:
            x = self._width - pad - width
        base = y + letter / 2 + letter / 10
        write(self._draw, (x, base), real, small, GREY, anchor="lm")
        x += text_width(real, small) + pad // 2
        for i in range(bar):
            value = 2 * i / (bar - 1) - 1
            end = FOR_FAKE if value > 0 else FOR_REAL
            red, green, blue = (round(120 + (c - 120) * abs(value)) for c in end)
            self._draw.line((x + i, base - letter * 0.35, x + i, base + letter * 0.35), (red, green, blue))
        write(self._draw, (x + bar + pad // 2, base), fake, small, GREY, anchor="lm")
        return y

    def _footer(self, y: int) -> int:
        small, pad, result = self._small, self._pad, self._result
        stamp = f"dfdetect {result.tool_version}"
        if result.model is not None:
            stamp += f" · model {result.model.name} {result.model.version}"
        room = self._width - 2 * pad
        one_line = text_width(NO_PROOF, small) + text_width(stamp, small) + 3 * pad <= room
        for line in wrap(NO_PROOF, small, room, 3):
            write(self._draw, (pad, y), line, small, WHITE)
            y += round(1.3 * small)
        if one_line:
            place = (self._width - pad, y - round(1.3 * small))
            write(self._draw, place, stamp, small, GREY, anchor="ra")
            return y
        write(self._draw, (pad, y), shorten(stamp, small, room), small, GREY)
        return y + round(1.3 * small)


def _listed(tracks: Sequence[TrackResult]) -> list[tuple[TrackResult | None, str]]:
    """What the legend lists: the most suspicious persons, in order of their numbers."""
    chosen = worst_first(tracks)[:_PERSONS]
    listed: list[tuple[TrackResult | None, str]] = [
        (track, person_words(track)) for track in sorted(chosen, key=lambda t: t.id)
    ]
    hidden = len(tracks) - len(chosen)
    return [*listed, (None, f"and {hidden} more")] if hidden else listed
