"""Recalibrate a model folder on labelled media: scan (or take stored results), fit, write."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dfdetect.detector import Detector
from dfdetect.evaluate.calibrate import Options, check_enough, fit_calibration
from dfdetect.evaluate.columns import Pair
from dfdetect.evaluate.copies import Copy, cut_short, scan_copies, usual_level
from dfdetect.evaluate.labelled import Labelled, read_labels, refuse_unjudged, scan_labelled
from dfdetect.evaluate.records import Record, record_from_result
from dfdetect.evaluate.selftest import make_goldens
from dfdetect.evaluate.stored import Rejudge, match_stored
from dfdetect.results import FaceQuality, Reason
from dfdetect.scoring.models import ModelFolder, load_model, refuse_shipped, save_calibration, write_card
from dfdetect.settings import Settings
from dfdetect.verdict.judge import Judge

Gate = Callable[[FaceQuality], Reason | None]

SAMPLES = ("astronaut.jpg", "astronaut_forged.jpg", "moving.mp4")
"""Samples of the package that become a model's goldens."""


def calibrate_folder(
    labels: str | Path,
    settings: Settings,
    error_rate: float = 0.1,
    jobs: int | None = None,
    *,
    miss_rate: float | None = None,
    results: Path | None = None,
    copies: bool = False,
) -> dict[str, Any]:
    """Fit and write the calibration of the model folder `settings.model`; returns what was fitted.

    `error_rate` and `miss_rate` are those of `Options`.  `results` are the records (JSON or JSON Lines) of an
    earlier scan with the same networks: then nothing is scanned but the model's samples and copies.  With
    `copies` a degraded copy of each judged file (`dfdetect.evaluate.copies.USUAL`, drawn by `settings.seed`)
    counts beside it: rates and probabilities are then those over files and copies together.  Raises
    `SettingsError` for a shipped model and `InputError` for labels or results that cannot be used; the folder
    is then as it was.
    """
    refuse_shipped(settings.model)
    model = load_model(settings.model)
    labelled = read_labels(labels)
    if results is None:
        pairs = list(scan_labelled(labelled, settings, jobs))
    else:
        pairs = _stored(labelled, results, model, settings)
    refuse_unjudged(labels, pairs)
    gate = Judge(model.calibration, settings).gate
    recorded = list(_recorded(pairs, gate))
    records = [record for _, record in recorded]
    check_enough(records)  # before any copy is scanned
    if copies:
        records += _copies(recorded, settings, jobs, gate)
    options = Options(
        error_rate=error_rate, miss_rate=miss_rate, quality=dict(model.calibration.get("quality", {}))
    )
    fit = fit_calibration(records, np.random.default_rng(settings.seed), options, source=Path(labels).name)
    save_calibration(model.path, fit.calibration)
    _renew_goldens(settings.model)
    return fit.calibration


def _recorded(pairs: Sequence[Pair], gate: Gate) -> Iterator[tuple[Labelled, Record]]:
    for item, result in pairs:
        record = record_from_result(result, int(item.fake), item.group, item.source, gate)
        if record is not None:
            yield item, record


def _copies(
    recorded: Sequence[tuple[Labelled, Record]], settings: Settings, jobs: int | None, gate: Gate
) -> Iterator[Record]:
    """One degraded copy of each judged file; copies in which nobody can be judged are left out."""
    settings = cut_short(settings)
    rng = np.random.default_rng(settings.seed)
    judged = [(item, record.medium) for item, record in recorded if record.tracks]
    wanted = [Copy(item.path, usual_level(medium, rng)) for item, medium in judged]
    print(f"scanning degraded copies of {len(wanted)} files", file=sys.stderr, flush=True)
    for (item, _), result in zip(judged, scan_copies(wanted, settings, jobs), strict=True):
        if result is not None:
            record = record_from_result(result, int(item.fake), item.group, item.source, gate, copy=True)
            if record is not None and record.tracks:
                yield record


def _stored(labelled: list[Labelled], results: Path, model: ModelFolder, settings: Settings) -> list[Pair]:
    """Stored results, judged anew so that the settings of this call hold for them too."""
    found = match_stored(labelled, results)
    if found.missing:
        print(
            f"{len(found.missing)} of {len(labelled)} labelled files have no result in {results} "
            f"(the first is {found.missing[0].path}) and are left out",
            file=sys.stderr,
        )
    judge = Rejudge(model, settings)
    return [(item, judge(result)) for item, result in found.pairs]


def _renew_goldens(name: str) -> None:
    """Score the samples of `dfdetect selftest` anew: a new calibration moves their logits."""
    model = load_model(name)
    detector = Detector(Settings(model=name))
    goldens = make_goldens(model, SAMPLES, detector.scan)
    write_card(model.path, dataclasses.replace(model.card, golden=goldens))
