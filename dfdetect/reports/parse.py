"""Plain dicts and lists → `ScanResult`: reads back what `dfdetect.reports.plain` wrote.

What was rounded stays rounded; a figure that may not be missing in a `ScanResult` and was written as null
becomes NaN (but for the quality of a face: without it no face was ever scored).  So
``plain_result(parse_result(record)) == record`` for every record whose path came from a file system.  Members
that this version does not know are ignored unless `read_document` is to be strict, missing optional ones are
None.  A member that is there twice is refused: readers disagree on which one holds.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from dfdetect.errors import InputError
from dfdetect.numbers import is_number
from dfdetect.reports.plain import plain_result
from dfdetect.reports.summary import Summary
from dfdetect.results import (
    SCHEMA_VERSION,
    Box,
    Credentials,
    Evidence,
    FaceQuality,
    FaceScore,
    Label,
    MediaInfo,
    MediaKind,
    ModelStamp,
    Note,
    Reason,
    ScanResult,
    TrackResult,
)

_Member = TypeVar("_Member", bound=Enum)
_MOST = 2**63
"""Whole numbers stay below it: no count or size reaches it, and tables could not hold them."""

_AROUND: Mapping[str, Any] = {
    "schema_version": None,
    "tool": {"name": None, "version": None},
    "summary": {**Summary().as_dict(), "reasons": None},
}
"""What stands around the results of a document; of a reason's count `dfdetect.reports.compare` takes care."""


def read_results(path: str | os.PathLike[str]) -> Iterator[ScanResult]:
    """All results of a JSON Lines file (``--format jsonl``, ``evaluate --results``), in order.

    A document of ``--format json`` is read too.  Raises `InputError` that names the line.
    """
    results, _ = read_document(path)
    yield from results


def read_document(
    path: str | os.PathLike[str], strict: bool = False
) -> tuple[Iterator[ScanResult], Mapping[str, Any] | None]:
    """The same results, and what stands around them in a document (tool, summary), as it stands there.

    That is None for JSON Lines, where nothing does.  With `strict`, members that no record has are refused:
    whoever relies on a record would read them, and nothing ever compares them.
    """
    name = os.fspath(path)
    try:
        content = Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:  # also bad UTF-8, or a zero byte in the path
        raise InputError(f"cannot read results from {name}: {error}") from error
    whole = _document(content, name)
    if whole is None:
        return _results(_lines(content, name), strict), None
    around = {member: value for member, value in whole.items() if member != "results"}
    if strict:
        _refuse_unknown(around, _AROUND, name)
    return _results(_members(whole, name), strict), around


def parse_result(values: Mapping[str, Any]) -> ScanResult:
    """The `ScanResult` of one record (``$defs/result`` of the schema); `InputError` names a wrong member."""
    if not isinstance(values, Mapping):
        raise InputError("a result must be a JSON object")
    version = _text(values, "schema_version")
    if version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise InputError(f"results of schema {version} cannot be read, only of {SCHEMA_VERSION}; scan again")
    band = values.get("band")
    model, media, detector = (values.get(name) for name in ("model", "media", "detector"))
    try:
        return ScanResult(
            path=_path(values),
            label=_member(values, "label", Label),
            reason=_member(values, "reason", Reason),
            message=_text(values, "message"),
            fake_probability=_optional(values, "fake_probability"),
            logit=_optional(values, "logit"),
            band=None if band is None else _band(values),
            tracks=_tracks(values),
            media=None if media is None else _media(_object(values, "media")),
            notes=_notes(values),
            model=None if model is None else _model(_object(values, "model")),
            settings=dict(_object(values, "settings")),
            tool_version=_text(values, "tool_version"),
            elapsed=_figure(values, "elapsed"),
            novelty=_optional(values, "novelty"),
            detector=None if detector is None else _model(_object(values, "detector")),
            evidence=None if values.get("evidence") is None else _evidence(_object(values, "evidence")),
            schema_version=version,
        )
    except ValueError as error:
        raise InputError(f"not the record of a scan: {error}") from error


