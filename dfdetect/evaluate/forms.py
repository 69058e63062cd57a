"""The forms that a report of figures can take; each kind of report has a table of its own (``FORMS``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)  # with slots, Form[int](...) would fail in Python 3.11
class Form(Generic[T]):
    """One form of a report."""

    render: Callable[[T], str]
    check: Callable[[], None] = lambda: None
    """Raises `MissingExtraError` when a package is missing, so that this is known before any work."""
    needs_curve: bool = False
    """Of a benchmark: there is nothing to draw unless the curves were measured."""
