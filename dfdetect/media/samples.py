"""Whether the tables of an MP4 claim more samples than its bytes can be.

FFmpeg lists all samples of a file before the first is read, some forty bytes each, and a table that gives one
size for all takes no more room for a milliard of them than for one.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

from dfdetect.media.source import Source
from dfdetect.media.structure import DEEPEST, MP4_PARENTS, boxes

_FORMATS = frozenset({"mp4", "mov", "m4a", "avif", ""})
"""Of `sniff`; for what it does not know FFmpeg may still find this one."""
_PARENTS = MP4_PARENTS | {b"moof", b"traf"}
_NO_SOUND = frozenset({b"vide", b"subp", b"clcp"})
"""Handlers of other kinds of track; QuickTime gives each track a second one, of where its data lie."""
_LEAST = 16
"""Bytes of a sample, if all of a track are of one size and are not sound."""
_MANY = 1_000_000
"""Fewer take little memory, and a file that was cut off may well claim more than is left of it."""
_FIELDS = 0xF00
"""Flags of a run of samples of which any gives each some bytes in the table."""


def claims_too_many(source: Source, container: str) -> bool:
    """True when tables without a size for each sample claim many that need more bytes than there are."""
    if container not in _FORMATS:
        return False
    claims = _Claims()
    try:
        with source.buffered() as file:
            claims.read(file, 0, source.size, DEEPEST, _Track())
    except (OSError, ValueError, IndexError, struct.error):
        return False
    return claims.samples > _MANY and claims.bytes > source.size


@dataclass(slots=True)
class _Track:
    size: int = 0
    count: int = 0
    handlers: frozenset[bytes] = frozenset()
    by_chunks: bool = False
    """Each sample lasts one tick, as in sound that is not packed."""


@dataclass(slots=True)
class _Claims:
    """All samples of tables that give no size for each, and the bytes that these need."""

    samples: int = 0
    bytes: int = 0

    def read(self, file: io.BufferedReader, start: int, stop: int, depth: int, track: _Track) -> None:
        """Add what the boxes in ``[start, stop)`` claim, but for `track`, which is filled in."""
        for kind, body, end in boxes(file, start, stop):
            if kind == b"trak" and depth:
                inner = _Track()
                self.read(file, body, min(end, stop), depth - 1, inner)
                self._add(inner)
            elif kind in _PARENTS and depth:
                self.read(file, body, min(end, stop), depth - 1, track)
            elif kind == b"hdlr":
                track.handlers |= {_numbers(file, body + 8, "4s")[0]}
            elif kind == b"stsz":
                size, count = _numbers(file, body + 4, "II")
                if size and count > track.count:
                    track.size, track.count = size, count
            elif kind == b"stts":
                track.by_chunks = _numbers(file, body + 4, "I4xI") == (1, 1)
            elif kind == b"trun":
                flags, count = _numbers(file, body, "II")
                if not flags & _FIELDS:
                    self.samples += count
                    self.bytes += count

    def _add(self, track: _Track) -> None:
        sound = b"soun" in track.handlers and not track.handlers & _NO_SOUND
        if not (sound and track.by_chunks):  # FFmpeg lists the chunks of such sound
            self.samples += track.count
            self.bytes += track.count * max(track.size, 1 if sound else _LEAST)


def _numbers(file: io.BufferedReader, at: int, form: str) -> tuple[Any, ...]:
    file.seek(at)
    return struct.unpack(">" + form, file.read(struct.calcsize(">" + form)))
