"""Which files are looked at together, and all figures of one such slice.

A kind of fake (a family, a method, a source of fakes) is measured against all reals of the same medium; a
source of reals is only asked how its files are called.  Files count once by their verdict (level *file*),
and apart from that every scored face by its own logit under the label of its file (level *face*): the first
says how good the answers are, the second what the network sees in one picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from dfdetect.evaluate import weighted
from dfdetect.evaluate.columns import ANSWERS, Files, Texts
from dfdetect.evaluate.weighted import Bools, Draws, Floats, Indices, Interval, Roc
from dfdetect.results import MediaKind

LEAST = 5
"""Files of a kind from which on a method, source, size, compression or codec is listed; of each class from
which on anything less than a whole medium gets figures that compare the classes."""
FACE_BINS = (64.0, 128.0, 256.0)
"""Limits in pixels of face height; a face on a limit counts as larger."""
FIXED_TPR = 0.95
"""The share of fakes found at which the share of reals called fake is given."""


class Level(StrEnum):
    """What counts once."""

    FILE = "file"
    FACE = "face"


class By(StrEnum):
    """What a slice is cut by."""

    ALL = "all"
    MEDIUM = "medium"
    FAMILY = "family"
    METHOD = "method"
    FAKE_SOURCE = "fake_source"
    REAL_SOURCE = "real_source"
    FACE_SIZE = "face_size"
    COMPRESSION = "compression"
    CODEC = "codec"


@dataclass(frozen=True, slots=True)
class Answers:
    """How the three answers fall on judged files of one class."""

    files: int
    real: Interval
    uncertain: Interval
    fake: Interval


@dataclass(frozen=True, slots=True)
class Slice:
    """All figures of some files, or of their faces."""

    level: Level
    by: By
    medium: str
    """``photo`` or ``video``; empty for both."""
    name: str
    files: int
    """Labelled files of the slice, without the reals that a kind of fake is compared with."""
    judged: Interval
    """Share of these that have an answer."""
    fakes: int
    """Judged files, or scored faces, that the figures are over."""
    reals: int
    groups: int
    """Of reals and fakes together; each figure has its own number beside it."""
    figures: Mapping[str, Interval]
    """By names of `FIGURES`; empty with one class only, or with too few files of one.

    The ECE has no interval, but ``ece_by_chance`` beside it.
    """
    reals_called: Answers | None
    """Of the slice's own judged reals; None without any, and for faces."""
    fakes_called: Answers | None


FIGURES: Mapping[str, str] = {
    "auc": "area under the ROC curve: how often a fake scores higher than a real",
    "average_precision": "area under precision over recall; depends on the share of fakes",
    "eer": "equal error rate: where as many reals are called fake as fakes are missed",
    "balanced_accuracy": "mean share of reals and of fakes on the right side of the threshold",
    "fpr_at_tpr_95": "share of reals called fake where 95 % of the fakes are found",
    "tpr_at_fpr_1": "share of fakes found where at most 1 % of the reals are called fake",
    "tpr_at_fpr_5": "share of fakes found where at most 5 % of the reals are called fake",
    "ece": "expected calibration error, 15 bins of equal mass, reals and fakes weighing alike",
    "ece_by_chance": "mean ECE that a perfectly calibrated model with the same probabilities would get",
    "brier": "mean squared error of the probability, reals and fakes weighing alike",
}
"""Name of a figure → what it is.  Balanced accuracy, ECE and Brier exist at the level of files only."""


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    by: By
    medium: str
    name: str
    own: Bools
    """Labelled files that the slice speaks of."""
    compared: Bools
    """Judged files that its figures are over."""
    least: int = 1


def file_slices(files: Files, draws: Draws, threshold: float, seed: int) -> tuple[Slice, ...]:
    """All slices of files; `threshold` is the probability from which on balanced accuracy calls it fake.

    `seed` is that of the labels behind the ECE by chance; equal files get equal figures in all slices.
    """
    return tuple(_file_slice(files, cut, draws, threshold, seed) for cut in _cuts(files))


