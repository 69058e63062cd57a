"""The chain from expert logits to a file's log-odds, fitted on some files and applied to others.

It uses the aggregators and calibrators of `dfdetect.verdict`, so that what is fitted here is what a verdict
applies later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfdetect.evaluate.fitting import Labels, fit_platt, fit_weights
from dfdetect.evaluate.records import Record
from dfdetect.results import MediaKind
from dfdetect.verdict.aggregate import (
    FEATURES,
    Aggregator,
    Linear,
    Mean,
    Median,
    TopMean,
    TrimmedMean,
    features,
)
from dfdetect.verdict.calibration import Platt

Floats = NDArray[np.float64]

FIXED: dict[str, Callable[[], Aggregator]] = {
    "mean": Mean,
    "trimmed_mean": lambda: TrimmedMean(0.1),
    "median": Median,
    "top_mean_half": lambda: TopMean(0.5),
    "top_mean_quarter": lambda: TopMean(0.25),
}
"""Aggregators without anything to learn, simplest first."""
CANDIDATES = (*FIXED, "linear")

_LINEAR_STRENGTH = 5.0
_LINEAR_FILES = 10  # of each class, with several frames, before a weighting is learned at all
_FUSION_STRENGTH = 1.0
_MEDIUM_STRENGTH = 40.0  # files' worth of pull from the common calibrator towards that of one medium


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A fitted chain."""

    fusion: tuple[float, ...]
    """One weight per expert, summing to 1."""
    aggregator: Aggregator
    track_penalty: float
    calibrators: Mapping[MediaKind, Platt]

    def logit(self, record: Record) -> float:
        """A file's logit before calibration, as `Judge.judge` gives it."""
        return self._logits([record])[0]

    def log_odds(self, records: Sequence[Record]) -> Floats:
        """Log-odds of a fake at prior one half, ``[n]``."""
        pairs = zip(records, self._logits(records), strict=True)
        return np.array([self.calibrators[r.medium].log_odds(logit) for r, logit in pairs], np.float64)

    def _logits(self, records: Sequence[Record]) -> list[float]:
        top = _highest(records, self.fusion, self.aggregator)
        return [float(v) for v in top - self.track_penalty * _crowd(records)]


def fit_pipeline(records: Sequence[Record], candidate: str, penalty: float) -> Pipeline:
    """Fit fusion, aggregator and calibrators on judged files.

    `candidate` is one of `CANDIDATES`; `penalty` is taken off in log-odds, times ln(number of persons): 1 is
    right when exactly one of several persons is forged and nobody knows which.
    """
    labels = labels_of(records)
    fusion = _fit_fusion(records, labels)
    aggregator = FIXED[candidate]() if candidate in FIXED else _fit_linear(records, labels, fusion)
    highest = _highest(records, fusion, aggregator)
    slope = fit_platt(highest, labels).a
    track_penalty = penalty / slope if slope > 1e-3 else 0.0
    logits = highest - track_penalty * _crowd(records)
    common = fit_platt(logits, labels)
    calibrators = {}
    for medium in MediaKind:
        own = np.array([r.medium is medium for r in records], bool)
        calibrators[medium] = fit_platt(logits[own], labels[own], common, _MEDIUM_STRENGTH)
    return Pipeline(fusion, aggregator, track_penalty, calibrators)


def labels_of(records: Sequence[Record]) -> Labels:
    """``[n]``, 1 for fake."""
    return np.array([r.label for r in records], np.int64)


def _highest(records: Sequence[Record], fusion: Sequence[float], aggregator: Aggregator) -> Floats:
    """Logit of the most suspicious person of each file, ``[n]``."""
    weights = np.asarray(fusion)
    return np.array([max(aggregator(t @ weights) for t in r.tracks) for r in records], np.float64)


def _crowd(records: Sequence[Record]) -> Floats:
    """What the penalty is multiplied with: ln(number of persons), ``[n]``."""
    return np.array([math.log(len(r.tracks)) for r in records], np.float64)


def _main_track(record: Record) -> Floats:
    """The person seen most often: the one that the file's label most probably speaks of."""
    return max(record.tracks, key=len)


def _fit_fusion(records: Sequence[Record], labels: Labels) -> tuple[float, ...]:
    experts = records[0].tracks[0].shape[1]
    if experts == 1:
        return (1.0,)
    means = np.array([_main_track(r).mean(axis=0) for r in records])
    weights = np.maximum(fit_weights(means, labels, _FUSION_STRENGTH, positive=True)[:-1], 0.0)
    total = float(weights.sum())
    if total <= 0:
        return tuple([1.0 / experts] * experts)
    return tuple(float(w) / total for w in weights)


def _fit_linear(records: Sequence[Record], labels: Labels, fusion: Sequence[float]) -> Aggregator:
    """Learned on persons with several frames only: on photos the number of frames would tell the medium."""
    several = np.array([len(_main_track(r)) > 1 for r in records], bool)
    if min(int((labels[several] == label).sum()) for label in (0, 1)) < _LINEAR_FILES:
        return Mean()
    chosen = [r for r, own in zip(records, several, strict=True) if own]
    x = np.array([features(_main_track(r) @ np.asarray(fusion)) for r in chosen])
    weights = fit_weights(x, labels[several], _LINEAR_STRENGTH, positive=False)
    location = float(weights[: len(FEATURES) - 2].sum())
    if location <= 1e-9:  # would not rise with the logits: nothing was learned
        return Mean()
    # The scale is the calibrator's business; like this a shift of all logits shifts the result alike.
    return Linear(tuple(float(w) / location for w in weights[:-1]), float(weights[-1]) / location)
