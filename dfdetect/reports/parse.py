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
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dfdetect.errors import InputError
from dfdetect.reports import members
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

_ANY = object()
_AROUND: Mapping[str, Any] = {
    "schema_version": _ANY,
    "tool": {"name": _ANY, "version": _ANY},
    "summary": {**Summary().as_dict(), "reasons": _ANY},
}
"""What stands around the results of a document; `dfdetect.reports.compare` takes care of what is `_ANY`."""
_OPTIONAL = frozenset({"path_base64", "heatmap", "evidence"})
"""Members that are left out where there is nothing to say; a null reads the same."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_HASH = re.compile(r"[0-9a-f]{64}")
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
    version = members.text(values, "schema_version")
    if version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise InputError(f"results of schema {version} cannot be read, only of {SCHEMA_VERSION}; scan again")
    band = values.get("band")
    model, media, detector, evidence = (
        values.get(name) for name in ("model", "media", "detector", "evidence")
    )
    try:
        return ScanResult(
            path=_path(values),
            label=members.one_of(values, "label", Label),
            reason=members.one_of(values, "reason", Reason),
            message=members.text(values, "message"),
            fake_probability=members.number_or_none(values, "fake_probability"),
            logit=members.number_or_none(values, "logit"),
            band=None if band is None else _band(values),
            tracks=_tracks(values),
            media=None if media is None else _media(members.json_object(values, "media")),
            notes=_notes(values),
            model=None if model is None else _model(members.json_object(values, "model")),
            settings=dict(members.json_object(values, "settings")),
            tool_version=members.text(values, "tool_version"),
            elapsed=members.number_or_nan(values, "elapsed"),
            novelty=members.number_or_none(values, "novelty"),
            detector=None if detector is None else _model(members.json_object(values, "detector")),
            evidence=None if evidence is None else _evidence(members.json_object(values, "evidence")),
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
    path, evidence = plain_result(result)["path"], result.evidence
    checks = [("path", record.get("path") == path, f"be {path!r:.60} as path_base64 has it")]
    if evidence is not None:
        sha256 = evidence.sha256
        hexadecimal = sha256 is None or _HASH.fullmatch(sha256) is not None
        checks += [
            ("sha256", hexadecimal, "be 64 hexadecimal digits in lower case"),
            ("started", _MOMENT.fullmatch(evidence.started) is not None, "be a time as 2026-01-31T12:00:00Z"),
            ("versions", all(map(_LIBRARY.fullmatch, evidence.versions)), "name libraries by their names"),
        ]
    for name, good, want in checks:
        if not good:
            value = (record if name == "path" else record["evidence"]).get(name)
            raise InputError(f"{where}: {members.wrong(name, want, value)}")


def _refuse_odd_summary(summary: object, name: str) -> None:
    """The same of what no result is compared with."""
    if not isinstance(summary, Mapping):
        return
    try:
        members.truth(summary, "complete")
        members.number_or_none(summary, "elapsed")
        started = members.text_or_none(summary, "started")
        if started is not None and not _MOMENT.fullmatch(started):
            raise members.wrong("started", "be a time as 2026-01-31T12:00:00Z", started)
    except InputError as error:
        raise InputError(f"{name}, summary: {error}") from error


def _members(whole: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """Each record of a document with where it stands."""
    for number, record in enumerate(members.json_objects(whole, "results"), start=1):
        yield f"{name}, result {number}", record


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


def _tracks(values: Mapping[str, Any]) -> tuple[TrackResult, ...]:
    found = tuple(_track(item) for item in members.json_objects(values, "tracks"))
    numbers = [track.id for track in found]
    if len({*numbers}) != len(numbers):
        raise members.wrong("tracks", "give every person an id of its own", numbers)
    return found


def _track(values: Mapping[str, Any]) -> TrackResult:
    return TrackResult(
        id=members.whole(values, "id"),
        label=members.one_of(values, "label", Label),
        reason=members.one_of(values, "reason", Reason),
        fake_probability=members.share_or_none(values, "fake_probability"),
        logit=members.number_or_none(values, "logit"),
        start=members.number(values, "start"),
        end=members.number(values, "end"),
        faces=tuple(_face(item) for item in members.json_objects(values, "faces")),
        faces_found=members.whole(values, "faces_found"),
    )


def _face(values: Mapping[str, Any]) -> FaceScore:
    quality = members.json_object(values, "quality")
    heat = values.get("heatmap")
    box = members.json_list(values, "box")
    if len(box) != 4:
        raise members.wrong("box", "hold four numbers", box)
    return FaceScore(
        time=members.number(values, "time"),
        frame=members.whole(values, "frame"),
        box=Box(*(members.plain_number("box", edge) for edge in box)),
        detection=members.plain_share("detection", values.get("detection")),
        quality=FaceQuality(
            **{
                name: members.number(quality, name)
                for name in ("size", "sharpness", "brightness", "contrast")
            }
        ),
        logit=members.number_or_nan(values, "logit"),
        experts=tuple(
            members.plain_or_nan("experts", value) for value in members.json_list(values, "experts")
        ),
        heatmap=None
        if heat is None
        else tuple(_heat_row(row) for row in members.json_list(values, "heatmap")),
    )


def _heat_row(row: object) -> tuple[float, ...]:
    if not isinstance(row, list):
        raise members.wrong("heatmap", "hold lists of numbers", row)
    return tuple(members.plain_or_nan("heatmap", value) for value in row)


def _media(values: Mapping[str, Any]) -> MediaInfo:
    kind = members.one_of(values, "kind", MediaKind)
    if kind is None:
        raise members.wrong("kind", "be photo or video", None)
    size = values.get("size_bytes")
    return MediaInfo(
        kind=kind,
        container=members.text(values, "container"),
        codec=members.text(values, "codec"),
        width=members.whole(values, "width"),
        height=members.whole(values, "height"),
        duration=members.number_or_none(values, "duration"),
        frame_rate=members.number_or_none(values, "frame_rate"),
        rotation=members.whole(values, "rotation"),
        frames_sampled=members.whole(values, "frames_sampled"),
        size_bytes=None if size is None else members.whole(values, "size_bytes"),
        notes=_notes(values),
    )


def _notes(values: Mapping[str, Any]) -> tuple[Note, ...]:
    return tuple(
        Note(members.text(item, "code"), members.text(item, "text"))
        for item in members.json_objects(values, "notes")
    )


def _model(values: Mapping[str, Any]) -> ModelStamp:
    hashes = members.json_object(values, "sha256")
    return ModelStamp(
        name=members.text(values, "name"),
        version=members.text(values, "version"),
        sha256={name: members.text(hashes, name) for name in hashes},
        engine=members.text(values, "engine"),
    )


def _evidence(values: Mapping[str, Any]) -> Evidence:
    versions, found = members.json_object(values, "versions"), values.get("credentials")
    return Evidence(
        started=members.text(values, "started"),
        sha256=members.text_or_none(values, "sha256"),
        versions={name: members.text(versions, name) for name in versions},
        credentials=None if found is None else _credentials(members.json_object(values, "credentials")),
    )


def _credentials(values: Mapping[str, Any]) -> Credentials:
    problems = members.json_list(values, "problems")
    if not all(isinstance(problem, str) for problem in problems):
        raise members.wrong("problems", "hold texts", problems)
    return Credentials(
        present=bool(members.truth(values, "present")),
        valid=members.truth(values, "valid"),
        trusted=members.truth(values, "trusted"),
        signer=members.text_or_none(values, "signer"),
        generator=members.text_or_none(values, "generator"),
        declares_generated=members.truth(values, "declares_generated"),
        problems=tuple(problems),
    )


def _path(values: Mapping[str, Any]) -> str:
    """The name of the file; one that no file can have would fail wherever it is looked for."""
    name = "path" if values.get("path_base64") is None else "path_base64"
    path = members.text(values, name)
    if name == "path_base64":
        try:
            # As written: the system that reads may have no such names (Windows).
            path = base64.b64decode(path, validate=True).decode("utf-8", "surrogateescape")
        except ValueError as error:
            raise members.wrong(name, "be base64", path) from error
    try:
        possible = b"\0" not in path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate
        possible = False
    if not possible:
        raise members.wrong(name, "be a name that a file can have", path)
    return path


def _band(values: Mapping[str, Any]) -> tuple[float, float]:
    found = members.json_list(values, "band")
    if len(found) != 2:
        raise members.wrong("band", "hold two numbers", found)
    return members.plain_share("band", found[0]), members.plain_share("band", found[1])
