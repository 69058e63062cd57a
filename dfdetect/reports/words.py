"""Words for people: times, shares, reasons, and text that is safe to show on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dfdetect.names import printable as printable
from dfdetect.numbers import whole_percent

if TYPE_CHECKING:  # the command line's help needs `printable`, and not the time that the records take
    from dfdetect.results import Label, Reason

UNREADABLE = "unreadable"
NOT_JUDGED = "not judged"


def percent(probability: float | None) -> str:
    """A probability in per cent; never the certainty that no model has: ``<1 %``, ``93 %``, ``>99 %``."""
    if probability is None:
        return "-"
    whole = whole_percent(probability)
    if whole < 1:
        return "<1 %"
    return ">99 %" if whole > 99 else f"{whole} %"


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``, rounded down; what lacks less than a millisecond is whole."""
    minutes, rest = divmod(int(round(seconds, 3)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def span(start: float, end: float) -> str:
    """A stretch of time, rounded outwards to whole seconds: ``0:03–0:07``, or ``0:03`` for one moment."""
    first, last = clock(start), clock(math.ceil(round(end, 3)))
    return first if end <= start or first == last else f"{first}–{last}"


def reason_words(reason: Reason) -> str:
    """``face_too_small`` → ``face too small``."""
    return reason.value.replace("_", " ")


def label_words(label: Label | None, reason: Reason | None) -> str:
    """The answer in a word or two; a file that could not even be read is told from one without an answer."""
    if label is not None:
        return label.value
    return UNREADABLE if reason is not None and reason.is_file_fault else NOT_JUDGED


def plural(count: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
