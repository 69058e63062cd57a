"""Labelled media: read the labels, scan the files, keep both together."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfdetect.batch.pool import scan_many
from dfdetect.errors import InputError
from dfdetect.results import ScanResult
from dfdetect.settings import Settings

REAL, FAKE = "real", "fake"


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


def read_labels(path: str | Path) -> list[Labelled]:
    """Labels from a CSV, from a folder that holds ``labels.csv``, or from folders ``real`` and ``fake``.

    Columns: file (relative to the CSV) and label; optional family, method, source and group.

    Raises `InputError` that names the line for a label that is neither real nor fake, and for a file that is
    listed twice, however it is spelled: it would count twice, or under both labels.
    """
    path = Path(path)
    folder = os.path.isdir(path)  # unlike the method of `Path` also for a name that is too long
    if folder and not (path / "labels.csv").exists():
        return list(_from_folders(path))
    table = path / "labels.csv" if folder else path
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:  # Excel writes a mark
            reader = csv.DictReader(stream)
            records, columns = list(reader), set(reader.fieldnames or ())
    except OSError as error:
        raise InputError(f"cannot read labels from {table}: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:  # not UTF-8, or a zero byte in the path
        raise InputError(f"cannot read labels from {table}: {error}") from error
    if not {"file", "label"} <= columns:
        raise InputError(f"{table} must be a CSV with at least the columns file and label")
    if not records:
        raise InputError(f"{table} names no file: it has no line below the head")
    labelled = [_from_row(table, number, record) for number, record in enumerate(records, start=2)]
    _refuse_doubles(table, labelled)
    return labelled


def _refuse_doubles(table: Path, labelled: Sequence[Labelled]) -> None:
    """Raise `InputError` when two lines lead to the same file."""
    seen: dict[str, tuple[int, str]] = {}
    for number, item in enumerate(labelled, start=2):
        first, name = seen.setdefault(os.path.realpath(item.path), (number, item.name))
        if first != number:
            spelled = "" if name == item.name else f", as {name!r}"
            raise InputError(
                f"{table}, line {number}: {item.name!r} is listed in line {first} already{spelled}"
            )


def _from_row(table: Path, number: int, record: dict[str, str]) -> Labelled:
    label = (record["label"] or "").strip().lower()
    if label not in (REAL, FAKE):
        raise InputError(f"{table}, line {number}: label must be real or fake, not '{record['label'] or ''}'")
    if not record["file"]:
        raise InputError(f"{table}, line {number}: the name of the file is missing")
    if "\0" in record["file"]:
        raise InputError(f"{table}, line {number}: no file can have a zero byte in its name")
    return Labelled(
        path=str(table.parent / record["file"]),
        fake=label == FAKE,
        family=record.get("family") or label,
        method=record.get("method") or "",
        source=record.get("source") or record.get("group") or record["file"],
        group=record.get("group") or record["file"],
        name=record["file"],
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


def scan_labelled(
    labelled: Sequence[Labelled], settings: Settings, jobs: int | None = None
) -> Iterator[tuple[Labelled, ScanResult]]:
    """Scan every file, in order, with the same function as ``dfdetect scan``; tells how far it has come."""
    results = scan_many([item.path for item in labelled], settings, jobs=jobs, ordered=True)
    for number, pair in enumerate(zip(labelled, results, strict=True), start=1):
        if number % 50 == 0 or number == len(labelled):
            print(f"scanned {number}/{len(labelled)}", file=sys.stderr, flush=True)
        yield pair
