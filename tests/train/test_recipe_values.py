"""What a recipe may hold, and what becomes of a run whose loss runs away."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from dfdetect.cli.main import main
from dfdetect.errors import SettingsError
from dfdetect.faces.crop import CropSpec
from dfdetect.train.recipe import LISTS, NUMBERS, Recipe
from tests.train.faces import make_crop_folder, require_training

CARDS = sorted((Path(__file__).resolve().parents[2] / "models").glob("*/card.json"))
NAMES = {field.name for field in dataclasses.fields(Recipe)}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("way", True, "above 0, and at most 1"),
        ("way", "abc", "above 0, and at most 1"),
        ("way", 0, "above 0, and at most 1"),
        ("steps", 1.5, "a whole number of at least 1, and less than 2\\^63"),
        ("steps", 0, "a whole number of at least 1"),
        ("steps", 10**400, "less than 2\\^63"),
        ("batch", 5, "even"),
        ("batch", 2, "a whole number of at least 4"),
        ("warmup", -1, "a whole number of at least 0"),
        ("ema", 2, "a number between 0 and 1"),
        ("damage", -3, "a number between 0 and 1"),
        ("smoothing", 0.6, "a number between 0 and 0.5"),
        ("folds", 0, "a whole number of at least 1"),
        ("closer", 1.2, "None, or an object with a zoom between 0.2 and 4 and a weight"),
        ("closer", {"zoom": 5, "weight": 0.5}, "None, or an object with a zoom"),
        ("closer", {"zoom": 1.2, "weight": 1}, "None, or an object with a zoom"),
        ("closer", {"zoom": 1.2, "weight": "a"}, "None, or an object with a zoom"),
        ("closer", {"zoom": 1.2}, "None, or an object with a zoom"),
        ("fold", 4, "None, or a whole number between 0 and 3"),
        ("fold", -1, "None, or a whole number between 0 and 3"),
        ("fold", True, "None, or a whole number between 0 and 3"),
        ("fold", 1.0, "None, or a whole number between 0 and 3"),
        ("probe_cap", 0, "a whole number of at least 1"),
        ("seed", -1, "a whole number of at least 0"),
        ("seed", 2**63, "less than 2\\^63"),
        ("lr", "a", "a number above 0, and at most 1000"),
        ("lr", 0, "a number above 0"),
        ("lr", float("nan"), "a number above 0"),
        ("weight_decay", 1e38, "a number between 0 and 1000"),
        ("lr", float("inf"), "a number above 0"),
        ("blocks", 5, "list.* of numbers, each a whole number of at least 1"),
        ("blocks", "57", "list.* of numbers"),
        ("blocks", [1, 2.5], "list.* of numbers"),
        ("blocks", [0, 1], "list.* of numbers"),
        ("refit_blocks", None, "list.* of numbers"),
        ("mean", [0.5, 0.5], "list.* of 3 numbers, each a number"),
        ("std", [0.5, 0.5, 0], "list.* of 3 numbers, each a number above 0"),
        ("mean", 5, "list.* of 3 numbers"),
        ("bf16", 1, "true or false"),
        ("backbone", "", "the name of a timm model"),
        ("backbone", 3, "the name of a timm model"),
        ("tuned", ["all"], "norms or all"),
        ("crops", 5, "a list of views"),
    ],
)
def test_a_value_that_a_field_cannot_take_is_refused_with_its_range(
    name: str, value: Any, message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be .*{message}"):
        Recipe.from_mapping({name: value})


@pytest.mark.parametrize("name", sorted(NUMBERS))
@pytest.mark.parametrize("value", [True, False, None, "1", float("nan"), float("inf"), -1, [1]])
def test_no_number_takes_these(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be a"):
        Recipe.from_mapping({name: value})


def test_every_field_is_checked() -> None:
    assert NUMBERS.keys() | LISTS.keys() | {"backbone", "tuned", "crops", "closer", "bf16", "fold"} == NAMES


def test_forgeries_take_half_of_the_faces_at_most() -> None:
    with pytest.raises(SettingsError, match=r"no more than 0\.5 together"):
        Recipe(self_blend=0.4, warp=0.1, swap=0.0, twin=0.01)
    assert Recipe(self_blend=0.1, warp=0.2, swap=0.1, twin=0.1).twin == 0.1


def test_views_are_views() -> None:
    with pytest.raises(SettingsError, match="crops must be"):
        Recipe(crops=("upright",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"lr": 1, "warmup": 0, "backbone_lr": 0, "ema": 0, "clean": 1, "smoothing": 0.5},
        {"closer": {"zoom": 0.2, "weight": 0.01}, "crops": [{"align": "upright", "size": 64, "zoom": 1.4}]},
        {"fold": 7, "folds": 8, "seed": 2**63 - 1},
        {"blocks": [5, 7], "refit_blocks": [7], "way": 1},
    ],
)
def test_the_ends_of_the_ranges_are_in_them(values: dict[str, Any]) -> None:
    recipe = Recipe.from_mapping(values)
    assert Recipe.from_mapping(json.loads(json.dumps(recipe.as_dict()))) == recipe


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.parent.name)
def test_the_recipes_of_the_shipped_models_are_recipes(card: Path) -> None:
    told = json.loads(card.read_text(encoding="utf-8"))["recipe"]
    if isinstance(told, str):
        pytest.skip("made by a command, not trained")
    values = {name: value for name, value in told.items() if name in NAMES}
    assert Recipe.from_mapping(values).steps == told["steps"]


@pytest.mark.parametrize("text", ["[]", "3", '"steps"', "null", "{", "[" * 100_000])
def test_a_recipe_that_is_no_object_is_refused(text: str, tmp_path: Path, capsys: Any) -> None:
    recipe, out = tmp_path / "recipe.json", str(tmp_path / "out")
    recipe.write_text(text)
    assert main(["train", str(tmp_path), "--work", out, "--out", out, "--recipe", str(recipe)]) == 2
    assert "recipe.json" in capsys.readouterr().err


def test_a_run_whose_loss_runs_away_stops_at_once(tmp_path: Path) -> None:
    require_training()
    from dfdetect.train.loop import train
    from dfdetect.train.table import read_faces

    recipe = Recipe(
        "test_efficientnet",
        crops=(CropSpec("five_point", 64, 0.9),),
        batch=4,
        steps=50,
        lr=1000,
        weight_decay=1000,
        warmup=0,
    )
    rows = read_faces(make_crop_folder(tmp_path / "crops"))
    with pytest.raises(SettingsError, match=r"the loss is not finite at step \d+; lower lr \(it is 1000\)"):
        train(rows, {}, {}, recipe, tmp_path / "run", workers=0)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
