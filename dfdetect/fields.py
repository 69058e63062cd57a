"""The members of a JSON object that was read, each of its kind or refused with an error that says where."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from dfdetect.errors import InputError, ModelError
from dfdetect.numbers import is_number

_Known = TypeVar("_Known", bound=str)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST = 2**63
"""Whole numbers stay below it: no count or size reaches it, and tables could not hold them."""


@dataclass(slots=True)
class Fields:
    """A JSON object.  What a method reads must be there and not null, unless its name says otherwise; with a
    default it may be missing.
    """

    values: Mapping[str, Any]
    where: str
    """Begins every message: the file, or what it should have been."""
    error: type[InputError] | type[ModelError]
    inside: str = ""
    """Where the object stands in the whole one, as in ``tracks[0].``."""
    largest: float = math.inf
    """No number may lie farther from 0."""

    def wrong(self, name: str, want: str, value: object = None) -> InputError | ModelError:
        """The error that says what a member must be; `value` is what is wrong with it, if not all of it."""
        value = self.values.get(name) if value is None else value
        found = "but is null or missing" if value is None else f"not {value!r:.80}"
        return self.error(f"{self.where}: '{self.inside}{name}' must {want}, {found}")

    def has(self, name: str) -> bool:
        """Whether a member is there and not null."""
        return self.values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A text."""
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, "be a text")
        return value

    def text_or_none(self, name: str) -> str | None:
        """A text; None where it is null or missing."""
        return self.text(name) if self.has(name) else None

    def one_of(self, name: str, known: Iterable[_Known], default: str | None = None) -> _Known:
        """The one among `known` that equals the member."""
        value = self.values.get(name, default)
        for one in known:
            if one == value:
                return one
        raise self.wrong(name, "be one of " + ", ".join(known))

    def sha256(self, name: str) -> str:
        """A hash as a card and a record write it."""
        value = self.text(name)
        if not _SHA256.fullmatch(value):
            raise self.wrong(name, "be 64 hexadecimal digits in lower case")
        return value

    def truth_or_none(self, name: str) -> bool | None:
        """True or false; None where it is null or missing."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "be true, false or null")
        return value

    def whole(self, name: str) -> int:
        """A whole number that fits 64 bits."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= _MOST:
            raise self.wrong(name, "be a whole number of at most 63 bits")
        return value

    def number(
        self, name: str, default: float | None = None, low: float = -math.inf, high: float = math.inf
    ) -> float:
        """A finite number from `low` to `high`."""
        return self.as_number(name, self.values.get(name, default), low, high)

    def number_or_none(self, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """The same; None where it is null or missing."""
        return self.number(name, None, low, high) if self.has(name) else None

    def as_number(self, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
        """`value`, which is the member `name` or in it, as a finite number from `low` to `high`."""
        if is_number(value) and low <= value <= high and abs(value) <= self.largest:
            return float(value)
        low, high = max(low, -self.largest), min(high, self.largest)
        want = "be a finite number" if high == math.inf else f"be a number from {low:g} to {high:g}"
        raise self.wrong(name, want, value)

    def numbers(
        self, name: str, count: int | None = None, low: float = -math.inf, high: float = math.inf
    ) -> tuple[float, ...]:
        """A list of so many finite numbers from `low` to `high`."""
        found = self.items(name, want="be a list of numbers")
        if count is not None and len(found) != count:
            raise self.wrong(name, f"hold {count} numbers", len(found))
        return tuple(self.as_number(f"{name}[{i}]", value, low, high) for i, value in enumerate(found))

    def items(self, name: str, default: list[Any] | None = None, want: str = "be a list") -> list[Any]:
        """A list of anything; `want` says of what it should be."""
        value = self.values.get(name, default)
        if not isinstance(value, list):
            raise self.wrong(name, want)
        return value

    def texts(self, name: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of texts."""
        want = "be a list of texts"
        found = self.items(name, default, want)
        if not all(isinstance(value, str) for value in found):
            raise self.wrong(name, want)
        return tuple(found)

    def part(self, name: str, default: Mapping[str, Any] | None = None) -> Fields:
        """A JSON object."""
        return self._part(name, self.values.get(name, default))

    def part_or_none(self, name: str) -> Fields | None:
        """The same; None where it is null or missing."""
        return self.part(name) if self.has(name) else None

    def parts(self, name: str, default: list[Any] | None = None) -> list[Fields]:
        """A list of JSON objects."""
        found = self.items(name, default, "be a list of JSON objects")
        return [self._part(f"{name}[{i}]", value) for i, value in enumerate(found)]

    def _part(self, name: str, value: object) -> Fields:
        if not isinstance(value, Mapping):
            raise self.wrong(name, "be a JSON object", value)
        return Fields(value, self.where, self.error, f"{self.inside}{name}.", self.largest)
