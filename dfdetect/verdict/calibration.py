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
from dfdetect.fields import Fields
from dfdetect.numbers import LARGEST
from dfdetect.results import MediaKind
from dfdetect.verdict.aggregate import Aggregator, parse_aggregator
from dfdetect.verdict.novelty import Novelty, parse_novelty
from dfdetect.verdict.quality import QualityGate

CALIBRATION_FORMAT = 1
_LIMIT = math.log(1e6)  # no probability nearer to 0 or 1 than one in a million


class Calibrator(Protocol):
    """A rising map from a logit to the log-odds of a fake."""

    def log_odds(self, logit: float) -> float:
        """Log-odds of a fake at the calibration's prior."""

    def values(self) -> dict[str, Any]:
        """One medium's part of ``calibrator`` of a calibration."""


@dataclass(frozen=True, slots=True)
class Platt:
    """``a * logit + b`` (temperature scaling is the special case ``1 / t``, 0)."""

    a: float
    b: float

    def log_odds(self, logit: float) -> float:
        """See `Calibrator`."""
        return self.a * logit + self.b

    def values(self) -> dict[str, Any]:
        """See `Calibrator`."""
        return {"kind": "platt", "a": self.a, "b": self.b}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Probabilities `y` (rising, 0–1) at logits `x` (rising); straight lines between, flat beyond."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def log_odds(self, logit: float) -> float:
        """See `Calibrator`."""
        return to_log_odds(float(np.interp(logit, self.x, self.y)))

    def values(self) -> dict[str, Any]:
        """See `Calibrator`."""
        return {"kind": "isotonic", "x": list(self.x), "y": list(self.y)}


@dataclass(frozen=True, slots=True)
class Calibration:
    """The parts of a calibration that judging needs (the fusion that all media share belongs to scoring)."""

    fusion: Mapping[MediaKind, tuple[float, ...]]
    """Weights of the experts for the media that have their own; they replace the common ones."""
    fusion_bias: float
    """Added to the weighted sum, whosever weights they are."""
    aggregator: Aggregator
    track_penalty: float
    """Taken off every person's logit, times the natural logarithm of the number of judged persons."""
    calibrators: Mapping[MediaKind, Calibrator]
    bands: Mapping[MediaKind, tuple[float, float]]
    """Real below the first probability, fake from the second on, at the calibration's own prior."""
    error_rate: float | None
    """Stated share of reals called fake behind the bands."""
    miss_rate: float | None
    """Stated share of fakes called real behind the bands."""
    prior: float
    """Share of fakes that the probabilities assume."""
    gate: QualityGate
    novelty: Mapping[MediaKind, Novelty]
    """What is usual; empty for a calibration that does not say."""
    alarm: float
    """From this novelty on a result says that its file is unlike the calibration media."""

    def log_odds(self, logit: float, kind: MediaKind, prior: float | None = None) -> float:
        """Log-odds of a fake for a file's or person's logit, moved to another prior by likelihood ratio."""
        odds = self.calibrators[kind].log_odds(logit) + self._shift(prior)
        return min(max(odds, -_LIMIT), _LIMIT)

    def band(self, kind: MediaKind, prior: float | None = None) -> tuple[float, float]:
        """The band of a medium, moved to another prior just as the probabilities are.

        The stated error rates are of each class by itself, so they do not depend on how many fakes there are.
        They hold at any prior only because band and probability move together, which leaves every label as
        it is.  A side that is open (0 or 1) stays open.
        """
        low, high = self.bands[kind]
        return self._moved(low, prior), self._moved(high, prior)

    def _moved(self, probability: float, prior: float | None) -> float:
        if prior is None or probability in (0.0, 1.0):
            return probability
        return to_probability(to_log_odds(probability) + self._shift(prior))

    def _shift(self, prior: float | None) -> float:
        return 0.0 if prior is None else to_log_odds(prior) - to_log_odds(self.prior)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Calibration:
        """Read the content of ``calibration.json``; raises `ModelError` that names the field."""
        if values.get("format") != CALIBRATION_FORMAT:
            raise ModelError(
                f"calibration.json: format {values.get('format')!r} is not known to this version of dfdetect "
                f"(it reads format {CALIBRATION_FORMAT}); update dfdetect or calibrate again"
            )
        root = Fields(values, "calibration.json", ModelError, largest=LARGEST)
        file, fusion, calibrator, band, novelty = (
            root.part(name, {}) for name in ("file", "fusion", "calibrator", "band", "novelty")
        )
        if file.values.get("kind", "max") != "max":
            raise file.wrong("kind", "be 'max', the only one known to this version")
        experts = _experts(fusion)
        found = {kind: parse_novelty(novelty, kind, experts) for kind in MediaKind}
        error_rate = _rate(band, "error_rate")
        return cls(
            fusion=_fusion(fusion, experts),
            fusion_bias=fusion.number("bias", 0.0),
            aggregator=parse_aggregator(root.part("aggregator", {})),
            track_penalty=file.number("track_penalty", 0.0, 0.0),
            calibrators={kind: _calibrator(calibrator, kind) for kind in MediaKind},
            bands={kind: _band(band, kind) for kind in MediaKind},
            error_rate=error_rate,
            miss_rate=_rate(band, "miss_rate") if "miss_rate" in band.values else error_rate,
            prior=root.number("prior", 0.5, 1e-6, 1 - 1e-6),
            gate=QualityGate.from_fields(root.part("quality", {})),
            novelty={kind: own for kind, own in found.items() if own is not None},
            alarm=novelty.number("alarm", 0.99, 0.0, 1.0),
        )


