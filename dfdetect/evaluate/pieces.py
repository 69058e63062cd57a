"""What reports of figures are put together from: rows and code of Markdown, JSON and its values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from dfdetect.names import printable, without_commands
from dfdetect.record.plain import text


def row(cells: Iterable[str]) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(cells) + " |"


def code(words: str) -> str:
    """Text from outside as a span of code, which Markdown and HTML leave alone, also in a table."""
    return "`" + printable(words).replace("`", "'").replace("|", "\\|") + "`"


def json_document(values: object) -> str:
    """Indented JSON, pure ASCII, without NaN."""
    return without_commands(json.dumps(values, indent=1, allow_nan=False)) + "\n"


def plain(value: object, digits: int) -> Any:
    """The value as dicts, lists and rounded figures for JSON; null for a figure that is not known.

    Names that are not UTF-8 have U+FFFD in place of each bad byte.
    """
    if isinstance(value, Mapping):
        return {text(str(key)): plain(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, digits) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, float):
        # Adding 0 makes a plain zero of minus zero.
        return round(value, digits) + 0.0 if math.isfinite(value) else None
    return value
