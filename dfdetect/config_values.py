"""How the values of settings are written: as text, in the environment and in ``setup.cfg``, and in TOML."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

PREFIX = "DFDETECT_"
"""Of the names of environment variables."""


def variable(name: str) -> str:
    """``min_face`` → ``DFDETECT_MIN_FACE``."""
    return PREFIX + name.upper()


class Kind(Enum):
    """What a value must be, in words."""

    TEXT = "a text"
    TRUTH = "true or false"
    WHOLE = "a whole number"
    NUMBER = "a number"
    TIME = "a time: seconds (90.5) or minutes and seconds ('1:30')"
    LIST = "a text or a list of texts"


def seconds(text: str) -> float:
    """``90``, ``90.5``, ``1:30`` or ``1:02:03`` in seconds; `ValueError` for anything else, ``1:90`` too."""
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a time")
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    if (match[2] and rest >= 60) or (match[1] and minutes >= 60):
        raise ValueError(f"'{text}' is not a time")
    return hours * 3600 + minutes * 60 + rest


def split_list(text: str) -> list[str]:
    """``json=a.json junit=my b.xml`` → its two members; names of files may hold spaces."""
    return re.split(r"\s+(?=[\w-]+=)", text.strip())


def from_text(kind: Kind, text: str) -> Any:
    """A value written as text, in the environment or in ``setup.cfg``; `ValueError` if it is none."""
    text = text.strip()
    if kind is Kind.TRUTH:
        truth = {"1": True, "true": True, "t": True, "yes": True, "y": True, "on": True}
        truth |= {"0": False, "false": False, "f": False, "no": False, "n": False, "off": False}
        if text.lower() not in truth:
            raise ValueError(text)
        return truth[text.lower()]
    if kind is Kind.LIST:
        return split_list(text)
    if kind is Kind.WHOLE:
        return int(text)
    if kind is Kind.NUMBER:
        return float(text)
    return seconds(text) if kind is Kind.TIME else text


def from_toml(kind: Kind, value: object) -> Any:
    """A value of a TOML file, whose type must be right as it stands; `ValueError` otherwise."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is Kind.TRUTH and isinstance(value, bool):
        return value
    if kind is Kind.WHOLE and isinstance(value, int) and number:
        return value
    if kind in (Kind.NUMBER, Kind.TIME) and number:
        try:
            return float(value)  # type: ignore[arg-type]
        except OverflowError as error:  # an int of hundreds of digits
            raise ValueError(value) from error
    if kind is Kind.TIME and isinstance(value, str):
        return seconds(value)
    if kind is Kind.TEXT and _is_text(value):
        return value
    if kind is Kind.LIST:
        items = [value] if isinstance(value, str) else value
        if isinstance(items, list) and all(map(_is_text, items)):
            return items
    raise ValueError(value)


def _is_text(value: object) -> bool:
    """A string without NUL, which is in no path and no name."""
    return isinstance(value, str) and "\0" not in value
