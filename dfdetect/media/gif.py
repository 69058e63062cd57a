"""The blocks of a GIF (GIF89a, appendix A), walked without decoding a picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO


def delays(file: BinaryIO) -> Iterator[int]:
    """How long each picture asks to be shown, in milliseconds.  A chain that is cut off raises IndexError."""
    header = file.read(13)
    file.seek(_palette(header[10]), io.SEEK_CUR)
    delay = 0
    while block := file.read(1):
        if block == b"!":  # an extension
            label = file.read(1)
            data = _chain(file, keep=label == b"\xf9")
            if label == b"\xf9" and len(data) >= 3:
                delay = 10 * int.from_bytes(data[1:3], "little")
        elif block == b",":  # a picture
            file.seek(_palette(file.read(9)[8]) + 1, io.SEEK_CUR)
            _chain(file, keep=False)
            yield delay
            delay = 0
        elif block == b";":
            return


def is_whole(file: BinaryIO) -> bool:
    """Whether the blocks lead to the end mark, a byte that occurs everywhere else too."""
    try:
        for _ in delays(file):
            pass
    except IndexError:
        return False
    file.seek(-1, io.SEEK_CUR)
    return file.read(1) == b";"


def _palette(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def _chain(file: BinaryIO, *, keep: bool) -> bytes:
    """Skip a chain of sub-blocks; gives the first one if asked."""
    first = b""
    while length := file.read(1)[0]:
        data = file.read(length)
        if len(data) < length:
            raise IndexError
        if keep and not first:
            first = data
    return first