def _document(content: str, name: str) -> Mapping[str, Any] | None:
    """The whole text as one document; None when each line is a record instead."""
    try:
        whole = json.loads(content, object_pairs_hook=_once)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except (ValueError, RecursionError):  # also absurd nesting
        return None
    return whole if isinstance(whole, Mapping) and "results" in whole else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose members are all there only once."""
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise InputError(
            f"the member {twice!r:.60} is there more than once in one object, so that nobody can say which "
            "one holds; take the file as dfdetect wrote it"
        )
    return found


def _results(records: Iterator[tuple[str, Any]], strict: bool) -> Iterator[ScanResult]:
    for where, record in records:
        try:
            result = parse_result(record)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        if strict:
            _refuse_unknown(record, plain_result(result), where)
        yield result


def _refuse_unknown(values: object, known: object, where: str) -> None:
    """Refuse whatever `values` has and `known`, the same part as it is written, has not.

    A null says nothing: it reads as if it were not there.
    """
    if isinstance(values, Mapping) and isinstance(known, Mapping):
        for name, value in values.items():
            if value is None:
                continue
            if name not in known:
                raise InputError(
                    f"{where}: no record has the member {name!r:.60}: take the record as dfdetect wrote it, "
                    "and the version of dfdetect that made it"
                )
            _refuse_unknown(value, known[name], where)
    elif isinstance(values, list) and isinstance(known, list):
        for value, one in zip(values, known, strict=False):
            _refuse_unknown(value, one, where)


def _members(whole: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """Each record of a document with where it stands."""
    for number, record in enumerate(_objects(whole, "results"), start=1):
        yield f"{name}, result {number}", record


def _lines(content: str, name: str) -> Iterator[tuple[str, Any]]:
    """Each line's record with where it stands."""
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            try:
                yield f"{name}, line {number}", json.loads(line, object_pairs_hook=_once)
            except InputError as error:
                raise InputError(f"{name}, line {number}: {error}") from error
            except (ValueError, RecursionError) as error:
                raise InputError(f"{name}, line {number}: not JSON: {error}") from error


def _tracks(values: Mapping[str, Any]) -> tuple[TrackResult, ...]:
    found = tuple(_track(item) for item in _objects(values, "tracks"))
    numbers = [track.id for track in found]
    if len({*numbers}) != len(numbers):
        raise _wrong("tracks", "give every person an id of its own", numbers)
    return found


def _track(values: Mapping[str, Any]) -> TrackResult:
    return TrackResult(
        id=_whole(values, "id"),
        label=_member(values, "label", Label),
        reason=_member(values, "reason", Reason),
        fake_probability=_share(values, "fake_probability"),
        logit=_optional(values, "logit"),
        start=_number(values, "start"),
        end=_number(values, "end"),
        faces=tuple(_face(item) for item in _objects(values, "faces")),
        faces_found=_whole(values, "faces_found"),
    )


def _face(values: Mapping[str, Any]) -> FaceScore:
    quality = _object(values, "quality")
    heat = values.get("heatmap")
    box = _list(values, "box")
    if len(box) != 4:
        raise _wrong("box", "hold four numbers", box)
    return FaceScore(
        time=_number(values, "time"),
        frame=_whole(values, "frame"),
        box=Box(*(_plain("box", edge) for edge in box)),
        detection=_share_of("detection", values.get("detection")),
        quality=FaceQuality(
            **{name: _number(quality, name) for name in ("size", "sharpness", "brightness", "contrast")}
        ),
        logit=_figure(values, "logit"),
        experts=tuple(_or_nan("experts", value) for value in _list(values, "experts")),
        heatmap=None if heat is None else tuple(_heat_row(row) for row in _list(values, "heatmap")),
    )


def _heat_row(row: object) -> tuple[float, ...]:
    if not isinstance(row, list):
        raise _wrong("heatmap", "hold lists of numbers", row)
    return tuple(_or_nan("heatmap", value) for value in row)


def _media(values: Mapping[str, Any]) -> MediaInfo:
    kind = _member(values, "kind", MediaKind)
    if kind is None:
        raise _wrong("kind", "be photo or video", None)
    size = values.get("size_bytes")
    return MediaInfo(
        kind=kind,
        container=_text(values, "container"),
        codec=_text(values, "codec"),
        width=_whole(values, "width"),
        height=_whole(values, "height"),
        duration=_optional(values, "duration"),
        frame_rate=_optional(values, "frame_rate"),
        rotation=_whole(values, "rotation"),
        frames_sampled=_whole(values, "frames_sampled"),
        size_bytes=None if size is None else _whole(values, "size_bytes"),
        notes=_notes(values),
    )


