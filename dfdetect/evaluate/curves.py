"""What the plots show: ROC curves, reliability and distribution of the probabilities, as plain numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfdetect.evaluate import weighted
from dfdetect.evaluate.columns import Files
from dfdetect.evaluate.slices import LEAST
from dfdetect.evaluate.weighted import Draws, Floats, Interval, Roc, interval_of
from dfdetect.results import MediaKind

_GRID = np.linspace(0.0, 1.0, 101)
_BINS = 10
_BIN_FILES = 15  # fewer bins rather than fewer files in each
_BARS = 20


@dataclass(frozen=True, slots=True)
class RocCurve:
    """Share of fakes found over share of reals called fake, with a pointwise 95 % band."""

    fpr: tuple[float, ...]
    tpr: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    auc: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of probabilities; all bins hold the same mass when reals and fakes weigh alike, as far as files
    of equal probability, which stay together, allow.
    """

    files: int
    predicted: float
    """Mean probability, at the calibration's own prior."""
    observed: Interval
    """Share of fakes."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Shares of reals and of fakes, over equal bins of the probability."""

    edges: tuple[float, ...]
    reals: tuple[float, ...]
    fakes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """All curves of one medium."""

    medium: str
    roc: RocCurve
    reliability: tuple[ReliabilityBin, ...]
    distribution: Distribution
    band: tuple[float, float] | None
    """Where *uncertain* begins and ends; None when the files were judged with different bands."""


def curves(files: Files, bands: Sequence[tuple[float, float] | None], draws: Draws) -> tuple[Curves, ...]:
    """Curves of all media with at least five judged files of each class; `bands` are those of the files."""
    out = []
    for medium in MediaKind:
        index = np.flatnonzero(files.of(medium) & files.judged)
        fake, neutral = files.fake[index], files.neutral[index]
        if min(int(fake.sum()), int((~fake).sum())) < LEAST:
            continue
        used = Counter(band for i in index if (band := bands[int(i)]) is not None)
        out.append(
            Curves(
                medium=medium.value,
                roc=_roc(fake, neutral, index, draws),
                reliability=_reliability(fake, neutral, index, draws),
                distribution=_distribution(fake, files.probability[index]),
                band=next(iter(used)) if len(used) == 1 else None,
            )
        )
    return tuple(out)


def _roc(fake: weighted.Bools, scores: Floats, index: weighted.Indices, draws: Draws) -> RocCurve:
    def statistic(weights: Floats) -> dict[str, Floats]:
        roc = Roc.of(fake, scores, weights)
        # The share found at each share of false alarms: the laxest threshold that does not exceed it.
        places = [np.searchsorted(row, _GRID + 1e-12, side="right") - 1 for row in roc.fpr]
        found = np.take_along_axis(roc.tpr, np.array(places), axis=1)
        found[np.isnan(roc.fpr[:, -1])] = np.nan
        return {"tpr": found, "auc": roc.auc()}

    drawn = draws.values(index, statistic)
    groups = draws.groups_of(index, fake)
    points = [interval_of(column, groups) for column in drawn["tpr"].T]
    return RocCurve(
        fpr=tuple(float(x) for x in _GRID),
        tpr=tuple(p.value for p in points),
        low=tuple(p.low for p in points),
        high=tuple(p.high for p in points),
        auc=float(drawn["auc"][0]),
    )


def _reliability(
    fake: weighted.Bools, probability: Floats, index: weighted.Indices, draws: Draws
) -> tuple[ReliabilityBin, ...]:
    order = np.lexsort((fake, probability))
    fake, probability, index = fake[order], probability[order], index[order]
    level = weighted.balanced(fake, np.ones((1, len(fake))))
    bins = min(_BINS, max(3, len(fake) // _BIN_FILES))
    place = weighted.mass_bins(probability, level, bins)[0]
    out = []
    for number in range(bins):
        own = place == number
        if not own.any():
            continue

        def statistic(weights: Floats, own: weighted.Bools = own) -> dict[str, Floats]:
            # Reals and fakes weigh alike over *all* files, so the weights need all of them.
            mass = weighted.balanced(fake, weights)[:, own]
            return {"share": weighted.share(fake[own], mass)}

        observed = draws.intervals(index, statistic, fake)["share"]
        predicted = float(np.average(probability[own], weights=level[0, own]))
        out.append(ReliabilityBin(int(own.sum()), predicted, observed))
    return tuple(out)


def _distribution(fake: weighted.Bools, probability: Floats) -> Distribution:
    edges = np.linspace(0.0, 1.0, _BARS + 1)

    def shares(chosen: weighted.Bools) -> tuple[float, ...]:
        counts, _ = np.histogram(probability[chosen], edges)
        return tuple(float(c) for c in counts / chosen.sum())

    return Distribution(tuple(float(e) for e in edges), shares(~fake), shares(fake))
