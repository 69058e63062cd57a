"""``dfdetect train`` from the command line: recipes from a file, what changes them, and folds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dfdetect.cli.main import main
from dfdetect.train.table import fold_of
from tests.train.faces import make_crop_folder, require_training

require_training()

from dfdetect.scoring.models import load_model  # noqa: E402

RECIPE: dict[str, Any] = {
    "backbone": "test_efficientnet",
    "crops": [{"align": "five_point", "size": 64, "zoom": 0.9}],
    "batch": 4,
    "steps": 3,
    "warmup": 0,
    "self_blend": 0.0,
    "warp": 0.0,
    "swap": 0.0,
    "folds": 2,
    "mean": [0.4, 0.5, 0.6],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a recipe and crops of sources of both of two folds."""
    monkeypatch.chdir(tmp_path)
    make_crop_folder(tmp_path / "crops")
    assert {fold_of(f"s{i}", 2) for i in range(4)} == {0, 1}
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE))
    return tmp_path


def train(*words: str) -> int:
    return main(["train", "crops", "--out", "out", "--work", "work", "--workers", "0", *words])


def test_the_recipe_of_a_file_is_what_is_trained(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--recipe", "recipe.json") == 0
    told = capsys.readouterr()
    assert "24 faces to train on, 0 held out" in told.err
    assert "wrote out; calibrate it next: dfdetect calibrate LABELS --model out" in told.err
    assert told.out == "", "nothing was held out to measure on"
    card = load_model("out").card
    assert isinstance(card.recipe, dict)
    assert {name: card.recipe[name] for name in RECIPE} == RECIPE
    assert card.experts[0].mean == (0.4, 0.5, 0.6)
    last = json.loads((place / "work" / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 3


def test_options_go_before_the_file_and_steps_and_fold_before_all(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the report of the faces that were held out is JSON on standard output."""
    sets = (
        "--set",
        "seed=5",
        "--set",
        "tuned=all",
        "--set",
        "steps=9",
        "--set",
        "fold=0",
        "--set",
        "lr=2e-3",
    )
    assert train("--recipe", "recipe.json", *sets, "--steps", "2", "--fold", "1") == 0
    told = capsys.readouterr()
    held = sum(6 for i in range(4) if fold_of(f"s{i}", 2) == 1)
    assert f"{24 - held} faces to train on, {held} held out" in told.err
    report = json.loads(told.out)
    assert report["faces"] == held
    card = load_model("out").card
    assert isinstance(card.recipe, dict)
    assert isinstance(card.data, dict)
    wanted = {**RECIPE, "seed": 5, "tuned": "all", "steps": 2, "fold": 1, "lr": 2e-3}
    assert {name: card.recipe[name] for name in wanted} == wanted
    assert card.data["faces"] == 24 - held
    assert card.measured == {"held_out_sources": report}


def test_the_first_fold_is_a_fold(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its number is 0, which is not none."""
    assert train("--recipe", "recipe.json", "--fold", "0", "--steps", "1") == 0
    assert json.loads(capsys.readouterr().out)["faces"] == sum(
        6 for i in range(4) if fold_of(f"s{i}", 2) == 0
    )


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({"stepps": 3}, (), "unknown training setting 'stepps'; known are: "),
        ({"steps": 1.5}, (), "steps must be a whole number of at least 1"),
        ({"crops": {"align": "upright"}}, (), "crops must be a list of views"),
        ({"crops": [{"align": "sideways", "size": 64, "zoom": 1}]}, (), "sideways"),
        ({"blocks": [2]}, (), "'test_efficientnet' is not a vision transformer"),
        ({"fold": 2}, (), "fold must be None, or a whole number between 0 and 1"),
        ({}, ("--fold", "2"), "fold must be None, or a whole number between 0 and 1"),
        ({}, ("--fold", "-1"), "--fold"),
        ({}, ("--fold", "one"), "--fold"),
        ({}, ("--steps", "0"), "--steps"),
        ({}, ("--set", "steps"), "--set takes NAME=VALUE, not 'steps'"),
        ({}, ("--set", "stepps=4"), "unknown training setting 'stepps'"),
        ({}, ("--set", "steps=many"), "steps must be a whole number of at least 1"),
    ],
)
def test_values_that_cannot_be_are_refused_before_anything_is_made(
    change: dict[str, Any], words: tuple[str, ...], said: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "recipe.json").write_text(json.dumps({**RECIPE, **change}))
    assert train("--recipe", "recipe.json", *words) == 2
    told = capsys.readouterr()
    assert said in " ".join(told.err.split())
    assert told.out == ""
    assert sorted(path.name for path in place.iterdir()) == ["crops", "recipe.json"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe{}", b'{"steps": 3', b""])
def test_a_recipe_that_cannot_be_read_is_named(
    content: bytes | None, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (place / "own.json").write_bytes(content)
    assert train("--recipe", "own.json") == 2
    assert "cannot read the recipe own.json: " in " ".join(capsys.readouterr().err.split())
    assert not (place / "work").exists()


def test_a_recipe_that_is_a_list_is_told_as_such(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "own.json").write_text("[1, 2]")
    assert train("--recipe", "own.json") == 2
    said = "the recipe own.json must hold an object with settings, not [1, 2]"
    assert said in " ".join(capsys.readouterr().err.split())
