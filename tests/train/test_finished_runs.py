"""What a checkpoint does not depend on: where it lies, and what comes after the last step."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from dfdetect.errors import InputError, SettingsError
from dfdetect.faces.crop import CropSpec
from dfdetect.scoring.card import Closer, Golden, read_card
from dfdetect.scoring.models import hash_file, load_model, save_calibration, write_card
from dfdetect.train.recipe import Recipe
from tests.train.faces import make_crop_folder, require_training
from tests.train.test_data_first import media

torch = require_training()

from dfdetect.train.build import build_network  # noqa: E402
from dfdetect.train.check import Inputs  # noqa: E402
from dfdetect.train.loop import train  # noqa: E402
from dfdetect.train.run import run  # noqa: E402
from dfdetect.train.table import read_faces  # noqa: E402

CNN = Recipe("test_efficientnet", crops=(CropSpec("upright", 64, 1.4),), batch=4, steps=1)
VIT = dataclasses.replace(
    CNN, backbone="test_vit", blocks=(2, 4), crops=(CropSpec("upright", 160, 1.4),), tuned="all", lr=0.05
)
LOOK = Closer(1.2, 0.4)


def test_a_second_look_needs_an_upright_view() -> None:
    assert dataclasses.replace(CNN, closer=LOOK).closer == LOOK
    with pytest.raises(SettingsError, match="closer needs an upright view"):
        dataclasses.replace(CNN, crops=(CropSpec("five_point", 64, 0.9),), closer=LOOK)


@pytest.mark.parametrize("teacher", ["teacher", "encoder"])
def test_a_transformer_is_not_told_to_give_its_teacher_weight(teacher: str, tmp_path: Path) -> None:
    data = make_crop_folder(tmp_path / "crops", 2, 1)
    inputs = Inputs((data,), tmp_path / "work", **{teacher: tmp_path / "none"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a transformer takes no teacher"):
        run(inputs, VIT, tmp_path / "out", workers=0)


def test_what_comes_after_the_last_step_may_be_added_to_a_finished_run(tmp_path: Path) -> None:
    torch.manual_seed(1)
    weights = tmp_path / "start.pth"
    torch.save(build_network(VIT).backbone.state_dict(), weights)
    data = make_crop_folder(tmp_path / "crops", 2, 2)
    added = dataclasses.replace(VIT, closer=LOOK, way=0.5, refit_blocks=(4,), refit=0.7)
    works = [tmp_path / name for name in ("added", "whole")]
    run(Inputs((data,), works[0], weights), VIT, tmp_path / "plain", workers=0)
    trained = (works[0] / "run" / "log.jsonl").read_text()
    for work in works:
        run(Inputs((data,), work, weights), added, tmp_path / f"{work.name} model", workers=0)
    assert (works[0] / "run" / "log.jsonl").read_text() == trained
    hashes = [hash_file(tmp_path / name / "model.onnx") for name in ("plain", "added model", "whole model")]
    assert hashes[1] == hashes[2]
    assert hashes[0] != hashes[1]
    card = read_card(tmp_path / "added model")
    assert (card.closer, card.recipe["closer"]) == (LOOK, {"zoom": 1.2, "weight": 0.4})
    with pytest.raises(InputError, match=r"differs in recipe: lr\)"):
        run(Inputs((data,), works[0], weights), dataclasses.replace(added, lr=0.1), tmp_path / "o", workers=0)


def test_a_finished_run_given_again_keeps_the_calibration_of_the_same_network(tmp_path: Path) -> None:
    data = make_crop_folder(tmp_path / "crops", 2, 2)
    out, inputs = tmp_path / "model", Inputs((data,), tmp_path / "work")
    run(inputs, CNN, out, workers=0)
    fitted = {**load_model(out).calibration, "prior": 0.25}
    card = save_calibration(out, fitted)
    golden = (Golden("astronaut.jpg", -1.5, 0.1),)
    write_card(out, dataclasses.replace(card, golden=golden, measured={"mine": {"auc": 0.9}}))
    run(inputs, CNN, out, workers=0)
    assert load_model(out).calibration["prior"] == 0.25
    assert read_card(out).golden == golden
    assert read_card(out).measured == {"mine": {"auc": 0.9}}
    run(Inputs((data,), tmp_path / "other"), dataclasses.replace(CNN, seed=5), out, workers=0)
    assert load_model(out).calibration["prior"] == 0.5
    assert read_card(out).golden == ()


def test_a_run_goes_on_in_a_work_folder_that_was_moved(tmp_path: Path) -> None:
    data, moved = media(tmp_path / "media", "real", "fake"), tmp_path / "elsewhere" / "moved"
    run(Inputs((data,), tmp_path / "work"), CNN, tmp_path / "one", workers=0)
    moved.parent.mkdir()
    (tmp_path / "work").rename(moved)
    trained = (moved / "run" / "log.jsonl").read_text()
    run(Inputs((data,), moved), CNN, tmp_path / "two", workers=0)
    assert (moved / "run" / "log.jsonl").read_text() == trained
    assert hash_file(tmp_path / "one" / "model.onnx") == hash_file(tmp_path / "two" / "model.onnx")


def test_a_file_that_was_touched_is_not_said_to_be_labelled_anew(tmp_path: Path) -> None:
    data, work = media(tmp_path / "media", "real", "fake"), tmp_path / "work"
    run(Inputs((data,), work), CNN, tmp_path / "one", workers=0)
    os.utime(data / "real0.jpg", (1, 1))
    with pytest.raises(InputError, match=r"\(it differs in faces\)"):
        run(Inputs((data,), work), CNN, tmp_path / "two", workers=0)


def test_a_pair_is_told_by_the_face_that_it_is(tmp_path: Path) -> None:
    rows = read_faces(make_crop_folder(tmp_path / "crops", 2, 1))
    train(rows, {}, {}, CNN, tmp_path / "run", workers=0)
    reals = [row.name for row in rows if not row.fake]
    other = [dataclasses.replace(row, pair=row.pair and reals[0]) for row in rows]
    with pytest.raises(InputError, match="labels or columns of the faces"):
        train(other, {}, {}, CNN, tmp_path / "run", workers=0)
    renamed = [dataclasses.replace(r, name=f"x{r.name}", pair=r.pair and f"x{r.pair}") for r in rows]
    with pytest.raises(InputError, match=r"\(it differs in faces\)"):
        train(renamed, {}, {}, CNN, tmp_path / "run", workers=0)
