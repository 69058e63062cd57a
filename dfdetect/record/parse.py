"""Plain dicts and lists → `ScanResult`: reads back what `dfdetect.record.plain` wrote.

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
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dfdetect.errors import InputError
from dfdetect.fields import Fields
from dfdetect.names import from_bytes, to_bytes
from dfdetect.record.plain import plain_result
from dfdetect.record.summary import Summary
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

_ANY = object()
_AROUND: Mapping[str, Any] = {
    "schema_version": _ANY,
    "tool": {"name": _ANY, "version": _ANY},
    "summary": {**Summary().as_dict(), "reasons": _ANY},
}
"""What stands around the results of a document; `dfdetect.record.compare` takes care of what is `_ANY`."""
_OPTIONAL = frozenset({"path_base64", "heatmap", "evidence"})
"""Members that are left out where there is nothing to say; a null reads the same."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_LIBRARY = re.compile(r"(?!engine$)[A-Za-z0-9._+-]+")
"""Not as `dfdetect.verify` calls what is no library: two by one name would hide each other."""


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

    That is None for JSON Lines, where nothing does.  With `strict`, members that no record has are refused,
    and hashes, times and names of another form than a record has: whoever relies on a record would read them,
    and nothing ever compares them.
    """
    name = os.fspath(path)
    try:
        raw = Path(path).read_bytes()  # by PowerShell's ``>`` in UTF-16, or with a mark before UTF-8
        content = raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:  # a photo in its place, say
        raise _other_file(name, strict) from error
    except (OSError, ValueError) as error:  # also a zero byte in the path
        raise InputError(f"cannot read results from {name}: {error}") from error
    whole = _document(content, name, strict)
    if whole is None:
        return _results(_lines(content, name, strict), strict), None
    around = {member: value for member, value in whole.items() if member != "results"}
    if strict:
        _refuse_unknown(around, _AROUND, name)
        _refuse_odd_summary(around.get("summary"), name)
    return _results(_members(whole, name), strict), around


def parse_result(values: Mapping[str, Any]) -> ScanResult:
    """The `ScanResult` of one record (``$defs/result`` of the schema); `InputError` names a wrong member."""
    if not isinstance(values, Mapping):
        raise InputError("a result must be a JSON object")
    record = _fields(values)
    version = record.text("schema_version")
    if version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise InputError(f"results of schema {version} cannot be read, only of {SCHEMA_VERSION}; scan again")
    media, evidence = record.part_or_none("media"), record.part_or_none("evidence")
    try:
        return ScanResult(
            path=_path(record),
            label=record.one_of("label", Label) if record.has("label") else None,
            reason=record.one_of("reason", Reason) if record.has("reason") else None,
            message=record.text("message"),
            fake_probability=record.number_or_none("fake_probability"),
            logit=record.number_or_none("logit"),
            band=_band(record) if record.has("band") else None,
            tracks=_tracks(record),
            media=None if media is None else _media(media),
            notes=_notes(record),
            model=_model(record.part_or_none("model")),
            settings=dict(record.part("settings").values),
            tool_version=record.text("tool_version"),
            elapsed=_figure(record, "elapsed"),
            novelty=record.number_or_none("novelty"),
            detector=_model(record.part_or_none("detector")),
            evidence=None if evidence is None else _evidence(evidence),
            schema_version=version,
        )
    except ValueError as error:
        raise InputError(f"not the record of a scan: {error}") from error


def _other_file(name: str, strict: bool) -> InputError:
    """What to say of a file that holds something else."""
    what = "holds no results of a scan; make them with dfdetect scan --report jsonl=FILE"
    if strict:
        what = "is no record of a scan; make one with dfdetect scan --report record=FILE and name it first"
    return InputError(f"{name} {what}")


def _document(content: str, name: str, strict: bool) -> Mapping[str, Any] | None:
    """The whole text as one document; None when each line is a record instead."""
    try:
        whole = json.loads(content, object_pairs_hook=_once)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except (ValueError, RecursionError):  # also absurd nesting
        return None
    if isinstance(whole, Mapping) and "results" in whole:
        return whole
    if "\n" in content.strip():  # a document of another kind, SARIF for one
        raise _other_file(name, strict)
    return None


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
            _refuse_odd(record, result, where)
        yield result


def _refuse_unknown(values: object, known: object, where: str) -> None:
    """Refuse whatever `values` has and `known`, the same part as it is written, has not.

    A null of a known name says nothing: it reads as if it were not there.
    """
    if isinstance(values, Mapping) and isinstance(known, Mapping):
        for name, value in values.items():
            if value is None and (name in known or name in _OPTIONAL):
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
    elif isinstance(values, (Mapping, list)) and not (isinstance(known, (Mapping, list)) or known is _ANY):
        raise InputError(f"{where}: no record has {values!r:.60} where it should have a single value")


def _refuse_odd(record: Mapping[str, Any], result: ScanResult, where: str) -> None:
    """Refuse what says something in another form than a record does, so that it would go unnoticed."""
    fields, path, evidence = _fields(record, f"{where}: "), plain_result(result)["path"], result.evidence
    if record.get("path") != path:
        raise fields.wrong("path", f"be {path!r:.60} as path_base64 has it")
    if evidence is not None:
        found = fields.part("evidence")
        if evidence.sha256 is not None:
            found.sha256("sha256")
        _moment(found, evidence.started)
        if not all(map(_LIBRARY.fullmatch, evidence.versions)):
            raise found.wrong("versions", "name libraries by their names")


def _refuse_odd_summary(summary: object, name: str) -> None:
    """The same of what no result is compared with."""
    if not isinstance(summary, Mapping):
        return
    fields = _fields(summary, f"{name}, summary: ")
    fields.truth_or_none("complete")
    fields.number_or_none("elapsed")
    _moment(fields, fields.text_or_none("started"))


def _moment(fields: Fields, started: str | None) -> None:
    if started is not None and not _MOMENT.fullmatch(started):
        raise fields.wrong("started", "be a time as 2026-01-31T12:00:00Z")


def _fields(values: Mapping[str, Any], place: str = "") -> Fields:
    return Fields(values, f"{place}not the record of a scan", InputError)


def _members(whole: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """Each record of a document with where it stands."""
    for number, record in enumerate(_fields(whole, f"{name}: ").parts("results"), start=1):
        yield f"{name}, result {number}", record.values


def _lines(content: str, name: str, strict: bool) -> Iterator[tuple[str, Any]]:
    """Each line's record with where it stands."""
    lines, whole = content.split("\n"), 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=_once)
        except InputError as error:
            raise InputError(f"{name}, line {number}: {error}") from error
        except (ValueError, RecursionError) as error:
            if whole == 0 and not line.lstrip().startswith("{"):
                raise _other_file(name, strict) from error
            if whole and number == len(lines):  # without a line's end: a full disk, a power cut
                raise InputError(
                    f"{name}, line {number}: this last line was not written to its end; delete it, and the "
                    f"other {whole} can be used"
                ) from error
            raise InputError(f"{name}, line {number}: not JSON: {error}") from error
        yield f"{name}, line {number}", record
        whole += 1


