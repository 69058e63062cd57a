"""Fit a ``calibration.json`` from labelled results: fusion, aggregator, calibrators and band.

Every choice is made on groups that the fit has not seen, and the figures that go into the calibration are
cross-validated in the same way.  `dfdetect.scoring.models.save_calibration` writes the result into a model
folder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import InputError, MissingExtraError
from dfdetect.evaluate import metrics
from dfdetect.evaluate.fitting import conformal_band
from dfdetect.evaluate.pipeline import CANDIDATES, Pipeline, fit_pipeline, labels_of
from dfdetect.evaluate.records import Record
from dfdetect.results import MediaKind
from dfdetect.verdict.calibration import CALIBRATION_FORMAT, to_probability

Floats = NDArray[np.float64]

_PENALTIES = (1.0, 0.5, 0.0)
_MIN_CROWDS = 20  # files with several persons, of each class, from which on their penalty is learned
_MIN_FILES = 20


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen about a calibration."""

    error_rate: float = 0.1
    """Share of reals that may be called fake, and of fakes that may be called real."""
    folds: int = 5
    fold_by: str = "source"
    """What is held out whole: ``source`` or ``group``."""
    candidates: tuple[str, ...] = CANDIDATES
    """Aggregators to choose from, simplest first."""
    quality: Mapping[str, float] = field(
        default_factory=lambda: {"min_sharpness": 4.0, "min_brightness": 0.06, "min_contrast": 0.02}
    )


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One aggregator with one penalty, and how it does on files that it was not fitted on."""

    name: str
    penalty: float
    log_odds: Floats
    losses: Floats
    """Class-balanced loss of each file, ``[n]``, in nats."""
    auc: float

    @property
    def loss(self) -> float:
        """Mean loss."""
        return float(self.losses.mean())


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted calibration and what was seen on the way."""

    calibration: dict[str, Any]
    """The content of ``calibration.json``."""
    log_odds: Floats
    """Of each judged file, by a fit that has not seen it, at prior one half."""
    records: tuple[Record, ...]
    """The judged files, in the order of `log_odds`."""


def fit_calibration(
    records: Sequence[Record], rng: np.random.Generator, options: Options | None = None, source: str = ""
) -> Fit:
    """Fit everything on labelled files; deterministic for the same records and generator.

    `source` says in the calibration what it was fitted on.  Files without a judged person are left out.
    Raises `InputError` when there are too few files, groups or classes to say anything.
    """
    opts = options if options is not None else Options()
    judged = tuple(r for r in records if r.tracks)
    labels = labels_of(judged)
    _check(judged, labels)
    folds = _folds(judged, labels, opts, rng)
    tried = [_try(judged, labels, folds, name, _PENALTIES[0]) for name in opts.candidates]
    best = _simplest_good(tried, [r.group for r in judged])
    if _crowds(judged) >= _MIN_CROWDS:
        rivals = [best, *(_try(judged, labels, folds, best.name, p) for p in _PENALTIES[1:])]
        best = _simplest_good(rivals, [r.group for r in judged])
        tried += rivals[1:]
    pipeline = fit_pipeline(judged, best.name, best.penalty)
    calibration = _calibration(pipeline, judged, labels, best, opts)
    calibration["fitted_on"] = {
        "source": source,
        "files": len(judged),
        "not_judged": len(records) - len(judged),
        "fakes": int(labels.sum()),
        "photos": sum(r.medium is MediaKind.PHOTO for r in judged),
        "groups": len({r.group for r in judged}),
        "sources": len({r.source for r in judged}),
        "cross_validated": _report(judged, labels, best.log_odds, calibration["band"], rng),
        "candidates": [
            {"aggregator": t.name, "penalty": t.penalty, "log_loss": round(t.loss, 4), "auc": round(t.auc, 4)}
            for t in tried
        ],
    }
    return Fit(calibration, best.log_odds, judged)


def _check(records: Sequence[Record], labels: NDArray[Any]) -> None:
    fakes = int(labels.sum())
    if len(records) < _MIN_FILES or not 0 < fakes < len(records):
        raise InputError(
            f"calibrating needs at least {_MIN_FILES} judged files, real and fake; "
            f"there are {len(records) - fakes} real and {fakes} fake ones"
        )
    if len({r.tracks[0].shape[1] for r in records}) != 1:
        raise InputError("the files were scored by different numbers of experts; scan them with one model")


