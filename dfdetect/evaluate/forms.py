"""The forms that a report of figures can take; each kind of report has a table of its own (``FORMS``)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from dfdetect.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)  # with slots, Form[int](...) would fail in Python 3.11
class Form(Generic[T]):
    """One form of a report."""

    render: Callable[[T], str]
    check: Callable[[], None] = lambda: None
    """Raises `MissingExtraError` when a package is missing, so that this is known before any work."""
    needs_curve: bool = False
    """Of a benchmark: there is nothing to draw unless the curves were measured."""


def find_form(forms: Mapping[str, Form[T]], name: str) -> Form[T]:
    """The form of this name; an unknown one raises `InputError` that lists the known ones."""
    if name in forms:
        return forms[name]
    near = difflib.get_close_matches(name.lower(), forms, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise InputError(f"unknown report format '{name}': {hint}known formats are {', '.join(forms)}")
