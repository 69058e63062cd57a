"""Recalibrate a model folder on labelled media: scan (or take stored results), fit, write."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dfdetect.detector import Detector
from dfdetect.errors import InputError
from dfdetect.evaluate.calibrate import Options, fit_calibration
from dfdetect.evaluate.columns import Pair
from dfdetect.evaluate.labelled import Labelled, read_labels, scan_labelled
from dfdetect.evaluate.records import Record, record_from_result
from dfdetect.evaluate.selftest import make_goldens
from dfdetect.evaluate.stored import Rejudge, match_stored
from dfdetect.scoring.models import ModelFolder, load_model, refuse_shipped, save_calibration, write_card
from dfdetect.settings import Settings
from dfdetect.verdict.judge import Judge

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
) -> dict[str, Any]:
    """Fit and write the calibration of the model folder `settings.model`; returns what was fitted.

    `error_rate` and `miss_rate` are those of `Options`.  `results` are the records (JSON or JSON Lines) of an
    earlier scan with the same networks: then nothing is scanned but the model's samples.  Raises
    `SettingsError` for a shipped model and `InputError` for labels or results that cannot be used; the folder
    is then as it was.
    """
    refuse_shipped(settings.model)
    model = load_model(settings.model)
    labelled = read_labels(labels)
    if results is None:
        pairs = scan_labelled(labelled, settings, jobs)
    else:
        pairs = _stored(labelled, results, model, settings)
    records = list(_records(pairs, model, settings))
    if not records:
        raise InputError(f"none of the files of {labels} could be judged")
    options = Options(
        error_rate=error_rate, miss_rate=miss_rate, quality=dict(model.calibration.get("quality", {}))
    )
    fit = fit_calibration(records, np.random.default_rng(settings.seed), options, source=Path(labels).name)
    save_calibration(model.path, fit.calibration)
    _renew_goldens(settings.model)
    return fit.calibration


def _records(pairs: Iterator[Pair], model: ModelFolder, settings: Settings) -> Iterator[Record]:
    gate = Judge(model.calibration, settings).gate
    for item, result in pairs:
        record = record_from_result(result, int(item.fake), item.group, item.source, gate)
        if record is not None:
            yield record


def _stored(
    labelled: list[Labelled], results: Path, model: ModelFolder, settings: Settings
) -> Iterator[Pair]:
    """Stored results, judged anew so that the settings of this call hold for them too."""
    found = match_stored(labelled, results)
    if found.missing:
        print(
            f"{len(found.missing)} of {len(labelled)} labelled files have no result in {results} "
            f"(the first is {found.missing[0].path}) and are left out",
            file=sys.stderr,
        )
    judge = Rejudge(model, settings)
    return ((item, judge(result)) for item, result in found.pairs)


def _renew_goldens(name: str) -> None:
    """Score the samples of `dfdetect selftest` anew: a new calibration moves their logits."""
    model = load_model(name)
    detector = Detector(Settings(model=name))
    goldens = make_goldens(model, SAMPLES, detector.scan)
    write_card(model.path, dataclasses.replace(model.card, golden=goldens))
