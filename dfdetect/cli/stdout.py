"""Standard output: how documents go there, and which file it is."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import sys
from typing import Any, TextIO

_OTHERS = re.compile(r"/dev/std(in|err)|(/dev/fd|/proc/self/fd)/(?!1$)[0-9]+")


class _Whole(io.BufferedWriter):
    """Writes to the raw file of `stream` all that it is given, and at once, or raises `OSError`."""

    def __init__(self, stream: io.TextIOWrapper, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._stream = stream  # freed, it would close its file

    def write(self, data: Any) -> int:
        """Write and flush: whoever wanted no buffer sees what there is as soon as it is written."""
        count = super().write(data)
        self.flush()
        return count

    def close(self) -> None:
        """Leave the file open for `stream`, to which it belongs."""
        self.flush()


def take_all() -> None:
    """Let an unbuffered standard output (``python -u``, ``PYTHONUNBUFFERED``) take all that is written.

    Where a disk is full or a pipe does not wait, Python would drop without a word what did not fit.
    """
    stream = sys.stdout
    with contextlib.suppress(OSError, ValueError):  # closed
        if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.RawIOBase):
            whole = _Whole(stream, stream.buffer)
            sys.stdout = io.TextIOWrapper(whole, stream.encoding, stream.errors, write_through=True)


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