def face_slices(files: Files, draws: Draws) -> tuple[Slice, ...]:
    """Slices of faces: all, per medium, per family, and per size of the face itself."""
    out = []
    own_file = files.faces.file
    for cut in _cuts(files):
        if cut.by in (By.ALL, By.MEDIUM, By.FAMILY):
            out.append(_face_slice(files, cut, draws, cut.compared[own_file]))
    bins = np.digitize(files.faces.size, FACE_BINS)
    for medium in MediaKind:
        for number, name in enumerate(face_bin_names()):
            chosen = files.of(medium)[own_file] & (bins == number)
            own = np.zeros(len(files.fake), bool)
            own[own_file[chosen]] = True
            if np.count_nonzero(own) >= LEAST:
                cut = _Cut(By.FACE_SIZE, medium.value, name, own, own, LEAST)
                out.append(_face_slice(files, cut, draws, chosen))
    return tuple(out)


def face_bin_names() -> tuple[str, ...]:
    """One name for each bin that `FACE_BINS` makes."""
    low, middle, high = (f"{limit:g}" for limit in FACE_BINS)
    return (f"below {low} px", f"{low}–{middle} px", f"{middle}–{high} px", f"from {high} px")


def quarter_edges(values: Floats) -> Floats:
    """The three values that cut the finite ones of `values` into quarters, ``[3]``; NaN without any."""
    finite = values[np.isfinite(values)]
    return np.quantile(finite, [0.25, 0.5, 0.75]) if len(finite) else np.full(3, np.nan)


def quarters(values: Floats, edges: Floats) -> Indices:
    """The quarter (0–3) of each value, -1 for NaN; a value on an edge is in the upper one."""
    return np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), -1)


def quarter_names(edges: Floats) -> tuple[str, ...]:
    """One name for each quarter, with as many digits as tell edges apart, at least three."""
    apart = len(np.unique(edges))
    for digits in range(3, 18):  # 17 tell all numbers apart
        low, middle, high = (f"{edge:.{digits}g}" for edge in edges)
        if len({low, middle, high}) == apart:
            break
    return (f"below {low}", f"{low}–{middle}", f"{middle}–{high}", f"from {high}")


def _cuts(files: Files) -> Iterator[_Cut]:
    """Every slice that has files enough."""
    everything = np.ones(len(files.fake), bool)
    yield _Cut(By.ALL, "", "all", everything, files.judged)
    for medium in MediaKind:
        within = files.of(medium)
        if not within.any():
            continue
        yield _Cut(By.MEDIUM, medium.value, medium.value, within, within & files.judged)
        for by, kinds in (
            (By.FAMILY, files.family),
            (By.METHOD, files.method),
            (By.FAKE_SOURCE, files.source),
        ):
            yield from _fake_kinds(files, medium, by, kinds)
        yield from _both_classes(files, medium, By.REAL_SOURCE, files.source, within & ~files.fake)
        sizes = np.array(face_bin_names())[np.digitize(files.face_size, FACE_BINS)]
        known = within & np.isfinite(files.face_size)
        yield from _both_classes(files, medium, By.FACE_SIZE, sizes, known, face_bin_names())
        yield from _compression(files, medium)
        yield from _both_classes(files, medium, By.CODEC, files.codec, within)


def _fake_kinds(files: Files, medium: MediaKind, by: By, kinds: Texts) -> Iterator[_Cut]:
    """Each kind of fake with all reals of the medium."""
    within = files.of(medium)
    for name in sorted(set(kinds[within & files.fake].tolist())):
        own = within & files.fake & (kinds == name)
        if name and (by is By.FAMILY or np.count_nonzero(own & files.judged) >= LEAST):
            compared = files.judged & within & (own | ~files.fake)
            yield _Cut(by, medium.value, name, own, compared, LEAST)


def _both_classes(
    files: Files,
    medium: MediaKind,
    by: By,
    kinds: Texts,
    within: Bools,
    names: Sequence[str] | None = None,
) -> Iterator[_Cut]:
    """Each kind with whatever files it has, in the order of `names` (default: of the alphabet)."""
    for name in names if names is not None else sorted(set(kinds[within].tolist())):
        own = within & (kinds == name)
        if name and np.count_nonzero(own & files.judged) >= LEAST:
            yield _Cut(by, medium.value, name, own, own & files.judged, LEAST)


