"""Does the score follow what has nothing to do with forgery: sharpness, face size, compression?

Two figures each: the rank correlation of the score with the measure on *reals* (0 is good; there every
difference is the measure's doing), and the AUC within each quarter of the measure, where it cannot help.
Beside them what the measure alone would reach as a detector (`dfdetect.evaluate.baselines`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfdetect.evaluate import weighted
from dfdetect.evaluate.columns import Files
from dfdetect.evaluate.slices import LEAST, quarter_edges, quarter_names, quarters
from dfdetect.evaluate.weighted import Draws, Floats, Interval, Roc
from dfdetect.results import MediaKind


@dataclass(frozen=True, slots=True)
class Quarter:
    """Judged files of one quarter of a measure."""

    name: str
    fakes: int
    reals: int
    auc: Interval | None
    """None with fewer than five files of a class."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How the score of one medium goes with one measure."""

    medium: str
    measure: str
    """A name of `MEASURES`."""
    correlation: Interval | None
    """Spearman's, of the logit, on reals; None with fewer than five."""
    quarters: tuple[Quarter, ...]
    """From low to high; cut on all judged files of the medium."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """How well a trivial score alone tells fakes from reals, whichever way round it does better."""

    medium: str
    name: str
    auc: Interval


MEASURES = {
    "sharpness": "face sharpness",
    "face_size": "face height",
    "compression": "bits per pixel",
}
"""Name of a measure → what it is."""


def shortcuts(files: Files, draws: Draws) -> tuple[Shortcut, ...]:
    """All measures of all media that have judged files."""
    values = {"sharpness": files.sharpness, "face_size": files.face_size, "compression": files.bits}
    return tuple(
        _shortcut(files, draws, medium, measure, values[measure])
        for medium in MediaKind
        for measure in MEASURES
        if (files.of(medium) & files.judged & np.isfinite(values[measure])).any()
    )


def baselines(files: Files, draws: Draws) -> tuple[Baseline, ...]:
    """All trivial scores of all media that have judged files of both classes."""
    out = []
    for medium in MediaKind:
        for name, values in files.baselines.items():
            index = np.flatnonzero(files.of(medium) & files.judged & np.isfinite(values))
            fake = files.fake[index]
            if 0 < fake.sum() < len(fake):
                # The better direction is that of the files as they are, not of each draw.
                up = float(_auc(fake, values[index], np.ones((1, len(index))))[0]) >= 0.5
                scores = values[index] if up else -values[index]
                out.append(Baseline(medium.value, name, _auc_interval(files, draws, index, scores)))
    return tuple(out)


def _shortcut(files: Files, draws: Draws, medium: MediaKind, measure: str, values: Floats) -> Shortcut:
    chosen = files.of(medium) & files.judged & np.isfinite(values) & np.isfinite(files.logit)
    reals = np.flatnonzero(chosen & ~files.fake)
    correlation = None
    if len(reals) >= LEAST:
        score, measured = files.logit[reals], values[reals]
        correlation = draws.intervals(
            reals, lambda w: {"rank": weighted.rank_correlation(score, measured, w)}
        )["rank"]
    edges = quarter_edges(values[chosen])
    place = quarters(values, edges)
    found = []
    for number, name in enumerate(quarter_names(edges)):
        index = np.flatnonzero(chosen & (place == number))
        fakes = int(files.fake[index].sum())
        enough = min(fakes, len(index) - fakes) >= LEAST
        auc = _auc_interval(files, draws, index, files.logit[index]) if enough else None
        found.append(Quarter(name, fakes, len(index) - fakes, auc))
    return Shortcut(medium.value, measure, correlation, tuple(found))


def _auc_interval(files: Files, draws: Draws, index: weighted.Indices, scores: Floats) -> Interval:
    fake = files.fake[index]
    return draws.intervals(index, lambda w: {"auc": _auc(fake, scores, w)}, fake)["auc"]


def _auc(fake: weighted.Bools, scores: Floats, weights: Floats) -> Floats:
    return Roc.of(fake, scores, weights).auc()
