"""Labelled results in columns: one row a file, and one row a scored face."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfdetect.evaluate.baselines import baseline_scores, bits_per_pixel
from dfdetect.evaluate.labelled import Labelled
from dfdetect.evaluate.weighted import Bools, Floats, Indices
from dfdetect.results import FaceScore, Label, MediaInfo, MediaKind, ScanResult

Pair = tuple[Labelled, ScanResult]
Texts = NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The scored faces of judged persons, ``[m]`` each."""

    file: Indices
    """Row of the file in `Files`."""
    logit: Floats
    size: Floats
    """Height in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """All labelled files with their results, ``[n]`` each; NaN where a figure is not known."""

    fake: Bools
    """The label, not the verdict."""
    group: tuple[str, ...]
    family: Texts
    method: Texts
    source: Texts
    medium: Texts
    """``photo`` or ``video``; empty for a file that could not be read."""
    codec: Texts
    """Container and codec, as in ``mp4 h264``."""
    answer: Texts
    """The verdict's label; empty when not judged."""
    probability: Floats
    neutral: Floats
    """The same at the calibration's own prior: what files are ranked by and ECE and Brier speak of."""
    logit: Floats
    sharpness: Floats
    """Median over the scored faces, in units of `FaceQuality.sharpness`."""
    face_size: Floats
    """The same for the height of the face in pixels."""
    bits: Floats
    """Bits per pixel and frame."""
    baselines: Mapping[str, Floats]
    """Trivial scores by name, see `dfdetect.evaluate.baselines`."""
    faces: Faces

    @property
    def judged(self) -> Bools:
        """Files that have an answer."""
        return np.asarray(self.answer != "", bool)

    def of(self, medium: MediaKind) -> Bools:
        """Files of one medium."""
        return np.asarray(self.medium == medium.value, bool)


def columns(pairs: Sequence[Pair], neutral: Sequence[float | None] | None = None) -> Files:
    """Labelled results → columns; `neutral` (None: those of the results) is `Files.neutral`."""
    items, results = [item for item, _ in pairs], [result for _, result in pairs]
    scored = [_faces(result) for result in results]
    media = [result.media for result in results]
    probabilities = [result.fake_probability for result in results]
    return Files(
        fake=np.array([item.fake for item in items], bool),
        group=tuple(item.group for item in items),
        family=_texts([item.family for item in items]),
        method=_texts([item.method for item in items]),
        source=_texts([item.source for item in items]),
        medium=_texts(["" if m is None else m.kind.value for m in media]),
        codec=_texts(["" if m is None else _codec(m) for m in media]),
        answer=_texts(["" if r.label is None else r.label.value for r in results]),
        probability=_numbers(probabilities),
        neutral=_numbers(probabilities if neutral is None else neutral),
        logit=_numbers([r.logit for r in results]),
        sharpness=_numbers([_median(faces, lambda f: f.quality.sharpness) for faces in scored]),
        face_size=_numbers([_median(faces, lambda f: f.quality.size) for faces in scored]),
        bits=_numbers([None if m is None else bits_per_pixel(m) for m in media]),
        baselines=_baselines(results),
        faces=_face_columns(scored, results),
    )


ANSWERS = tuple(label.value for label in Label)
"""The possible values of `Files.answer` of a judged file."""


def _faces(result: ScanResult) -> list[FaceScore]:
    return [face for track in result.tracks if track.label is not None for face in track.faces]


def _face_columns(scored: Sequence[Sequence[FaceScore]], results: Sequence[ScanResult]) -> Faces:
    rows = [
        (row, face.logit, face.quality.size)
        for row, faces in enumerate(scored)
        if results[row].label is not None
        for face in faces
        if math.isfinite(face.logit)
    ]
    table = np.array(rows, np.float64).reshape(len(rows), 3)
    return Faces(table[:, 0].astype(np.intp), table[:, 1], table[:, 2])


def _baselines(results: Sequence[ScanResult]) -> dict[str, Floats]:
    rows = [baseline_scores(result) for result in results]
    return {name: _numbers([row[name] for row in rows]) for name in rows[0]} if rows else {}


def _median(faces: Sequence[FaceScore], measure: Callable[[FaceScore], float]) -> float | None:
    values = [v for face in faces if math.isfinite(v := measure(face))]
    return float(np.median(values)) if values else None


def _codec(media: MediaInfo) -> str:
    return " ".join(dict.fromkeys(word for word in (media.container, media.codec) if word))


def _texts(values: Sequence[str]) -> Texts:
    return np.array(values, dtype=str).reshape(len(values))


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([math.nan if v is None else v for v in values], np.float64)
