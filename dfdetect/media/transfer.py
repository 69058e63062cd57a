"""The transfer characteristics that a still picture names, by which high dynamic range is told.

Pillow decodes such pictures without a word.  Only what stands before the picture's data is read.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dfdetect.media.colour import is_hdr
from dfdetect.media.structure import boxes

if TYPE_CHECKING:
    from dfdetect.media.source import Source

_MOST_BYTES = 1 << 20
"""Of the list that says which property belongs to which picture."""


def find_transfer(source: Source, container: str) -> int:
    """The number (ITU-T H.273) that the picture in `source` names; 0 if it names none.  Never raises."""
    reader = _READERS.get(container)
    if reader is None:
        return 0
    try:
        with source.buffered() as file:
            return reader(file, source.size)
    except (OSError, IndexError, struct.error):
        return 0


def overrides_profile(transfer: int, container: str) -> bool:
    """True where the transfer that a picture names counts, and not a profile that it holds as well."""
    # In PNG whatever is named so goes first; in the others the profile does, but for high dynamic range.
    return is_hdr(transfer) or (container == "png" and transfer != 0)


def _png(file: io.BufferedReader, size: int) -> int:
    file.seek(8)
    while len(header := file.read(8)) == 8 and header[4:] != b"IDAT":
        if header[4:] == b"cICP":
            return file.read(2)[1]
        file.seek(int.from_bytes(header[:4], "big") + 4, io.SEEK_CUR)
    return 0


def _heif(file: io.BufferedReader, size: int) -> int:
    """Of AVIF and HEIC.  Beside the picture that is shown there may be others, with their own properties."""
    primary, transfers, belonging = 0, list[int](), list[bytes]()
    for kind, start, end in _in_meta(file, size):
        if kind == b"pitm":
            file.seek(start)
            data = file.read(8)
            primary = int.from_bytes(data[4:8] if data[0] else data[4:6], "big")
        elif kind == b"ipco":
            transfers = [
                _named(file, at) if inner == b"colr" else 0 for inner, at, _ in boxes(file, start, end)
            ]
        elif kind == b"ipma":
            file.seek(start)
            belonging.append(file.read(min(end - start, _MOST_BYTES)))
    for data in belonging:
        for number in _properties(data, primary):
            if 0 < number <= len(transfers) and transfers[number - 1]:
                return transfers[number - 1]
    return 0


def _in_meta(file: io.BufferedReader, size: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of the first ``meta``, and those of the ``iprp`` in it."""
    for kind, start, end in boxes(file, 0, size):
        if kind == b"meta":
            for inner, body, stop in boxes(file, start + 4, min(end, size)):
                yield inner, body, min(stop, size)
                if inner == b"iprp":
                    yield from boxes(file, body, min(stop, size))
            return


def _named(file: io.BufferedReader, body: int) -> int:
    """The transfer characteristics in a ``colr`` box; 0 if it holds a profile instead."""
    file.seek(body)
    data = file.read(8)
    return struct.unpack_from(">H", data, 6)[0] if data[:4] == b"nclx" else 0


def _properties(data: bytes, picture: int) -> Iterator[int]:
    """Numbers, from 1 on, of the properties that an ``ipma`` box gives to `picture`."""
    id_bytes, bytes_each = 4 if data[0] else 2, 2 if data[3] & 1 else 1
    at = 8
    while at + id_bytes < len(data):
        number, count = int.from_bytes(data[at : at + id_bytes], "big"), data[at + id_bytes]
        at += id_bytes + 1
        if number == picture:
            for place in range(at, at + count * bytes_each, bytes_each):
                # The highest bit says that readers must know the property.
                mask = 0x7FFF if bytes_each == 2 else 0x7F
                yield int.from_bytes(data[place : place + bytes_each], "big") & mask
        at += count * bytes_each


_READERS: dict[str, Callable[[io.BufferedReader, int], int]] = {
    "png": _png,
    "avif": _heif,
    "heic": _heif,
}
