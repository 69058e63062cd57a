"""Figures of scanned, labelled files: over all, per medium, per family, beside simple baselines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.evaluate import metrics
from dfdetect.evaluate.baselines import baseline_scores, best_direction_auc
from dfdetect.evaluate.labelled import Labelled
from dfdetect.results import Label, MediaKind, ScanResult

Pair = tuple[Labelled, ScanResult]
Score = Callable[[ScanResult], float | None]


def report(pairs: Sequence[Pair], rng: np.random.Generator, draws: int = 1000) -> dict[str, Any]:
    """Everything that a model card states about a set of labelled files.

    AUC is over judged files, with 95 % bootstrap intervals over groups; a family is measured against all
    reals of the same medium.  The files that could not be judged are counted by reason.
    """
    judged = [pair for pair in pairs if pair[1].label is not None]
    reasons: dict[str, int] = {}
    for _, result in pairs:
        if result.reason is not None:
            reasons[result.reason.value] = reasons.get(result.reason.value, 0) + 1
    table: dict[str, Any] = {
        "files": len(pairs),
        "judged": len(judged),
        "not_judged": reasons,
        "auc": {},
        "decided": {},
        "baselines": {},
    }
    for name, chosen in _slices(judged):
        table["auc"][name] = _auc(chosen, lambda r: r.fake_probability, rng, draws)
    for medium in MediaKind:
        chosen = [p for p in judged if p[1].media is not None and p[1].media.kind is medium]
        if chosen:
            table["decided"][medium.value] = _decided(chosen)
            table["decided"][medium.value]["ece"] = _ece(chosen)
            for name in baseline_scores(chosen[0][1]):
                row = table["baselines"].setdefault(name, {})
                row[medium.value] = _baseline(chosen, name)
    return table


def _slices(pairs: Sequence[Pair]) -> list[tuple[str, list[Pair]]]:
    """All, per medium, and each family of a medium with the reals of that medium."""
    out = [("all", list(pairs))]
    for medium in MediaKind:
        own = [p for p in pairs if p[1].media is not None and p[1].media.kind is medium]
        out.append((medium.value, own))
        for family in sorted({p[0].family for p in own if p[0].fake}):
            out.append(
                (f"{medium.value}/{family}", [p for p in own if not p[0].fake or p[0].family == family])
            )
    return out


def _auc(pairs: Sequence[Pair], score: Score, rng: np.random.Generator, draws: int) -> dict[str, Any] | None:
    values = [(pair[0], score(pair[1])) for pair in pairs]
    kept = [(item, value) for item, value in values if value is not None]
    labels = np.array([item.fake for item, _ in kept], np.int64)
    if not 0 < labels.sum() < len(labels):
        return None
    scores = np.array([value for _, value in kept], np.float64)
    groups = [item.group for item, _ in kept]
    found = metrics.bootstrap(lambda i: metrics.auc(labels[i], scores[i]), groups, rng, draws)
    return {
        "auc": round(found.value, 3),
        "interval": None if math.isnan(found.low) else [round(found.low, 3), round(found.high, 3)],
        "fakes": int(labels.sum()),
        "reals": int(len(labels) - labels.sum()),
    }


def _decided(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How the three answers fall on reals and on fakes, as shares."""
    out: dict[str, Any] = {}
    for side, fake in (("reals", False), ("fakes", True)):
        own = [result.label for item, result in pairs if item.fake == fake]
        if own:
            out[side] = {label.value: round(own.count(label) / len(own), 3) for label in Label}
    return out


def _ece(pairs: Sequence[Pair]) -> float:
    labels = np.array([item.fake for item, _ in pairs], np.int64)
    probability = np.array([r.fake_probability for _, r in pairs], np.float64)
    return round(float(metrics.ece(labels, probability, metrics.balanced_weights(labels))), 3)


def shortcut_figures(pairs: Sequence[Pair]) -> dict[str, float]:
    """Rank correlation of the score on *reals* with sharpness, face size and file size; 0 is good."""
    reals = [result for item, result in pairs if not item.fake and result.logit is not None]
    measures: dict[str, Score] = {
        "sharpness": lambda r: _negative(baseline_scores(r)["sharpness alone"]),
        "file_size": lambda r: _negative(baseline_scores(r)["file size alone"]),
        "face_size": lambda r: float(np.median(sizes)) if (sizes := _face_sizes(r)) else None,
    }
    out = {}
    for name, measure in measures.items():
        rows = [(r.logit, value) for r in reals if (value := measure(r)) is not None]
        if len(rows) > 2:
            table = np.array(rows, np.float64)
            out[name] = round(spearman(table[:, 0], table[:, 1]), 3)
    return out


def _baseline(pairs: Sequence[Pair], name: str) -> float | None:
    """AUC of a trivial score, whichever way round it does better."""
    scored = [(item.fake, baseline_scores(result)[name]) for item, result in pairs]
    kept = [(fake, value) for fake, value in scored if value is not None]
    labels = np.array([fake for fake, _ in kept], np.int64)
    if not 0 < labels.sum() < len(labels):
        return None
    return round(best_direction_auc(labels, np.array([value for _, value in kept], np.float64)), 3)


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _face_sizes(result: ScanResult) -> list[float]:
    return [face.quality.size for track in result.tracks for face in track.faces]


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Rank correlation: Pearson's of the mean ranks."""

    def ranks(x: NDArray[np.float64]) -> NDArray[np.float64]:
        _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        return np.asarray((ends - (counts - 1) / 2)[inverse], np.float64)

    x, y = ranks(a), ranks(b)
    if not x.std() or not y.std():
        return 0.0  # what never changes goes with nothing
    return float(np.corrcoef(x, y)[0, 1])
