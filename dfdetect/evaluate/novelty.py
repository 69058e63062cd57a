"""Fit what is usual among the calibration media: see `dfdetect.verdict.novelty`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.evaluate.pipeline import Pipeline
from dfdetect.evaluate.records import Record
from dfdetect.evaluate.weighted import Floats
from dfdetect.results import MediaKind
from dfdetect.verdict.novelty import TAIL, Novelty, novelty_figures

ALARM = 0.99
"""From this novelty on a result says that its file is unlike the calibration media."""
MIN_FILES = 50
"""Files of a medium, copies apart, below which nothing is said about what is usual in it."""
_CLIP = 6.0  # robust deviations: a few absurd files must not set the scale of what is usual
_QUANTILES = 101
_LEAST_SCALE = 1e-3


def fit_novelty(
    records: Sequence[Record], pipeline: Pipeline, folds: Sequence[NDArray[np.intp]]
) -> dict[str, Any]:
    """The part ``novelty`` of a calibration; without a medium that has fewer than `MIN_FILES` files, or
    whose files are all alike.

    Centre and scale are median and MAD, the correlations Ledoit and Wolf's shrunk covariance (2004).  The
    distances are of files in each of `folds` from a fit on the other folds, so that a file of an unseen
    source is as unusual as it will be later.
    """
    part: dict[str, Any] = {"alarm": ALARM}
    figures = [novelty_figures(pipeline.speaker(r)) for r in records]
    for medium in MediaKind:
        own = [i for i, r in enumerate(records) if r.medium is medium]
        if _count(records, own) < MIN_FILES:
            continue
        names = _varying([figures[i] for i in own])
        if not names:  # copies of one file, say: nothing about them could be unusual
            continue
        raw = {i: np.array([figures[i][n] for n in names], np.float64) for i in own}
        whole = _fit(names, np.array([raw[i] for i in own]))
        distances = []
        for test in folds:
            held = set(test.tolist())
            rest = [i for i in own if i not in held]
            if _count(records, rest) >= MIN_FILES // 2:
                usual = _fit(names, np.array([raw[i] for i in rest]))
                distances += [usual.distance(figures[i]) for i in own if i in held]
        if distances:  # none where all files of the medium are held out together
            part[medium.value] = _values(whole, distances)
    return part


def _count(records: Sequence[Record], places: Sequence[int]) -> int:
    """How many of these are files themselves; their copies say little new."""
    return sum(not records[i].copy for i in places)


def _varying(figures: Sequence[dict[str, float]]) -> tuple[str, ...]:
    """Figures that differ from file to file: the number of frames of photos, say, does not."""
    return tuple(n for n in figures[0] if np.ptp([f[n] for f in figures]) > 1e-9)


def _scale(values: Floats) -> float:
    """Robust standard deviation (from the MAD); the plain one where more than half of the values agree."""
    robust = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return max(robust if robust > 1e-9 else float(values.std()), _LEAST_SCALE)


def _fit(names: tuple[str, ...], x: Floats) -> Novelty:
    from sklearn.covariance import LedoitWolf

    centre = np.median(x, axis=0)
    scale = np.array([_scale(column) for column in x.T])
    z = np.clip((x - centre) / scale, -_CLIP, _CLIP)
    precision = LedoitWolf(assume_centered=True).fit(z).precision_
    low, high = np.quantile(x, [TAIL, 1 - TAIL], axis=0)
    return Novelty(names, centre, scale, precision, low, high, ())


def _values(usual: Novelty, distances: Sequence[float]) -> dict[str, Any]:
    quantiles = np.quantile(distances, np.linspace(0, 1, _QUANTILES))
    vectors = {name: getattr(usual, name) for name in ("centre", "scale", "low", "high")}
    return {
        "figures": list(usual.names),
        **{name: _short(vector) for name, vector in vectors.items()},
        "precision": _short(usual.precision.ravel()),
        "distances": _short(quantiles),
    }


def _short(values: Floats) -> list[float]:
    """Six digits are plenty, and keep the file readable."""
    return [float(f"{v:.6g}") for v in values]
