from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dfdetect.errors import InputError
from tests.train.faces import make_crop_folder, require_training

torch = require_training()

from dfdetect.faces.crop import CropSpec  # noqa: E402
from dfdetect.train.average import average_with, finished, go_back  # noqa: E402
from dfdetect.train.build import build_network, load_start  # noqa: E402
from dfdetect.train.check import Inputs  # noqa: E402
from dfdetect.train.loop import train  # noqa: E402
from dfdetect.train.recipe import Recipe  # noqa: E402
from dfdetect.train.run import run  # noqa: E402
from dfdetect.train.table import read_faces  # noqa: E402
from dfdetect.train.transformer import TokenNet  # noqa: E402

RECIPE = Recipe(
    backbone="test_vit",
    blocks=(2, 4),
    tuned="all",
    crops=(CropSpec("upright", 160, 1.4),),
    batch=8,
    steps=2,
    warmup=0,
    lr=0.01,
    ema=0.5,
    clean=1.0,
    self_blend=0.0,
    warp=0.0,
    swap=0.0,
    family_weight=0.0,
)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Faces, weights to start from, and the work folder of a finished run from there."""
    root = tmp_path_factory.mktemp("average")
    data = make_crop_folder(root / "crops")
    torch.manual_seed(3)
    net = build_network(RECIPE)
    torch.save(net.backbone.state_dict(), root / "start.pth")
    run(Inputs((data,), root / "first", root / "start.pth"), RECIPE, root / "model", workers=0)
    return data, root / "start.pth", root / "first"


def test_the_weights_are_the_mean_of_both_runs(start: tuple[Path, Path, Path], tmp_path: Path) -> None:
    data, weights, first = start
    rows = read_faces(data)
    other = dataclasses.replace(RECIPE, seed=1)
    net = train(rows, {}, {}, other, tmp_path / "second" / "run", weights=weights, workers=0)
    assert isinstance(net, TokenNet)
    own = {name: value.clone() for name, value in net.state_dict().items()}
    theirs = finished(first)
    assert not torch.equal(
        own["backbone.blocks.3.mlp.fc1.weight"], theirs["backbone.blocks.3.mlp.fc1.weight"]
    )
    average_with(net, [first])
    for name, value in net.state_dict().items():
        assert torch.allclose(value, (own[name] + theirs.get(name, own[name])) / 2, atol=1e-6), name


def test_training_takes_other_runs_into_the_mean(start: tuple[Path, Path, Path], tmp_path: Path) -> None:
    data, weights, first = start
    recipe = dataclasses.replace(RECIPE, seed=1)
    alone, both = tmp_path / "alone", tmp_path / "both"
    run(Inputs((data,), tmp_path / "work", weights), recipe, alone, workers=0)
    run(Inputs((data,), tmp_path / "work", weights, average=(first,)), recipe, both, workers=0)
    assert (alone / "model.onnx").read_bytes() != (both / "model.onnx").read_bytes()


def test_a_share_of_the_way_lies_between_start_and_end(
    start: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    data, weights, first = start
    begun, ended, between = (build_network(RECIPE) for _ in range(3))
    assert isinstance(begun, TokenNet)
    assert isinstance(ended, TokenNet)
    assert isinstance(between, TokenNet)
    for net in (begun, ended, between):
        load_start(net, weights)
    ended.load_state_dict(finished(first), strict=False)
    between.load_state_dict(finished(first), strict=False)
    go_back(between, begun, 0.75)
    for name, value in between.backbone.state_dict().items():
        a, b = begun.backbone.state_dict()[name], ended.backbone.state_dict()[name]
        assert torch.allclose(value, a / 4 + b * 3 / 4, atol=1e-6), name
    assert torch.equal(between.heads[0].weight, ended.heads[0].weight)
    part = dataclasses.replace(RECIPE, way=0.5)
    run(Inputs((data,), tmp_path / "work", weights), part, tmp_path / "part", workers=0)
    run(Inputs((data,), tmp_path / "other", weights), RECIPE, tmp_path / "whole", workers=0)
    assert (tmp_path / "part" / "model.onnx").read_bytes() != (tmp_path / "whole" / "model.onnx").read_bytes()
    with pytest.raises(InputError, match="has a start"):
        run(Inputs((data,), tmp_path / "none"), part, tmp_path / "m", workers=0)


def test_runs_that_have_no_mean_are_refused(start: tuple[Path, Path, Path], tmp_path: Path) -> None:
    data, weights, first = start
    rows = read_faces(data)
    norms = dataclasses.replace(RECIPE, tuned="norms")
    net = train(rows, {}, {}, norms, tmp_path / "norms" / "run", weights=weights, workers=0)
    assert isinstance(net, TokenNet)
    with pytest.raises(InputError, match="other parts"):
        average_with(net, [first])
    elsewhere = train(rows, {}, {}, RECIPE, tmp_path / "elsewhere" / "run", workers=0)  # from random weights
    assert isinstance(elsewhere, TokenNet)
    with pytest.raises(InputError, match="started elsewhere"):
        average_with(elsewhere, [first])
    with pytest.raises(InputError, match="not the --work folder"):
        run(Inputs((data,), tmp_path / "w", average=(tmp_path,)), RECIPE, tmp_path / "m", workers=0)
    cnn = Recipe(backbone="test_efficientnet", crops=(CropSpec("five_point", 64, 0.9),), batch=8, steps=1)
    with pytest.raises(InputError, match="transformer"):
        run(Inputs((data,), tmp_path / "w", average=(first,)), cnn, tmp_path / "m", workers=0)


def test_a_run_that_is_not_finished_is_refused(start: tuple[Path, Path, Path], tmp_path: Path) -> None:
    data, weights, _ = start
    train(read_faces(data), {}, {}, RECIPE, tmp_path / "short" / "run", weights=weights, workers=0)
    dataclasses.replace(RECIPE, steps=9).save(tmp_path / "short" / "run" / "recipe.json")
    with pytest.raises(InputError, match="step 2 of 9"):
        finished(tmp_path / "short")
