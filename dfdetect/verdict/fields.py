"""Read numbers out of a calibration, with errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from dfdetect.errors import ModelError
from dfdetect.numbers import LARGEST, is_number


def fail(name: str, want: str, value: object) -> NoReturn:
    """Raise `ModelError` for the field `name` of a calibration."""
    raise ModelError(f"calibration.json: '{name}' must {want}, not {value!r:.80}")


def part(values: Mapping[str, Any], name: str, inside: str = "") -> Mapping[str, Any]:
    """A JSON object of the calibration; a missing one is empty."""
    value = values.get(name, {})
    if not isinstance(value, Mapping):
        fail(inside + name, "be a JSON object", value)
    return value


def number(
    values: Mapping[str, Any],
    name: str,
    default: float | None = None,
    low: float = -LARGEST,
    high: float = LARGEST,
    inside: str = "",
) -> float:
    """A number of the calibration, from `low` to `high`; `default` None: it must be there."""
    value = values.get(name, default)
    if not is_number(value) or not low <= value <= high:
        fail(inside + name, f"be a number from {low:g} to {high:g}", value)
    return float(value)


def numbers(values: Mapping[str, Any], name: str, inside: str = "") -> tuple[float, ...]:
    """A list of numbers of the calibration, none farther from 0 than `LARGEST`."""
    value = values.get(name)
    if not isinstance(value, list) or not all(is_number(v) and abs(v) <= LARGEST for v in value):
        fail(inside + name, f"be a list of numbers from {-LARGEST:g} to {LARGEST:g}", value)
    return tuple(float(v) for v in value)