def _notes(values: Mapping[str, Any]) -> tuple[Note, ...]:
    return tuple(Note(_text(item, "code"), _text(item, "text")) for item in _objects(values, "notes"))


def _model(values: Mapping[str, Any]) -> ModelStamp:
    hashes = _object(values, "sha256")
    return ModelStamp(
        name=_text(values, "name"),
        version=_text(values, "version"),
        sha256={name: _text(hashes, name) for name in hashes},
        engine=_text(values, "engine"),
    )


def _evidence(values: Mapping[str, Any]) -> Evidence:
    versions, found = _object(values, "versions"), values.get("credentials")
    return Evidence(
        started=_text(values, "started"),
        sha256=_words(values, "sha256"),
        versions={name: _text(versions, name) for name in versions},
        credentials=None if found is None else _credentials(_object(values, "credentials")),
    )


def _credentials(values: Mapping[str, Any]) -> Credentials:
    problems = _list(values, "problems")
    if not all(isinstance(problem, str) for problem in problems):
        raise _wrong("problems", "hold texts", problems)
    return Credentials(
        present=bool(_truth(values, "present")),
        valid=_truth(values, "valid"),
        trusted=_truth(values, "trusted"),
        signer=_words(values, "signer"),
        generator=_words(values, "generator"),
        declares_generated=_truth(values, "declares_generated"),
        problems=tuple(problems),
    )


def _path(values: Mapping[str, Any]) -> str:
    """The name of the file; one that no file can have would fail wherever it is looked for."""
    name = "path" if values.get("path_base64") is None else "path_base64"
    path = _text(values, name)
    if name == "path_base64":
        try:
            path = os.fsdecode(base64.b64decode(path, validate=True))
        except ValueError as error:
            raise _wrong(name, "be base64", path) from error
    try:
        possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # a lone surrogate
        possible = False
    if not possible:
        raise _wrong(name, "be a name that a file can have", path)
    return path


def _wrong(name: str, want: str, value: object) -> InputError:
    return InputError(f"not the record of a scan: '{name}' must {want}, not {value!r:.60}")


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    if not isinstance(value, Mapping):
        raise _wrong(name, "be a JSON object", value)
    return value


def _list(values: Mapping[str, Any], name: str) -> list[Any]:
    value = values.get(name)
    if not isinstance(value, list):
        raise _wrong(name, "be a list", value)
    return value


def _objects(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = _list(values, name)
    for item in found:
        if not isinstance(item, Mapping):
            raise _wrong(name, "hold JSON objects", item)
    return found


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise _wrong(name, "be a text", value)
    return value


def _words(values: Mapping[str, Any], name: str) -> str | None:
    return None if values.get(name) is None else _text(values, name)


def _truth(values: Mapping[str, Any], name: str) -> bool | None:
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, "be true, false or null", value)
    return value


def _whole(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= _MOST:
        raise _wrong(name, "be a whole number of at most 63 bits", value)
    return value


def _member(values: Mapping[str, Any], name: str, kind: type[_Member]) -> _Member | None:
    value = values.get(name)
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError as error:
        raise _wrong(name, "be one of " + ", ".join(str(m.value) for m in kind), value) from error


def _plain(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or not is_number(value):
        raise _wrong(name, "be a number", value)
    return float(value)


def _number(values: Mapping[str, Any], name: str) -> float:
    return _plain(name, values.get(name))


def _or_nan(name: str, value: object) -> float:
    """Null stands for a figure that was no finite number."""
    return math.nan if value is None else _plain(name, value)


def _figure(values: Mapping[str, Any], name: str) -> float:
    return _or_nan(name, values.get(name))


def _optional(values: Mapping[str, Any], name: str) -> float | None:
    return None if values.get(name) is None else _number(values, name)


def _share(values: Mapping[str, Any], name: str) -> float | None:
    return None if values.get(name) is None else _share_of(name, values[name])


def _share_of(name: str, value: object) -> float:
    number = _plain(name, value)
    if not 0.0 <= number <= 1.0:
        raise _wrong(name, "lie between 0 and 1", value)
    return number


def _band(values: Mapping[str, Any]) -> tuple[float, float]:
    found = _list(values, "band")
    if len(found) != 2:
        raise _wrong("band", "hold two numbers", found)
    return _share_of("band", found[0]), _share_of("band", found[1])
