"""Pictures behind the first one in a JPEG or PNG, which only programs that look for them show.

Only what stands between the pictures is read: marks, lengths and sizes.  What follows a photo may also be
a preview or a trailer of the camera, so that it counts as a picture only if it is whole and large enough.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfdetect.media.source import Source

MOST_FOLLOWED = 10_000
"""Pictures are counted no further."""
_SMALL, _SMALL_SHARE = 320 * 240, 16
"""A following picture of so few pixels, and of less than this part of the first one, is a preview."""
_FILLING = 4096
"""Bytes that may lie between two pictures."""
_READ = 1 << 16
_JPEG_BEGINS, _PNG_BEGINS = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
# In a picture's data 0xFF is followed by 0 or the number of a restart; anything else ends the data.
_JPEG_MARK = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

Size = tuple[int, int]
"""Width and height in pixels."""


def count_following(source: Source, container: str) -> int:
    """Whole pictures in a row from the beginning of a JPEG or PNG, without previews; 1 for other formats."""
    first, count = None, 1
    for size in _sizes(source, container):
        if first is None:
            first = size
            continue
        pixels = size[0] * size[1]
        count += pixels > _SMALL or pixels * _SMALL_SHARE >= first[0] * first[1]
        if count >= MOST_FOLLOWED:
            break
    return count


def _sizes(source: Source, container: str) -> Iterator[Size]:
    """The size of each picture in a row; ends where none follows."""
    walk, begins = _WALKS.get(container, (None, b""))
    if walk is None:
        return
    try:
        with source.buffered() as file:
            while (size := walk(file)) is not None:
                yield size
                at = file.tell()
                gap = file.read(_FILLING).find(begins)
                if gap < 0:
                    return
                file.seek(at + gap)
    except OSError:  # the picture itself may still be readable
        return


def _jpeg(file: io.BufferedReader) -> Size | None:
    """Go behind the JPEG that begins here: its size; None if it is cut off."""
    size = None
    if file.read(2) != _JPEG_BEGINS[:2]:
        return None
    while True:
        mark = file.read(2)
        while mark == b"\xff\xff":
            mark = b"\xff" + file.read(1)
        if len(mark) < 2 or mark[0] != 0xFF or mark[1] == 0xD8:
            return None
        if mark[1] == 0xD9:
            return size
        if mark[1] == 0x01 or 0xD0 <= mark[1] <= 0xD7:
            continue
        length = int.from_bytes(file.read(2), "big") - 2
        data = file.read(min(max(length, 0), 8))
        if length < 2 or len(data) < min(length, 8):
            return None
        if mark[1] in _JPEG_SIZES:
            size = int.from_bytes(data[3:5], "big"), int.from_bytes(data[1:3], "big")
        file.seek(length - len(data), io.SEEK_CUR)
        if mark[1] == 0xDA and not _behind_scan(file):
            return None


def _behind_scan(file: io.BufferedReader) -> bool:
    """Go to the mark that ends the data of a scan; False if there is none."""
    before = b""
    while data := file.read(_READ):
        window = before + data
        if found := _JPEG_MARK.search(window):
            file.seek(found.start() - len(window), io.SEEK_CUR)
            return True
        before = b"\xff" if window.endswith(b"\xff") else b""
    return False


def _png(file: io.BufferedReader) -> Size | None:
    """Go behind the PNG that begins here: its size; None if it is not whole."""
    if file.read(8) != _PNG_BEGINS:
        return None
    size = None
    while len(header := file.read(8)) == 8:
        length = int.from_bytes(header[:4], "big")
        if header[4:] == b"IHDR":
            data = file.read(8)
            size = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big")
            length -= len(data)
        file.seek(length + 4, io.SEEK_CUR)
        if header[4:] == b"IEND":
            return size
    return None


_WALKS: dict[str, tuple[Callable[[io.BufferedReader], Size | None], bytes]] = {
    "jpeg": (_jpeg, _JPEG_BEGINS),
    "png": (_png, _PNG_BEGINS),
}
