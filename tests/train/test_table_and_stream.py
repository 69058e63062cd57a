from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.errors import InputError, SettingsError
from dfdetect.faces.crop import CropSpec
from dfdetect.results import Box
from dfdetect.train.recipe import Recipe
from dfdetect.train.stream import KINDS, FaceStream
from dfdetect.train.table import FaceRow, fold_of, person, read_faces, sampling_weights, split
from tests.train.faces import make_crop_folder, round_mesh

RECIPE = Recipe(crops=(CropSpec("five_point", 64, 0.9),), batch=8, steps=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_crop_folder(tmp_path_factory.mktemp("crops"))


def test_reads_rows_with_pairs_and_landmarks(folder: Path) -> None:
    rows = read_faces(folder)
    fake = next(row for row in rows if row.fake)
    assert fake.pair in {row.name for row in rows if not row.fake}
    assert fake.five.shape == (5, 2)


def test_a_folder_without_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"faces\.csv"):
        read_faces(tmp_path)


def test_a_table_that_a_spreadsheet_saved_is_read(folder: Path, tmp_path: Path) -> None:
    marked = Path(shutil.copytree(folder, tmp_path / "marked"))
    table = marked / "faces.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert [row.fake for row in read_faces(marked)] == [row.fake for row in read_faces(folder)]


def test_a_real_is_of_no_kind_of_forgery(folder: Path, tmp_path: Path) -> None:
    named = Path(shutil.copytree(folder, tmp_path / "named"))
    table = named / "faces.csv"
    head, *lines = table.read_text().splitlines()
    at = head.split(",").index("family")
    cells = [line.split(",") for line in lines]
    table.write_text("\n".join([head, *(",".join([*c[:at], "ffhq", *c[at + 1 :]]) for c in cells)]))
    assert {(row.fake, row.family) for row in read_faces(named)} == {(False, "real"), (True, "edit")}


@pytest.mark.parametrize("left", [0, 0.5])
def test_damaged_landmarks_are_named(folder: Path, tmp_path: Path, left: float) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    whole = (broken / "five.npz").read_bytes()
    (broken / "five.npz").write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(InputError, match=r"not a folder of face crops.*: \S"):
        read_faces(broken)


