"""The members of a JSON object that was read back, each of its kind or refused with an `InputError`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from dfdetect.errors import InputError
from dfdetect.numbers import is_number

_Member = TypeVar("_Member", bound=Enum)
_MOST = 2**63
"""Whole numbers stay below it: no count or size reaches it, and tables could not hold them."""


def wrong(name: str, want: str, value: object) -> InputError:
    """The error that says what a member must be."""
    return InputError(f"not the record of a scan: '{name}' must {want}, not {value!r:.60}")


def json_object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that is an object."""
    value = values.get(name)
    if not isinstance(value, Mapping):
        raise wrong(name, "be a JSON object", value)
    return value


def json_list(values: Mapping[str, Any], name: str) -> list[Any]:
    """A member that is a list."""
    value = values.get(name)
    if not isinstance(value, list):
        raise wrong(name, "be a list", value)
    return value


def json_objects(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A member that is a list of objects."""
    found = json_list(values, name)
    for item in found:
        if not isinstance(item, Mapping):
            raise wrong(name, "hold JSON objects", item)
    return found


def text(values: Mapping[str, Any], name: str) -> str:
    """A member that is a text."""
    value = values.get(name)
    if not isinstance(value, str):
        raise wrong(name, "be a text", value)
    return value


def text_or_none(values: Mapping[str, Any], name: str) -> str | None:
    """The same; None where it is null or missing."""
    return None if values.get(name) is None else text(values, name)


def truth(values: Mapping[str, Any], name: str) -> bool | None:
    """True or false; None where it is null or missing."""
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(name, "be true, false or null", value)
    return value


def whole(values: Mapping[str, Any], name: str) -> int:
    """A whole number that fits 64 bits."""
    value = values.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= _MOST:
        raise wrong(name, "be a whole number of at most 63 bits", value)
    return value


def one_of(values: Mapping[str, Any], name: str, kind: type[_Member]) -> _Member | None:
    """The member of an enumeration that has this value; None where it is null or missing."""
    value = values.get(name)
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError as error:
        raise wrong(name, "be one of " + ", ".join(str(m.value) for m in kind), value) from error


def plain_number(name: str, value: object) -> float:
    """`value`, of the member `name`, as a finite number."""
    if not isinstance(value, (int, float)) or not is_number(value):
        raise wrong(name, "be a number", value)
    return float(value)


def number(values: Mapping[str, Any], name: str) -> float:
    """A member that is a finite number."""
    return plain_number(name, values.get(name))


def plain_or_nan(name: str, value: object) -> float:
    """Null stands for a figure that was no finite number."""
    return math.nan if value is None else plain_number(name, value)


def number_or_nan(values: Mapping[str, Any], name: str) -> float:
    """A member that is a finite number; NaN where it is null or missing."""
    return plain_or_nan(name, values.get(name))


def number_or_none(values: Mapping[str, Any], name: str) -> float | None:
    """A member that is a finite number; None where it is null or missing."""
    return None if values.get(name) is None else number(values, name)


def share_or_none(values: Mapping[str, Any], name: str) -> float | None:
    """A member from 0 to 1; None where it is null or missing."""
    return None if values.get(name) is None else plain_share(name, values[name])


def plain_share(name: str, value: object) -> float:
    """`value`, of the member `name`, as a number from 0 to 1."""
    number = plain_number(name, value)
    if not 0.0 <= number <= 1.0:
        raise wrong(name, "lie between 0 and 1", value)
    return number
