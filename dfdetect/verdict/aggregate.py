"""From the frame logits of one person to one logit.

The frames of a clip depend on each other: an aggregator says how suspicious the *person* is, and its
calibrator is fitted on clips, never on frames.  All aggregators rise when all logits rise together, and by as
much as these do once their scale is fitted away; all but `Linear` give a single frame's logit back
unchanged; all but `TopRun` and `Linear` ignore the order of the frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dfdetect.fields import Fields
from dfdetect.verdict.track import Floats, TrackScores

_QUANTILES = {"q10": 0.10, "q25": 0.25, "q50": 0.50, "q75": 0.75, "q90": 0.90}
LOCATION = ("mean", *_QUANTILES, "top_run")
"""Features that move with the logits; together they must never fall when all logits rise."""
FEATURES = (*LOCATION, "std", "jitter", "log_count", "log_size", "log_sharpness", "box_jitter")
"""What `Linear` weighs; see `features`."""
RUN_SHARE = 0.25  # of a person's frames: the length of the run behind the feature ``top_run``


class Aggregator(Protocol):
    """Turns the faces of one person into one logit."""

    def __call__(self, track: TrackScores) -> float:
        """The person's logit."""

    def values(self) -> dict[str, Any]:
        """The part ``aggregator`` of a calibration that `parse_aggregator` reads back."""


@dataclass(frozen=True, slots=True)
class Mean:
    """The plain mean."""

    def __call__(self, track: TrackScores) -> float:
        """See `Aggregator`."""
        return float(track.logits.mean())

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "mean"}


@dataclass(frozen=True, slots=True)
class TrimmedMean:
    """The mean without the share `trim` of the lowest and of the highest logits."""

    trim: float

    def __call__(self, track: TrackScores) -> float:
        """See `Aggregator`."""
        cut = int(self.trim * len(track))
        return float(np.sort(track.logits)[cut : len(track) - cut].mean())

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "trimmed_mean", "trim": self.trim}


@dataclass(frozen=True, slots=True)
class Median:
    """The median."""

    def __call__(self, track: TrackScores) -> float:
        """See `Aggregator`."""
        return float(np.median(track.logits))

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "median"}


@dataclass(frozen=True, slots=True)
class TopMean:
    """The mean of the highest share `share` of the logits (at least one), for edits that are short."""

    share: float

    def __call__(self, track: TrackScores) -> float:
        """See `Aggregator`."""
        return float(np.sort(track.logits)[-_portion(self.share, track) :].mean())

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "top_mean", "share": self.share}


@dataclass(frozen=True, slots=True)
class TopRun:
    """The highest mean over consecutive frames, of the share `share` of all: a short edit is in one piece,
    while chance outliers are scattered.
    """

    share: float

    def __call__(self, track: TrackScores) -> float:
        """See `Aggregator`."""
        length = _portion(self.share, track)
        return float(np.convolve(track.logits, np.full(length, 1 / length), "valid").max())

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "top_run", "share": self.share}


@dataclass(frozen=True, slots=True)
class Linear:
    """A learned weighted sum of `FEATURES`."""

    weights: Mapping[str, float]
    """Of the features that count, by name."""
    bias: float = 0.0

    def __call__(self, track: TrackScores) -> float:
        """See `Aggregator`."""
        found = features(track)
        return sum(weight * found[name] for name, weight in self.weights.items()) + self.bias

    def values(self) -> dict[str, Any]:
        """See `Aggregator`."""
        return {"kind": "linear", "weights": dict(self.weights), "bias": self.bias}


def features(track: TrackScores) -> dict[str, float]:
    """`FEATURES` by name.

    Of the logits: mean, quantiles, ``top_run`` (see `TopRun`), standard deviation, ``jitter`` (mean change
    from face to face).  Of the faces: natural logarithms of their number, median height in pixels and median
    sharpness (plus 1), and ``box_jitter``: the median change of the box from face to face (shift of its
    centre and change of its height, each over its height, at most 1 in all), 0 for a single face.
    """
    logits = track.logits
    quantiles = np.quantile(logits, list(_QUANTILES.values()))
    size, sharpness = (max(float(v), 0.0) for v in np.median(track.quality[:, :2], axis=0))
    return {
        "mean": float(logits.mean()),
        **dict(zip(_QUANTILES, quantiles.tolist(), strict=True)),
        "top_run": TopRun(RUN_SHARE)(track),
        "std": float(logits.std()),
        "jitter": float(np.abs(np.diff(logits)).mean()) if len(track) > 1 else 0.0,
        "log_count": math.log(len(track)),
        "log_size": math.log(max(size, 1.0)),
        "log_sharpness": math.log1p(sharpness),
        "box_jitter": _box_jitter(track.boxes),
    }


def _box_jitter(boxes: Floats) -> float:
    if len(boxes) < 2:
        return 0.0
    height = np.maximum(boxes[:, 3] - boxes[:, 1], 1e-6)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    shift = np.linalg.norm(np.diff(centre, axis=0), axis=1) / height[:-1]
    change = np.abs(np.diff(height)) / height[:-1]
    return float(min(np.median(shift + change), 1.0))


def _portion(share: float, track: TrackScores) -> int:
    return max(1, math.ceil(share * len(track) - 1e-9))


def parse_aggregator(values: Fields) -> Aggregator:
    """Read the part ``aggregator`` of a calibration; raises `ModelError` for an unknown kind."""
    return _MAKERS[values.one_of("kind", _MAKERS, "mean")](values)


def _linear(values: Fields) -> Aggregator:
    weights = values.part("weights", {})
    for name in weights.values:
        if name not in FEATURES:
            raise values.wrong("weights", "hold only " + ", ".join(FEATURES), name)
    found = {name: weights.number(name) for name in weights.values}
    if sum(found.get(name, 0.0) for name in LOCATION) < 0:
        # Such a person would look the more real, the more fake the frames look.
        raise values.wrong("weights", "have a sum of at least 0 over " + ", ".join(LOCATION))
    return Linear(found, values.number("bias", 0.0))


_MAKERS: dict[str, Callable[[Fields], Aggregator]] = {
    "mean": lambda _: Mean(),
    "trimmed_mean": lambda v: TrimmedMean(v.number("trim", None, 0.0, 0.49)),
    "median": lambda _: Median(),
    "top_mean": lambda v: TopMean(v.number("share", None, 0.001, 1.0)),
    "top_run": lambda v: TopRun(v.number("share", None, 0.001, 1.0)),
    "linear": _linear,
}
