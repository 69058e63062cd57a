"""Pictures in the report: how many fit, which ones they are, and how a heat map is drawn."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from dfdetect.reports.findings import worst_first
from dfdetect.results import FaceScore, Label, ScanResult, TrackResult

MOST_PER_FILE = 2_500_000
"""Bytes of pictures that one file may bring, before base64."""
SHARE = {Label.FAKE: 4_000_000, Label.UNCERTAIN: 2_500_000}
"""The n-th file of an answer may bring this much divided by n: the sum grows with log n only."""
OTHER_SHARE = 2_000_000
MOST_THUMBNAILS = 2_000
"""Rows of the overview that have a small face."""
STRIP, WHOLE_STRIP = 12, 72
"""Faces in the strip of one person, and of all persons of a file."""
HEAT_BYTES = 700
"""What a drawn heat map takes, roughly."""
THUMBNAIL_SIDE = 56
_HEAT_SIDE, _LEVELS = 30, 24
# Ends of the colour map, with the same lightness in OKLab (.56), blue and orange: told apart with any colour
# vision.  Between them opacity falls to nothing at zero, so that strength reads as strength on both sides.
REAL_END, FAKE_END, MOST_OPACITY = (38, 113, 190), (203, 84, 20), 0.82


class Budget:
    """How many bytes of pictures the next file may bring; remembers counts only."""

    def __init__(self) -> None:
        self._files: Counter[Label | None] = Counter()

    def allowance(self, label: Label | None) -> int:
        """For the next file with this answer, in bytes before base64."""
        self._files[label] += 1
        share = SHARE.get(label, OTHER_SHARE) if label is not None else OTHER_SHARE
        return min(MOST_PER_FILE, share // self._files[label])

    @property
    def thumbnail(self) -> bool:
        """Whether the row of the file that was asked for last may still have a small face."""
        return self._files.total() <= MOST_THUMBNAILS


@dataclass(frozen=True, slots=True)
class Choice:
    """Which pictures of a result are shown."""

    faces: frozenset[tuple[int, int]]
    """Person, and position among its faces."""
    frames: frozenset[int]
    """Numbers of frames."""
    top: tuple[int, int] | None
    """The face that is shown first: the highest score of the most suspicious person."""
    left_out: int
    """Pictures that the strips and the frames would have held and that did not fit."""


def choose(result: ScanResult, allowance: int) -> Choice:
    """The pictures that fit into `allowance` bytes, the most telling first.

    The strongest face of the most suspicious person (twice: in its strip, and large) and its frame; then
    faces of all persons in turn, the frames of these, and what is left of the others.
    """
    frames = {picture.frame: len(picture.jpeg) for picture in result.frames}
    tracks = [track for track in worst_first(result.tracks) if any(f.picture for f in track.faces)]
    if not tracks:
        return Choice(frozenset(), frozenset(), None, 0)
    strips = [_strip(track, max(2, min(STRIP, WHOLE_STRIP // len(tracks)))) for track in tracks]
    wanted = list(_in_turn(tracks, strips))[:WHOLE_STRIP]
    purse = _Purse(allowance)
    if not purse.pay(2 * _weight(wanted[0][1])):
        return Choice(frozenset(), frozenset(), None, len(wanted) + len(frames))
    top = wanted[0][0]
    numbers = [face.frame for _, face in wanted if face.frame in frames]
    numbers = list(dict.fromkeys([*numbers, *_spread(sorted(frames))]))
    first = {number for number in numbers[:1] if purse.pay(frames[number])}
    faces = {top} | {key for key, face in wanted[1:] if purse.pay(_weight(face))}
    shown = first | {number for number in numbers[1:] if purse.pay(frames[number])}
    missed = len(wanted) - len(faces) + len(frames) - len(shown)
    return Choice(frozenset(faces), frozenset(shown), top, missed)


class _Purse:
    """Bytes that can be spent once."""

    def __init__(self, left: int) -> None:
        self._left = left

    def pay(self, price: int) -> bool:
        """Spend `price`, or nothing if it is too much."""
        if price > self._left:
            return False
        self._left -= price
        return True


def _in_turn(
    tracks: list[TrackResult], strips: list[list[int]]
) -> Iterator[tuple[tuple[int, int], FaceScore]]:
    """The first face of everyone, then the second … with their keys, as in `Choice.faces`."""
    for turn in range(max(map(len, strips))):
        for track, strip in zip(tracks, strips, strict=True):
            if turn < len(strip):
                yield (track.id, strip[turn]), track.faces[strip[turn]]


def _strip(track: TrackResult, most: int) -> list[int]:
    """Positions of at most `most` faces with a picture: the highest score first, then spread over time."""
    kept = [i for i, face in enumerate(track.faces) if face.picture]
    top = max(kept, key=lambda i: track.faces[i].logit)
    rest = [i for i in kept if i != top]
    count = min(most - 1, len(rest))
    even = [rest[round((j + 0.5) * len(rest) / count - 0.5)] for j in range(count)] if count else []
    return [top, *_spread(even)]


def _spread(items: list[int]) -> list[int]:
    """In an order of which every beginning covers the whole: ends, middle, quarters …"""
    order: list[int] = []
    step = 1
    while step < len(items):
        step *= 2
    while step:
        order += [i for i in range(0, len(items), step) if i % (2 * step) or not order]
        step //= 2
    return [items[i] for i in dict.fromkeys([*order, *range(len(items))])]


def _weight(face: FaceScore) -> int:
    return len(face.picture or b"") + (HEAT_BYTES if face.heatmap else 0)


def data_uri(data: bytes, kind: str = "image/jpeg") -> str:
    """The bytes of a picture as something that ``src`` takes."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def thumbnail(picture: bytes) -> str | None:
    """A face for a row of the overview, as a data URI; None for bytes that are no picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
            image.draft("RGB", (THUMBNAIL_SIDE, THUMBNAIL_SIDE))
            small = image.convert("RGB")
            small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    except (OSError, ValueError):
        return None
    raw = io.BytesIO()
    small.save(raw, "JPEG", quality=75)
    return data_uri(raw.getvalue())


def draw_heat(face: FaceScore, scale: float) -> str:
    """The heat map of a face as a transparent PNG to lay over it, blue for real, orange for fake.

    `scale` is the logit that gets full strength; 30 × 30 pixels, treated as `dfdetect explain` does.
    """
    import numpy as np
    from PIL import Image

    from dfdetect.reports.heat import balanced, strengths

    painted = strengths(balanced(face.heatmap or ((0.0,),), face.logit) / np.float32(scale), _HEAT_SIDE)
    # A palette of a few levels: a tenth of the bytes of RGBA, and no steps that an eye would see.
    index = np.rint((np.nan_to_num(painted) + 1) * _LEVELS).astype(np.uint8)
    image = Image.fromarray(index)
    image.putpalette([part for level in _levels() for part in (FAKE_END if level > 0 else REAL_END)])
    opacity = bytes(round(255 * MOST_OPACITY * abs(level)) for level in _levels())
    raw = io.BytesIO()
    image.save(raw, "PNG", transparency=opacity, optimize=True)
    return data_uri(raw.getvalue(), "image/png")


def _levels() -> list[float]:
    return [i / _LEVELS - 1 for i in range(2 * _LEVELS + 1)]


def heat_scale(result: ScanResult) -> float:
    """The logit that gets full colour in all heat maps of the file; 0 when it has none."""
    faces = [face for track in result.tracks for face in track.faces if face.heatmap]
    if not faces:
        return 0.0
    from dfdetect.reports.heat import balanced, full_scale

    return full_scale(balanced(face.heatmap, face.logit) for face in faces if face.heatmap)