def _compression(files: Files, medium: MediaKind) -> Iterator[_Cut]:
    """Quarters of the bits per pixel and frame, cut on all judged files of the medium."""
    within = files.of(medium) & np.isfinite(files.bits)
    edges = quarter_edges(files.bits[within & files.judged])
    if np.isfinite(edges).all():
        names = quarter_names(edges)
        kinds = np.array([*names, ""])[quarters(files.bits, edges)]
        yield from _both_classes(files, medium, By.COMPRESSION, kinds, within, names)


def _file_slice(files: Files, cut: _Cut, draws: Draws, threshold: float, seed: int) -> Slice:
    index = np.flatnonzero(cut.compared)
    fake, neutral = files.fake[index], files.neutral[index]
    right = (files.probability[index] >= threshold) == fake

    def statistic(weights: Floats) -> dict[str, Floats]:
        level = weighted.balanced(fake, weights)
        return {
            **_ranking(Roc.of(fake, neutral, weights)),
            "balanced_accuracy": np.asarray(level @ right, np.float64),
            "brier": weighted.brier(fake, neutral, level),
        }

    figures: Mapping[str, Interval] = {}
    if _enough(fake, cut.least):
        calibration = _calibration(fake, neutral, draws.groups_of(index, fake), seed)
        figures = draws.intervals(index, statistic, fake) | calibration
    return _slice(Level.FILE, files, cut, draws, index, figures)


def _calibration(fake: Bools, probabilities: Floats, groups: int, seed: int) -> dict[str, Interval]:
    """ECE and what of it is chance, without intervals: see `weighted.ece`."""
    level = weighted.balanced(fake, np.ones((1, len(fake))))
    found = {
        "ece": float(weighted.ece(fake, probabilities, level)[0]),
        "ece_by_chance": weighted.ece_by_chance(probabilities, level[0], np.random.default_rng(seed)),
    }
    return {name: Interval(value, math.nan, math.nan, groups) for name, value in found.items()}


def _face_slice(files: Files, cut: _Cut, draws: Draws, chosen: Bools) -> Slice:
    index, logit = files.faces.file[chosen], files.faces.logit[chosen]
    fake = files.fake[index]
    figures: Mapping[str, Interval] = {}
    if _enough(files.fake[np.unique(index)], cut.least):  # ten faces of one clip are one clip
        figures = draws.intervals(index, lambda w: _ranking(Roc.of(fake, logit, w)), fake)
    return _slice(Level.FACE, files, cut, draws, index, figures)


def _slice(
    level: Level, files: Files, cut: _Cut, draws: Draws, index: Indices, figures: Mapping[str, Interval]
) -> Slice:
    """`index`: the file of each judged file, or scored face, that the figures are over."""
    own, fake = np.flatnonzero(cut.own), files.fake[index]
    by_file = level is Level.FILE
    return Slice(
        level=level,
        by=cut.by,
        medium=cut.medium,
        name=cut.name,
        files=len(own),
        judged=draws.share(own, files.judged[own]),
        fakes=int(fake.sum()),
        reals=int((~fake).sum()),
        groups=draws.groups_of(index),
        figures={name: figures[name] for name in FIGURES if name in figures},
        reals_called=_answers(files, cut.own & ~files.fake, draws) if by_file else None,
        fakes_called=_answers(files, cut.own & files.fake, draws) if by_file else None,
    )


def _ranking(roc: Roc) -> dict[str, Floats]:
    return {
        "auc": roc.auc(),
        "average_precision": roc.average_precision(),
        "eer": roc.eer(),
        "fpr_at_tpr_95": roc.fpr_at_tpr(FIXED_TPR),
        "tpr_at_fpr_1": roc.tpr_at_fpr(0.01),
        "tpr_at_fpr_5": roc.tpr_at_fpr(0.05),
    }


def _enough(fake: Bools, least: int) -> bool:
    return min(int(fake.sum()), int((~fake).sum())) >= least


def _answers(files: Files, chosen: Bools, draws: Draws) -> Answers | None:
    index = np.flatnonzero(chosen & files.judged)
    if not len(index):
        return None
    share = {answer: draws.share(index, files.answer[index] == answer) for answer in ANSWERS}
    return Answers(len(index), **share)
