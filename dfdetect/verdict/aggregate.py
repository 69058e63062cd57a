"""From the frame logits of one person to one logit.

The frames of a clip depend on each other: an aggregator says how suspicious the *person* is, and its
calibrator is fitted on clips, never on frames.  All aggregators ignore the order of the frames, give a
single frame's logit back unchanged (apart from `Linear`), and rise when all logits rise together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dfdetect.verdict.fields import fail, number, part

Logits = NDArray[np.float64]

_QUANTILES = {"q10": 0.10, "q25": 0.25, "q50": 0.50, "q75": 0.75, "q90": 0.90}
FEATURES = ("mean", *_QUANTILES, "std", "log_count")
"""What `Linear` weighs; all but the last two move with the logits."""
_LOCATION = ("mean", *_QUANTILES)


class Aggregator(Protocol):
    """Turns the logits of one person, ``[n]`` with n >= 1, into one."""

    def __call__(self, logits: Logits) -> float:
        """The person's logit."""

    def values(self) -> dict[str, Any]:
        """The part ``aggregator`` of a calibration that `parse_aggregator` reads back."""


@dataclass(frozen=True, slots=True)
class Mean:
    """The plain mean."""

    def __call__(self, logits: Logits) -> float:
        """See `Aggregator`."""
        return float(logits.mean())

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "mean"}


@dataclass(frozen=True, slots=True)
class TrimmedMean:
    """The mean without the share `trim` of the lowest and of the highest logits."""

    trim: float

    def __call__(self, logits: Logits) -> float:
        """See `Aggregator`."""
        cut = int(self.trim * len(logits))
        return float(np.sort(logits)[cut : len(logits) - cut].mean())

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "trimmed_mean", "trim": self.trim}


@dataclass(frozen=True, slots=True)
class Median:
    """The median."""

    def __call__(self, logits: Logits) -> float:
        """See `Aggregator`."""
        return float(np.median(logits))

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "median"}


@dataclass(frozen=True, slots=True)
class TopMean:
    """The mean of the highest share `share` of the logits (at least one), for edits that are short."""

    share: float

    def __call__(self, logits: Logits) -> float:
        """See `Aggregator`."""
        count = max(1, math.ceil(self.share * len(logits)))
        return float(np.sort(logits)[-count:].mean())

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "top_mean", "share": self.share}


@dataclass(frozen=True, slots=True)
class Linear:
    """A learned weighted sum of `FEATURES`."""

    weights: tuple[float, ...]
    """One for each of `FEATURES`."""
    bias: float = 0.0

    def __call__(self, logits: Logits) -> float:
        """See `Aggregator`."""
        return float(features(logits) @ np.asarray(self.weights) + self.bias)

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {
            "kind": "linear",
            "weights": dict(zip(FEATURES, self.weights, strict=True)),
            "bias": self.bias,
        }


def features(logits: Logits) -> NDArray[np.float64]:
    """``[len(FEATURES)]``: mean, quantiles, standard deviation, natural logarithm of the count."""
    quantiles = np.quantile(logits, list(_QUANTILES.values()))
    return np.array([logits.mean(), *quantiles, logits.std(), math.log(len(logits))])


def parse_aggregator(values: Mapping[str, Any]) -> Aggregator:
    """Read the part ``aggregator`` of a calibration; raises `ModelError` for an unknown kind."""
    kind = values.get("kind", "mean")
    maker = _MAKERS.get(kind) if isinstance(kind, str) else None
    if maker is None:
        fail("aggregator.kind", "be one of " + ", ".join(_MAKERS), kind)
    return maker(values)


def _linear(values: Mapping[str, Any]) -> Aggregator:
    weights = part(values, "weights", "aggregator.")
    for name in weights:
        if name not in FEATURES:
            fail("aggregator.weights", "hold only " + ", ".join(FEATURES), name)
    found = {name: number(weights, name, 0.0, inside="aggregator.weights.") for name in FEATURES}
    if sum(found[name] for name in _LOCATION) < 0:
        # Such a person would look the more real, the more fake the frames look.
        fail("aggregator.weights", "have a sum of at least 0 over mean and quantiles", dict(weights))
    return Linear(tuple(found.values()), number(values, "bias", 0.0, inside="aggregator."))


_MAKERS: dict[str, Callable[[Mapping[str, Any]], Aggregator]] = {
    "mean": lambda _: Mean(),
    "trimmed_mean": lambda v: TrimmedMean(number(v, "trim", None, 0.0, 0.49, "aggregator.")),
    "median": lambda _: Median(),
    "top_mean": lambda v: TopMean(number(v, "share", None, 0.001, 1.0, "aggregator.")),
    "linear": _linear,
}