def neutral_calibration(experts: int) -> dict[str, Any]:
    """What a model of so many networks holds until it is calibrated: all is uncertain, and says why."""
    return {
        "format": CALIBRATION_FORMAT,
        "fusion": {"weights": [1 / experts] * experts, "bias": 0.0},
        "aggregator": {"kind": "mean"},
        "file": {"kind": "max", "track_penalty": 0.0},
        "calibrator": {kind.value: Platt(1.0, 0.0).values() for kind in MediaKind},
        "band": {kind.value: [0.0, 1.0] for kind in MediaKind},
        "prior": 0.5,
        "quality": {"min_sharpness": 4.0, "min_brightness": 0.06, "min_contrast": 0.02},
        "fitted_on": {"source": "nothing yet: run `dfdetect calibrate`", "files": 0},
    }


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


def _experts(fusion: Fields) -> int:
    weights = fusion.values.get("weights")
    return len(weights) if isinstance(weights, list) else 1


def _fusion(fusion: Fields, experts: int) -> dict[MediaKind, tuple[float, ...]]:
    media = fusion.part("media", {})
    found = {kind: media.numbers(kind) for kind in MediaKind if kind in media.values}
    for kind, weights in found.items():
        if len(weights) != experts or min(weights) < 0:
            raise media.wrong(kind, f"hold {experts} weights of at least 0")
    return found


def _rate(band: Fields, name: str) -> float | None:
    return band.number(name, None, 0.0, 1.0) if name in band.values else None


def _calibrator(values: Fields, medium: MediaKind) -> Calibrator:
    own = values.part(medium, {})
    return _MAKERS[own.one_of("kind", _MAKERS)](own)


def _isotonic(values: Fields) -> Calibrator:
    x, y = values.numbers("x"), values.numbers("y")
    if len(x) != len(y) or len(x) < 1:
        raise values.wrong("y", "hold as many numbers as x, at least one", len(y))
    if any(b <= a for a, b in pairwise(x)):
        raise values.wrong("x", "rise from number to number")
    if any(b < a for a, b in pairwise(y)) or y[0] < 0 or y[-1] > 1:
        raise values.wrong("y", "hold probabilities that never fall")
    return Isotonic(x, y)


def _band(values: Fields, medium: MediaKind) -> tuple[float, float]:
    limits = values.numbers(medium)
    if len(limits) != 2 or not 0 <= limits[0] <= limits[1] <= 1:
        raise values.wrong(medium, "hold two probabilities, the lower first")
    return limits[0], limits[1]


_MAKERS: dict[str, Callable[[Fields], Calibrator]] = {
    "temperature": lambda v: Platt(1.0 / v.number("t", None, 1e-3, 1e3), 0.0),
    "platt": lambda v: Platt(v.number("a", None, 0.0, 1e6), v.number("b")),
    "isotonic": _isotonic,
}
