"""The data of a training run: what they say of themselves, and then their faces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dfdetect.errors import InputError
from dfdetect.evaluate.labelled import FAKE, REAL, Labelled, read_labels
from dfdetect.train.check import Inputs
from dfdetect.train.extract import extract
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import FaceRow, fold_of, read_faces, stamp


@dataclass(frozen=True, slots=True)
class Data:
    """A crop folder, which is read, or a table of media, whose faces are still to be cut out."""

    path: Path
    """The crop folder, or the labels."""
    rows: tuple[FaceRow, ...] = ()
    """The faces of a crop folder."""
    labelled: tuple[Labelled, ...] = ()
    """The media of a table."""


def read_data(inputs: Inputs, recipe: Recipe) -> list[Data]:
    """Read every table and crop folder, and decode no medium.

    Raises `InputError` for data that cannot be used, for a table none of whose files can be opened, and when
    real faces or fakes to train on, or to measure on with a fold, are missing whatever the media hold.
    """
    found = [_read(path) for path in inputs.data]
    usable: list[FaceRow | Labelled] = []
    for data in found:
        usable += data.rows
        opened = [item for item in data.labelled if _opens(item)]
        if data.labelled and not opened:
            _refuse_closed(data.labelled, f"files of {data.path}")
        usable += opened
    for fake in (False, True):
        if not fake or not forges(inputs, recipe):
            media = [item for data in found for item in data.labelled if item.fake == fake]
            _refuse_lack(media, [item for item in usable if item.fake == fake], fake, recipe)
    # Of reals alone, with forgeries made on the fly, only the held-out reals' shortcuts can be measured.
    if recipe.fold is not None and any(item.fake for item in usable):
        _refuse_fold(usable, recipe.fold, recipe.folds)
    return found


def gather(found: Sequence[Data], work: Path, frames: int) -> list[FaceRow]:
    """All faces of all data; media are read and their faces cut out once, into folders under `work`."""
    rows: list[FaceRow] = []
    for data in found:
        if data.labelled:
            folder = extract(data.path, work, frames=frames, labelled=data.labelled)
            rows += read_faces(folder, space=folder.name)  # wherever `work` is: it tells its table by itself
        else:
            rows += data.rows
    return rows


def forges(inputs: Inputs, recipe: Recipe) -> bool:
    """Whether fakes are made of the real faces, so that none need be given."""
    return inputs.mesh is not None and recipe.self_blend + recipe.warp + recipe.swap > 0


def no_reals(why: str) -> InputError:
    """The error of data without a real face to train on."""
    return InputError(f"training needs real faces; {why}")


def no_fakes(why: str = "") -> InputError:
    """The error of data without a fake to train on."""
    return InputError(
        f"there are no fakes to train on{why}; give --mesh to forge them from the reals, with a share of "
        "self_blend, warp or swap above 0"
    )


def _read(path: Path) -> Data:
    """One of the data; `InputError` when it is neither labels of media nor a whole folder of crops."""
    if (path / "faces.csv").exists():
        rows = read_faces(path)
        for row in rows:
            stamp(row)  # raises where the picture is missing
        return Data(path, rows=tuple(rows))
    labels = path if path.is_file() else path / "labels.csv"
    if not labels.exists():
        raise InputError(f"{path} holds neither faces.csv nor labels.csv")
    return Data(labels, labelled=tuple(read_labels(labels)))


def _opens(item: Labelled) -> bool:
    return os.access(item.path, os.R_OK) and not os.path.isdir(item.path)


def _refuse_closed(items: Sequence[Labelled], which: str) -> None:
    raise InputError(
        f"none of the {len(items)} {which} can be opened (the first is {items[0].path}); "
        "check the names in the labels"
    )


def _refuse_lack(
    media: Sequence[Labelled], usable: Sequence[FaceRow | Labelled], fake: bool, recipe: Recipe
) -> None:
    """Raise `InputError` unless one of the `usable` items of a label is trained on; `media` are all of it in
    tables.
    """
    label = FAKE if fake else REAL
    fold = recipe.fold
    if any(fold is None or fold_of(item.source, recipe.folds) != fold for item in usable):
        return
    if media and not usable:
        _refuse_closed(media, f"files labelled {label}")
    if usable:
        why = (
            f"all usable data labelled {label} come from sources that fold {fold} of {recipe.folds} holds out"
        )
        raise no_fakes(f" ({why})") if fake else no_reals(f"{why}; choose another fold")
    raise no_fakes() if fake else no_reals("none of the data is labelled real")


def _refuse_fold(usable: Sequence[FaceRow | Labelled], fold: int, folds: int) -> None:
    """Raise `InputError` unless `fold` holds out both labels: without them the run would end unmeasured."""
    held: dict[int, set[bool]] = {}
    for item in usable:
        held.setdefault(fold_of(item.source, folds), set()).add(item.fake)
    labels = held.get(fold, set())
    if len(labels) == 2:
        return
    whole = [str(number) for number in sorted(held) if len(held[number]) == 2]
    lacks = f"nothing labelled {REAL if True in labels else FAKE}" if labels else "none of the sources"
    cure = f"choose one that holds both labels ({', '.join(whole)})" if whole else "no fold holds both labels"
    raise InputError(
        f"fold {fold} of {folds} holds out {lacks}, so nothing could be measured on it; {cure}, set folds to "
        "another number, or train on everything without --fold"
    )
