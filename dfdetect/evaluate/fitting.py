"""Small fits behind a calibration: penalised logistic regression, calibrators, the conformal band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import MissingExtraError
from dfdetect.evaluate.metrics import balanced_weights
from dfdetect.evaluate.weighted import Floats
from dfdetect.verdict.calibration import Isotonic, Platt, to_probability

Labels = NDArray[np.integer[Any]]

_HAIR = 1e-9


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


def fit_platt(
    logits: Floats,
    labels: Labels,
    centre: Platt | None = None,
    strength: float = 0.0,
    offset: bool = True,
) -> Platt:
    """Platt scaling ``[n]`` → ``a * logit + b`` at prior one half, with targets smoothed as Platt's are.

    `centre` and `strength` draw the fit towards another one, as `strength` further files would on which that
    one is right.  `offset` False keeps `b` at 0: temperature scaling.  Where the slope is not above 0 (the
    score says nothing, or the contrary) `a` and `b` are 0.  With one score for all files they
    are those of `centre`, or 0; with one class only, those of `centre`, or the identity's.
    """
    fakes = int(np.sum(labels))
    reals = len(labels) - fakes
    if not fakes or not reals:
        return centre if centre is not None else Platt(1.0, 0.0)
    # By as much for both, since the classes weigh alike: else the mean would depend on how many files there
    # are, and so would the answer to a score that says nothing.
    smooth = (1 / (fakes + 2) + 1 / (reals + 2)) / 2
    targets = np.where(np.asarray(labels) == 1, 1 - smooth, smooth)
    weights = balanced_weights(labels)
    mean = float(logits.mean()) if offset else 0.0
    spread = float(logits.std())
    if spread < _HAIR:
        return centre if centre is not None else Platt(0.0, 0.0)
    z = (logits - mean) / spread
    if centre is not None and strength > 0:
        said = np.array([to_probability(centre.log_odds(float(v))) for v in logits])
        z, targets = np.concatenate([z, z]), np.concatenate([targets, said])
        weights = np.concatenate([weights, np.full(len(said), strength / len(said))])
    # The first keeps the slope finite where the classes do not overlap.
    pull = np.array([1e-3, 0.0 if offset else 1e9])
    slope, bias = fit_logistic(z[:, None], targets, weights, np.zeros(2), pull)
    if slope <= 0:
        return Platt(0.0, 0.0)  # the classes weigh alike, so nothing is one half
    return Platt(float(slope / spread), float(bias - slope * mean / spread) if offset else 0.0)


def require_scikit_learn() -> None:
    """Raise `MissingExtraError` where it is not installed: before the work that needs it in the end."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"calibrating needs scikit-learn ({error}); run: pip install scikit-learn"
        ) from error


def fit_isotonic(logits: Floats, labels: Labels) -> Isotonic:
    """Isotonic regression ``[n]`` → probability at prior one half; needs both classes.

    Its ends are kept off 0 and 1 by as much as so many files of a class can show (Laplace's rule).
    """
    require_scikit_learn()
    from sklearn.isotonic import IsotonicRegression

    fakes = int(np.sum(labels))
    least, most = 1 / (len(labels) - fakes + 2), 1 - 1 / (fakes + 2)
    model = IsotonicRegression(y_min=least, y_max=most, out_of_bounds="clip")
    model.fit(logits, np.asarray(labels, np.float64), sample_weight=balanced_weights(labels))
    x, y = model.X_thresholds_, model.y_thresholds_
    return Isotonic(tuple(float(v) for v in x), tuple(float(v) for v in y))


def fit_weights(
    x: Floats,
    labels: Labels,
    strength: float | Floats,
    positive: int = 0,
    centre: Floats | None = None,
) -> Floats:
    """Weights ``[k + 1]`` (bias last) of features ``[n, k]`` for a fake.

    Each is drawn with its `strength` (one for all, or ``[k]``) towards `centre` ``[k]`` (None: 0), in units
    of the standardised features.  Of the first `positive` features those whose weight would be below 0 are
    left out one by one.
    """
    k = x.shape[1]
    pull = np.broadcast_to(np.asarray(strength, np.float64), (k,))
    goal = np.zeros(k) if centre is None else centre
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread < 1e-9, 1.0, spread)
    used = np.ones(k, bool)
    while True:
        beta = fit_logistic(
            ((x - mean) / spread)[:, used],
            np.asarray(labels, np.float64),
            balanced_weights(labels),
            np.append((goal * spread)[used], 0.0),
            np.append(pull[used], 0.0),
        )
        full = np.zeros(k)
        full[used] = beta[:-1] / spread[used]
        if positive == 0 or full[:positive].min() >= 0 or used[:positive].sum() == 1:
            return np.append(full, beta[-1] - float(full @ mean))
        used[int(np.argmin(full[:positive] * spread[:positive]))] = False


def conformal_bounds(
    log_odds: Floats,
    labels: Labels,
    groups: Sequence[str],
    error_rate: float,
    miss_rate: float | None = None,
) -> tuple[float, float]:
    """Class-conditional conformal bounds (Mondrian), as log-odds: all below the first may be called real, all
    above the second fake; `band_between` makes the band of them.

    A real file of a new group is called fake with probability `error_rate` at most, a fake one real with
    `miss_rate` (None: the same), as far as new groups are like those fitted on.  A group's files share one
    vote among them, after Lee, Barber and Willett, Distribution-free inference with hierarchical data (2023).
    With fewer than ``1 / rate - 1`` groups of a class that side cannot be promised and is infinite.
    """
    fake = np.asarray(labels) == 1
    names = np.asarray(groups, dtype=object).astype(str)
    missed = error_rate if miss_rate is None else miss_rate
    fake_floor = -_conformal_bound(-log_odds[fake], names[fake], missed)
    return fake_floor, _conformal_bound(log_odds[~fake], names[~fake], error_rate)


def band_between(fake_floor: float, real_ceiling: float) -> tuple[float, float]:
    """The band of two `conformal_bounds`, as probabilities (real below, fake from); open sides are 0 or 1.

    Where both promises hold without any band (the score keeps the classes apart, or the rates are lax), one
    limit for both in the middle between the bounds.
    """
    if fake_floor > real_ceiling:
        middle = _probability((fake_floor + real_ceiling) / 2)
        # People are shown a limit without a band with all its digits.
        for limit in (round(middle, 4), middle):
            if _probability(real_ceiling) + _HAIR <= limit <= _probability(fake_floor):
                return limit, limit
    low, high = min(fake_floor, real_ceiling), max(fake_floor, real_ceiling)
    # A verdict is fake *from* the upper limit on; the calibration's own borderline real must not be.
    return _probability(low), min(1.0, _probability(high) + _HAIR)


def _conformal_bound(scores: Floats, groups: NDArray[Any], rate: float) -> float:
    """The value that the score of a new group's file exceeds with probability `rate` at most; infinite for
    too few groups.
    """
    names, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    # The new group has a vote too, and it might lie anywhere: at infinity.
    reached = np.cumsum(1.0 / sizes[member[order]]) >= (len(names) + 1) * (1 - rate) - 1e-9
    return float(scores[order][int(np.argmax(reached))]) if reached.any() else math.inf


def _probability(log_odds: float) -> float:
    if math.isinf(log_odds):
        return 0.0 if log_odds < 0 else 1.0
    return to_probability(log_odds)
