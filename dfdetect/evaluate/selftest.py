"""Does this installation reproduce the scores that the model was shipped with?

A model's card names samples and the logit that each must get, end to end: reading, face detection, crop,
engine, fusion, aggregation.  Another decoder, engine or processor may move a logit a little; more than the
card's tolerance means that the calibration does not hold here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dfdetect.detector import Detector
from dfdetect.errors import ModelError
from dfdetect.packaged import SAMPLES, packaged
from dfdetect.results import ScanResult
from dfdetect.scoring.card import Golden, is_plain_name
from dfdetect.scoring.models import ModelFolder, load_model, logit_tolerance
from dfdetect.settings import Settings

Scan = Callable[[Path], ScanResult]


@dataclass(frozen=True, slots=True)
class SelftestResult:
    """The outcome for one golden sample."""

    file: str
    expected: float
    found: float | None
    """The logit that this installation gives; None when it gives none."""
    tolerance: float
    passed: bool
    message: str
    """One sentence for people."""


def run_selftest(settings: Settings | None = None) -> tuple[SelftestResult, ...]:
    """Scan every golden sample of the model that `settings` names.

    Of the settings, those that move a score are at their defaults, since the goldens were made with them.
    Raises `ModelError` when the model cannot be loaded or has no goldens, which would prove nothing.
    """
    chosen = settings if settings is not None else Settings()
    folder = load_model(chosen.model)
    if not folder.card.golden:
        raise ModelError(f"model '{folder.card.name}' names no golden samples, so nothing can be checked")
    own = Settings(model=chosen.model, engine=chosen.engine, device=chosen.device, threads=chosen.threads)
    detector = Detector(own)
    return tuple(_check(folder, golden, detector.scan) for golden in folder.card.golden)


def make_goldens(folder: ModelFolder, files: Iterable[str], scan: Scan) -> tuple[Golden, ...]:
    """Goldens for samples, as this installation scores them; for `write_card`.

    `files` are names in the model folder or among the package's samples.  A logit may differ by what the
    arithmetic of the networks allows.  Raises `ModelError` for a sample that is missing or gets no logit.
    """
    tolerance = logit_tolerance(folder)
    goldens = []
    for name in files:
        result = scan(_locate(folder, name))
        if result.logit is None:
            raise ModelError(f"sample {name} gets no score and cannot be a golden one: {result.message}")
        goldens.append(Golden(name, round(result.logit, 6), tolerance))
    return tuple(goldens)


def _check(folder: ModelFolder, golden: Golden, scan: Scan) -> SelftestResult:
    def outcome(found: float | None, passed: bool, message: str) -> SelftestResult:
        return SelftestResult(golden.file, golden.logit, found, golden.tolerance, passed, message)

    try:
        path = _locate(folder, golden.file)
    except ModelError as error:
        return outcome(None, False, str(error))
    result = scan(path)
    if result.logit is None:
        return outcome(None, False, f"{golden.file} got no score: {result.message}")
    difference = result.logit - golden.logit
    close = abs(difference) <= golden.tolerance
    verb = "reproduces" if close else "does NOT reproduce"
    return outcome(
        result.logit,
        close,
        f"{golden.file}: {verb} the shipped score {golden.logit:+.3f} "
        f"(here {result.logit:+.3f}, {difference:+.4f}, tolerance {golden.tolerance:g})",
    )


def _locate(folder: ModelFolder, name: str) -> Path:
    """A sample in the model folder, else among the package's samples."""
    if not is_plain_name(name):
        raise ModelError(f"'{name}' is not the plain name of a sample")
    own = folder.path / name
    if own.is_file():
        return own
    shipped = packaged(SAMPLES)
    if shipped is None or not (shipped / name).is_file():
        raise ModelError(f"sample {name} is neither in {folder.path} nor among the package's samples")
    return shipped / name
