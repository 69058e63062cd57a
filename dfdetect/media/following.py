"""What stands behind the first picture of a JPEG or PNG, which only programs that look for it show.

Only what stands between the pictures is read: marks, lengths and sizes, and in a JPEG also the index of its
pictures (CIPA DC-007).  What follows a photo may also be a preview, a map of its brightness (gain map) or a
trailer of the camera, so that it counts as a picture only if it is whole, large enough and none of these.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal

from dfdetect.media.sniff import Family, sniff

if TYPE_CHECKING:
    from dfdetect.media.source import Source

MOST_FOLLOWED = 10_000
"""Pictures are counted no further."""
MOST_SCANS = 500
"""A JPEG of more scans is not decoded (libjpeg-turbo, asked for a limit, takes the same): an empty one of a
few bytes costs as much time as a full one.  Ten are usual."""
_SMALL, _SMALL_SHARE = 320 * 240, 16
"""A following picture of so few pixels, and of less than this part of the first one, is a preview."""
_FILLING = 4096
"""Bytes that may lie between two pictures."""
_READ = 1 << 16
_JPEG_BEGINS, _PNG_BEGINS = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
# In a picture's data 0xFF is followed by 0 or the number of a restart.  Marks below 0xC0 are reserved, and
# decoders look for the next one.  Anything else ends the data.
_JPEG_MARK = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1, _APP2 = 0xE1, 0xE2
_INDEX, _INDEX_ENTRIES, _PREVIEWS = b"MPF\0", 0xB002, 0x01
# What Adobe and Google, ISO 21496-1 and Apple write into a gain map (the first two also into its picture).
_GAIN_MAP = re.compile(
    rb"http://ns\.adobe\.com/hdr-gain-map/|urn:iso:std:iso:ts:21496:-1|urn:com:apple:photo:2020:aux:hdrgainmap"
)
_MOST_BEGINNINGS = 4
_BOX_OF_TYPE = re.compile(rb"\0\0..ftyp", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Following:
    """What was found."""

    pictures: int = 1
    """Whole pictures with the first one, without previews and gain maps."""
    video: bool = False
    """A video stands behind one of them, as in a motion photo."""
    scans: int = 0
    """How many the first picture has if it is a JPEG, not counted beyond the first one above `MOST_SCANS`."""


@dataclass(slots=True)
class _Picture:
    """What is known of a picture so far."""

    pixels: int = 0
    scans: int = 0
    gain_map: bool = False
    """It, or one that belongs to it, is a gain map."""
    index: dict[int, int] = field(default_factory=dict)
    """Where other pictures begin in the file, and of what type its index says they are."""


def find_following(source: Source, container: str) -> Following:
    """Look behind the first picture of a JPEG or PNG; for other formats there is nothing."""
    walk, begins = _WALKS.get(container, (None, b""))
    if walk is None:
        return Following()
    first, pictures, video, at = _Picture(), 0, False, 0
    photo = first
    places: list[int] = []
    with suppress(OSError), source.buffered() as file:  # the picture itself may still be readable
        while pictures < MOST_FOLLOWED:
            file.seek(at)
            found = _Picture()
            whole = walk(file, found)
            if not at:
                first, pictures, places = found, 1, sorted(found.index)
                photo = found
            elif whole and _is_gain_map(found, photo):
                photo = _Picture()  # has its gain map now
            elif whole and first.index.get(at, 0) >> 16 != _PREVIEWS and _is_large(found, first):
                pictures += 1
                photo = found
            end = max(file.tell(), at + 1)
            filling = file.read(_FILLING) if whole else b""
            gap, place = filling.find(begins), bisect_left(places, end)
            video = video or _has_video(filling[:gap] if gap >= 0 else filling)
            nexts = [*places[place : place + 1], *([end + gap] if gap >= 0 else [])]
            if not nexts:
                break
            at = min(nexts)
    return Following(max(1, pictures), video, first.scans)


def _is_large(found: _Picture, first: _Picture) -> bool:
    """Whether what was `found` behind the `first` picture is more than a preview."""
    return found.pixels > _SMALL or found.pixels * _SMALL_SHARE >= first.pixels


def _is_gain_map(found: _Picture, photo: _Picture) -> bool:
    """Whether it is that of the `photo` before it, which has only one; the mark may be on both."""
    return found.gain_map and found.pixels <= photo.pixels


def _has_video(filling: bytes) -> bool:
    """Whether an MP4 or QuickTime file begins in `filling`; beginnings without their kind do not count."""
    begins = (match.start() for match in _BOX_OF_TYPE.finditer(filling) if match.end() + 4 <= len(filling))
    return any(sniff(filling[at:]).family is Family.VIDEO for at in islice(begins, _MOST_BEGINNINGS))


def _jpeg(file: io.BufferedReader, found: _Picture) -> bool:
    """Go behind the JPEG that begins here, or to the scan that is one too many; False if it is cut off."""
    is_first = file.tell() == 0
    if file.read(2) != _JPEG_BEGINS[:2]:
        return False
    while True:
        mark = _next_mark(file, beyond_garbage=is_first)
        if mark is None or mark == 0xD8:
            return False
        if mark == 0xD9:
            return found.pixels > 0
        if mark == 0x01 or 0xD0 <= mark <= 0xD7:
            continue
        length = int.from_bytes(file.read(2), "big") - 2
        if length < 0:
            return False
        start, wanted = file.tell(), length if mark in (_APP1, _APP2) else min(length, 8)
        data = file.read(wanted)
        if len(data) < wanted:
            return False
        if mark in _JPEG_SIZES:
            found.pixels = int.from_bytes(data[3:5], "big") * int.from_bytes(data[1:3], "big")
        elif mark == _APP2 and data.startswith(_INDEX) and not found.index:
            found.index = _read_index(data[len(_INDEX) :], start + len(_INDEX))
        elif mark in (_APP1, _APP2) and _GAIN_MAP.search(data):
            found.gain_map = True
        file.seek(length - len(data), io.SEEK_CUR)
        if mark == 0xDA:
            found.scans += 1
            if found.scans > MOST_SCANS:
                return found.pixels > 0
            if not _to_mark(file):
                return False


def _next_mark(file: io.BufferedReader, *, beyond_garbage: bool) -> int | None:
    """The mark that begins here, or that follows what decoders pass over; None if there is none."""
    mark = file.read(2)
    while mark == b"\xff\xff":
        mark = b"\xff" + file.read(1)
    if beyond_garbage and len(mark) == 2 and not _JPEG_MARK.match(mark):
        file.seek(-2, io.SEEK_CUR)
        mark = file.read(2) if _to_mark(file) else b""
    return mark[1] if len(mark) == 2 and mark[0] == 0xFF else None


def _read_index(data: bytes, base: int) -> dict[int, int]:
    """Places and types of the further pictures in an index whose places count from `base` on."""
    order: Literal["little", "big"] = "big" if data[:2] == b"MM" else "little"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    fields = number(4, 4)
    for at in range(fields + 2, min(fields + 2 + 12 * number(fields, 2), len(data)), 12):
        if number(at, 2) == _INDEX_ENTRIES:
            begin = number(at + 8, 4)
            entries = range(begin, min(begin + number(at + 4, 4), len(data)) - 15, 16)
            return {base + number(e + 8, 4): number(e, 4) & 0xFFFFFF for e in entries if number(e + 8, 4)}
    return {}


def _to_mark(file: io.BufferedReader) -> bool:
    """Go to the next mark, such as the one that ends the data of a scan; False if there is none."""
    before, size = b"", 256  # many scans are tiny, and what is read too much is read again
    while data := file.read(size):
        size = min(2 * size, _READ)
        window = before + data
        if found := _JPEG_MARK.search(window):
            file.seek(found.start() - len(window), io.SEEK_CUR)
            return True
        before = b"\xff" if window.endswith(b"\xff") else b""
    return False


def _png(file: io.BufferedReader, found: _Picture) -> bool:
    """Go behind the PNG that begins here; False if it is not whole."""
    if file.read(8) != _PNG_BEGINS:
        return False
    while len(header := file.read(8)) == 8:
        length = int.from_bytes(header[:4], "big")
        if header[4:] == b"IHDR":
            data = file.read(8)
            found.pixels = int.from_bytes(data[:4], "big") * int.from_bytes(data[4:], "big")
            length -= len(data)
        file.seek(length + 4, io.SEEK_CUR)
        if header[4:] == b"IEND":
            return found.pixels > 0
    return False


_WALKS: dict[str, tuple[Callable[[io.BufferedReader, _Picture], bool], bytes]] = {
    "jpeg": (_jpeg, _JPEG_BEGINS),
    "png": (_png, _PNG_BEGINS),
}