def test_a_line_that_ends_early_and_a_face_without_landmarks_are_named(folder: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    table = broken / "faces.csv"
    text = table.read_text().rstrip()
    table.write_text(",".join(text.split(",")[:-4]))
    with pytest.raises(InputError, match="the line ends early"):
        read_faces(broken)
    table.write_text(f"{text}\nother_{text.splitlines()[-1]}\n")
    with pytest.raises(InputError, match=r"five\.npz has no 'other_"):
        read_faces(broken)


@given(st.text(max_size=30), st.integers(2, 9))
def test_folds_are_in_range(source: str, folds: int) -> None:
    assert 0 <= fold_of(source, folds) < folds


def test_folds_are_the_same_in_every_process() -> None:
    assert [fold_of(source, 3) for source in ("s0", "s1", "a")] == [1, 1, 2]


def test_no_source_is_on_both_sides_of_a_split(folder: Path) -> None:
    rows = read_faces(folder)
    for fold in range(3):
        kept, held = split(rows, fold, 3)
        assert len(kept) + len(held) == len(rows)
        assert not {row.source for row in kept} & {row.source for row in held}


def test_no_group_is_on_both_sides_of_a_split(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = [next(s for s in "abcdefgh" if fold_of(s, 2) == fold) for fold in (0, 1)]
    row = read_faces(folder)[0]

    def face(fold: int, group: str) -> FaceRow:
        return dataclasses.replace(row, source=sources[fold], group=group)

    # Where no group is named, nothing is known to belong together.
    rows = [face(0, "anna"), face(1, "anna"), face(0, "ben"), face(1, "cleo"), face(0, ""), face(1, "")]
    kept, held = split(rows, 0, 2)
    assert [row.group for row in kept] == ["cleo", ""]
    assert [row.group for row in held] == ["anna", "ben", ""]
    told = capsys.readouterr().err
    assert told == "faces left out, since their group is held out under another source: 1\n"
    # A table that names no groups takes the files' names, which two of them may share.
    rows = [dataclasses.replace(face(fold, "0.jpg"), name=f"{fold}/0.jpg", unnamed=True) for fold in (0, 1)]
    assert [len(side) for side in split(rows, 0, 2)] == [1, 1]
    assert capsys.readouterr().err == ""
    # A group that was named is one in all tables.
    rows = [dataclasses.replace(face(fold, "anna"), name=f"{fold}/0.jpg") for fold in (0, 1)]
    assert [len(side) for side in split(rows, 0, 2)] == [0, 1]
    assert capsys.readouterr().err.endswith("another source: 1\n")
    assert split(rows, None, 2) == (rows, [])
    assert capsys.readouterr().err == ""


def test_classes_are_drawn_alike(folder: Path) -> None:
    rows = read_faces(folder)
    lopsided = [row for row in rows if row.fake or row.source == "s0"]
    weights = sampling_weights(lopsided)
    fake = np.array([row.fake for row in lopsided])
    assert weights.sum() == pytest.approx(1)
    assert weights[fake].sum() == pytest.approx(0.5)


def test_batches_are_balanced_seeded_and_carry_targets(folder: Path) -> None:
    rows = read_faces(folder)
    meshes = {row.name: round_mesh() for row in rows if not row.fake}
    teacher = {rows[0].name: np.arange(3, dtype=np.float32)}
    first = FaceStream(rows, meshes, teacher, RECIPE)[5]
    again = FaceStream(rows, meshes, teacher, RECIPE)[5]
    assert first.images.shape == (8, 64, 64, 3)
    assert first.fake.sum() == 4
    assert first.teacher.shape == (8, 3)
    assert (first.images == again.images).all()
    other = FaceStream(rows, meshes, teacher, dataclasses.replace(RECIPE, seed=1))[5]
    assert (first.images != other.images).any()


def test_forgeries_of_real_faces_alone_make_a_batch(folder: Path) -> None:
    rows = [row for row in read_faces(folder) if not row.fake]
    meshes = {row.name: round_mesh() for row in rows}
    recipe = dataclasses.replace(RECIPE, self_blend=0.3, warp=0.2, swap=0.0)
    batch = FaceStream(rows, meshes, {}, recipe)[0]
    assert batch.fake.sum() == 4
    assert (batch.family[batch.fake == 1] == -1).all()


def test_reals_that_cannot_be_forged_are_refused(folder: Path) -> None:
    reals = [row for row in read_faces(folder) if not row.fake]
    with pytest.raises(InputError, match="none of the real faces has landmarks"):
        FaceStream(reals, {}, {}, RECIPE)
    alone = dataclasses.replace(RECIPE, self_blend=0.0, warp=0.0, swap=0.2)
    meshes = {row.name: round_mesh() for row in reals}
    with pytest.raises(InputError, match="too few for a swap"):
        FaceStream(reals, {reals[0].name: round_mesh()}, {}, alone)
    one = [dataclasses.replace(row, group="one") for row in reals]
    for rows in (reals, one):  # another person, or another picture of the same one
        assert FaceStream(rows, meshes, {}, alone)[0].fake.sum() == 4


def test_twins_stand_beside_their_reals(folder: Path) -> None:
    reals = [row for row in read_faces(folder) if not row.fake]
    twins = [dataclasses.replace(row, name=f"twin {row.name}", fake=True, pair=row.name) for row in reals]
    recipe = dataclasses.replace(RECIPE, self_blend=0.0, warp=0.0, swap=0.0, twin=0.5)
    batch = FaceStream(reals, {}, {}, recipe, twins)[0]
    assert (batch.kind == KINDS.index("twin")).all()
    assert batch.fake.sum() == recipe.batch / 2
    # The very same picture under the very same draw: only the label differs here.
    assert (batch.images[batch.fake == 1] == batch.images[batch.fake == 0]).all()


def test_a_stored_partner_is_cut_by_its_own_landmarks(folder: Path, tmp_path: Path) -> None:
    fake = next(row for row in read_faces(folder) if row.fake)
    shift = np.array([14, -9])
    moved = np.roll(cv2.imread(fake.path), shift[::-1], (0, 1))
    cv2.imwrite(str(tmp_path / "moved.png"), moved)
    box = Box(*np.add(fake.box, (14, -9, 14, -9)))
    real = dataclasses.replace(
        fake,
        name=fake.pair or "",
        fake=False,
        family="real",
        pair=None,
        path=str(tmp_path / "moved.png"),
        box=box,
        five=fake.five + shift.astype(np.float32),
    )
    recipe = dataclasses.replace(RECIPE, batch=4, pairs=1.0, self_blend=0.0, warp=0.0, swap=0.0, clean=1.0)
    batch = FaceStream([fake, real], {}, {}, recipe)[0]
    assert batch.fake.tolist() == [0, 1, 0, 1], "a real alone, a pair, a fake"
    middle = batch.images[1:3, 16:48, 16:48].astype(float)
    assert np.abs(middle[0] - middle[1]).mean() < 1


def test_what_lies_outside_the_picture_is_not_forged(folder: Path) -> None:
    rows = read_faces(folder)
    recipe = dataclasses.replace(RECIPE, self_blend=0.2, warp=0.3, swap=0.0)
    for offset, forged in ((0, True), (300, False)):
        meshes = {row.name: round_mesh() + np.float32(offset) for row in rows if not row.fake}
        assert (FaceStream(rows, meshes, {}, recipe)[0].kind > 0).any() == forged


def test_where_no_forgery_succeeds_the_batch_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfdetect.train.stream._MOST_DRAWS", 50)
    reals = [row for row in read_faces(folder) if not row.fake]
    outside = {row.name: round_mesh() + np.float32(300) for row in reals}
    with pytest.raises(InputError, match="the landmarks lie outside the pictures"):
        FaceStream(reals, outside, {}, RECIPE)[0]


def test_faces_without_a_group_are_of_different_people(folder: Path) -> None:
    a, b = (dataclasses.replace(row, group="") for row in read_faces(folder)[:2])
    assert person(a) != person(b)
    assert person(a) == person(dataclasses.replace(a, fake=not a.fake))
    one, two = (dataclasses.replace(row, group="g") for row in (a, b))
    assert person(one) == person(two)


def test_a_misspelt_recipe_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="stepz"):
        Recipe.from_mapping({"stepz": 3})


def test_a_recipe_survives_its_file(tmp_path: Path) -> None:
    import json

    RECIPE.save(tmp_path / "r.json")
    assert Recipe.from_mapping(json.loads((tmp_path / "r.json").read_text())) == RECIPE