def _tracks(values: Fields) -> tuple[TrackResult, ...]:
    found = tuple(_track(item) for item in values.parts("tracks"))
    numbers = [track.id for track in found]
    if len({*numbers}) != len(numbers):
        raise values.wrong("tracks", "give every person an id of its own", numbers)
    return found


def _track(values: Fields) -> TrackResult:
    return TrackResult(
        id=values.whole("id"),
        label=values.one_of("label", Label) if values.has("label") else None,
        reason=values.one_of("reason", Reason) if values.has("reason") else None,
        fake_probability=values.number_or_none("fake_probability", 0.0, 1.0),
        logit=values.number_or_none("logit"),
        start=values.number("start"),
        end=values.number("end"),
        faces=tuple(_face(item) for item in values.parts("faces")),
        faces_found=values.whole("faces_found"),
    )


def _face(values: Fields) -> FaceScore:
    quality = values.part("quality")
    heat = values.items("heatmap") if values.has("heatmap") else None
    return FaceScore(
        time=values.number("time"),
        frame=values.whole("frame"),
        box=Box(*values.numbers("box", 4)),
        detection=values.number("detection", None, 0.0, 1.0),
        quality=FaceQuality(
            **{name: quality.number(name) for name in ("size", "sharpness", "brightness", "contrast")}
        ),
        logit=_figure(values, "logit"),
        experts=_figures(values, "experts", values.items("experts")),
        heatmap=None if heat is None else tuple(_figures(values, "heatmap", row) for row in heat),
    )


