"""A result as a line of the journal: every figure with all its digits, and the pictures.

It is the published record (`dfdetect.reports.plain`), in which what is rounded or mended there stands as it
was: a report that rounds what was rounded before may come out different.  Pictures stand beside it.  A line
begins with a checksum and says which file it is about before its result, so that it is indexed quickly.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from dfdetect.reports.parse import parse_result
from dfdetect.reports.plain import plain_result
from dfdetect.results import (
    Credentials,
    Evidence,
    FaceScore,
    FramePicture,
    MediaInfo,
    ModelStamp,
    Note,
    ScanResult,
    TrackResult,
)

_CRC = b'{"crc32": "%08x", '
_CRC_BYTES = len(_CRC % 0)
_RESULT = b', "result": '
"""Within a text of JSON its quotes would be escaped."""


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
    record = plain_result(result) | {
        "message": result.message,
        "fake_probability": _exact(result.fake_probability),
        "logit": _exact(result.logit),
        "band": None if result.band is None else [float(edge) for edge in result.band],
        "novelty": _exact(result.novelty),
        "notes": _notes(result.notes),
        "model": None if result.model is None else _model(result.model),
        "detector": None if result.detector is None else _model(result.detector),
        "settings": dict(result.settings),
        "elapsed": _exact(result.elapsed),
    }
    if result.media is not None:
        record["media"] |= _media(result.media)
    if result.evidence is not None:
        record["evidence"] = _evidence(result.evidence)
    for values, track in zip(record["tracks"], result.tracks, strict=True):
        values |= _track(track)
        for inner, face in zip(values["faces"], track.faces, strict=True):
            inner |= _face(face)
    stored: dict[str, Any] = {"record": record}
    if any(face.picture is not None for track in result.tracks for face in track.faces):
        stored["faces"] = [[_text(face.picture) for face in track.faces] for track in result.tracks]
    if result.frames:
        stored["frames"] = [{**_members(frame), "jpeg": _text(frame.jpeg)} for frame in result.frames]
    return stored


def _decode(stored: Mapping[str, Any]) -> ScanResult:
    result = parse_result(stored["record"])
    if "faces" in stored:
        tracks = zip(result.tracks, stored["faces"], strict=True)
        result = dataclasses.replace(result, tracks=tuple(_pictured(track, kept) for track, kept in tracks))
    frames = (FramePicture(**{**kept, "jpeg": _bytes(kept["jpeg"])}) for kept in stored.get("frames", ()))
    return dataclasses.replace(result, frames=tuple(frames))


def _track(track: TrackResult) -> dict[str, Any]:
    return {
        "fake_probability": _exact(track.fake_probability),
        "logit": _exact(track.logit),
        "start": float(track.start),
        "end": float(track.end),
    }


def _face(face: FaceScore) -> dict[str, Any]:
    values: dict[str, Any] = {
        "time": float(face.time),
        "box": [float(edge) for edge in face.box],
        "detection": float(face.detection),
        "quality": {f.name: _exact(getattr(face.quality, f.name)) for f in dataclasses.fields(face.quality)},
        "logit": _exact(face.logit),
        "experts": [_exact(logit) for logit in face.experts],
    }
    if face.heatmap is not None:
        values["heatmap"] = [[_exact(value) for value in row] for row in face.heatmap]
    return values


def _media(media: MediaInfo) -> dict[str, Any]:
    return {
        "container": media.container,
        "codec": media.codec,
        "duration": _exact(media.duration),
        "frame_rate": _exact(media.frame_rate),
        "notes": _notes(media.notes),
    }


def _model(model: ModelStamp) -> dict[str, Any]:
    return {**_members(model), "sha256": dict(model.sha256)}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    found = evidence.credentials
    return {
        **_members(evidence),
        "versions": dict(evidence.versions),  # in their order, which the record has not
        "credentials": None if found is None else _members(found),
    }


def _members(part: FramePicture | ModelStamp | Evidence | Credentials) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}


def _notes(notes: Iterable[Note]) -> list[dict[str, str]]:
    return [note._asdict() for note in notes]


def _exact(value: float | None) -> float | None:
    """With all digits, which JSON keeps; null stands for what is no number, as in the record."""
    return None if value is None or not math.isfinite(value) else float(value)


def _pictured(track: TrackResult, kept: list[str | None]) -> TrackResult:
    faces = (
        face if text is None else dataclasses.replace(face, picture=_bytes(text))
        for face, text in zip(track.faces, kept, strict=True)
    )
    return dataclasses.replace(track, faces=tuple(faces))


def _text(picture: bytes | None) -> str | None:
    return None if picture is None else base64.b64encode(picture).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
