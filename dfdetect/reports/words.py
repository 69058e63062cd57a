"""Words for people: times, shares, reasons, and text that is safe to show on a terminal."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from dfdetect.numbers import whole_percent

if TYPE_CHECKING:  # the command line's help needs `printable`, and not the time that the records take
    from dfdetect.results import Label, Reason

# C0 and C1 controls (a terminal obeys both), lone surrogates (bytes of a name that is not UTF-8),
# line separators, and the controls of writing direction, which can make one name look like another.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

UNREADABLE = "unreadable"
NOT_JUDGED = "not judged"


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would obey or could not show.

    Line breaks become ``\\n``, control characters ``\\x1b``, the bytes of a file name that is not UTF-8
    ``\\xff``, marks of writing direction ``\\u202e``.  All other characters stay, so a name is readable.
    """
    return _UNSAFE.sub(lambda match: _escape(match[0]), text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the undecodable byte itself
        return f"\\x{code - 0xDC00:02x}"
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


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