def _figure(values: Fields, name: str) -> float:
    """Null stands for a figure that was no finite number."""
    found = values.number_or_none(name)
    return math.nan if found is None else found


def _figures(values: Fields, name: str, row: object) -> tuple[float, ...]:
    """The same of each in a list."""
    if not isinstance(row, list):
        raise values.wrong(name, "hold lists of numbers", row)
    return tuple(math.nan if value is None else values.as_number(name, value) for value in row)


def _media(values: Fields) -> MediaInfo:
    return MediaInfo(
        kind=values.one_of("kind", MediaKind),
        container=values.text("container"),
        codec=values.text("codec"),
        width=values.whole("width"),
        height=values.whole("height"),
        duration=values.number_or_none("duration"),
        frame_rate=values.number_or_none("frame_rate"),
        rotation=values.whole("rotation"),
        frames_sampled=values.whole("frames_sampled"),
        size_bytes=values.whole("size_bytes") if values.has("size_bytes") else None,
        notes=_notes(values),
    )


def _notes(values: Fields) -> tuple[Note, ...]:
    return tuple(Note(item.text("code"), item.text("text")) for item in values.parts("notes"))


def _model(values: Fields | None) -> ModelStamp | None:
    if values is None:
        return None
    return ModelStamp(
        name=values.text("name"),
        version=values.text("version"),
        sha256=_all_texts(values.part("sha256")),
        engine=values.text("engine"),
    )


def _evidence(values: Fields) -> Evidence:
    found = values.part_or_none("credentials")
    return Evidence(
        started=values.text("started"),
        sha256=values.text_or_none("sha256"),
        versions=_all_texts(values.part("versions")),
        credentials=None if found is None else _credentials(found),
    )


def _all_texts(values: Fields) -> dict[str, str]:
    return {name: values.text(name) for name in values.values}


def _credentials(values: Fields) -> Credentials:
    return Credentials(
        present=bool(values.truth_or_none("present")),
        valid=values.truth_or_none("valid"),
        trusted=values.truth_or_none("trusted"),
        signer=values.text_or_none("signer"),
        generator=values.text_or_none("generator"),
        declares_generated=values.truth_or_none("declares_generated"),
        problems=values.texts("problems"),
    )


def _path(values: Fields) -> str:
    """The name of the file; one that no file can have would fail wherever it is looked for."""
    name = "path_base64" if values.has("path_base64") else "path"
    path = values.text(name)
    if name == "path_base64":
        try:
            path = from_bytes(base64.b64decode(path, validate=True))
        except ValueError as error:
            raise values.wrong(name, "be base64") from error
    try:
        possible = b"\0" not in to_bytes(path)
    except UnicodeEncodeError:  # a lone surrogate
        possible = False
    if not possible:
        raise values.wrong(name, "be a name that a file can have", path)
    return path


def _band(values: Fields) -> tuple[float, float]:
    low, high = values.numbers("band", 2, 0.0, 1.0)
    return low, high
