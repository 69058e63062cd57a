"""What ``calibration.json`` says about judging: from a logit to the probability of a fake, and the band.

Probabilities are handled as log-odds inside, so that a prior is a plain shift and nothing becomes 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from dfdetect.errors import ModelError
from dfdetect.results import MediaKind
from dfdetect.verdict.aggregate import Aggregator, parse_aggregator
from dfdetect.verdict.fields import fail, number, numbers, part
from dfdetect.verdict.quality import QualityGate

CALIBRATION_FORMAT = 1
_LIMIT = math.log(1e6)  # no probability nearer to 0 or 1 than one in a million


class Calibrator(Protocol):
    """A rising map from a logit to the log-odds of a fake."""

    def log_odds(self, logit: float) -> float:
        """Log-odds of a fake at the calibration's prior."""


@dataclass(frozen=True, slots=True)
class Platt:
    """``a * logit + b`` (temperature scaling is the special case ``1 / t``, 0)."""

    a: float
    b: float

    def log_odds(self, logit: float) -> float:
        """See `Calibrator`."""
        return self.a * logit + self.b


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Probabilities `y` (rising, 0–1) at logits `x` (rising); straight lines between, flat beyond."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def log_odds(self, logit: float) -> float:
        """See `Calibrator`."""
        return to_log_odds(float(np.interp(logit, self.x, self.y)))


@dataclass(frozen=True, slots=True)
class Calibration:
    """The parts of a calibration that judging needs (fusion belongs to scoring)."""

    aggregator: Aggregator
    track_penalty: float
    """Taken off every person's logit, times the natural logarithm of the number of judged persons."""
    calibrators: Mapping[MediaKind, Calibrator]
    bands: Mapping[MediaKind, tuple[float, float]]
    error_rate: float | None
    """Stated share of reals called fake, and of fakes called real, behind the bands."""
    prior: float
    """Share of fakes that the probabilities assume."""
    gate: QualityGate

    def log_odds(self, logit: float, kind: MediaKind, prior: float | None = None) -> float:
        """Log-odds of a fake for a file's or person's logit, moved to another prior by likelihood ratio."""
        odds = self.calibrators[kind].log_odds(logit)
        if prior is not None:
            odds += to_log_odds(prior) - to_log_odds(self.prior)
        return min(max(odds, -_LIMIT), _LIMIT)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Calibration:
        """Read the content of ``calibration.json``; raises `ModelError` that names the field."""
        if values.get("format") != CALIBRATION_FORMAT:
            raise ModelError(
                f"calibration.json: format {values.get('format')!r} is not known to this version of dfdetect "
                f"(it reads format {CALIBRATION_FORMAT}); update dfdetect or calibrate again"
            )
        file = part(values, "file")
        if file.get("kind", "max") != "max":
            fail("file.kind", "be 'max', the only one known to this version", file["kind"])
        calibrator, band = part(values, "calibrator"), part(values, "band")
        return cls(
            aggregator=parse_aggregator(part(values, "aggregator")),
            track_penalty=number(file, "track_penalty", 0.0, low=0.0, inside="file."),
            calibrators={kind: _calibrator(calibrator, kind) for kind in MediaKind},
            bands={kind: _band(band, kind) for kind in MediaKind},
            error_rate=number(band, "error_rate", None, 0.0, 1.0, "band.") if "error_rate" in band else None,
            prior=number(values, "prior", 0.5, 1e-6, 1 - 1e-6),
            gate=QualityGate.from_mapping(part(values, "quality")),
        )


def to_log_odds(probability: float) -> float:
    """Log-odds of a probability, within one in a million of 0 and 1."""
    kept = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(kept) - math.log1p(-kept)


def to_probability(log_odds: float) -> float:
    """The logistic function, without overflow."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1.0 + odds)


def _calibrator(values: Mapping[str, Any], medium: MediaKind) -> Calibrator:
    own = part(values, medium, "calibrator.")
    where = f"calibrator.{medium}."
    kind = own.get("kind")
    maker = _MAKERS.get(kind) if isinstance(kind, str) else None
    if maker is None:
        fail(where + "kind", "be one of " + ", ".join(_MAKERS), kind)
    return maker(own, where)


def _isotonic(values: Mapping[str, Any], where: str) -> Calibrator:
    x, y = numbers(values, "x", where), numbers(values, "y", where)
    if len(x) != len(y) or len(x) < 1:
        fail(where + "y", "hold as many numbers as x, at least one", len(y))
    if any(b <= a for a, b in pairwise(x)):
        fail(where + "x", "rise from number to number", list(x))
    if any(b < a for a, b in pairwise(y)) or y[0] < 0 or y[-1] > 1:
        fail(where + "y", "hold probabilities that never fall", list(y))
    return Isotonic(x, y)


def _band(values: Mapping[str, Any], medium: MediaKind) -> tuple[float, float]:
    limits = numbers(values, medium, "band.")
    if len(limits) != 2 or not 0 <= limits[0] <= limits[1] <= 1:
        fail(f"band.{medium}", "hold two probabilities, the lower first", list(limits))
    return limits[0], limits[1]


_MAKERS: dict[str, Callable[[Mapping[str, Any], str], Calibrator]] = {
    "temperature": lambda v, where: Platt(1.0 / number(v, "t", None, 1e-3, 1e3, where), 0.0),
    "platt": lambda v, where: Platt(number(v, "a", None, 0.0, 1e6, where), number(v, "b", inside=where)),
    "isotonic": _isotonic,
}
