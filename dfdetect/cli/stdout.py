"""Standard output: how documents go there, and which file it is."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from typing import TextIO

_OTHERS = re.compile(r"/dev/std(in|err)|(/dev/fd|/proc/self/fd)/(?!1$)[0-9]+")


def document_stdout() -> TextIO:
    """Standard output for a document: UTF-8 with ``\\n`` whatever the locale is, as a file of it would be.

    A document says that it is UTF-8, or its readers take it to be; a text for a person goes in the encoding
    that the terminal has.
    """
    if sys.stdout is None:  # closed by the caller
        return open(os.devnull, "w", encoding="utf-8")
    with contextlib.suppress(AttributeError):  # replaced by something simpler
        sys.stdout.reconfigure(  # type: ignore[union-attr]
            encoding="utf-8", errors="backslashreplace", newline="\n"
        )
    return sys.stdout


def is_stdout(path: str) -> bool:
    """Whether standard output was redirected to the file `path`: a new one in its place would hide that.

    False for a device, a pipe, or the name of another descriptor: what is written there goes beside the rest.
    """
    if _OTHERS.fullmatch(os.path.normpath(path)):
        return False
    try:
        there = os.fstat(sys.stdout.fileno())
        return stat.S_ISREG(there.st_mode) and os.path.samestat(there, os.stat(path))
    except (AttributeError, OSError, ValueError):  # without a descriptor, or no such file
        return False
