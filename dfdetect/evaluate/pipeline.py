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

from dfdetect.evaluate.fitting import Labels, fit_isotonic, fit_platt, fit_weights
from dfdetect.evaluate.records import Record
from dfdetect.evaluate.weighted import Floats
from dfdetect.results import MediaKind
from dfdetect.verdict.aggregate import (
    LOCATION,
    RUN_SHARE,
    Aggregator,
    Linear,
    Mean,
    Median,
    TopMean,
    TopRun,
    TrimmedMean,
    features,
)
from dfdetect.verdict.calibration import Calibrator
from dfdetect.verdict.track import TrackScores

Fusion = Mapping[MediaKind, tuple[float, ...]]

FIXED: dict[str, Callable[[], Aggregator]] = {
    "mean": Mean,
    "trimmed_mean": lambda: TrimmedMean(0.1),
    "median": Median,
    "top_mean_half": lambda: TopMean(0.5),
    "top_mean_quarter": lambda: TopMean(0.25),
    "top_run_quarter": lambda: TopRun(RUN_SHARE),
}
"""Aggregators without anything to learn, simplest first."""
_SHAPE = ("q10", "q25", "q50", "q75", "q90", "std", "log_count")
_QUALITY = ("log_size", "log_sharpness")
_TEMPORAL = ("top_run", "std", "jitter", "box_jitter")
LEARNED: dict[str, tuple[str, ...]] = {
    "linear_shape": _SHAPE,
    "linear_quality": _QUALITY,
    "linear_temporal": _TEMPORAL,
    "linear_all": tuple(dict.fromkeys((*_SHAPE, *_QUALITY, *_TEMPORAL))),
}
"""Features that a learned aggregator weighs beside the mean."""
CANDIDATES = (*FIXED, *LEARNED)

TEMPERATURE, PLATT = "temperature", "platt"

_LINEAR_STRENGTH = 20.0
_LINEAR_FILES = 10  # of each class, with several frames, before a weighting is learned at all
_FUSION_STRENGTH = 1.0
_MEDIUM_FUSION_STRENGTH = 10.0  # of the pull of one medium's fusion towards the common one
_MEDIUM_STRENGTH = 40.0  # files' worth of pull from the common calibrator towards that of one medium


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is chosen about a chain before it is fitted."""

    aggregator: str = "mean"
    """One of `CANDIDATES`."""
    penalty: float = 1.0
    """Taken off in log-odds, times ln(number of persons): 1 is right when exactly one of several persons is
    forged and nobody knows which."""
    own_fusion: bool = False
    """Whether each medium has its own weights of the experts."""
    calibrator: str = PLATT
    """`TEMPERATURE` or `PLATT`."""
    isotonic: tuple[MediaKind, ...] = ()
    """Media that are calibrated by isotonic regression instead."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A fitted chain."""

    common: tuple[float, ...]
    """Weights of the experts without regard to the medium, one each, summing to 1."""
    fusion: Fusion
    """The weights that each medium is judged with."""
    aggregator: Aggregator
    track_penalty: float
    calibrators: Mapping[MediaKind, Calibrator]

    def log_odds(self, records: Sequence[Record]) -> Floats:
        """Log-odds of a fake at prior one half, ``[n]``."""
        pairs = zip(records, self._logits(records), strict=True)
        return np.array([self.calibrators[r.medium].log_odds(logit) for r, logit in pairs], np.float64)

    def speaker(self, record: Record) -> TrackScores:
        """The person who speaks for a file: the most suspicious one, with fused logits."""
        return max((t.fused(self.fusion[record.medium]) for t in record.tracks), key=self.aggregator)

    def _logits(self, records: Sequence[Record]) -> list[float]:
        top = _highest(records, self.fusion, self.aggregator)
        return [float(v) for v in top - self.track_penalty * _crowd(records)]


def fit_pipeline(records: Sequence[Record], recipe: Recipe) -> Pipeline:
    """Fit fusion, aggregator and calibrators on judged files."""
    labels = labels_of(records)
    common, fusion = _fit_fusion(records, labels, recipe.own_fusion)
    aggregator = _fit_aggregator(records, labels, fusion, recipe.aggregator)
    highest = _highest(records, fusion, aggregator)
    slope = fit_platt(highest, labels).a
    track_penalty = recipe.penalty / slope if slope > 1e-3 else 0.0
    logits = highest - track_penalty * _crowd(records)
    calibrators = _fit_calibrators(records, labels, logits, recipe)
    return Pipeline(common, fusion, aggregator, track_penalty, calibrators)


def labels_of(records: Sequence[Record]) -> Labels:
    """``[n]``, 1 for fake."""
    return np.array([r.label for r in records], np.int64)


