"""What the outer structure of a video file says: is it all there, is it encrypted, where is its index?

Decoders say "invalid data" to all of that.  A few jumps through the outermost boxes tell it apart, so
that the message can say what to do.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dfdetect.media.source import Source

_MOST_BOXES = 200_000
DEEPEST = 16  # whole files have tracks five deep
MP4_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_MP4_ENCRYPTED = frozenset({b"encv", b"drmi"})
_MKV_SEGMENT, _MKV_TRACKS, _MKV_CLUSTER = 0x18538067, 0x1654AE6B, 0x1F43B675


@dataclass(frozen=True, slots=True)
class Structure:
    """None means that this container does not tell."""

    whole: bool | None = None
    """False when the container claims more bytes than there are."""
    encrypted: bool = False
    index: bool | None = None
    """False for an MP4 or QuickTime file without its index (``moov``)."""
    mirrored: frozenset[int] = frozenset()
    """Numbers of the tracks whose display matrix mirrors the picture."""


def inspect(source: Source, container: str) -> Structure:
    """Look at the outer structure of `source`, whose sniffed format is `container`.  Never raises."""
    reader = _READERS.get(container)
    if reader is None:
        return Structure()
    try:
        with source.buffered() as file:
            return reader(file, source.size)
    except (OSError, ValueError, IndexError, struct.error):
        return Structure()


def _mp4(file: io.BufferedReader, size: int) -> Structure:
    whole, index, encrypted = True, False, False
    mirrored: set[int] = set()
    for kind, start, end in boxes(file, 0, size):
        if end > size:
            whole = False
        if kind in (b"moov", b"moof"):
            index = True
        if kind == b"moov":
            encrypted = _mp4_tracks(file, start, min(end, size), mirrored, DEEPEST)
    return Structure(whole and index, encrypted, index, frozenset(mirrored))


def boxes(file: io.BufferedReader, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start of the contents and end of every box in ``[start, stop)``."""
    at = start
    for _ in range(_MOST_BOXES):
        if at + 8 > stop:
            return
        file.seek(at)
        header = file.read(16)
        length, kind, body = int.from_bytes(header[:4], "big"), header[4:8], 8
        if length == 1:
            length, body = int.from_bytes(header[8:16], "big"), 16
        elif length == 0:  # up to the end of the file
            length = stop - at
        if length < body:
            return
        yield kind, at + body, at + length
        at += length


def _mp4_tracks(file: io.BufferedReader, start: int, stop: int, mirrored: set[int], depth: int) -> bool:
    """True when a track is encrypted; adds the numbers of mirrored tracks.  Looks `depth` boxes deep."""
    encrypted = False
    for kind, body, end in boxes(file, start, stop):
        if kind in MP4_PARENTS and depth:
            encrypted |= _mp4_tracks(file, body, min(end, stop), mirrored, depth - 1)
        elif kind == b"tkhd":
            number, a, b, c, d = _track_header(file, body)
            if a * d - b * c < 0:
                mirrored.add(number)
        elif kind == b"stsd":
            for entry, _, _ in boxes(file, body + 8, min(end, stop)):
                encrypted |= entry in _MP4_ENCRYPTED
    return encrypted


def _track_header(file: io.BufferedReader, body: int) -> tuple[int, int, int, int, int]:
    """Number of the track and the rotating part of its display matrix."""
    file.seek(body)
    data = file.read(96)
    # Version 1 stores times in eight bytes instead of four.
    number_at, matrix_at = (20, 52) if data[0] == 1 else (12, 40)
    (number,) = struct.unpack_from(">I", data, number_at)
    a, b, _, c, d = struct.unpack_from(">5i", data, matrix_at)
    return number, a, b, c, d


def _matroska(file: io.BufferedReader, size: int) -> Structure:
    head = _element(file, 0)
    segment = _element(file, head[2]) if head and head[2] is not None else None
    if segment is None or segment[0] != _MKV_SEGMENT:
        return Structure()
    whole = None if segment[2] is None else segment[2] <= size
    at = segment[1]
    for _ in range(64):
        element = _element(file, at)
        if element is None or element[2] is None or element[0] == _MKV_CLUSTER:
            break
        if element[0] == _MKV_TRACKS:
            file.seek(element[1])
            tracks = file.read(min(element[2] - element[1], 1 << 20))
            # ContentEncodings with a ContentEncryption inside.
            place = tracks.find(b"\x6d\x80")
            return Structure(whole, place >= 0 and b"\x50\x35" in tracks[place:])
        at = element[2]
    return Structure(whole)


def _element(file: io.BufferedReader, at: int) -> tuple[int, int, int | None] | None:
    """Identifier, start of the contents and end (None: unknown) of the EBML element at `at`."""
    file.seek(at)
    data = file.read(12)
    if not data or data[0] == 0:
        return None
    id_length = 9 - data[0].bit_length()
    if id_length > 4 or len(data) <= id_length or data[id_length] == 0:
        return None
    first = data[id_length]
    length = 9 - first.bit_length()
    field = data[id_length : id_length + length]
    if len(field) < length:
        return None
    value = int.from_bytes(field, "big") & ((1 << 7 * length) - 1)
    body = at + id_length + length
    unknown = value == (1 << 7 * length) - 1
    return int.from_bytes(data[:id_length], "big"), body, None if unknown else body + value


def _avi(file: io.BufferedReader, size: int) -> Structure:
    at = 0
    for _ in range(_MOST_BOXES):  # large files are a chain of RIFF chunks
        file.seek(at)
        header = file.read(8)
        if len(header) < 8 or header[:4] != b"RIFF":
            break
        length = int.from_bytes(header[4:8], "little")
        if length == 0:  # never finished by the writer
            return Structure()
        at += 8 + length
    return Structure(at <= size + 1)


def _transport_stream(file: io.BufferedReader, size: int) -> Structure:
    data = file.read(188 * 512)
    packets = [data[i : i + 4] for i in range(0, len(data) - 3, 188)]
    loaded = [p for p in packets if p[0] == 0x47 and p[3] & 0x10 and (p[1] & 0x1F, p[2]) != (0x1F, 0xFF)]
    scrambled = sum(bool(p[3] & 0x80) for p in loaded)
    return Structure(None, scrambled * 2 > len(loaded) > 0)


_READERS: dict[str, Callable[[io.BufferedReader, int], Structure]] = {
    "mp4": _mp4,
    "mov": _mp4,
    "m4a": _mp4,
    "matroska": _matroska,
    "webm": _matroska,
    "avi": _avi,
    "mpegts": _transport_stream,
}
