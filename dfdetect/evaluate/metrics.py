"""How good scores and probabilities are: separation, calibration, and how far the figures can be trusted.

Everywhere `labels` is ``[n]`` with 1 for fake and 0 for real, higher scores mean fake, and `weights` is
``[n]``.  A figure that needs both classes is NaN when there is only one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.evaluate import weighted
from dfdetect.evaluate.weighted import Floats, Interval

Labels = NDArray[np.integer[Any]]
Statistic = Callable[[NDArray[np.intp]], float]

_TINY = 1e-6


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
    # By ranks: `bootstrap` calls this thousands of times; a whole curve (`weighted.Roc`) takes longer, and
    # scikit-learn checks its input for longer than it takes to compute.
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    fake = np.asarray(labels) == 1
    fakes, reals = int(fake.sum()), int((~fake).sum())
    return float((ranks[fake].sum() - fakes * (fakes + 1) / 2) / (fakes * reals))


def average_precision(labels: Labels, scores: Floats) -> float:
    """Area under precision over recall, as scikit-learn defines it; depends on the share of fakes."""
    return float(_roc(labels, scores).average_precision()[0]) if _both(labels) else math.nan


def eer(labels: Labels, scores: Floats) -> float:
    """Equal error rate: where as many reals are called fake as fakes are called real, 0–1."""
    return float(_roc(labels, scores).eer()[0]) if _both(labels) else math.nan


def tpr_at_fpr(labels: Labels, scores: Floats, limit: float) -> float:
    """Share of fakes found by the lowest threshold that calls at most `limit` of the reals fake."""
    return float(_roc(labels, scores).tpr_at_fpr(limit)[0]) if _both(labels) else math.nan


def ece(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Expected calibration error over bins of equal mass.

    Biased upward for few files: a perfectly calibrated model gets about .08 with 200 of them, and more where
    they weigh unequally; `weighted.ece_by_chance` says how much.
    """
    w = _shares(weights)[None, :]
    return float(weighted.ece(np.asarray(labels) == 1, np.asarray(probabilities, np.float64), w)[0])


def brier(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Mean squared distance of probability and label."""
    return float(_shares(weights) @ (probabilities - labels) ** 2)


def log_loss(labels: Labels, probabilities: Floats, weights: Floats) -> float:
    """Mean negative log-likelihood in nats, with probabilities kept one in a million off 0 and 1."""
    return float(_shares(weights) @ file_losses(labels, probabilities))


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
    both classes, which is left out.  The ends are those of `weighted.interval_of` and `weighted.informative`.
    The draws are those of `weighted.Draws`; that takes figures of weights for all draws at once, this any
    figure of files, one draw at a time.
    """
    names, member = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    files = [np.flatnonzero(member == g) for g in range(len(names))]
    found = [statistic(np.arange(len(member)))]
    for _ in range(draws):
        chosen = rng.integers(len(files), size=len(files))
        found.append(statistic(np.concatenate([files[g] for g in chosen])))
    return weighted.informative(weighted.interval_of(np.array(found), len(files)))


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


def _shares(weights: Floats) -> Floats:
    """Weights that sum to 1."""
    return np.asarray(weights / weights.sum(), np.float64)


def _roc(labels: Labels, scores: Floats) -> weighted.Roc:
    """The one curve of the files as they are."""
    scores = np.asarray(scores, np.float64)
    return weighted.Roc.of(np.asarray(labels) == 1, scores, np.ones((1, len(scores))))


def spearman(a: Floats, b: Floats) -> float:
    """Rank correlation of two rows of numbers ``[n]``; 0 where one of them never changes."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(weighted.rank_correlation(a, b, np.ones((1, len(a))))[0])
