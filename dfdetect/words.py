"""Words for people: times, shares, reasons and answers."""

from __future__ import annotations

import math

from dfdetect.numbers import whole_percent
from dfdetect.results import Label, Reason

UNREADABLE = "unreadable"
NOT_JUDGED = "not judged"
_MINUTE = 600
"""In tenths of a second."""


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


def moment(seconds: float) -> str:
    """A time with tenths, rounded to the nearest, halves upwards: ``0:03.2``."""
    tenths = _tenths(seconds)
    return f"{clock(tenths // 10)}.{tenths % 10}"


def length(seconds: float) -> str:
    """How long a video is: ``12.5 s``, from a minute on ``1:05``, rounded as the end of a `span` is.

    Never nothing for what lasts: ``<0.1 s``.
    """
    tenths = _tenths(seconds)
    if not tenths and seconds > 0:
        return "<0.1 s"
    return f"{tenths / 10:.1f} s" if tenths < _MINUTE else clock(math.ceil(round(seconds, 3)))


def span(start: float, end: float) -> str:
    """A stretch of time: ``0:03.2–0:06.4``, or ``0:03.2`` for one moment.

    What ends after a minute or later is rounded outwards to whole seconds: ``0:58–1:07``.
    """
    if _tenths(end) < _MINUTE:
        first, last = moment(start), moment(end)
    else:
        first, last = clock(start), clock(math.ceil(round(end, 3)))
    return first if end <= start or first == last else f"{first}–{last}"


def _tenths(seconds: float) -> int:
    """The odd last bit of a float does not count."""
    return math.floor(round(seconds * 10, 3) + 0.5)


def reason_words(reason: Reason) -> str:
    """``face_too_small`` → ``face too small``."""
    if reason is Reason.UNREADABLE:  # every file with a fault is called unreadable
        return "damaged"
    return reason.value.replace("_", " ")


def label_words(label: Label | None, reason: Reason | None) -> str:
    """The answer in a word or two; a file that could not even be read is told from one without an answer."""
    if label is not None:
        return label.value
    return UNREADABLE if reason is not None and reason.is_file_fault else NOT_JUDGED


def share_words(label: Label | None, probability: float) -> str:
    """The probability beside a person's answer: `` 93 %`` for a fake, `` (fake 7 %)`` for any other.

    A bare ``real 7 %`` would be misread.
    """
    share = percent(probability)
    return f" {share}" if label is not None and label.value == "fake" else f" (fake {share})"
