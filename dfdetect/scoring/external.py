"""Which files an ONNX network keeps tensors in beside its own: engines read them without a word.

Read from the bytes of the file, since the package ``onnx`` is no part of a plain installation.  An ONNX file
is one protobuf message; only what leads to the place of a tensor's data is looked at, so weights are never
read.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from dfdetect.errors import ModelError

_KEY = b"location"
# Message → number of a field that leads on → the message in it (onnx.proto).
_LEADS_TO: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
_DEEPEST = 100
"""Protobuf itself reads no deeper."""


def external_files(path: Path) -> list[str]:
    """The files beside `path` that hold its tensors, as it names them.

    Raises `ModelError` when `path` is no ONNX file.
    """
    found: set[str] = set()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found.update(_locations(data, 0, len(data), "model", _DEEPEST))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, IndexError) as error:  # also an empty file, which cannot be mapped
        raise ModelError(f"{path} is not a readable ONNX file") from error
    return sorted(found)


def _locations(data: mmap.mmap, start: int, end: int, message: str, depth: int) -> Iterator[str]:
    if depth == 0:
        raise ValueError("nested too deeply")
    for field, first, last in _fields(data, start, end):
        inner = _LEADS_TO[message].get(field)
        if inner == "external":
            entry = {field: data[a:b] for field, a, b in _fields(data, first, last)}
            if entry.get(1) == _KEY:
                yield entry.get(2, b"").decode()
        elif inner is not None and (inner != "node" or data.find(_KEY, first, last) >= 0):
            yield from _locations(data, first, last, inner, depth - 1)


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of every field that has a length, as messages and texts have."""
    while at < end:
        key, at = _number(data, at)
        kind = key & 7
        if kind == 2:
            size, at = _number(data, at)
            yield key >> 3, at, at + size
            at += size
        elif kind == 0:
            _, at = _number(data, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("a field of unknown kind")
    if at != end:
        raise ValueError("a field beyond its message")


def _number(data: mmap.mmap, at: int) -> tuple[int, int]:
    """A varint, seven bits to a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("an endless number")
