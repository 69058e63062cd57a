"""Labelled media: read the labels, scan the files, keep both together."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dfdetect.batch.pool import scan_many
from dfdetect.errors import InputError
from dfdetect.evaluate.same_bytes import same_bytes
from dfdetect.names import plural, printable
from dfdetect.results import ScanResult
from dfdetect.settings import Settings

REAL, FAKE = "real", "fake"
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_ENCODING = "it is not UTF-8 text; save it as UTF-8 (spreadsheets: as 'CSV UTF-8')"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file whose answer is known."""

    path: str
    fake: bool
    family: str
    """Kind of forgery, ``real`` for reals."""
    method: str
    source: str
    """Where the file comes from; what cross-validation holds out."""
    group: str
    """Files of the same person or clip; the unit of the bootstrap."""
    name: str = ""
    """The file as the labels write it."""
    grouped: bool = False
    """Whether the labels name the group; else it is the file's own name, which says nothing beyond them."""


def read_labels(path: str | Path) -> list[Labelled]:
    """Labels from a CSV, from a folder that holds ``labels.csv``, or from folders ``real`` and ``fake``.

    Columns: file (relative to the CSV) and label; optional family, method, source and group, in any order and
    case, separated by commas, or by semicolons or tabs if the first line is.  Blanks around names and values
    do not count.

    Files that hold the same bytes are put into one group, which is told: each counts, but they are no
    independent ones.

    Raises `InputError` that names the line for a label that is neither real nor fake, and for a file that is
    listed twice, however it is spelled: it would count twice, or under both labels; also for files of the
    same bytes under both labels.
    """
    path = Path(path)
    folder = os.path.isdir(path)  # unlike the method of `Path` also for a name that is too long
    if folder and not (path / "labels.csv").exists():
        labelled = list(_from_folders(path))
        _refuse_links(path, labelled)
        return _copies_together(path, labelled)
    table = path / "labels.csv" if folder else path
    records = _records(table)
    labelled = [_from_row(table, number, record) for number, record in records]
    _refuse_doubles(table, labelled, [number for number, _ in records])
    return _copies_together(table, labelled)


