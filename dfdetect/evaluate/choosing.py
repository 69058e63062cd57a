"""Choose how a calibration is made: every rival is judged on sources that its fit has not seen."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import InputError
from dfdetect.evaluate import metrics
from dfdetect.evaluate.fitting import require_scikit_learn
from dfdetect.evaluate.pipeline import (
    CANDIDATES,
    PLATT,
    TEMPERATURE,
    Recipe,
    fit_pipeline,
)
from dfdetect.evaluate.records import Record
from dfdetect.evaluate.weighted import Floats
from dfdetect.results import MediaKind
from dfdetect.verdict.calibration import to_probability

Fold = NDArray[np.intp]

PLATT_GROUPS = 100
"""Groups from which on Platt scaling is the rule; with fewer its offset must prove itself against none."""
ISOTONIC_GROUPS = 1000
"""Groups of one medium from which on isotonic regression is tried: with fewer its steps are noise."""
PENALTIES = (1.0, 0.5, 0.0)
_LEAST_GAIN = 0.005  # nats a file: of ten rivals one is better by a standard error by mere chance
_CLASSES = ((0, "real"), (1, "fake"))
_MIN_CROWDS = 20  # files with several persons, of each class, from which on their penalty is learned


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One recipe, and how it does on files that it was not fitted on."""

    recipe: Recipe
    log_odds: Floats
    """Of each file, at prior one half, ``[n]``."""
    losses: Floats
    """Class-balanced loss of each file, ``[n]``, in nats."""
    auc: float

    @property
    def loss(self) -> float:
        """Mean loss."""
        return float(self.losses.mean())

    def values(self) -> dict[str, Any]:
        """What the calibration says about it."""
        return {**dataclasses.asdict(self.recipe), "log_loss": round(self.loss, 4), "auc": round(self.auc, 4)}


@dataclass(frozen=True, slots=True, eq=False)
class Chooser:
    """Tries recipes on the same folds."""

    records: Sequence[Record]
    labels: NDArray[Any]
    folds: Sequence[Fold]
    tried: list[Trial] = field(default_factory=list)

    def choose(self, aggregators: Sequence[str] = CANDIDATES) -> Trial:
        """The best trial: first the aggregator, then penalty, fusion and calibrator, each simplest first.

        All but the last are compared under Platt scaling: without an offset, that rival would win which makes
        up for it.
        """
        first = Recipe(aggregator=aggregators[0], penalty=PENALTIES[0], calibrator=PLATT)
        best = self._contest(self._try(first), [{"aggregator": name} for name in aggregators[1:]])
        if _crowds(self.records) >= _MIN_CROWDS:
            best = self._contest(best, [{"penalty": penalty} for penalty in PENALTIES[1:]])
        if self.records[0].tracks[0].experts.shape[1] > 1 and len({r.medium for r in self.records}) > 1:
            best = self._contest(best, [{"own_fusion": True}])
        return self._calibrator(best)

    def _calibrator(self, platt: Trial) -> Trial:
        """The simplest calibrator for so many groups, unless the next richer one is clearly better."""
        groups = [r.group for r in self.records]
        if len(set(groups)) < PLATT_GROUPS:
            plain = self._try(dataclasses.replace(platt.recipe, calibrator=TEMPERATURE))
            return simplest_good([plain, platt], groups)
        many = tuple(m for m in MediaKind if self._groups(m) >= ISOTONIC_GROUPS)
        return self._contest(platt, [{"isotonic": many}] if many else [])

    def _groups(self, medium: MediaKind) -> int:
        return len({r.group for r in self.records if r.medium is medium})

    def _contest(self, best: Trial, changes: Sequence[dict[str, Any]]) -> Trial:
        """The defender, unless a rival (the last recipe changed so) is clearly better."""
        rivals = [self._try(dataclasses.replace(best.recipe, **change)) for change in changes]
        return simplest_good([best, *rivals], [r.group for r in self.records])

    def _try(self, recipe: Recipe) -> Trial:
        odds = np.full(len(self.records), np.nan)
        for test in self.folds:
            train = np.setdiff1d(np.arange(len(self.records)), test)
            pipeline = fit_pipeline([self.records[i] for i in train], recipe)
            odds[test] = pipeline.log_odds([self.records[i] for i in test])
        losses = metrics.file_losses(self.labels, probabilities_of(odds))
        losses = losses * metrics.balanced_weights(self.labels)
        self.tried.append(Trial(recipe, odds, losses, metrics.auc(self.labels, odds)))
        return self.tried[-1]


def simplest_good(tried: Sequence[Trial], groups: Sequence[str]) -> Trial:
    """The first, unless a later one is better by more than one standard error over groups and by enough to
    be worth it.
    """
    names, member = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    best = tried[0]
    for rival in tried[1:]:
        gain = np.bincount(member, best.losses - rival.losses, minlength=len(names))
        error = math.sqrt(float(((gain - gain.mean()) ** 2).sum()))
        if gain.sum() > max(error, _LEAST_GAIN * len(member)):
            best = rival
    return best


def probabilities_of(log_odds: Floats) -> Floats:
    """``[n]`` → ``[n]``."""
    return np.array([to_probability(float(o)) for o in log_odds], np.float64)


def make_folds(
    records: Sequence[Record], labels: NDArray[Any], count: int, by: str, rng: np.random.Generator
) -> list[Fold]:
    """Indices of the files held out in each of at most `count` folds; whole sources or groups (`by`) stay
    together.  Raises `InputError` when no fair split exists.
    """
    require_scikit_learn()
    from sklearn.model_selection import StratifiedGroupKFold

    units = _linked(records) if by == "source" else [r.group for r in records]
    count = min(count, len(set(units)))
    seed = int(rng.integers(2**31))
    if count < 2:
        raise InputError(f"calibrating needs files of at least two {by}s, to check on one of them")
    splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class of fewer files than folds; whether the folds can be used is seen below.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        held = [test for _, test in splitter.split(np.zeros(len(units)), labels, units)]
    if any(len(set(np.delete(labels, test).tolist())) < 2 for test in held):
        raise InputError(f"{_unfair(labels, units, by)}; calibrating needs each class in at least two {by}s")
    return [np.asarray(test, np.intp) for test in held if len(test)]


def _unfair(labels: NDArray[Any], units: Sequence[str], by: str) -> str:
    """Why some fold leaves only one class to fit on."""
    held = {
        name: {u for u, own in zip(units, labels, strict=True) if own == label} for label, name in _CLASSES
    }
    alone = [name for name, own in held.items() if len(own) == 1]
    if len(alone) == 1:
        return f"all {alone[0]} files come from one {by}"
    if alone:
        return f"real and fake files come from separate {by}s"
    return f"the {by}s cannot be split so that real and fake files are on both sides"


def _linked(records: Sequence[Record]) -> list[str]:
    """For each record a name for all sources that share a group with its own, so that a person or clip that
    turns up in two sources is never on both sides of a fold.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.setdefault(name, name)) != name:
            # Halve the way for the next time: one source of many groups may have made a long chain of them.
            parent[name] = name = parent[above]
        return name

    for record in records:
        a, b = root("source " + record.source), root("group " + record.group)
        parent[max(a, b)] = min(a, b)
    return [root("source " + record.source) for record in records]


def _crowds(records: Sequence[Record]) -> int:
    """Files with several judged persons, copies apart, of the class that has fewer of them."""
    own = [r.label for r in records if len(r.tracks) > 1 and not r.copy]
    return min(own.count(label) for label in (0, 1))
