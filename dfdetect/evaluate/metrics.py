"""How good scores and probabilities are: separation, calibration, and how far the figures can be trusted.

Everywhere `labels` is ``[n]`` with 1 for fake and 0 for real, and higher scores mean fake.  A figure that
needs both classes is NaN when there is only one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.evaluate import weighted
from dfdetect.evaluate.weighted import Draws, Floats, Interval, Roc

Labels = NDArray[np.integer[Any]]

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
    return float(_roc(labels, scores).auc()[0])


def file_losses(labels: Labels, probabilities: Floats) -> Floats:
    """Negative log-likelihood of each file, ``[n]``."""
    kept = np.clip(probabilities, _TINY, 1 - _TINY)
    return np.asarray(-np.where(np.asarray(labels) == 1, np.log(kept), np.log1p(-kept)), np.float64)


def balanced_weights(labels: Labels) -> Floats:
    """``[n]``, summing to n, in which both classes weigh the same (1 for all when there is one class)."""
    fake = np.asarray(labels) == 1
    if fake.all() or not fake.any():
        return np.ones(len(fake))
    return np.asarray(np.where(fake, 0.5 / fake.mean(), 0.5 / (~fake).mean()), np.float64)


def measure(
    labels: Labels,
    scores: Floats,
    probabilities: Floats,
    groups: Sequence[str],
    rng: np.random.Generator,
    draws: int,
) -> Measures:
    """All figures of one set of files; calibration figures weigh both classes alike (prior one half)."""
    fake, roc = np.asarray(labels) == 1, _roc(labels, scores)
    shares = balanced_weights(labels)[None, :] / len(labels)
    drawn, every = Draws.of(groups, rng, draws), np.arange(len(labels))
    return Measures(
        files=len(labels),
        fakes=int(fake.sum()),
        auc=drawn.intervals(every, lambda w: {"auc": Roc.of(fake, scores, w).auc()}, fake)["auc"],
        average_precision=float(roc.average_precision()[0]),
        eer=float(roc.eer()[0]),
        tpr_at_fpr_1=float(roc.tpr_at_fpr(0.01)[0]),
        tpr_at_fpr_5=float(roc.tpr_at_fpr(0.05)[0]),
        ece=float(weighted.ece(fake, probabilities, shares)[0]),
        brier=float(weighted.brier(fake, probabilities, shares)[0]),
        log_loss=float(shares[0] @ file_losses(labels, probabilities)),
    )


def spearman(a: Floats, b: Floats) -> float:
    """Rank correlation of two rows of numbers ``[n]``; 0 where one of them never changes."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(weighted.rank_correlation(a, b, np.ones((1, len(a))))[0])


def _roc(labels: Labels, scores: Floats) -> Roc:
    """The one curve of the files as they are."""
    return Roc.of(np.asarray(labels) == 1, np.asarray(scores, np.float64), np.ones((1, len(labels))))