def _records(table: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table of labels, each with the number of its line; blank lines are passed over."""
    text = _text(table)
    try:
        separator, columns = _head(table, text)
    except csv.Error as error:
        raise InputError(f"cannot read labels from {table}: {error}") from error
    rows, wrong = _rows(text, separator)
    if wrong is not None:  # blanks between a closing mark and the next value do not count either
        rows, wrong = _rows(re.sub(rf'"[ \t]+(?=[{separator}\r\n]|$)', '"', text), separator)
    if wrong is not None:
        line = rows[-1][0] + 1 if rows else 1
        raise InputError(
            f"cannot read labels from {table}: in the row that begins in line {line}, {wrong}; "
            "a value that opens with a quotation mark must end with one"
        ) from wrong
    del rows[:1]
    for name in columns:
        if name and columns.count(name) > 1:  # spreadsheets leave empty names behind; they say nothing
            raise InputError(f"{table} has more than one column named {name!r}; keep the one that is meant")
    missing = dict.fromkeys(columns, "")
    records = [(number, missing | dict(zip(columns, row, strict=False))) for number, row in rows if any(row)]
    if not records:
        raise InputError(f"{table} names no file: it has no line below the head")
    return records


def _rows(text: str, separator: str) -> tuple[list[tuple[int, list[str]]], csv.Error | None]:
    """The rows up to what cannot be read, each with the number of its line, and why it cannot.

    Strict, since a quotation mark without its second would else swallow all rows after it.
    """
    rows: list[tuple[int, list[str]]] = []
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        rows += ((lines.line_num, [value.strip() for value in row]) for row in lines)
    except csv.Error as error:
        return rows, error
    return rows, None


def _text(table: Path) -> str:
    """The whole table."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:  # Excel writes a mark
            return stream.read()
    except OSError as error:
        raise InputError(f"cannot read labels from {table}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read labels from {table}: {_ENCODING}") from error
    except ValueError as error:  # a zero byte in the path
        raise InputError(f"cannot read labels from {table}: {error}") from error


def _head(table: Path, text: str) -> tuple[str, list[str]]:
    """The separator of a table and the names of its columns, in small letters."""
    line = io.StringIO(text, newline="").readline()
    if "\0" in line:  # UTF-16 without a mark
        raise InputError(f"cannot read labels from {table}: {_ENCODING}")
    heads = {separator: _columns(line, separator) for separator in _SEPARATORS}
    for separator, columns in heads.items():
        if {"file", "label"} <= set(columns):
            return separator, columns
    separator, columns = max(heads.items(), key=lambda item: len(item[1]))
    found = (
        ", ".join(f"'{printable(name)[:40]}'" for name in columns[:8]) if line.strip() else "an empty line"
    )
    by = f", separated by {_SEPARATORS[separator]}" if len(columns) > 1 else ""
    raise InputError(
        f"{table} must be a CSV with at least the columns file and label, separated by commas, semicolons or "
        f"tabs; its first line must name them and has {found}{by}"
    )


def _columns(line: str, separator: str) -> list[str]:
    row = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [name.strip().lower() for name in row]


def _refuse_doubles(table: Path, labelled: Sequence[Labelled], numbers: Sequence[int]) -> None:
    """Raise `InputError` when two lines lead to the same file."""
    for first, second in _doubles(labelled):
        name, other = labelled[second].name, labelled[first].name
        spelled = "" if name == other else f", as {other!r}"
        raise InputError(
            f"{table}, line {numbers[second]}: {name!r} is listed in line {numbers[first]} already{spelled}"
        )


def _refuse_links(root: Path, labelled: Sequence[Labelled]) -> None:
    """Raise `InputError` when two names in the folders lead to the same file."""
    for first, second in _doubles(labelled):
        name, other = labelled[second].name, labelled[first].name
        raise InputError(f"{root}: {name!r} and {other!r} are the same file; take away the link to it")


def _doubles(labelled: Sequence[Labelled]) -> Iterator[tuple[int, int]]:
    """Every item that leads to the file of an earlier one: the places of both, the earlier one first."""
    seen: dict[str, int] = {}
    for place, item in enumerate(labelled):
        first = seen.setdefault(os.path.realpath(item.path), place)
        if first != place:
            yield first, place


def _copies_together(place: Path, labelled: list[Labelled]) -> list[Labelled]:
    """The same, with the groups of files that hold the same bytes made one, of which people are told.

    Raises `InputError` for such files under both labels.
    """
    alike = same_bytes([item.path for item in labelled])
    if not alike:
        return labelled
    for places in alike:
        for one, other in itertools.pairwise(labelled[i] for i in places):
            if one.fake != other.fake:
                raise InputError(
                    f"{place}: {one.name!r} and {other.name!r} hold the same bytes under both labels; "
                    "keep the one whose label is true"
                )
    count = sum(len(places) - 1 for places in alike)
    first, again = (printable(labelled[i].name) for i in alike[0][:2])
    print(
        f"{plural(count, 'labelled file')} of {len(labelled)} {'holds' if count == 1 else 'hold'} the same "
        f"bytes as another (the first is {again}, as {first}); each counts, but in one group with the other",
        file=sys.stderr,
        flush=True,
    )
    # A name that the labels give a group outlives that of a file.
    told = [sorted((labelled[i] for i in places), key=lambda item: not item.grouped) for places in alike]
    joined = _joined([[item.group for item in items] for items in told])
    return [
        replace(
            item,
            group=joined.get(item.group, item.group),
            # Where no source is named it is the group.
            source=joined.get(item.group, item.group) if item.source == item.group else item.source,
        )
        for item in labelled
    ]


def _joined(groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """What each of the groups is called when those that stand together become one."""
    into: dict[str, str] = {}

    def last(name: str) -> str:
        while into.setdefault(name, name) != name:
            name = into[name]
        return name

    for first, *others in groups:
        for name in others:
            into[last(name)] = last(first)
    return {name: last(name) for name in list(into)}


def _from_row(table: Path, number: int, record: dict[str, str]) -> Labelled:
    name, label = record["file"], record["label"].lower()
    if label not in (REAL, FAKE):
        raise InputError(f"{table}, line {number}: label must be real or fake, not '{record['label']}'")
    if not name:
        raise InputError(f"{table}, line {number}: the name of the file is missing")
    if "\0" in name:
        raise InputError(f"{table}, line {number}: no file can have a zero byte in its name")
    return Labelled(
        path=str(table.parent / name),
        fake=label == FAKE,
        family=record.get("family") or label,
        method=record.get("method", ""),
        source=record.get("source") or record.get("group") or name,
        group=record.get("group") or name,
        name=name,
        grouped=bool(record.get("group")),
    )


def _from_folders(root: Path) -> Iterator[Labelled]:
    found = False
    for label in (REAL, FAKE):
        for path in sorted((root / label).rglob("*")) if (root / label).is_dir() else ():
            if path.is_file() and not path.name.startswith("."):
                found = True
                name = path.relative_to(root).as_posix()
                yield Labelled(str(path), label == FAKE, label, "", name, name, name)
    if not found:
        raise InputError(f"{root} holds neither labels.csv nor folders named real and fake with files")


def refuse_unjudged(labels: str | Path, pairs: Sequence[tuple[Labelled, ScanResult]]) -> None:
    """Raise `InputError` that names the reasons when not one of the files has an answer."""
    if any(result.label is not None for _, result in pairs):
        return
    reasons = Counter(r.reason.value.replace("_", " ") for _, r in pairs if r.reason is not None)
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    first = "".join(f"; the first is {r.path}: {r.message}" for _, r in pairs[:1])
    raise InputError(
        f"none of the {plural(len(pairs), 'file')} of {labels} could be judged ({told}{first}); check the "
        "names in the labels, and a file with: dfdetect scan FILE"
    )


def scan_labelled(
    labelled: Sequence[Labelled], settings: Settings, jobs: int | None = None
) -> Iterator[tuple[Labelled, ScanResult]]:
    """Scan every file, in order, with the same function as ``dfdetect scan``; tells how far it has come."""
    results = scan_many([item.path for item in labelled], settings, jobs=jobs, ordered=True)
    for number, pair in enumerate(zip(labelled, results, strict=True), start=1):
        if number % 50 == 0 or number == len(labelled):
            print(f"scanned {number}/{len(labelled)}", file=sys.stderr, flush=True)
        yield pair
