"""Fit a ``calibration.json`` from labelled results: fusion, aggregator, calibrators, band and novelty.

Every choice is made on sources that the fit has not seen, and the figures that go into the calibration are
cross-validated in the same way.  `dfdetect.scoring.models.save_calibration` writes the result into a model
folder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import InputError
from dfdetect.evaluate import metrics
from dfdetect.evaluate.choosing import Chooser, Fold, Trial, make_folds, probabilities_of
from dfdetect.evaluate.fitting import band_between, conformal_bounds
from dfdetect.evaluate.novelty import fit_novelty
from dfdetect.evaluate.pieces import plain
from dfdetect.evaluate.pipeline import CANDIDATES, Pipeline, fit_pipeline, labels_of
from dfdetect.evaluate.records import Record
from dfdetect.evaluate.weighted import Floats
from dfdetect.results import MediaKind
from dfdetect.verdict.calibration import CALIBRATION_FORMAT

MIN_FILES = 20


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen about a calibration."""

    error_rate: float = 0.1
    """Share of reals that may be called fake."""
    miss_rate: float | None = None
    """Share of fakes that may be called real; None: as `error_rate`."""
    folds: int = 5
    fold_by: str = "source"
    """What is held out whole: ``source`` or ``group``."""
    candidates: tuple[str, ...] = CANDIDATES
    """Aggregators to choose from, simplest first."""
    quality: Mapping[str, float] = field(
        default_factory=lambda: {"min_sharpness": 4.0, "min_brightness": 0.06, "min_contrast": 0.02}
    )

    @property
    def rates(self) -> tuple[float, float]:
        """Share of reals called fake, and of fakes called real."""
        return self.error_rate, self.error_rate if self.miss_rate is None else self.miss_rate


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted calibration and what was seen on the way."""

    calibration: dict[str, Any]
    """The content of ``calibration.json``."""
    log_odds: Floats
    """Of each judged file, by a fit that has not seen it, at prior one half."""
    records: tuple[Record, ...]
    """The judged files, in the order of `log_odds`."""


@dataclass(frozen=True, slots=True, eq=False)
class _Files:
    """The judged files with their answers, and how they are split."""

    records: tuple[Record, ...]
    labels: NDArray[Any]
    folds: tuple[Fold, ...]


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
    own = [r for r in judged if not r.copy]
    check_enough(records)
    files = _Files(judged, labels, tuple(make_folds(judged, labels, opts.folds, opts.fold_by, rng)))
    chooser = Chooser(judged, labels, files.folds)
    best = chooser.choose(opts.candidates)
    pipeline = fit_pipeline(judged, best.recipe)
    calibration = _calibration(pipeline, files, best, opts)
    calibration["fitted_on"] = {
        "source": source,
        "files": len(own),
        "copies": len(judged) - len(own),
        "not_judged": len(records) - len(judged),
        "fakes": sum(r.label for r in own),
        "photos": sum(r.medium is MediaKind.PHOTO for r in own),
        "groups": len({r.group for r in own}),
        "sources": len({r.source for r in own}),
        "chosen": best.values(),
        "cross_validated": _report(files, best.log_odds, opts, rng),
        "candidates": [trial.values() for trial in chooser.tried],
    }
    return Fit(calibration, best.log_odds, judged)


def check_enough(records: Sequence[Record]) -> None:
    """Raise `InputError` for too few files; degraded copies count for nothing, being of the same files."""
    own = [r for r in records if r.tracks and not r.copy]
    fakes = sum(r.label for r in own)
    if len(own) < MIN_FILES or not 0 < fakes < len(own):
        raise InputError(
            f"calibrating needs at least {MIN_FILES} judged files, real and fake; "
            f"there are {len(own) - fakes} real and {fakes} fake ones"
        )
    if len({t.experts.shape[1] for r in records for t in r.tracks}) != 1:
        raise InputError("the files were scored by different numbers of experts; scan them with one model")


def _calibration(pipeline: Pipeline, files: _Files, best: Trial, opts: Options) -> dict[str, Any]:
    everything = np.arange(len(files.records))
    error_rate, miss_rate = opts.rates
    fusion: dict[str, Any] = {"weights": list(pipeline.common), "bias": 0.0}
    if best.recipe.own_fusion:
        fusion["media"] = {medium.value: list(own) for medium, own in pipeline.fusion.items()}
    bounds = {m: _bounds(files, everything, best.log_odds, m, opts) for m in MediaKind}
    band: dict[str, Any] = {"error_rate": error_rate, "miss_rate": miss_rate}
    band.update({m.value: list(band_between(*found)) for m, (found, _) in bounds.items()})
    if any(borrowed for _, borrowed in bounds.values()):
        band["borrowed"] = {m.value: list(borrowed) for m, (_, borrowed) in bounds.items() if borrowed}
    return {
        "format": CALIBRATION_FORMAT,
        "fusion": fusion,
        "aggregator": pipeline.aggregator.values(),
        "file": {"kind": "max", "track_penalty": pipeline.track_penalty},
        "calibrator": {medium.value: own.values() for medium, own in pipeline.calibrators.items()},
        "band": band,
        "prior": 0.5,
        "quality": dict(opts.quality),
        "novelty": fit_novelty(files.records, pipeline, files.folds),
    }


def _bounds(
    files: _Files, used: NDArray[np.intp], odds: Floats, medium: MediaKind, opts: Options
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """The bounds of one medium's band by the files `used`, and the rates whose bound is borrowed.

    Where the medium has too few groups of a class for its own bound, that of both media together is taken.
    """
    own = np.array([i for i in used if files.records[i].medium is medium], np.intp)
    floor, ceiling = _bounds_by(files, own, odds, opts)
    if math.isfinite(floor) and math.isfinite(ceiling):
        return (floor, ceiling), ()
    common_floor, common_ceiling = _bounds_by(files, used, odds, opts)
    borrowed = []
    if math.isinf(ceiling) and math.isfinite(common_ceiling):
        ceiling = common_ceiling
        borrowed.append("error_rate")
    if math.isinf(floor) and math.isfinite(common_floor):
        floor = common_floor
        borrowed.append("miss_rate")
    return (floor, ceiling), tuple(borrowed)


def _bounds_by(files: _Files, chosen: NDArray[np.intp], odds: Floats, opts: Options) -> tuple[float, float]:
    groups = [files.records[i].group for i in chosen]
    return conformal_bounds(odds[chosen], files.labels[chosen], groups, *opts.rates)


def open_sides(band: Mapping[str, Any]) -> Iterator[str]:
    """What the part ``band`` of a calibration leaves open, or has taken from photos and videos together, for
    want of files; in words for people.
    """
    for side, edge, kind, option in ((1, 1, "reals", "error_rate"), (0, 0, "fakes", "miss_rate")):
        rate = f"the {option.replace('_', ' ')} of {band[option]:g}"
        count = math.ceil(1 / band[option] - 1 - 1e-9)  # see `conformal_bounds`
        needed = f"it takes {count} groups of {kind}"
        called = "fake" if edge else "real"
        media = [f"{medium.value}s" for medium in MediaKind if band[medium.value][side] == edge]
        if media:
            yield f"no {' and no '.join(media)} will be called {called}: to promise {rate} {needed}"
        for medium, rates in band.get("borrowed", {}).items():
            if option in rates:
                yield (
                    f"the limit where {medium}s are called {called} is that of photos and videos together, "
                    f"so {rate} may not hold for {medium}s: {needed} among {medium}s to promise it"
                )


def _report(files: _Files, odds: Floats, opts: Options, rng: np.random.Generator) -> dict[str, Any]:
    """Cross-validated figures; `decided` is the share outside the band.

    Of all files and of each medium; where there are degraded copies also of untouched files and of copies
    apart, as far as there are any.  The band that decides about a fold is fitted on the other folds, as the
    odds are.
    """
    low, high = np.empty(len(odds)), np.empty(len(odds))
    media = np.array([r.medium.value for r in files.records])
    for test in files.folds:
        rest = np.setdiff1d(np.arange(len(odds)), test)
        for medium in MediaKind:
            own = test[media[test] == medium.value]
            low[own], high[own] = band_between(*_bounds(files, rest, odds, medium, opts)[0])
    probabilities = probabilities_of(odds)
    parts = {"all": np.full(len(odds), True)} | {name: media == name for name in sorted(set(media.tolist()))}
    copies = np.array([r.copy for r in files.records])
    if copies.any():
        for name in list(parts):
            parts[f"{name}_untouched"], parts[f"{name}_copies"] = parts[name] & ~copies, parts[name] & copies
    report: dict[str, Any] = {}
    for name, chosen in parts.items():
        own = np.flatnonzero(chosen)
        if not len(own):  # as when no copy of any video could be judged
            continue
        y, p = files.labels[own], probabilities[own]
        groups = [files.records[i].group for i in own]
        fake, real = p >= high[own], p < low[own]
        found = asdict(metrics.measure(y, odds[own], p, groups, rng, draws=500))
        found["decided"] = float((fake | real).mean())
        found["reals_called_fake"] = float(fake[y == 0].mean()) if (y == 0).any() else None
        found["fakes_called_real"] = float(real[y == 1].mean()) if (y == 1).any() else None
        report[name] = plain(found, digits=4)
    return report
