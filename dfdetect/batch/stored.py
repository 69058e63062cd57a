"""A result as a line of the journal: every figure with all its digits, and the pictures.

It has the form of the published record (`dfdetect.record.plain`), and what is rounded or mended there stands
as it was: a report that rounds what was rounded before may come out different.  Pictures stand beside it.  A
line begins with a checksum and says which file it is about before its result, so that it is indexed quickly.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from dfdetect.record.parse import parse_result
from dfdetect.record.plain import plain_result
from dfdetect.results import FramePicture, Note, ScanResult, TrackResult

_CRC = b'{"crc32": "%08x", '
_CRC_BYTES = len(_CRC % 0)
_RESULT = b', "result": '
"""Within a text of JSON its quotes would be escaped."""
_PATHS = ("path", "path_base64")
"""Members that are as in the published record, by which a path is read back."""


def line_of(about: Mapping[str, Any], result: ScanResult) -> bytes:
    """The line, with its end; `ValueError` or `TypeError` for a result that no record can hold."""
    body = json.dumps(about)[:-1].encode() + _RESULT + json.dumps(_encode(result)).encode() + b"}"
    return _CRC % zlib.crc32(body) + body[1:] + b"\n"


def about_in(line: bytes) -> dict[str, Any]:
    """What `line_of` was given beside the result; `ValueError` if the line is not as it was written."""
    found: dict[str, Any] = json.loads(_checked(line).partition(_RESULT)[0] + b"}")
    return found


def result_in(line: bytes) -> ScanResult:
    """The result that `line_of` was given; `ValueError` if the line is not as it was written."""
    return _decode(json.loads(_checked(line))["result"])


def _checked(line: bytes) -> bytes:
    body = b"{" + line[_CRC_BYTES:].rstrip(b"\n")
    if line[:_CRC_BYTES] != _CRC % zlib.crc32(body):
        raise ValueError("the checksum is wrong")
    return body


def _encode(result: ScanResult) -> dict[str, Any]:
    published = plain_result(result)  # refuses what no record can hold
    record = _exact(result) | {name: published[name] for name in _PATHS if name in published}
    stored = {"record": record, "frames": record.pop("frames")}
    stored["faces"] = [[face.pop("picture") for face in track["faces"]] for track in record["tracks"]]
    return stored


def _exact(value: Any) -> Any:
    """The value for JSON, which keeps all digits; null stands for what is no number, as in the record."""
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        return {field.name: _exact(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Note):
        return value._asdict()
    if isinstance(value, Mapping):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(item) for item in value]
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def _decode(stored: Mapping[str, Any]) -> ScanResult:
    result = parse_result(stored["record"])
    if "faces" in stored:  # not so in older journals where there are no pictures
        tracks = zip(result.tracks, stored["faces"], strict=True)
        result = dataclasses.replace(result, tracks=tuple(_pictured(track, kept) for track, kept in tracks))
    frames = (FramePicture(**{**kept, "jpeg": _bytes(kept["jpeg"])}) for kept in stored.get("frames", ()))
    return dataclasses.replace(result, frames=tuple(frames))


def _pictured(track: TrackResult, kept: list[str | None]) -> TrackResult:
    faces = (
        face if text is None else dataclasses.replace(face, picture=_bytes(text))
        for face, text in zip(track.faces, kept, strict=True)
    )
    return dataclasses.replace(track, faces=tuple(faces))


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
