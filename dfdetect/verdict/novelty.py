"""How unlike a file is to the media that the model was calibrated on.

A calibration holds, for each medium, the centre, the scale and the correlations of a few plain figures of
a person's faces, and the distances from that centre of files that the fit had not seen.  A new file's
*novelty* is the share of those that are nearer.  It says nothing about real or fake, only how far the stated
error rates can be trusted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dfdetect.fields import Fields
from dfdetect.results import MediaKind, Note
from dfdetect.verdict.track import Floats, TrackScores

EXPERT = "expert_"
"""Beginning of the name of an expert's mean logit: ``expert_1`` …, in the order of the model card."""
TAIL = 0.01
"""`Novelty.low` and `Novelty.high` have this share of the calibration media beyond them."""
_FARTHEST = 50.0  # scales: keeps the distance of an absurd figure finite and the others visible

_WORDS = {
    "log_size": ("the face is smaller than", "the face is larger than"),
    "log_sharpness": ("the face is more blurred than", "the face is sharper than"),
    "brightness": ("the face is darker than", "the face is brighter than"),
    "contrast": ("the face has less contrast than", "the face has more contrast than"),
    "log_count": ("the person is seen in fewer frames than", "the person is seen in more frames than"),
    "spread": ("the frames agree more than", "the frames agree less than"),
    "disagreement": ("the model's networks agree more than", "the model's networks agree less than"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """What is usual in one medium."""

    names: tuple[str, ...]
    """Which of `novelty_figures` count."""
    centre: Floats
    """``[k]``: medians."""
    scale: Floats
    """``[k]``, positive: robust standard deviations."""
    precision: Floats
    """``[k, k]``: inverse of the shrunk covariance of the scaled figures."""
    low: Floats
    """``[k]``: each figure of only `TAIL` of the calibration media is lower."""
    high: Floats
    """``[k]``: and of as many higher."""
    distances: tuple[float, ...]
    """Quantiles (evenly spaced from the least to the greatest) of the distances of files not fitted on."""

    def without_surplus(self, figures: Mapping[str, float]) -> dict[str, float]:
        """The figures of a person who is seen in no more frames than is usual."""
        found = dict(figures)
        if "log_count" in self.names:
            usual = float(self.centre[self.names.index("log_count")])
            found["log_count"] = min(found["log_count"], usual)
        return found

    def scaled(self, figures: Mapping[str, float]) -> Floats:
        """``[k]``: the figures in scales from their centre."""
        raw = np.array([figures[name] for name in self.names], np.float64)
        return np.clip((raw - self.centre) / self.scale, -_FARTHEST, _FARTHEST)

    def distance(self, figures: Mapping[str, float]) -> float:
        """Mahalanobis distance from the centre."""
        z = self.scaled(figures)
        return math.sqrt(max(float(z @ self.precision @ z), 0.0))

    def share(self, figures: Mapping[str, float]) -> float:
        """Share of the calibration media that are less unusual, 0–1."""
        ranks = np.linspace(0.0, 1.0, len(self.distances))
        return float(np.interp(self.distance(figures), self.distances, ranks))

    def words(self, figures: Mapping[str, float]) -> str:
        """What is unusual, as a part of a sentence."""
        z = self.scaled(figures)
        raw = np.array([figures[name] for name in self.names])
        beyond = np.where((raw < self.low) | (raw > self.high), np.abs(z), -1.0)
        if beyond.max() < 0:
            return "each of its figures is usual, but not all of them together"
        worst = int(np.argmax(beyond))
        words = _words(self.names[worst], bool(raw[worst] > self.high[worst]))
        return f"{words} in {100 * (1 - TAIL):.0f} % of them"


def novelty_figures(track: TrackScores) -> dict[str, float]:
    """The plain figures of a person's judged faces: medians of the quality, number, mean logits, spreads."""
    size, sharpness, brightness, contrast = (max(float(v), 0.0) for v in np.median(track.quality, axis=0))
    means = track.experts.mean(axis=0)
    return {
        "log_size": math.log(max(size, 1.0)),
        "log_sharpness": math.log1p(sharpness),
        "brightness": brightness,
        "contrast": contrast,
        "log_count": math.log(len(track)),
        "spread": float(track.logits.std()),
        "disagreement": float(track.experts.std(axis=1).mean()),
        **{f"{EXPERT}{i}": float(mean) for i, mean in enumerate(means, start=1)},
    }


def novelty_note(kind: MediaKind, what: str) -> Note:
    """The note on a file that is too unusual; `what` is from `Novelty.words`."""
    media = "picture" if kind is MediaKind.PHOTO else "video"
    text = f"This {media} is unlike those that the model was calibrated on ({what}): trust its answer less."
    return Note("unlike_calibration", text)


def parse_novelty(values: Fields, medium: MediaKind, experts: int) -> Novelty | None:
    """Read ``novelty.photo`` or ``novelty.video`` of a calibration; None where there is none."""
    if medium not in values.values:
        return None
    own = values.part(medium)
    known = {*_WORDS, *(f"{EXPERT}{i}" for i in range(1, experts + 1))}
    want = "be a list of " + ", ".join(sorted(known))
    names = own.items("figures", want=want)
    if not names or not all(isinstance(n, str) and n in known for n in names):
        raise own.wrong("figures", want)
    k = len(names)
    vectors = {name: np.array(own.numbers(name, k)) for name in ("centre", "scale", "low", "high")}
    if (vectors["scale"] <= 0).any():
        raise own.wrong("scale", "hold positive numbers")
    precision = np.array(own.numbers("precision"))
    if len(precision) != k * k:
        raise own.wrong("precision", f"hold {k} rows of {k} numbers, one after the other", len(precision))
    distances = own.numbers("distances")
    if len(distances) < 2 or list(distances) != sorted(distances):
        raise own.wrong("distances", "hold at least two numbers that never fall")
    return Novelty(tuple(names), precision=precision.reshape(k, k), distances=distances, **vectors)


def _words(name: str, high: bool) -> str:
    if name.startswith(EXPERT):
        return f"the score of network {name.removeprefix(EXPERT)} is {'higher' if high else 'lower'} than"
    return _WORDS[name][high]
