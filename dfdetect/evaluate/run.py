"""Whole evaluations: scan labelled media, then measure or calibrate."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dfdetect.detector import Detector
from dfdetect.errors import InputError, SettingsError
from dfdetect.evaluate.calibrate import Options, fit_calibration
from dfdetect.evaluate.labelled import Labelled, read_labels, scan_labelled
from dfdetect.evaluate.records import record_from_result
from dfdetect.evaluate.report import Pair, report, shortcut_figures
from dfdetect.evaluate.selftest import make_goldens
from dfdetect.reports.plain import plain_result
from dfdetect.results import ScanResult
from dfdetect.scoring.models import ModelFolder, list_models, load_model, save_calibration, write_card
from dfdetect.settings import Settings
from dfdetect.verdict.judge import Judge

SAMPLES = ("astronaut.jpg", "astronaut_forged.jpg", "moving.mp4")
"""Samples of the package that become a model's goldens."""


def evaluate_labels(
    labels: str | Path,
    settings: Settings,
    jobs: int | None = None,
    results: Path | None = None,
    card_as: str | None = None,
) -> dict[str, Any]:
    """Scan and measure; `results` keeps every record as JSON lines, `card_as` writes the figures into the
    model's card under that name.
    """
    labelled = read_labels(labels)
    with _writer(results) as write:
        pairs = []
        for pair in _told(scan_labelled(labelled, settings, jobs), len(labelled)):
            pairs.append(pair)
            write(pair[1])
    table = report(pairs, np.random.default_rng(settings.seed), draws=500)
    table["score_on_reals_correlates_with"] = shortcut_figures(pairs)
    model = load_model(settings.model)
    table["model"] = model.card.name
    if card_as is not None:
        _into_card(model, card_as, table)
    return table


def _into_card(model: ModelFolder, name: str, table: dict[str, Any]) -> None:
    """Write figures into the card of a model folder, under a name of their own."""
    measured = {} if isinstance(model.card.measured, str) else dict(model.card.measured)
    figures = {key: value for key, value in table.items() if key != "model"}
    write_card(model.path, dataclasses.replace(model.card, measured={**measured, name: figures}))


@contextlib.contextmanager
def _writer(path: Path | None) -> Iterator[Callable[[ScanResult], None]]:
    """A function that appends a record to a file, which is opened now and not after hours of scanning."""
    if path is None:
        yield lambda result: None
        return
    try:
        stream = path.open("x", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; name a new file") from error
    with stream:
        yield lambda result: print(json.dumps(plain_result(result)), file=stream, flush=True)


def calibrate_folder(
    labels: str | Path, settings: Settings, error_rate: float, jobs: int | None = None
) -> dict[str, Any]:
    """Scan, fit and write the calibration of the model folder `settings.model`; returns what was fitted."""
    if settings.model in list_models():
        raise SettingsError(
            f"'{settings.model}' came with dfdetect and is left as it is; copy its folder and "
            "name the copy by its path, as in: --model ./my-model"
        )
    model = load_model(settings.model)
    gate = Judge(model.calibration, settings).gate
    records = []
    labelled = read_labels(labels)
    for item, result in _told(scan_labelled(labelled, settings, jobs), len(labelled)):
        record = record_from_result(result, int(item.fake), item.group, item.source, gate)
        if record is not None:
            records.append(record)
    if not records:
        raise InputError(f"none of the files of {labels} could be judged")
    options = Options(error_rate=error_rate, quality=dict(model.calibration.get("quality", {})))
    fit = fit_calibration(records, np.random.default_rng(settings.seed), options, source=Path(labels).name)
    save_calibration(model.path, fit.calibration)
    _renew_goldens(settings.model)
    return fit.calibration


def _renew_goldens(name: str) -> None:
    """Score the samples of `dfdetect selftest` anew: a new calibration moves their logits."""
    model = load_model(name)
    detector = Detector(Settings(model=name))
    goldens = make_goldens(model, SAMPLES, detector.scan)
    write_card(model.path, dataclasses.replace(model.card, golden=goldens))


def _told(pairs: Iterator[tuple[Labelled, ScanResult]], total: int) -> Iterator[Pair]:
    for number, pair in enumerate(pairs, start=1):
        if number % 50 == 0 or number == total:
            print(f"scanned {number}/{total}", file=sys.stderr, flush=True)
        yield pair
