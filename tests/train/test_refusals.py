"""Runs that must not go on from what another left, and slips that are refused before any work is done."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import cv2
import pytest

from dfdetect.cli.main import main
from dfdetect.errors import DfdetectError, InputError, ModelError, SettingsError
from dfdetect.faces.crop import CropSpec
from tests.train.faces import make_crop_folder, require_training

torch = require_training()

from dfdetect.train.build import build_network  # noqa: E402
from dfdetect.train.check import Inputs  # noqa: E402
from dfdetect.train.loop import train  # noqa: E402
from dfdetect.train.network import load_backbone  # noqa: E402
from dfdetect.train.recipe import Recipe  # noqa: E402
from dfdetect.train.run import run  # noqa: E402
from dfdetect.train.table import read_faces  # noqa: E402

CNN = Recipe(
    "test_efficientnet",
    crops=(CropSpec("five_point", 64, 0.9),),
    batch=4,
    steps=1,
    self_blend=0.0,
    warp=0.0,
    swap=0.0,
)
VIT = dataclasses.replace(
    CNN, backbone="test_vit", blocks=(2,), crops=(CropSpec("upright", 160, 1.4),), teacher_weight=0.0
)


def weights(path: Path, recipe: Recipe, seed: int) -> Path:
    torch.manual_seed(seed)
    torch.save(build_network(recipe).backbone.state_dict(), path)
    return path


def edit(data: Path, before: str, after: str) -> None:
    """Change a word of the table of faces."""
    text = (data / "faces.csv").read_text()
    assert before in text
    (data / "faces.csv").write_text(text.replace(before, after))


@pytest.mark.parametrize("recipe", [CNN, VIT], ids=["cnn", "vit"])
def test_a_run_goes_on_with_its_own_start_weights_only(recipe: Recipe, tmp_path: Path) -> None:
    rows = read_faces(make_crop_folder(tmp_path / "crops", 2, 1))
    one, two = (weights(tmp_path / f"{seed}.pth", recipe, seed) for seed in (1, 2))
    folder = tmp_path / "work" / "run"
    net = train(rows, {}, {}, recipe, folder, weights=one, workers=0)
    again = train(rows, {}, {}, recipe, folder, weights=one, workers=0)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in net.state_dict().items())
    for other in (two, None):
        with pytest.raises(InputError, match=r"differs in start weights\); give another --work"):
            train(rows, {}, {}, recipe, folder, weights=other, workers=0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (",swap,", ",lipsync,"),
        (",s1,", ",s9,"),
        (",g10,", ",g99,"),
        (",real10.png", ","),
        (",m,", ",other,"),
        (",photo,", ",video,"),
    ],
    ids=["family", "source", "group", "pair", "method", "medium"],
)
def test_a_run_goes_on_with_its_own_columns_only(before: str, after: str, tmp_path: Path) -> None:
    data = make_crop_folder(tmp_path / "crops", 2, 1)
    train(read_faces(data), {}, {}, CNN, tmp_path / "run", workers=0)
    train(read_faces(data), {}, {}, CNN, tmp_path / "run", workers=0)
    edit(data, before, after)
    with pytest.raises(InputError, match="differs in labels or columns of the faces"):
        train(read_faces(data), {}, {}, CNN, tmp_path / "run", workers=0)


def test_a_run_goes_on_with_its_own_pictures_recipe_and_teacher_only(tmp_path: Path) -> None:
    rows = read_faces(make_crop_folder(tmp_path / "crops", 2, 1))
    told = {"teacher": "a", "mesh": "b"}
    train(rows, {}, {}, CNN, tmp_path / "run", made_with=told, workers=0)
    with pytest.raises(InputError, match="differs in landmarks; teacher"):
        train(rows, {}, {}, CNN, tmp_path / "run", workers=0)
    longer = dataclasses.replace(CNN, steps=2, lr=0.1)
    with pytest.raises(InputError, match=r"differs in recipe: lr, steps\)"):
        train(rows, {}, {}, longer, tmp_path / "run", made_with=told, workers=0)
    cv2.imwrite(rows[0].path, cv2.imread(rows[1].path)[::-1])
    with pytest.raises(InputError, match=r"differs in faces\)"):
        train(rows, {}, {}, CNN, tmp_path / "run", made_with=told, workers=0)


def test_a_run_goes_on_with_its_own_teacher_only(tmp_path: Path) -> None:
    data = make_crop_folder(tmp_path / "crops", 2, 1)
    models = [tmp_path / name for name in ("one", "two")]
    for seed, model in enumerate(models):
        recipe = dataclasses.replace(CNN, seed=seed)
        run(Inputs((data,), tmp_path / f"work{seed}"), recipe, model, workers=0)
    taught, out = dataclasses.replace(CNN, teacher_weight=1.0), tmp_path / "out"
    one, two = (Inputs((data,), tmp_path / "work", teacher=model) for model in models)
    run(one, taught, out, workers=0)
    run(one, taught, out, workers=0)
    with pytest.raises(InputError, match=r"differs in teacher\)"):
        run(two, taught, out, workers=0)


def test_a_checkpoint_of_an_older_version_is_not_taken_up(tmp_path: Path) -> None:
    rows = read_faces(make_crop_folder(tmp_path / "crops", 2, 1))
    train(rows, {}, {}, CNN, tmp_path / "run", workers=0)
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    torch.save({**state, "run": "0" * 64}, tmp_path / "run" / "checkpoint.pt")
    with pytest.raises(InputError, match="older dfdetect"):
        train(rows, {}, {}, CNN, tmp_path / "run", workers=0)


def media(root: Path) -> Path:
    """Labels of a photo; whoever decodes it leaves a folder of faces under --work."""
    root.mkdir()
    photo = Path(__file__).resolve().parents[2] / "data" / "astronaut.jpg"
    (root / "photo.jpg").write_bytes(photo.read_bytes())
    (root / "labels.csv").write_text("file,label\nphoto.jpg,real\n")
    return root


@pytest.mark.parametrize(
    ("given", "changes", "error", "message"),
    [
        ({"teacher": "a", "encoder": "b"}, {"teacher_weight": 1.0}, InputError, "one teacher"),
        ({"teacher": "a"}, {}, InputError, "without weight"),
        ({"decoder": "a"}, {}, InputError, "set twin"),
        ({"weights": "none.pth"}, {}, InputError, "none.pth"),
        ({"mesh": "none.onnx"}, {}, ModelError, "none.onnx"),
        ({"decoder": "none.st"}, {"twin": 0.1}, InputError, "none.st"),
        ({"encoder": "none.onnx"}, {"teacher_weight": 1.0}, InputError, "none.onnx"),
        ({"teacher": "none"}, {"teacher_weight": 1.0}, ModelError, "none"),
        ({}, {"way": 0.5}, InputError, "start to go back to"),
        ({}, {"backbone": "no_such_net"}, InputError, "no_such_net"),
    ],
)
def test_slips_are_refused_before_media_are_decoded(
    given: dict[str, str],
    changes: dict[str, object],
    error: type[DfdetectError],
    message: str,
    tmp_path: Path,
) -> None:
    files = {name: tmp_path / value for name, value in given.items()}
    inputs = Inputs((media(tmp_path / "media"),), tmp_path / "work", **files)  # type: ignore[arg-type]
    recipe = dataclasses.replace(CNN, **changes)  # type: ignore[arg-type]
    with pytest.raises(error, match=message):
        run(inputs, recipe, tmp_path / "out", workers=0)
    assert not (tmp_path / "work").exists()
    assert not (tmp_path / "out").exists()


def test_a_mean_or_a_teacher_that_cannot_be_is_refused_before_media_are_decoded(tmp_path: Path) -> None:
    data, work = media(tmp_path / "media"), tmp_path / "work"
    crops = read_faces(make_crop_folder(tmp_path / "crops", 2, 1))
    train(crops, {}, {}, VIT, tmp_path / "done" / "run", workers=0)
    done, none = (tmp_path / "done",), (tmp_path / "none",)
    with pytest.raises(InputError, match="not the --work folder"):
        run(Inputs((data,), work, average=none), VIT, tmp_path / "out", workers=0)
    deeper = dataclasses.replace(VIT, blocks=(2, 4))
    with pytest.raises(InputError, match="trained another network"):
        run(Inputs((data,), work, average=done), deeper, tmp_path / "out", workers=0)
    taught = dataclasses.replace(VIT, teacher_weight=1.0)
    with pytest.raises(InputError, match="takes no teacher"):
        run(Inputs((data,), work, teacher=tmp_path), taught, tmp_path / "out", workers=0)
    assert not work.exists()


def test_a_place_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    data, work = media(tmp_path / "media"), tmp_path / "work"
    file = tmp_path / "file"
    file.touch()
    for out, message in (
        (file, "--out .* is a file"),
        (file / "deeper", "--out .* cannot be written"),
        (tmp_path / ("x" * 300), "--out .* cannot be written"),
    ):
        with pytest.raises(InputError, match=message):
            run(Inputs((data,), work), CNN, out, workers=0)
    with pytest.raises(InputError, match=r"--work .* is a file"):
        run(Inputs((data,), file), CNN, tmp_path / "out", workers=0)
    with pytest.raises(SettingsError, match="no_device"):
        run(Inputs((data,), work), CNN, tmp_path / "out", workers=0, device="no_device")
    assert not work.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InputError, match="cannot be written"):
        run(Inputs((media(tmp_path / "m"),), tmp_path / "w"), CNN, tmp_path / "locked" / "o", workers=0)


def test_every_table_is_read_before_media_are_decoded(tmp_path: Path) -> None:
    good, bad, none = media(tmp_path / "good"), media(tmp_path / "bad"), tmp_path / "none"
    (bad / "labels.csv").write_text("file,label\nphoto.jpg,perhaps\n")
    for second, message in ((bad, "line 2"), (none, "neither faces.csv nor labels.csv")):
        with pytest.raises(InputError, match=message):
            run(Inputs((good, second), tmp_path / "work"), CNN, tmp_path / "out", workers=0)
    assert not list(tmp_path.glob("work/faces-*"))


def test_the_command_says_so_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").touch()
    words = ["train", str(media(tmp_path / "m")), "--out", str(tmp_path / "out")]
    assert main([*words, "--work", str(tmp_path / "work")]) == 2
    assert "is a file; give the path of a folder" in capsys.readouterr().err


@pytest.mark.parametrize("held", [[torch.zeros(3)], {"state_dict": 3}, {"epoch": 3}, torch.zeros(3)])
def test_a_file_without_weights_is_refused(held: object, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "w.pth")
    with pytest.raises(InputError, match="holds no state dict"):
        load_backbone(build_network(CNN).backbone, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("backbone", "blocks", "size", "message"),
    [
        ("test_vit", (), 160, r"'test_vit' with blocks \[\] .* 160 px .*; a vision transformer needs blocks"),
        ("swin_s3_tiny_224", (), 224, "'swin_s3_tiny_224' .* choose a CNN"),
        ("test_vit", (2,), 64, r"'test_vit' with blocks \[2\] cannot take crops of 64 px"),
        ("test_vit", (2, 20), 160, "'test_vit' has 6 blocks, and 'blocks' names 20"),
    ],
)
def test_networks_that_cannot_run_are_refused_first(
    backbone: str, blocks: tuple[int, ...], size: int, message: str, tmp_path: Path
) -> None:
    crops = (CropSpec("upright", size, 1.4),)
    recipe = dataclasses.replace(CNN, backbone=backbone, blocks=blocks, crops=crops)
    with pytest.raises(InputError, match=message):
        run(Inputs((media(tmp_path / "media"),), tmp_path / "work"), recipe, tmp_path / "out", workers=0)
    assert not (tmp_path / "work").exists()


def test_a_network_with_layers_behind_its_features_is_trained(tmp_path: Path) -> None:
    recipe = dataclasses.replace(CNN, backbone="mobilenetv3_small_050")
    data = make_crop_folder(tmp_path / "crops", 2, 1)
    run(Inputs((data,), tmp_path / "work"), recipe, tmp_path / "out", workers=0)
    assert (tmp_path / "out" / "model.onnx").exists()


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_a_checkpoint_that_was_cut_short_is_refused(kept: float, tmp_path: Path) -> None:
    rows = read_faces(make_crop_folder(tmp_path / "crops", 2, 1))
    train(rows, {}, {}, CNN, tmp_path / "run", workers=0)
    path = tmp_path / "run" / "checkpoint.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises(InputError, match=r"checkpoint\.pt is no whole checkpoint .*; delete it"):
        train(rows, {}, {}, CNN, tmp_path / "run", workers=0)


def test_weights_in_an_empty_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.pth").touch()
    with pytest.raises(InputError, match="cannot read weights"):
        load_backbone(build_network(CNN).backbone, tmp_path / "w.pth")
