"""The table of training faces: one row a face crop, with everything that sampling and folds need."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dfdetect.errors import InputError
from dfdetect.faces.crop import CropSpec, cut
from dfdetect.media.plain import read_picture_file
from dfdetect.results import Box

FAMILIES = (
    "real",
    "swap",
    "reenact",
    "lipsync",
    "talkinghead",
    "gan_image",
    "diffusion_image",
    "diffusion_video",
    "edit",
)
"""Kinds of forgery that training tells apart in an auxiliary task; anything else counts as `edit`."""
COLUMNS = ("file", "label", "family", "method", "medium", "source", "group", "x0", "y0", "x1", "y1", "pair")
"""Of ``faces.csv``."""
UNNAMED = "unnamed"
"""Another one, which need not be there: ``yes`` where nobody named the group, which is then the name of a
file."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceRow:
    """One face crop on disk."""

    path: str
    """Image file of the crop."""
    name: str
    """Stable name, the key of landmarks and of teacher targets within a run; caches use `stamp`."""
    fake: bool
    family: str
    method: str
    medium: str
    source: str
    """Where it comes from; validation folds never split a source."""
    group: str
    """Person or clip; the unit of bootstrap and of weighting."""
    box: Box
    """Face box in pixels of the crop."""
    five: NDArray[np.float32]
    """``[5, 2]`` landmarks in pixels of the crop."""
    pair: str | None
    """Name of the real crop of the same frame that this fake was made from, where known."""
    unnamed: bool = False
    """Whether the group is but the name of a file, which another table may have, too."""


def read_faces(folder: str | Path, space: str | None = None) -> list[FaceRow]:
    """Read ``faces.csv`` and ``five.npz`` of a crop folder.

    `space` is what names begin with, which must be of this folder alone; None tells folders of one name apart
    by where they are.

    Columns used: `COLUMNS` and `UNNAMED`.
    Raises `InputError` when a file, a column, a value or a face's landmarks are missing or damaged.
    """
    root = Path(folder)
    space = space or _space(root)
    try:
        with open(root / "faces.csv", newline="", encoding="utf-8-sig") as stream:  # Excel writes a mark
            records = list(csv.DictReader(stream))
        with np.load(root / "five.npz") as archive:
            five = dict(zip(archive["name"].tolist(), archive["five"].astype(np.float32), strict=True))
    except KeyError as error:
        raise _unusable(root, f"five.npz: {error.args[0]}") from error
    except (OSError, EOFError, ValueError, csv.Error, zipfile.BadZipFile) as error:
        raise _unusable(root, str(error) or "five.npz is empty") from error
    rows = []
    for record in records:
        name = record.get("file")
        try:
            rows.append(_row(root, space, record, five[record["file"]]))
        except KeyError as error:
            lacks = (
                f"faces.csv has no column {error}" if error.args[0] != name else f"five.npz has no {error}"
            )
            raise _unusable(root, lacks) from error
        except (TypeError, ValueError) as error:
            short = None in record.values()
            raise _unusable(
                root, f"faces.csv, row of {name}: {'the line ends early' if short else error}"
            ) from error
    return rows


def write_faces(folder: Path, records: Sequence[Mapping[str, Any]], five: Sequence[ArrayLike]) -> None:
    """Write what `read_faces` reads: a record with `COLUMNS`, perhaps `UNNAMED` (and others, which are left
    out), and the landmarks ``[5, 2]`` of every face.
    """
    names = np.array([record["file"] for record in records], dtype=str)
    np.savez(folder / "five.npz", name=names, five=np.array(five, np.float32).reshape(-1, 5, 2))
    part = folder / "faces.csv.part"
    with part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, (*COLUMNS, UNNAMED), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)
    os.replace(part, folder / "faces.csv")


def _unusable(root: Path, why: str) -> InputError:
    return InputError(f"{root} is not a folder of face crops (faces.csv, five.npz): {why}")


def _space(root: Path) -> str:
    """Two folders of one name must not share landmarks and targets."""
    return f"{root.name}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"


