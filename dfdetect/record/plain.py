"""`ScanResult` → plain dicts and lists, in a stable order, as the published schema describes them.

Probabilities are rounded to 6 decimals, those of a fake that are next to 0 or 1 to 6 significant digits of
what is missing, times to milliseconds, boxes to tenths of a pixel, quality figures to 4 significant digits.
Logits keep every digit, so that a scan can be compared bit by bit and recalibrated from its record.
Pictures are left out: they are for people.  There is no NaN and no infinity:
where a figure may be missing it becomes null; where it may not, the record is refused (`ValueError`), since
it would be a lie.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from typing import Any

from dfdetect.names import to_bytes
from dfdetect.results import (
    Box,
    Credentials,
    Evidence,
    FaceQuality,
    FaceScore,
    MediaInfo,
    ModelStamp,
    Note,
    ScanResult,
    TrackResult,
)

_NEXT_TO = 0.001
"""What is nearer to 0 or 1 has more decimals."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def plain_result(result: ScanResult) -> dict[str, Any]:
    """The record of one file (``$defs/result`` of the schema).

    A path that is not valid UTF-8 has U+FFFD in place of each bad byte, and a further member
    ``path_base64`` with the bytes themselves.
    """
    record: dict[str, Any] = {"path": text(result.path)}
    if record["path"] != result.path:
        record["path_base64"] = base64.b64encode(_path_bytes(result.path)).decode("ascii")
    record |= {
        "label": result.label.value if result.label is not None else None,
        "reason": result.reason.value if result.reason is not None else None,
        "message": text(result.message),
        "fake_probability": _answer(result.fake_probability),
        "logit": _number(result.logit),
        "band": None if result.band is None else [_answer(edge) for edge in result.band],
        "novelty": _probability(result.novelty),
        "tracks": [_track(track) for track in result.tracks],
        "media": None if result.media is None else _media(result.media),
        "notes": _notes(result.notes),
        "model": None if result.model is None else _model(result.model),
        "detector": None if result.detector is None else _model(result.detector),
        "settings": {key: plain_value(value) for key, value in result.settings.items()},
        "tool_version": text(result.tool_version),
        "elapsed": _number(result.elapsed, 3),
        "schema_version": result.schema_version,
    }
    if result.evidence is not None:
        record["evidence"] = _evidence(result.evidence)
    return record


def text(value: str) -> str:
    """The string with U+FFFD in place of each lone surrogate, which no strict JSON reader accepts."""
    return _LONE_SURROGATE.sub("\ufffd", value)


def plain_value(value: object) -> Any:
    """A setting: `text`, number, truth value or null, or a list or dict of these."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return {text(str(key)): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    return text(str(value))


def _path_bytes(path: str) -> bytes:
    """The bytes of a name; surrogates that stand for no byte (never from a file system) are dropped."""
    return to_bytes(re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", path))


def _track(track: TrackResult) -> dict[str, Any]:
    return {
        "id": track.id,
        "label": track.label.value if track.label is not None else None,
        "reason": track.reason.value if track.reason is not None else None,
        "fake_probability": _answer(track.fake_probability),
        "logit": _number(track.logit),
        "start": _finite(track.start, 3),
        "end": _finite(track.end, 3),
        "faces_found": track.faces_found,
        "faces": [_face(face) for face in track.faces],
    }


def _face(face: FaceScore) -> dict[str, Any]:
    record: dict[str, Any] = {
        "time": _finite(face.time, 3),
        "frame": face.frame,
        "box": _box(face.box),
        "detection": _probability(face.detection),
        "quality": _quality(face.quality),
        "logit": _number(face.logit),
        "experts": [_number(logit) for logit in face.experts],
    }
    if face.heatmap is not None:
        record["heatmap"] = [[_significant(value) for value in row] for row in face.heatmap]
    return record


def _box(box: Box) -> list[float]:
    return [_finite(edge, 1) for edge in box]


def _quality(quality: FaceQuality) -> dict[str, Any]:
    return {
        "size": _significant(quality.size),
        "sharpness": _significant(quality.sharpness),
        "brightness": _significant(quality.brightness),
        "contrast": _significant(quality.contrast),
    }


def _media(media: MediaInfo) -> dict[str, Any]:
    return {
        "kind": media.kind.value,
        "container": text(media.container),
        "codec": text(media.codec),
        "width": media.width,
        "height": media.height,
        "duration": _number(media.duration, 3),
        "frame_rate": _number(media.frame_rate, 3),
        "rotation": media.rotation,
        "frames_sampled": media.frames_sampled,
        "size_bytes": media.size_bytes,
        "notes": _notes(media.notes),
    }


def _notes(notes: tuple[Note, ...]) -> list[dict[str, str]]:
    return [{"code": text(note.code), "text": text(note.text)} for note in notes]


def _model(model: ModelStamp) -> dict[str, Any]:
    return {
        "name": text(model.name),
        "version": text(model.version),
        "engine": text(model.engine),
        "sha256": {text(name): model.sha256[name] for name in sorted(model.sha256)},
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    found = evidence.credentials
    return {
        "started": evidence.started,
        "sha256": evidence.sha256,
        "versions": {text(name): text(evidence.versions[name]) for name in sorted(evidence.versions)},
        "credentials": None if found is None else _credentials(found),
    }


def _credentials(found: Credentials) -> dict[str, Any]:
    return {
        "present": found.present,
        "valid": found.valid,
        "trusted": found.trusted,
        "signer": None if found.signer is None else text(found.signer),
        "generator": None if found.generator is None else text(found.generator),
        "declares_generated": found.declares_generated,
        "problems": [text(problem) for problem in found.problems],
    }


def _number(value: float | None, digits: int | None = None) -> float | None:
    """A Python float (numpy's own would not be JSON), rounded, null if it is not a finite number."""
    if value is None or not math.isfinite(value):
        return None
    number = float(value) if digits is None else round(float(value), digits)
    return number + 0.0  # turns -0.0 into 0.0


def _finite(value: float, digits: int) -> float:
    if not math.isfinite(value):
        raise ValueError(f"a time or a place must be a finite number, not {value!r}")
    return round(float(value), digits) + 0.0


def _significant(value: float) -> float | None:
    return None if not math.isfinite(value) else float(f"{value:.4g}")


def _answer(value: float | None) -> float | None:
    """A probability of a fake or an edge of the band: a small prior brings them all next to 0, and the label
    must still follow from them.
    """
    rest = 0.0 if value is None else min(value, 1 - value)
    return _probability(value, 5 - math.floor(math.log10(rest)) if 0 < rest < _NEXT_TO else 6)


def _probability(value: float | None, digits: int = 6) -> float | None:
    if value is None:
        return None
    if not 0.0 <= value <= 1.0:  # false for NaN too
        raise ValueError(f"a probability must lie between 0 and 1, not {value!r}")
    return round(float(value), digits)
