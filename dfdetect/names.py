"""Words that every room needs: foreign text, safe to show on a terminal, in the log of a CI system and in a
report, what a wrong name may have meant, and counts.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import sys
from collections.abc import Iterable

# C0 and C1 controls (a terminal obeys both), lone surrogates (bytes of a name that is not UTF-8),
# line separators, and the controls of writing direction, which can make one name look like another.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
# What the log of a CI system obeys anywhere in a line: GitHub's ``##[command]``, Azure's ``##vso[command]``.
_CI_COMMAND = re.compile(r"##(?=\[|vso\[)", re.IGNORECASE)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """The text with everything escaped that a terminal or the log of a CI system would obey or not show.

    Line breaks become ``\\n``, control characters ``\\x1b``, the bytes of a file name that is not UTF-8
    ``\\xff``, marks of writing direction ``\\u202e``, and ``##[`` becomes ``#\\x23[``.
    All other characters stay, so a name is readable.
    """
    return _CI_COMMAND.sub(r"#\\x23", _UNSAFE.sub(lambda match: _escape(match[0]), text))


def without_commands(shown: str) -> str:
    """JSON whose texts hold nothing that the log of a CI system would obey; it reads back unchanged."""
    return _CI_COMMAND.sub(r"#\\u0023", shown)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the undecodable byte itself
        return f"\\x{code - 0xDC00:02x}"
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def to_bytes(name: str) -> bytes:
    """The bytes of a file's name; as a system with UTF-8 would have them where this one has none for it."""
    if sys.platform != "win32":
        with contextlib.suppress(UnicodeEncodeError):
            return os.fsencode(name)
    return name.encode("utf-8", "surrogateescape")


def from_bytes(name: bytes) -> str:
    """The name that `to_bytes` gives these bytes for."""
    return name.decode("utf-8", "surrogateescape") if sys.platform == "win32" else os.fsdecode(name)


def near(name: str, known: Iterable[str]) -> str:
    """``did you mean 'frames'?``; empty if no known name is like this one."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{found[0]}'?" if found else ""


def plural(count: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