def _row(root: Path, space: str, record: dict[str, str], five: NDArray[np.float32]) -> FaceRow:
    if record["label"] not in ("real", "fake"):
        raise ValueError(f"{record['file']}: label must be real or fake, not {record['label']!r}")
    family = record["family"] if record["label"] == "fake" else "real"
    return FaceRow(
        path=str(root / record["file"]),
        name=f"{space}/{record['file']}",
        fake=record["label"] == "fake",
        family=family if family in FAMILIES else "edit",
        method=record["method"],
        medium=record["medium"],
        source=record["source"],
        group=record["group"],
        box=Box(*(float(record[k]) for k in ("x0", "y0", "x1", "y1"))),
        five=five,
        pair=f"{space}/{record['pair']}" if record.get("pair") else None,
        unnamed=record.get(UNNAMED) == "yes",
    )


def stamp(row: FaceRow) -> str:
    """The key of what is kept about a row on disk: it changes with the name, the landmarks or the file.

    The file is told by its size and time, not read.  Raises `InputError` when it is not there.
    """
    try:
        status = os.stat(row.path)
    except OSError as error:
        raise InputError(f"cannot read {row.path}: {error.strerror or error}") from error
    box, five = [float(v) for v in row.box], row.five.tolist()
    text = json.dumps([row.name, status.st_size, status.st_mtime_ns, box, five])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def read_picture(row: FaceRow) -> NDArray[np.uint8]:
    """The stored crop of a row, RGB ``[h, w, 3]``; raises `OSError` when it cannot be read."""
    return read_picture_file(row.path)


def aligned(row: FaceRow, spec: CropSpec) -> NDArray[np.uint8]:
    """The face of a row, cut as a scan would, ``[size, size, 3]``."""
    return cut(read_picture(row), row.box, row.five, spec)


def fold_of(source: str, folds: int) -> int:
    """The validation fold of a source: stable across runs and machines, blind to everything else."""
    return int.from_bytes(hashlib.sha256(source.encode()).digest()[:4], "big") % folds


def split(rows: Sequence[FaceRow], fold: int | None, folds: int) -> tuple[list[FaceRow], list[FaceRow]]:
    """Training rows and the rows of the held-out sources; `fold` None trains on everything.

    Rows of other sources whose group (if they name one) is held out as well are in neither, which is told.
    """
    if fold is None:
        return list(rows), []
    held = [row for row in rows if fold_of(row.source, folds) == fold]
    others = [row for row in rows if fold_of(row.source, folds) != fold]
    groups = {person(row) for row in held if row.group}
    kept = [row for row in others if person(row) not in groups]
    if len(kept) < len(others):
        print(
            f"faces left out, since their group is held out under another source: {len(others) - len(kept)}",
            file=sys.stderr,
            flush=True,
        )
    return kept, held


def person(row: FaceRow) -> tuple[str, str]:
    """What tells whether two faces are of one person: their group, or without one each face is by itself.

    A group that was named is the same in all tables.  Two tables that name no groups may hold files of one
    name, which are then two groups.
    """
    if row.group and not row.unnamed:
        return "", row.group
    return row.name.partition("/")[0], row.group or row.name


def sampling_weights(rows: Sequence[FaceRow]) -> NDArray[np.float64]:
    """Probability of drawing each row: half real, half fake; within a class every *family* gets the
    square root of its share, every source within it the square root of its size, so that neither a
    large collection nor a rare one decides.
    """
    weights = np.zeros(len(rows))
    for fake in (False, True):
        by_key: dict[tuple[str, str], list[int]] = {}
        for i, row in enumerate(rows):
            if row.fake == fake:
                by_key.setdefault((row.family + row.medium, row.source), []).append(i)
        families: dict[str, list[tuple[str, str]]] = {}
        for key in by_key:
            families.setdefault(key[0], []).append(key)
        for keys in families.values():
            mass = np.array([np.sqrt(len(by_key[k])) for k in keys])
            size = np.sqrt(sum(len(by_key[k]) for k in keys))
            for key, share in zip(keys, mass / mass.sum(), strict=True):
                weights[by_key[key]] = size * share / len(by_key[key])
        chosen = np.array([row.fake == fake for row in rows])
        if chosen.any():
            weights[chosen] *= 0.5 / weights[chosen].sum()
    return weights / weights.sum()
