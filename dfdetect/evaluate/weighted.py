"""Figures of all bootstrap draws at once: a draw is a weight for every file.

Whole groups are drawn with replacement, once for a whole report, so that all its figures speak of the same
draws.  A file's weight in a draw is the number of times that its group was drawn.  Scores are then sorted
once instead of once a draw, which makes several hundred draws of a hundred slices a matter of seconds.
scikit-learn's functions take weights too, but one draw at a time; the tests hold these here against them.

`fake` is ``[n]``, `weights` ``[draws, n]`` and the figures ``[draws]``; a figure that needs both classes is
NaN in a draw that lacks one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]
Statistic = Callable[[Floats], Mapping[str, Floats]]

_CELLS = 2_000_000  # weights held at a time
_SLACK = 1e-12
_BINS = 15  # of a calibration error


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval over groups; `low` and `high` are NaN where there is none."""

    value: float
    low: float
    high: float
    groups: int
    """Number of groups that were drawn from, of a figure of both classes that of the class with fewer; below
    20 the interval is rough."""


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """How often each group is drawn."""

    counts: NDArray[np.uint16]
    """``[1 + draws, groups]``; the first row is all ones: the files as they are."""
    member: Indices
    """The group of each file, ``[n]``."""

    @classmethod
    def of(cls, groups: Sequence[str], rng: np.random.Generator, draws: int) -> Draws:
        """Draw as many groups as there are, with replacement, `draws` times."""
        names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
        counts = np.ones((draws + 1, len(names)), np.uint16)
        for row in counts[1:]:
            row[:] = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        return cls(counts, np.asarray(member, np.intp))

    def groups_of(self, files: Indices, fake: Bools | None = None) -> int:
        """Number of groups among some files; with their labels, of the class that has fewer."""
        if fake is not None:
            return min(self.groups_of(files[fake]), self.groups_of(files[~fake]))
        return len(np.unique(self.member[files]))

    def weights(self, files: Indices) -> Iterator[Floats]:
        """Weights of `files` (indices, ``[m]``, repeats allowed), some draws at a time."""
        rows = max(1, _CELLS // max(len(files), 1))
        columns = self.member[files]
        for start in range(0, len(self.counts), rows):
            yield self.counts[start : start + rows, columns].astype(np.float64)

    def values(self, files: Indices, statistic: Statistic) -> dict[str, Floats]:
        """Every figure of `statistic`, ``[1 + draws]``, the one on the files as they are first."""
        parts = [statistic(weights) for weights in self.weights(files)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def intervals(
        self, files: Indices, statistic: Statistic, fake: Bools | None = None
    ) -> dict[str, Interval]:
        """Every figure of `statistic` with its interval, see `informative`.

        `fake` are the labels of `files`, for figures of both classes: hundreds of reals do not make up for
        a handful of fakes.
        """
        groups = self.groups_of(files, fake)
        found = self.values(files, statistic)
        return {name: informative(interval_of(drawn, groups)) for name, drawn in found.items()}

    def share(self, files: Indices, holds: Bools) -> Interval:
        """Share of `files` for which `holds` is true.

        Where it is 0 or 1 every draw says the same, and the interval is that of Clopper and Pearson (1934)
        for so many groups instead of one of no width.
        """
        found = self.intervals(files, lambda w: {"share": share(holds, w)})["share"]
        if math.isnan(found.value) or 0 < found.value < 1:
            return found
        bound = 0.025 ** (1 / found.groups)
        if found.value == 0:
            return Interval(0.0, 0.0, 1 - bound, found.groups)
        return Interval(1.0, bound, 1.0, found.groups)


def interval_of(drawn: Floats, groups: int) -> Interval:
    """Interval from a figure's value (first) and its draws (rest).

    NaN when most draws gave none, and for a single group, of which all draws are the same.
    """
    value, kept = float(drawn[0]), drawn[1:][np.isfinite(drawn[1:])]
    if groups < 2 or len(kept) == 0 or len(kept) < (len(drawn) - 1) / 2 or math.isnan(value):
        return Interval(value, math.nan, math.nan, groups)
    low, high = (float(v) for v in np.quantile(kept, [0.025, 0.975]))
    return Interval(value, low, high, groups)


def informative(found: Interval) -> Interval:
    """The same without its ends where they are one: draws that do not differ look like certainty.

    So it is when every fake scores above every real: no choice of these files can tell how far the AUC of
    others may be from 1.
    """
    if found.high - found.low > _SLACK:
        return found
    return Interval(found.value, math.nan, math.nan, found.groups)


def share(holds: Bools, weights: Floats) -> Floats:
    """Weighted share of true values."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weights @ holds) / weights.sum(axis=1), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """The ROC curve of each draw, from the strictest threshold (nothing is called fake) to the laxest."""

    fpr: Floats
    """``[draws, thresholds + 1]``, rising from 0 to 1."""
    tpr: Floats
    precision: Floats
    """Share of fakes among what is called fake; 1 where nothing is."""

    @classmethod
    def of(cls, fake: Bools, scores: Floats, weights: Floats) -> Roc:
        """Curves of scores ``[n]``; files of equal score pass a threshold together."""
        order = np.argsort(-scores, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
        own, w = fake[order], weights[:, order]
        start = np.zeros((len(w), 1))
        fakes = np.hstack([start, np.cumsum(w * own, axis=1)[:, ends]])
        reals = np.hstack([start, np.cumsum(w * ~own, axis=1)[:, ends]])
        with np.errstate(invalid="ignore", divide="ignore"):
            called = fakes + reals
            precision = np.where(called > 0, fakes / called, 1.0)
            return cls(reals / reals[:, -1:], fakes / fakes[:, -1:], precision)

    def auc(self) -> Floats:
        """Area under the curve: probability that a fake scores higher than a real (ties count half)."""
        height = (self.tpr[:, 1:] + self.tpr[:, :-1]) / 2
        return np.asarray((np.diff(self.fpr, axis=1) * height).sum(axis=1))

    def average_precision(self) -> Floats:
        """Area under precision over recall, by steps, as scikit-learn defines it."""
        area = np.asarray((np.diff(self.tpr, axis=1) * self.precision[:, 1:]).sum(axis=1))
        return np.where(np.isnan(self.fpr[:, -1]), np.nan, area)

    def eer(self) -> Floats:
        """Rate at which as many reals are called fake as fakes are missed, on the curve's straight lines."""
        gap = (1 - self.tpr) - self.fpr
        after = np.argmax(gap <= 0, axis=1)
        rows, before = np.arange(len(gap)), np.maximum(after - 1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            part = gap[rows, before] / (gap[rows, before] - gap[rows, after])
        return np.asarray(
            self.fpr[rows, before] + part * (self.fpr[rows, after] - self.fpr[rows, before]), np.float64
        )

    def tpr_at_fpr(self, limit: float) -> Floats:
        """Share of fakes found by the laxest threshold that calls at most `limit` of the reals fake."""
        found = np.where(self.fpr <= limit + _SLACK, self.tpr, 0.0).max(axis=1)
        return self._known(found)

    def fpr_at_tpr(self, limit: float) -> Floats:
        """Share of reals called fake by the strictest threshold that finds at least `limit` of the fakes."""
        found = np.where(self.tpr >= limit - _SLACK, self.fpr, 1.0).min(axis=1)
        return self._known(found)

    def _known(self, found: Floats) -> Floats:
        """NaN in draws that lack a class."""
        return np.where(np.isnan(self.fpr[:, -1] + self.tpr[:, -1]), np.nan, found)


def balanced(fake: Bools, weights: Floats) -> Floats:
    """Weights ``[draws, n]`` in which fakes and reals sum to one half each: prior one half."""
    fakes, reals = weights @ fake, weights @ ~fake
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(fake, weights / fakes[:, None], weights / reals[:, None]) / 2, np.float64)


def ece(fake: Bools, probabilities: Floats, weights: Floats) -> Floats:
    """Expected calibration error over bins of equal mass, `weights` rows summing to 1.

    Guo et al., On Calibration of Modern Neural Networks, 2017; equal mass as in Nguyen and O'Connor, 2015.
    Chance alone makes it larger than 0, and repeated files more so: an interval from draws of files would not
    hold the true value.  `ece_by_chance` says how large it is without any error of calibration.
    """
    order = np.lexsort((*weights, fake, probabilities))  # equal probabilities in an order of their own, too
    w = weights[:, order]
    place = mass_bins(probabilities[order], w, _BINS) + _BINS * np.arange(len(w))[:, None]
    gap = w * (fake[order] - probabilities[order])
    sums = np.bincount(place.ravel(), gap.ravel(), minlength=_BINS * len(w)).reshape(len(w), _BINS)
    return np.asarray(np.abs(sums).sum(axis=1), np.float64)


def ece_by_chance(
    probabilities: Floats, weights: Floats, rng: np.random.Generator, draws: int = 200
) -> float:
    """Mean ECE of a perfectly calibrated model with these probabilities ``[n]`` and `weights` ``[n]``.

    The weights sum to 1 and stay as they are; labels are drawn from the probabilities, each file on its own
    (consistency resampling: Bröcker and Smith, Increasing the Reliability of Reliability Diagrams, 2007).
    Files of one group that go wrong together make more chance than that.
    """
    order = np.lexsort((weights, probabilities))
    p, w = probabilities[order], weights[order]
    place = mass_bins(p, w[None, :], _BINS)[0]
    gaps = (w * ((rng.random(len(p)) < p) - p) for _ in range(draws))
    return float(np.mean([np.abs(np.bincount(place, gap, minlength=_BINS)).sum() for gap in gaps]))


def mass_bins(probabilities: Floats, weights: Floats, bins: int) -> Indices:
    """The bin, from 0, of files by their sorted probabilities ``[n]`` and `weights` ``[draws, n]`` whose rows
    sum to 1; equal mass each.

    Files of equal probability are never told apart, or their order would: all go where the middle of their
    mass lies.
    """
    starts = np.flatnonzero(np.diff(probabilities, prepend=np.nan))
    mass = np.add.reduceat(weights, starts, axis=1)
    middle = np.nan_to_num((np.cumsum(mass, axis=1) - mass / 2) * bins)
    place = np.clip(middle.astype(np.intp), 0, bins - 1)
    return np.repeat(place, np.diff(np.append(starts, len(probabilities))), axis=1)


def brier(fake: Bools, probabilities: Floats, weights: Floats) -> Floats:
    """Mean squared distance of probability and label, `weights` rows summing to 1 (Brier, 1950)."""
    return np.asarray(weights @ (probabilities - fake) ** 2, np.float64)


def rank_correlation(a: Floats, b: Floats, weights: Floats) -> Floats:
    """Spearman's correlation ``[draws]``: Pearson's of the mean ranks; 0 where one of both never changes.

    NaN in a draw without any file.
    """
    x, y = _ranks(a, weights), _ranks(b, weights)
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        x = x - (weights * x).sum(axis=1, keepdims=True) / total
        y = y - (weights * y).sum(axis=1, keepdims=True) / total
    spread = np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
    joint = (weights * x * y).sum(axis=1)
    # What never changes goes with nothing; its ranks differ by rounding alone.
    still = spread <= 1e-9 * total[:, 0] ** 3
    return np.asarray(np.where(still, 0.0, joint / np.where(still, 1.0, spread)), np.float64)


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Mean ranks ``[draws, n]`` of files of which each is there `weights` times."""
    order = np.argsort(values, kind="stable")
    starts = np.append(0, np.flatnonzero(np.diff(values[order])) + 1)
    total = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(total, axis=1) - total + (total + 1) / 2
    ranks = np.empty_like(weights)
    ranks[:, order] = np.repeat(middle, np.diff(np.append(starts, len(order))), axis=1)
    return ranks
