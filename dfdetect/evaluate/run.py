"""Whole evaluations: scan labelled media, then measure or calibrate."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dfdetect.errors import InputError
from dfdetect.evaluate.calibrate import Options, fit_calibration
from dfdetect.evaluate.labelled import Labelled, read_labels, scan_labelled
from dfdetect.evaluate.records import record_from_result
from dfdetect.evaluate.report import Pair, report, shortcut_figures
from dfdetect.reports.plain import plain_result
from dfdetect.results import ScanResult
from dfdetect.scoring.models import find_folder, load_model, save_calibration
from dfdetect.settings import Settings
from dfdetect.verdict.judge import Judge


def evaluate_labels(
    labels: str | Path, settings: Settings, jobs: int | None = None, results: Path | None = None
) -> dict[str, Any]:
    """Scan and measure; `results` keeps every record as JSON lines."""
    pairs = _scan(read_labels(labels), settings, jobs)
    if results is not None:
        with results.open("w", encoding="utf-8") as stream:
            for _, result in pairs:
                stream.write(json.dumps(plain_result(result), ensure_ascii=False) + "\n")
    table = report(pairs, np.random.default_rng(settings.seed), draws=500)
    table["score_on_reals_correlates_with"] = shortcut_figures(pairs)
    table["model"] = load_model(settings.model).card.name
    return table


def calibrate_folder(
    labels: str | Path, settings: Settings, error_rate: float, jobs: int | None = None
) -> dict[str, Any]:
    """Scan, fit and write the calibration of the model folder `settings.model`; returns what was fitted."""
    folder = find_folder(settings.model)
    model = load_model(settings.model)
    gate = Judge(model.calibration, settings).gate
    records = []
    for item, result in _scan(read_labels(labels), settings, jobs):
        record = record_from_result(result, int(item.fake), item.group, item.source, gate)
        if record is not None:
            records.append(record)
    if not records:
        raise InputError(f"none of the files of {labels} could be judged")
    options = Options(error_rate=error_rate, quality=dict(model.calibration.get("quality", {})))
    fit = fit_calibration(records, np.random.default_rng(settings.seed), options, source=Path(labels).name)
    save_calibration(folder, fit.calibration)
    return fit.calibration


def _scan(labelled: list[Labelled], settings: Settings, jobs: int | None) -> list[Pair]:
    return list(_told(scan_labelled(labelled, settings, jobs), len(labelled)))


def _told(pairs: Iterator[tuple[Labelled, ScanResult]], total: int) -> Iterator[Pair]:
    for number, pair in enumerate(pairs, start=1):
        if number % 50 == 0 or number == total:
            print(f"scanned {number}/{total}", file=sys.stderr, flush=True)
        yield pair
