"""Recalibrate a model folder on labelled media: scan (or take stored results), fit, write."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dfdetect.detector import Detector
from dfdetect.errors import InputError
from dfdetect.evaluate.calibrate import MIN_FILES, Options, check_enough, fit_calibration
from dfdetect.evaluate.card_figures import mark_outdated
from dfdetect.evaluate.columns import Pair
from dfdetect.evaluate.copies import Copy, cut_short, scan_copies, usual_level
from dfdetect.evaluate.fitting import require_scikit_learn
from dfdetect.evaluate.labelled import Labelled, read_labels, refuse_unjudged, scan_labelled
from dfdetect.evaluate.records import Record, record_from_result
from dfdetect.evaluate.selftest import make_goldens
from dfdetect.evaluate.stored import Rejudge, match_stored
from dfdetect.names import plural, printable
from dfdetect.results import FaceQuality, Reason
from dfdetect.scoring.card import CALIBRATION_FILE, read_card
from dfdetect.scoring.models import (
    ModelFolder,
    UncalibratedError,
    find_folder,
    load_model,
    refuse_shipped,
    restored_on_failure,
    save_calibration,
    write_card,
)
from dfdetect.settings import Settings
from dfdetect.verdict.calibration import neutral_calibration
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
    counts beside it: rates and probabilities are then those over files and copies together.

    A folder without a calibration, or with one of other networks, gets a neutral one for as long as it takes.
    Raises `SettingsError` for a shipped model, `ModelError` for one that is not whole, and `InputError` for
    labels or results that cannot be used; the folder is then as it was, as after Ctrl-C.
    """
    refuse_shipped(settings.model)
    require_scikit_learn()
    labelled = read_labels(labels)
    if results is None:
        _refuse_few(labels, labelled)
    with _ready(settings.model) as model:
        if results is None:
            pairs = list(scan_labelled(labelled, settings, jobs))
        else:
            pairs = _stored(labelled, results, model, settings)
        refuse_unjudged(labels, pairs)
        gate = Judge(model.calibration, settings).gate
        recorded = list(_recorded(pairs, gate))
        unreadable = _tell_unreadable(pairs)
        records = [record for _, record in recorded]
        check_enough(records)  # before any copy is scanned
        if copies:
            records += _copies(recorded, settings, jobs, gate)
        options = Options(
            error_rate=error_rate, miss_rate=miss_rate, quality=dict(model.calibration.get("quality", {}))
        )
        fit = fit_calibration(records, np.random.default_rng(settings.seed), options, Path(labels).name)
        fit.calibration["fitted_on"]["unreadable"] = unreadable
        with restored_on_failure(model.path):
            save_calibration(model.path, fit.calibration)
            _renew_card(settings.model, model.hashes[CALIBRATION_FILE])
    return fit.calibration


def _refuse_few(labels: str | Path, labelled: Sequence[Labelled]) -> None:
    """Raise `InputError` before anything is scanned where `check_enough` would, were all files judged."""
    fakes = sum(item.fake for item in labelled)
    if len(labelled) < MIN_FILES or not 0 < fakes < len(labelled):
        raise InputError(
            f"calibrating needs at least {MIN_FILES} judged files, real and fake; "
            f"{labels} names {len(labelled) - fakes} real and {fakes} fake ones"
        )


@contextlib.contextmanager
def _ready(name: str) -> Iterator[ModelFolder]:
    """The model to scan with: one that is not calibrated has a neutral calibration while the block runs.

    It is written into the folder, since workers load the model by its name.
    """
    try:
        model = load_model(name)
    except UncalibratedError:
        folder = find_folder(name)
    else:
        yield model
        return
    with restored_on_failure(folder):
        save_calibration(folder, neutral_calibration(len(read_card(folder).experts)))
        yield load_model(name)


def _recorded(pairs: Sequence[Pair], gate: Gate) -> Iterator[tuple[Labelled, Record]]:
    for item, result in pairs:
        record = record_from_result(result, int(item.fake), item.group, item.source, gate)
        if record is not None:
            yield item, record


def _tell_unreadable(pairs: Sequence[Pair]) -> int:
    """How many files have no record since they could not be read; people are told."""
    broken = [result for _, result in pairs if result.media is None]
    if broken:
        first = printable(f"the first is {broken[0].path}: {broken[0].message}")
        print(
            f"{len(broken)} of {plural(len(pairs), 'file')} could not be read ({first}) and are left out",
            file=sys.stderr,
            flush=True,
        )
    return len(broken)


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


def _renew_card(name: str, before: str) -> None:
    """Score the samples of `dfdetect selftest` anew, whose logits a new calibration moves, and mark figures
    that are of the former one, whose sha256 is `before`.
    """
    model = load_model(name)
    detector = Detector(Settings(model=name))
    card = dataclasses.replace(model.card, golden=make_goldens(model, SAMPLES, detector.scan))
    names: list[str] = []
    if model.hashes[CALIBRATION_FILE] != before:
        card, names = mark_outdated(card)
    write_card(model.path, card)
    if names:
        print(
            f"the card's figures {printable(', '.join(names))} are of an earlier calibration, which they say "
            "now; measure anew: dfdetect evaluate LABELS --card-as NAME",
            file=sys.stderr,
            flush=True,
        )
