"""How good scores and probabilities are: separation, calibration, and how far the figures can be trusted.

Everywhere `labels` is ``[n]`` with 1 for fake and 0 for real, higher scores mean fake, and `weights` is
``[n]`` (None: all alike).  A figure that needs both classes is NaN when there is only one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MissingExtraError

Floats = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]
Statistic = Callable[[NDArray[np.intp]], float]

_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval over groups."""

    value: float
    low: float
    high: float
    groups: int
    """Number of groups that were drawn from; below 20 the interval is rough."""


@dataclass(frozen=True, slots=True)
class Measures:
    """All figures of one set of files."""

    files: int
    fakes: int
    auc: Interval
    average_precision: float
    eer: float
    tpr_at_fpr_1: float
    tpr_at_fpr_5: float
    ece: float
    brier: float
    log_loss: float


def auc(labels: Labels, scores: Floats) -> float:
    """Probability that a fake scores higher than a real (ties count half)."""
    if not _both(labels):
        return math.nan
    # By ranks: the bootstrap calls this thousands of times, and scikit-learn checks its input for longer
    # than it takes to compute.
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    fake = np.asarray(labels) == 1
    fakes, reals = int(fake.sum()), int((~fake).sum())
    return float((ranks[fake].sum() - fakes * (fakes + 1) / 2) / (fakes * reals))


def average_precision(labels: Labels, scores: Floats) -> float:
    """Area under precision over recall, as scikit-learn defines it; depends on the share of fakes."""
    if not _both(labels):
        return math.nan
    return float(_sklearn().average_precision_score(labels, scores))


def eer(labels: Labels, scores: Floats) -> float:
    """Equal error rate: where as many reals are called fake as fakes are called real, 0–1."""
    if not _both(labels):
        return math.nan
    fpr, tpr, _ = _sklearn().roc_curve(labels, scores, drop_intermediate=False)
    gap = (1 - tpr) - fpr
    after = int(np.argmax(gap <= 0))
    if after == 0:
        return float(fpr[0])
    before = after - 1
    # The curve between two points is a straight line; the rates meet where the gap is 0.
    share = gap[before] / (gap[before] - gap[after])
    return float(fpr[before] + share * (fpr[after] - fpr[before]))


def tpr_at_fpr(labels: Labels, scores: Floats, limit: float) -> float:
    """Share of fakes found by the lowest threshold that calls at most `limit` of the reals fake."""
    if not _both(labels):
        return math.nan
    fpr, tpr, _ = _sklearn().roc_curve(labels, scores, drop_intermediate=False)
    return float(tpr[fpr <= limit + 1e-12].max())


def balanced_accuracy(labels: Labels, called_fake: NDArray[np.bool_]) -> float:
    """Mean of the shares of fakes called fake and of reals not called fake."""
    if not _both(labels):
        return math.nan
    fake = np.asarray(labels) == 1
    return float((called_fake[fake].mean() + (~called_fake[~fake]).mean()) / 2)


def ece(labels: Labels, probabilities: Floats, weights: Floats | None = None, bins: int = 15) -> float:
    """Expected calibration error over bins of equal mass.

    Biased upward for few files: with 200 of them, figures below about .04 are noise.
    """
    order = np.argsort(probabilities, kind="stable")
    w = _weights(len(order), weights)[order]
    y, p = np.asarray(labels, np.float64)[order], probabilities[order]
    edges = (np.cumsum(w) - w / 2) * bins
    bin_of = np.minimum(edges.astype(int), bins - 1)
    gap = np.bincount(bin_of, w * (y - p), minlength=bins)
    return float(np.abs(gap).sum())


def brier(labels: Labels, probabilities: Floats, weights: Floats | None = None) -> float:
    """Mean squared distance of probability and label."""
    return float(_weights(len(labels), weights) @ (probabilities - labels) ** 2)


def log_loss(labels: Labels, probabilities: Floats, weights: Floats | None = None) -> float:
    """Mean negative log-likelihood in nats, with probabilities kept one in a million off 0 and 1."""
    return float(_weights(len(labels), weights) @ file_losses(labels, probabilities))


def file_losses(labels: Labels, probabilities: Floats) -> Floats:
    """Negative log-likelihood of each file, ``[n]``."""
    kept = np.clip(probabilities, _TINY, 1 - _TINY)
    return np.asarray(-np.where(np.asarray(labels) == 1, np.log(kept), np.log1p(-kept)), np.float64)


def balanced_weights(labels: Labels) -> Floats:
    """``[n]``, summing to n, in which both classes weigh the same (1 for all when there is one class)."""
    fake = np.asarray(labels) == 1
    if not _both(labels):
        return np.ones(len(fake))
    return np.asarray(np.where(fake, 0.5 / fake.mean(), 0.5 / (~fake).mean()), np.float64)


def bootstrap(
    statistic: Statistic, groups: Sequence[str], rng: np.random.Generator, draws: int = 1000
) -> Interval:
    """Value of `statistic` on all files and its 2.5 and 97.5 percentiles when whole groups are drawn.

    `statistic` takes the indices ``[m]`` of the files (with repeats) and may return NaN for a draw without
    both classes, which is left out.
    """
    names, member = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    files = [np.flatnonzero(member == g) for g in range(len(names))]
    value = statistic(np.arange(len(member)))
    found = np.empty(draws)
    for draw in range(draws):
        chosen = rng.integers(len(files), size=len(files))
        found[draw] = statistic(np.concatenate([files[g] for g in chosen]))
    kept = found[np.isfinite(found)]
    if len(kept) < draws // 2:
        return Interval(value, math.nan, math.nan, len(files))
    low, high = np.quantile(kept, [0.025, 0.975])
    return Interval(value, float(low), float(high), len(files))


def measure(
    labels: Labels,
    scores: Floats,
    probabilities: Floats,
    groups: Sequence[str],
    rng: np.random.Generator,
    draws: int = 1000,
) -> Measures:
    """All figures of one set of files; calibration figures weigh both classes alike (prior one half)."""
    weights = balanced_weights(labels)
    return Measures(
        files=len(labels),
        fakes=int(np.sum(labels)),
        auc=bootstrap(lambda i: auc(labels[i], scores[i]), groups, rng, draws),
        average_precision=average_precision(labels, scores),
        eer=eer(labels, scores),
        tpr_at_fpr_1=tpr_at_fpr(labels, scores, 0.01),
        tpr_at_fpr_5=tpr_at_fpr(labels, scores, 0.05),
        ece=ece(labels, probabilities, weights),
        brier=brier(labels, probabilities, weights),
        log_loss=log_loss(labels, probabilities, weights),
    )


def _both(labels: Labels) -> bool:
    fakes = int(np.sum(labels))
    return 0 < fakes < len(labels)


def _weights(count: int, weights: Floats | None) -> Floats:
    """Weights that sum to 1."""
    if weights is None:
        return np.full(count, 1.0 / max(count, 1))
    return np.asarray(weights / weights.sum(), np.float64)


def _sklearn() -> Any:
    try:
        from sklearn import metrics
    except ImportError as error:
        raise MissingExtraError(
            f'measuring needs scikit-learn ({error}); run: pip install "dfdetect[train]"'
        ) from error
    return metrics
