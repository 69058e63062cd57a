"""The few figures of an evaluation that a model's card keeps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from dfdetect.evaluate.report import Evaluation
from dfdetect.evaluate.slices import Answers, By, Level, Slice
from dfdetect.evaluate.weighted import Interval
from dfdetect.numbers import is_number
from dfdetect.scoring.card import ModelCard
from dfdetect.settings import Settings

_MARK, _EARLIER = "calibration", "an earlier one, not that of this folder"
_MOVING = (
    "engine",
    "device",
    "detector",
    "min_face",
    "max_faces",
    "frames",
    "fps",
    "start",
    "end",
    "min_frames",
    "threshold",
    "prior",
    "timeout",
    "max_pixels",
)
"""Settings that can move a score or an answer."""


def card_figures(evaluation: Evaluation, settings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """AUC over all, per medium and per family, the answers, ECE, baselines and shortcuts; three decimals.

    `settings` are those of the results, of which the card names what is not as by default.
    """
    chosen = [
        part
        for part in evaluation.slices
        if part.level is Level.FILE and part.by in (By.ALL, By.MEDIUM, By.FAMILY)
    ]
    table: dict[str, Any] = {
        "settings": _unusual(settings),
        "files": evaluation.files,
        "judged": evaluation.judged,
        "not_judged": dict(evaluation.not_judged),
        "auc": {_name(part): _auc(part) for part in chosen},
        "decided": {part.medium: _decided(part) for part in chosen if part.by is By.MEDIUM},
        "baselines": {},
        "score_on_reals_correlates_with": {},
        "auc_within_quarters": {},
    }
    for baseline in evaluation.baselines:
        table["baselines"].setdefault(baseline.name, {})[baseline.medium] = _figure(baseline.auc)
    for shortcut in evaluation.shortcuts:
        name, medium = shortcut.measure, shortcut.medium
        table["score_on_reals_correlates_with"].setdefault(name, {})[medium] = _figure(shortcut.correlation)
        table["auc_within_quarters"].setdefault(name, {})[medium] = [
            _figure(quarter.auc) for quarter in shortcut.quarters
        ]
    return table


def mark_outdated(card: ModelCard) -> tuple[ModelCard, list[str]]:
    """The card of a model that was calibrated anew, and the names of the figures in it that have to say now
    (under ``calibration``) that they are of an earlier calibration.

    Figures without answers, as those of training, depend on none.
    """
    if isinstance(card.measured, str):
        return card, []
    measured = dict(card.measured)
    names = []
    for name, figures in card.measured.items():
        if isinstance(figures, Mapping) and "decided" in figures and figures.get(_MARK) != _EARLIER:
            measured[name] = {_MARK: _EARLIER, **figures}
            names.append(name)
    return dataclasses.replace(card, measured=measured), names


def _unusual(settings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Each setting of `_MOVING` that is not as by default; a list where the results had several values."""
    default, every = Settings().as_dict(), list(settings)
    out: dict[str, Any] = {}
    for name in _MOVING:
        values: list[Any] = []
        for own in every:
            value = own.get(name, default[name])
            if value not in values and (isinstance(value, str) or value is None or is_number(value)):
                values.append(value)
        if len(values) > 1:
            out[name] = ["default" if value is None else value for value in values]
        elif values and values[0] != default[name]:
            out[name] = values[0]
    return out


def _name(part: Slice) -> str:
    return f"{part.medium}/{part.name}" if part.by is By.FAMILY else part.name


def _auc(part: Slice) -> dict[str, Any] | None:
    found = part.figures.get("auc")
    if found is None:
        return None
    unknown = math.isnan(found.low)
    interval = None if unknown else [round(found.low, 3), round(found.high, 3)]
    return {"auc": _figure(found), "interval": interval, "fakes": part.fakes, "reals": part.reals}


def _decided(part: Slice) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for side, answers in (("reals", part.reals_called), ("fakes", part.fakes_called)):
        if answers is not None:
            out[side] = _shares(answers)
    out["ece"] = _figure(part.figures.get("ece"))
    out["ece_by_chance"] = _figure(part.figures.get("ece_by_chance"))
    return out


def _shares(answers: Answers) -> dict[str, float | None]:
    return {
        "real": _figure(answers.real),
        "fake": _figure(answers.fake),
        "uncertain": _figure(answers.uncertain),
    }


def _figure(found: Interval | None) -> float | None:
    return None if found is None or math.isnan(found.value) else round(found.value, 3)
