"""Which files hold the same bytes, whatever they are called."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Hashable, Iterator, Sequence

_END = 4096
"""Bytes at the end of a file that are compared before the whole is read: heads of photos are often alike."""


def same_bytes(paths: Sequence[str]) -> list[list[int]]:
    """The places of files that hold the same bytes, two or more each; in the order of the first of each.

    A file is opened only where another has its size, and read whole only where their ends are the same, too.
    Files that are empty, or cannot be read, are like no other.
    """
    alike = [list(range(len(paths)))]
    for look in (_size, _end, _content):
        alike = [part for places in alike for part in _parted(paths, places, look)]
    return sorted(alike)


def _parted(
    paths: Sequence[str], places: Sequence[int], look: Callable[[str], Hashable]
) -> Iterator[list[int]]:
    """The places of files that look the same, as far as there are two of them."""
    parts: dict[Hashable, list[int]] = {}
    for place in places:
        try:
            found = look(paths[place])
        except (OSError, ValueError):  # also a name that no file can have
            continue
        if found:
            parts.setdefault(found, []).append(place)
    return (part for part in parts.values() if len(part) > 1)


def _size(path: str) -> int:
    """0 for what is no ordinary file: reading a pipe might wait for ever."""
    status = os.stat(path)
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _end(path: str) -> bytes:
    with open(path, "rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _END))
        return stream.read(_END)


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
