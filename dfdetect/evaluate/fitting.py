"""Small fits behind a calibration: penalised logistic regression, Platt scaling, the conformal band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.evaluate.metrics import balanced_weights
from dfdetect.verdict.calibration import Platt, to_log_odds, to_probability

Floats = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]


def fit_logistic(x: Floats, targets: Floats, weights: Floats, centre: Floats, strength: Floats) -> Floats:
    """Logistic regression with a Gaussian prior, by Newton's method; deterministic.

    `x` ``[n, k]``, `targets` ``[n]`` in 0–1 (fractions allowed), `weights` ``[n]``; the result, `centre` and
    `strength` (precision of the prior) are ``[k + 1]`` with the bias last.
    """
    design = np.column_stack([x, np.ones(len(x))])
    beta = centre.astype(np.float64).copy()
    loss = _loss(design, targets, weights, beta, centre, strength)
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -60, 60)))
        gradient = design.T @ (weights * (p - targets)) + strength * (beta - centre)
        curvature = (design * (weights * p * (1 - p))[:, None]).T @ design + np.diag(strength + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        scale = 1.0
        while scale > 1e-6:  # halve the step until it does not make things worse
            moved = _loss(design, targets, weights, beta - scale * step, centre, strength)
            if moved <= loss:
                break
            scale /= 2
        else:
            break
        beta, change, loss = beta - scale * step, loss - moved, moved
        if change < 1e-10 * (1 + abs(loss)):
            break
    return beta


def _loss(
    design: Floats, targets: Floats, weights: Floats, beta: Floats, centre: Floats, strength: Floats
) -> float:
    z = design @ beta
    return float(weights @ (np.logaddexp(0, z) - targets * z) + 0.5 * strength @ (beta - centre) ** 2)


def fit_platt(logits: Floats, labels: Labels, centre: Platt | None = None, strength: float = 0.0) -> Platt:
    """Platt scaling ``[n]`` → ``a * logit + b`` at prior one half, with Platt's smoothed targets.

    `centre` and `strength` draw the fit towards another one, as `strength` further files would on which that
    one is right.  A slope below 0 (the score says nothing, or the contrary) becomes 0.  With one class only,
    `centre` is returned, or the identity without one.
    """
    fakes = int(np.sum(labels))
    reals = len(labels) - fakes
    if not fakes or not reals:
        return centre if centre is not None else Platt(1.0, 0.0)
    targets = np.where(np.asarray(labels) == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weights = balanced_weights(labels)
    mean, spread = float(logits.mean()), float(logits.std()) or 1.0
    z = (logits - mean) / spread
    if centre is not None and strength > 0:
        said = np.array([to_probability(centre.log_odds(float(v))) for v in logits])
        z, targets = np.concatenate([z, z]), np.concatenate([targets, said])
        weights = np.concatenate([weights, np.full(len(said), strength / len(said))])
    pull = np.array([1e-3, 0.0])  # keeps the slope finite where the classes do not overlap
    slope, bias = fit_logistic(z[:, None], targets, weights, np.zeros(2), pull)
    if slope < 0:
        slope, bias = 0.0, to_log_odds(float(np.average(targets, weights=weights)))
    return Platt(float(slope / spread), float(bias - slope * mean / spread))


def fit_weights(x: Floats, labels: Labels, strength: float, positive: bool) -> Floats:
    """Weights ``[k + 1]`` (bias last) of features ``[n, k]`` for a fake, drawn towards 0 when standardised.

    `positive`: features whose weight would be below 0 are left out one by one.
    """
    used = list(range(x.shape[1]))
    while True:
        mean, spread = x[:, used].mean(axis=0), x[:, used].std(axis=0)
        spread = np.where(spread < 1e-9, 1.0, spread)
        pull = np.array([strength] * len(used) + [0.0])
        targets = np.asarray(labels, np.float64)
        beta = fit_logistic(
            (x[:, used] - mean) / spread, targets, balanced_weights(labels), np.zeros(len(pull)), pull
        )
        worst = int(np.argmin(beta[:-1]))
        if not positive or beta[worst] >= 0 or len(used) == 1:
            break
        del used[worst]
    full = np.zeros(x.shape[1] + 1)
    full[used] = beta[:-1] / spread
    full[-1] = beta[-1] - float((beta[:-1] * mean / spread).sum())
    return full


def conformal_band(
    log_odds: Floats, labels: Labels, groups: Sequence[str], error_rate: float
) -> tuple[float, float]:
    """Class-conditional conformal band (Mondrian): probabilities (real below, fake from).

    At most `error_rate` of the reals of a new group are called fake, and of the fakes real, as far as new
    groups are like those fitted on.  Of each group the worst file counts, which is conservative.  With fewer
    than ``1 / error_rate - 1`` groups of a class that side cannot be promised and stays open (0 or 1).
    """
    fake = np.asarray(labels) == 1
    names = np.asarray(groups, dtype=object)
    most_real_fakes = _worst(log_odds[fake], names[fake], np.min)
    most_fake_reals = _worst(log_odds[~fake], names[~fake], np.max)
    fake_floor = -_conformal_bound(-most_real_fakes, error_rate)
    real_ceiling = _conformal_bound(most_fake_reals, error_rate)
    # A file is called fake when real is ruled out and fake is not, and the other way round.
    low, high = min(fake_floor, real_ceiling), max(fake_floor, real_ceiling)
    # A verdict is fake *from* the upper limit on; the calibration's own borderline real must not be.
    return _probability(low), min(1.0, _probability(high) + 1e-9)


def _conformal_bound(scores: Floats, error_rate: float) -> float:
    """The value that a new score exceeds with probability `error_rate` at most; infinite for too few."""
    rank = math.ceil((len(scores) + 1) * (1 - error_rate) - 1e-9)
    return float(np.sort(scores)[rank - 1]) if 1 <= rank <= len(scores) else math.inf


def _worst(values: Floats, groups: NDArray[Any], pick: Any) -> Floats:
    return np.array([pick(values[groups == g]) for g in sorted(set(groups.tolist()))], np.float64)


def _probability(log_odds: float) -> float:
    if math.isinf(log_odds):
        return 0.0 if log_odds < 0 else 1.0
    return to_probability(log_odds)
