"""Read numbers out of a calibration, with errors that name the field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

from dfdetect.errors import ModelError
from dfdetect.numbers import is_number


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
    low: float = -math.inf,
    high: float = math.inf,
    inside: str = "",
) -> float:
    """A finite number of the calibration, from `low` to `high`; `default` None: it must be there."""
    value = values.get(name, default)
    if not is_number(value) or not low <= value <= high:
        limits = "" if math.isinf(low) and math.isinf(high) else f" from {low:g} to {high:g}"
        fail(inside + name, f"be a finite number{limits}", value)
    return float(value)


def numbers(values: Mapping[str, Any], name: str, inside: str = "") -> tuple[float, ...]:
    """A list of finite numbers of the calibration."""
    value = values.get(name)
    if not isinstance(value, list) or not all(is_number(v) for v in value):
        fail(inside + name, "be a list of finite numbers", value)
    return tuple(float(v) for v in value)