def _folds(
    records: Sequence[Record], labels: NDArray[Any], opts: Options, rng: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Indices of the files held out in each fold; whole sources (or groups) stay together."""
    try:
        from sklearn.model_selection import StratifiedGroupKFold
    except ImportError as error:
        raise MissingExtraError(
            f'calibrating needs scikit-learn ({error}); run: pip install "dfdetect[train]"'
        ) from error
    by = _linked(records) if opts.fold_by == "source" else [r.group for r in records]
    names = set(by)
    count = min(opts.folds, len(names))
    seed = int(rng.integers(2**31))
    if count < 2:
        raise InputError(f"calibrating needs files of at least two {opts.fold_by}s, to check on one of them")
    splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
    held = [test for _, test in splitter.split(np.zeros(len(by)), labels, by)]
    for test in held:
        if len(set(np.delete(labels, test).tolist())) < 2:
            raise InputError(
                f"real and fake files come from separate {opts.fold_by}s; calibrating needs each class in "
                f"at least two {opts.fold_by}s"
            )
    return [np.asarray(test, np.intp) for test in held if len(test)]


def _linked(records: Sequence[Record]) -> list[str]:
    """For each record a name for all sources that share a group with its own, so that a person or clip that
    turns up in two sources is never on both sides of a fold.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for record in records:
        a, b = root("source " + record.source), root("group " + record.group)
        parent[max(a, b)] = min(a, b)
    return [root("source " + record.source) for record in records]


def _try(
    records: Sequence[Record],
    labels: NDArray[Any],
    folds: Sequence[NDArray[np.intp]],
    name: str,
    penalty: float,
) -> Candidate:
    odds = np.full(len(records), np.nan)
    for test in folds:
        train = np.setdiff1d(np.arange(len(records)), test)
        pipeline = fit_pipeline([records[i] for i in train], name, penalty)
        odds[test] = pipeline.log_odds([records[i] for i in test])
    losses = metrics.file_losses(labels, _probabilities(odds)) * metrics.balanced_weights(labels)
    return Candidate(name, penalty, odds, losses, metrics.auc(labels, odds))


def _simplest_good(tried: Sequence[Candidate], groups: Sequence[str]) -> Candidate:
    """The first candidate, unless a later one is better by more than one standard error over groups."""
    names, member = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    best = tried[0]
    for rival in tried[1:]:
        gain = np.bincount(member, best.losses - rival.losses, minlength=len(names))
        if gain.sum() > math.sqrt(float(((gain - gain.mean()) ** 2).sum())):
            best = rival
    return best


def _crowds(records: Sequence[Record]) -> int:
    """Files with several judged persons, of the class that has fewer of them."""
    return min(sum(len(r.tracks) > 1 and r.label == label for r in records) for label in (0, 1))


def _calibration(
    pipeline: Pipeline,
    records: Sequence[Record],
    labels: NDArray[Any],
    best: Candidate,
    opts: Options,
) -> dict[str, Any]:
    band: dict[str, Any] = {"error_rate": opts.error_rate}
    for medium in MediaKind:
        band[medium.value] = list(_band(records, labels, best.log_odds, medium, opts.error_rate))
    return {
        "format": CALIBRATION_FORMAT,
        "fusion": {"weights": list(pipeline.fusion), "bias": 0.0},
        "aggregator": pipeline.aggregator.values(),
        "file": {"kind": "max", "track_penalty": pipeline.track_penalty},
        "calibrator": {
            medium.value: {"kind": "platt", "a": own.a, "b": own.b}
            for medium, own in pipeline.calibrators.items()
        },
        "band": band,
        "prior": 0.5,
        "quality": dict(opts.quality),
    }


def _band(
    records: Sequence[Record], labels: NDArray[Any], odds: Floats, medium: MediaKind, error_rate: float
) -> tuple[float, float]:
    """The band of one medium; of both media together where one alone has too few groups."""
    own = np.array([r.medium is medium for r in records], bool)
    groups = np.array([r.group for r in records], dtype=object)
    low, high = conformal_band(odds[own], labels[own], groups[own].tolist(), error_rate)
    if low > 0 and high < 1:
        return low, high
    return conformal_band(odds, labels, groups.tolist(), error_rate)


def _report(
    records: Sequence[Record],
    labels: NDArray[Any],
    odds: Floats,
    band: Mapping[str, Any],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Cross-validated figures, all files and each medium; `decided` is the share outside the band."""
    probabilities = _probabilities(odds)
    media = np.array([r.medium.value for r in records])
    low = np.array([band[m][0] for m in media])
    high = np.array([band[m][1] for m in media])
    report: dict[str, Any] = {}
    for name in ("all", *sorted(set(media.tolist()))):
        own = [i for i, m in enumerate(media) if name in ("all", m)]
        y, p = labels[own], probabilities[own]
        groups = [records[i].group for i in own]
        fake, real = p >= high[own], p < low[own]
        found = asdict(metrics.measure(y, odds[own], p, groups, rng, draws=500))
        found["decided"] = float((fake | real).mean())
        found["reals_called_fake"] = float(fake[y == 0].mean()) if (y == 0).any() else None
        found["fakes_called_real"] = float(real[y == 1].mean()) if (y == 1).any() else None
        report[name] = _rounded(found)
    return report


def _rounded(value: Any) -> Any:
    """Four digits, and None for what could not be computed: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def _probabilities(odds: Floats) -> Floats:
    return np.array([to_probability(float(o)) for o in odds], np.float64)
