"""Tables of text: cells with a figure and its interval, columns, and how figures are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dfdetect.evaluate.weighted import Interval

NONE = "–"
"""Stands for what is not known."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure or a word, with its interval, or what it is to be compared with, if it has one."""

    text: str
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.interval})" if self.interval else self.text


@dataclass(frozen=True, slots=True)
class Column:
    """Head of a column."""

    title: str
    right: bool = True
    """Set to the right, as figures are."""
    brief: bool = True
    """Shown where there is little room."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    key: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def number(found: Interval | None, signed: bool = False) -> Cell:
    """A figure with three decimals."""
    return _cell(found, lambda v: f"{v + 0.0:{'+' if signed else ''}.3f}")


def share(found: Interval | None) -> Cell:
    """A share in per cent."""
    cell = _cell(found, lambda v: f"{100 * v:.0f}")
    return cell if cell.text == NONE else Cell(cell.text + " %", cell.interval)


def beside(found: Interval, words: str, other: Interval | None) -> Cell:
    """A figure with three decimals, and another one beside it that `words` tell of."""
    cell, second = number(found), number(other)
    return cell if NONE in (cell.text, second.text) else Cell(cell.text, f"{words} {second.text}")


def _cell(found: Interval | None, words: Callable[[float], str]) -> Cell:
    if found is None or math.isnan(found.value):
        return Cell(NONE)
    if math.isnan(found.low):
        return Cell(words(found.value))
    between = " to " if words(found.low).startswith(("-", "+")) else "–"
    return Cell(words(found.value), f"{words(found.low)}{between}{words(found.high)}")


def brief(table: Table) -> Table:
    """The same table with the columns that matter most."""
    return picked(table, [i for i, column in enumerate(table.columns) if column.brief])


def picked(table: Table, kept: Sequence[int]) -> Table:
    """The table with some of its columns."""
    columns = tuple(table.columns[i] for i in kept)
    return replace(table, columns=columns, rows=tuple(tuple(row[i] for i in kept) for row in table.rows))