def _highest(records: Sequence[Record], fusion: Fusion, aggregator: Aggregator) -> Floats:
    """Logit of the most suspicious person of each file, ``[n]``."""
    return np.array([max(aggregator(t.fused(fusion[r.medium])) for t in r.tracks) for r in records])


def _crowd(records: Sequence[Record]) -> Floats:
    """What the penalty is multiplied with: ln(number of persons), ``[n]``."""
    return np.array([math.log(len(r.tracks)) for r in records], np.float64)


def _of_medium(records: Sequence[Record], medium: MediaKind) -> NDArray[np.bool_]:
    return np.array([r.medium is medium for r in records], bool)


def _both_classes(labels: Labels) -> bool:
    return 0 < int(labels.sum()) < len(labels)


def _fit_fusion(
    records: Sequence[Record], labels: Labels, own: bool
) -> tuple[tuple[float, ...], dict[MediaKind, tuple[float, ...]]]:
    """The common weights, and those of each medium."""
    experts = records[0].tracks[0].experts.shape[1]
    if experts == 1:
        return (1.0,), dict.fromkeys(MediaKind, (1.0,))
    means = np.array([r.main_track.experts.mean(axis=0) for r in records])
    # What tells the media apart must not look like what tells the classes apart.
    photo = _of_medium(records, MediaKind.PHOTO).astype(np.float64)
    pull = np.append(np.full(experts, _FUSION_STRENGTH), 0.01)
    raw = fit_weights(np.column_stack([means, photo]), labels, pull, positive=experts)[:experts]
    common = _shares(raw)
    fusion = dict.fromkeys(MediaKind, common)
    if own:
        for medium in MediaKind:
            there = _of_medium(records, medium)
            if _both_classes(labels[there]):
                mine = fit_weights(
                    means[there], labels[there], _MEDIUM_FUSION_STRENGTH, experts, np.maximum(raw, 0.0)
                )
                fusion[medium] = _shares(mine[:experts])
    return common, fusion


def _shares(weights: Floats) -> tuple[float, ...]:
    """Weights of at least 0 that sum to 1; equal ones if none is positive."""
    kept = np.maximum(weights, 0.0)
    total = float(kept.sum())
    return tuple((kept / total).tolist()) if total > 0 else tuple([1.0 / len(kept)] * len(kept))


def _fit_aggregator(records: Sequence[Record], labels: Labels, fusion: Fusion, name: str) -> Aggregator:
    """A learned one is a logistic regression that is drawn towards the plain mean.

    The features of location count as differences from the mean, so that a shift of all logits has the weight
    of the mean alone; this must be positive.
    """
    if name in FIXED:
        return FIXED[name]()
    extra = LEARNED[name]
    several = np.array([len(r.main_track) > 1 for r in records], bool)
    if min(int((labels[several] == label).sum()) for label in (0, 1)) < _LINEAR_FILES:
        return Mean()
    found = [features(r.main_track.fused(fusion[r.medium])) for r in records]
    x = np.array(
        [[f["mean"], *(f[n] - (f["mean"] if n in LOCATION else 0.0) for n in extra)] for f in found],
        np.float64,
    )
    # Photos have one frame each: without this column its number would tell the medium, and the class by it.
    photo = _of_medium(records, MediaKind.PHOTO).astype(np.float64)
    pull = np.array([1e-3, *[_LINEAR_STRENGTH] * len(extra), 0.01])
    weights = fit_weights(np.column_stack([x, photo]), labels, pull)
    slope = float(weights[0])
    if slope <= 1e-9:  # would not rise with the logits: nothing was learned
        return Mean()
    # The scale is the calibrator's business; like this a shift of all logits shifts the result alike.
    own = dict(zip(extra, (float(w) / slope for w in weights[1:-2]), strict=True))
    location = sum(weight for n, weight in own.items() if n in LOCATION)
    return Linear({"mean": 1.0 - location, **own}, float(weights[-1]) / slope)


def _fit_calibrators(
    records: Sequence[Record], labels: Labels, logits: Floats, recipe: Recipe
) -> dict[MediaKind, Calibrator]:
    offset = recipe.calibrator != TEMPERATURE
    common = fit_platt(logits, labels, offset=offset)
    calibrators: dict[MediaKind, Calibrator] = {}
    for medium in MediaKind:
        own = _of_medium(records, medium)
        if medium in recipe.isotonic and _both_classes(labels[own]):
            calibrators[medium] = fit_isotonic(logits[own], labels[own])
        else:
            calibrators[medium] = fit_platt(logits[own], labels[own], common, _MEDIUM_STRENGTH, offset)
    return calibrators
