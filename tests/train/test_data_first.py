"""Data that cannot be trained on are refused by their labels, before any of the media is decoded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dfdetect.errors import InputError
from dfdetect.faces.crop import CropSpec
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import fold_of
from tests.train.faces import make_crop_folder, require_training

require_training()

from dfdetect.train.check import Inputs  # noqa: E402
from dfdetect.train.run import run  # noqa: E402

PHOTO = Path(__file__).resolve().parents[2] / "data" / "astronaut.jpg"
RECIPE = Recipe(
    "test_efficientnet", crops=(CropSpec("five_point", 64, 0.9),), batch=4, steps=1, self_blend=0.1
)


def media(root: Path, *labels: str, there: bool = True) -> Path:
    """A photo for every label, and a table of them; nothing but the table unless `there`."""
    root.mkdir()
    lines = ["file,label"]
    for number, label in enumerate(labels):
        lines.append(f"{label}{number}.jpg,{label}")
        if there:
            # The byte behind its end makes it a file of its own.
            (root / f"{label}{number}.jpg").write_bytes(PHOTO.read_bytes() + bytes([number]))
    (root / "labels.csv").write_text("\n".join(lines))
    return root


def crops(root: Path, label: str) -> Path:
    """A crop folder that has faces of one label only."""
    made = make_crop_folder(root, sources=2, per_source=1)
    head, *rows = (made / "faces.csv").read_text().splitlines()
    (made / "faces.csv").write_text("\n".join([head, *(row for row in rows if row.startswith(label))]))
    return made


def refuse(message: str, tmp_path: Path, *data: Path, recipe: Recipe = RECIPE) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    with pytest.raises(InputError, match=message):
        run(Inputs(data, work), recipe, out, workers=0)
    assert not work.exists()  # whoever decodes a medium leaves its faces there
    assert not out.exists()


def test_fakes_alone_are_refused(tmp_path: Path) -> None:
    tables = [media(tmp_path / name, "fake") for name in ("a", "b")]
    message = "training needs real faces; none of the data is labelled real"
    refuse(message, tmp_path, *tables)
    refuse(message, tmp_path, *tables, crops(tmp_path / "c", "fake"))


def test_reals_alone_are_refused(tmp_path: Path) -> None:
    tables = [media(tmp_path / name, "real") for name in ("a", "b")]
    message = "there are no fakes to train on; give --mesh"
    refuse(message, tmp_path, *tables)
    refuse(message, tmp_path, *tables, crops(tmp_path / "c", "real"))


@pytest.mark.parametrize("label", ["real", "fake"])
def test_a_table_and_a_crop_folder_complete_each_other(label: str, tmp_path: Path) -> None:
    other = "fake" if label == "real" else "real"
    data = (media(tmp_path / "a", label), crops(tmp_path / "c", other))
    run(Inputs(data, tmp_path / "work"), RECIPE, tmp_path / "out", workers=0)
    assert (tmp_path / "out" / "card.json").exists()


def test_names_that_do_not_exist_are_said_to_be_wrong(tmp_path: Path) -> None:
    whole, none = media(tmp_path / "a", "real", "fake"), media(tmp_path / "b", "real", "fake", there=False)
    for data in ((none,), (whole, none)):
        refuse(
            r"none of the 2 files of .*b.labels\.csv can be opened \(the first is .*real0", tmp_path, *data
        )


@pytest.mark.parametrize("label", ["real", "fake"])
def test_a_label_whose_files_do_not_exist_is_named(label: str, tmp_path: Path) -> None:
    data = media(tmp_path / "a", "real", "real", "fake", "fake")
    for path in data.glob(f"{label}*.jpg"):
        path.unlink()
    refuse(rf"none of the 2 files labelled {label} can be opened \(the first is .*{label}\d", tmp_path, data)


@pytest.mark.parametrize("label", ["real", "fake"])
def test_a_label_that_is_held_out_whole_is_refused(label: str, tmp_path: Path) -> None:
    data = media(tmp_path / "a", "real", "fake", "real", "fake")
    sources = {"real": "here", "fake": next(s for s in "abcdefgh" if fold_of(s, 2) != fold_of("here", 2))}
    lines = [f"{name}{i}.jpg,{name},{sources[name]}" for i, name in enumerate(("real", "fake") * 2)]
    (data / "labels.csv").write_text("\n".join(["file,label,source", *lines]))
    recipe = dataclasses.replace(RECIPE, fold=fold_of(sources[label], 2), folds=2)
    refuse(
        f"all usable data labelled {label} come from sources that fold . of 2", tmp_path, data, recipe=recipe
    )


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (1, r"fold 1 of 4 holds out none of the sources, .*; choose one that holds both labels \(2, 3\)"),
        (0, r"fold 0 of 4 holds out nothing labelled fake, .*; choose one that holds both labels \(2, 3\)"),
    ],
)
def test_a_fold_on_which_nothing_can_be_measured_is_refused(fold: int, message: str, tmp_path: Path) -> None:
    labels = ("real", "fake", "real", "fake", "real")
    data = media(tmp_path / "a", *labels)
    of = [next(s for s in map(str, range(99)) if fold_of(s, 4) == fold) for fold in (2, 2, 3, 3, 0)]
    lines = [
        f"{label}{i}.jpg,{label},{source}" for i, (label, source) in enumerate(zip(labels, of, strict=True))
    ]
    (data / "labels.csv").write_text("\n".join(["file,label,source", *lines]))
    refuse(message, tmp_path, data, recipe=dataclasses.replace(RECIPE, fold=fold, folds=4))


def test_a_crop_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = crops(tmp_path / "c", "fake")
    (folder / "fake00.png").unlink()
    refuse(r"cannot read .*fake00\.png", tmp_path, media(tmp_path / "a", "real"), folder)
