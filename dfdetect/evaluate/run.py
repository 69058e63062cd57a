"""Whole evaluations: scan labelled media, or take stored results, then measure."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfdetect import __version__
from dfdetect.errors import InputError
from dfdetect.evaluate.card_figures import card_figures
from dfdetect.evaluate.columns import Pair
from dfdetect.evaluate.labelled import Labelled, read_labels, refuse_unjudged, scan_labelled
from dfdetect.evaluate.report import About, Evaluation, Origin, report
from dfdetect.evaluate.stored import Rejudge, match_stored
from dfdetect.numbers import is_number
from dfdetect.record.plain import plain_result
from dfdetect.results import ScanResult
from dfdetect.scoring.models import ModelFolder, load_model, refuse_shipped, write_card
from dfdetect.settings import Settings
from dfdetect.verdict.calibration import Calibration, to_probability

DRAWS = 500
"""Bootstrap draws behind an interval."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Results of an earlier scan, to be measured without scanning."""

    path: Path
    """JSON or JSON Lines as ``dfdetect scan`` and ``dfdetect evaluate --results`` write them."""
    as_stored: bool = False
    """Keep the verdicts instead of judging the stored scores by the model's present calibration."""


def evaluate_labels(
    labels: str | Path,
    settings: Settings,
    jobs: int | None = None,
    results: Path | None = None,
    card_as: str | None = None,
    stored: Stored | None = None,
    draws: int = DRAWS,
) -> Evaluation:
    """Scan labelled media, or take `stored` results, and measure.

    `results` keeps every record of a scan as JSON lines, `card_as` writes the main figures into the model's
    card under that name (`SettingsError` for a shipped one, `InputError` for verdicts that are kept as they
    are stored).  Raises `InputError` for labels or results that cannot be used and `ModelError` for such a
    model, before anything is scanned, and `InputError` when no file has an answer; `results` then keep the
    reasons.
    """
    if card_as is not None:
        refuse_shipped(settings.model)
        _refuse_foreign(stored)
    labelled = read_labels(labels)
    model = load_model(settings.model)
    missing: tuple[Labelled, ...] = ()
    if stored is None:
        pairs = _scanned(labelled, settings, jobs, results)
    else:
        pairs, missing = _matched(labelled, stored, model, settings)
    refuse_unjudged(labels, pairs)
    as_stored = stored is not None and stored.as_stored
    neutral = None if as_stored or settings.prior is None else _neutral(pairs, model)
    evaluation = report(
        pairs,
        np.random.default_rng(settings.seed),
        _about(Path(labels), model, settings, stored, pairs, draws),
        [item.name for item in missing],
        neutral,
    )
    if card_as is not None:
        used = [result.settings for _, result in pairs if result.label is not None]
        _into_card(model, card_as, card_figures(evaluation, used))
    return evaluation


def _refuse_foreign(stored: Stored | None) -> None:
    """Raise `InputError` for verdicts that need not be those of the model whose card is written."""
    if stored is not None and stored.as_stored:
        raise InputError(
            "stored verdicts may be those of another model, and a card says what its own does: with "
            "--card-as leave out --as-stored, and the stored scores are judged by the model as it is"
        )


def _scanned(
    labelled: list[Labelled], settings: Settings, jobs: int | None, results: Path | None
) -> list[Pair]:
    with _writer(results) as write:
        pairs = []
        for pair in scan_labelled(labelled, settings, jobs):
            pairs.append(pair)
            write(pair[1])
    return pairs


def _matched(
    labelled: list[Labelled], stored: Stored, model: ModelFolder, settings: Settings
) -> tuple[list[Pair], tuple[Labelled, ...]]:
    found = match_stored(labelled, stored.path)
    if stored.as_stored:
        return list(found.pairs), found.missing
    judge = Rejudge(model, settings)
    return [(item, judge(result)) for item, result in found.pairs], found.missing


def _neutral(pairs: list[Pair], model: ModelFolder) -> list[float | None]:
    """The probability of each file as it is without `Settings.prior`."""
    calibration = Calibration.from_mapping(model.calibration)
    return [
        result.fake_probability
        if result.logit is None or result.media is None
        else to_probability(calibration.log_odds(result.logit, result.media.kind))
        for _, result in pairs
    ]


def _about(
    labels: Path,
    model: ModelFolder,
    settings: Settings,
    stored: Stored | None,
    pairs: list[Pair],
    draws: int,
) -> About:
    origin = Origin.SCANNED
    name, version = model.card.name, model.card.version
    prior, threshold = settings.prior, settings.threshold
    if stored is not None:
        origin = Origin.STORED if stored.as_stored else Origin.RESCORED
    if origin is Origin.STORED:
        # The model that gave these verdicts; it need not be the one that --model names.
        stamps = {(r.model.name, r.model.version) for _, r in pairs if r.model is not None}
        name, version = next(iter(stamps)) if len(stamps) == 1 else ("several models", "")
        prior, threshold = _stored_share(pairs, "prior"), _stored_share(pairs, "threshold")
    return About(
        labels=labels.resolve().name,
        model=name,
        model_version=version,
        tool_version=__version__,
        origin=origin,
        threshold=threshold if threshold is not None else 0.5,
        prior=prior,
        seed=settings.seed,
        draws=draws,
    )


def _stored_share(pairs: list[Pair], name: str) -> float | None:
    """The prior, or the threshold, of all stored verdicts; None where they had none or several."""
    found: list[Any] = [result.settings.get(name) for _, result in pairs if result.label is not None]
    if not found or not is_number(found[0]) or any(value != found[0] for value in found):
        return None
    return float(found[0]) if 0 < found[0] < 1 else None


def _into_card(model: ModelFolder, name: str, figures: Mapping[str, Any]) -> None:
    """Write figures into the card of a model folder, under a name of their own."""
    measured = {} if isinstance(model.card.measured, str) else dict(model.card.measured)
    write_card(model.path, dataclasses.replace(model.card, measured={**measured, name: figures}))


@contextlib.contextmanager
def _writer(path: Path | None) -> Iterator[Callable[[ScanResult], None]]:
    """A function that appends a record to a file, which is opened now and not after hours of scanning.

    Where nothing was written the file is gone again, and its name free for another try.
    """
    if path is None:
        yield lambda result: None
        return
    try:
        stream = path.open("x", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; name a new file") from error
    try:
        with stream:
            yield lambda result: print(json.dumps(plain_result(result)), file=stream, flush=True)
    finally:
        with contextlib.suppress(OSError):
            if not path.stat().st_size:
                path.unlink()
