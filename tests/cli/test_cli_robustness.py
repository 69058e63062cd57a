"""``dfdetect robustness`` from words to files, with the shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfdetect.cli.main import main
from dfdetect.cli.robustness import robustness
from dfdetect.evaluate.degrade import LEVELS, Damage
from dfdetect.evaluate.robustness import LIMIT

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = f"{DATA / 'astronaut.jpg'},real\n{DATA / 'astronaut_forged.jpg'},fake\n"
    path = tmp_path / "labels.csv"
    path.write_text("file,label\n" + rows)
    return path


def test_options_offer_what_the_library_has() -> None:
    options = {option.name: option for option in robustness.params}
    assert options["limit"].default == LIMIT
    assert list(options["only"].type.choices) == [damage.value for damage in Damage]  # type: ignore[attr-defined]


def test_reports_hold_the_chosen_kind_and_nothing_goes_to_standard_output(
    labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--only", "scale", "--jobs", "0", "--model", "light"]
    reports = ["--report", "json=a.json", "--report", "markdown=a.md"]
    assert main(["robustness", str(labels), *words, *reports]) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert "scanning 2 files untouched" in output.err
    assert "level 3/3, scale 0.33" in output.err
    points = json.loads(Path("a.json").read_text("utf-8"))["points"]
    wanted = [level.amount for level in LEVELS if level.damage is Damage.SCALE]
    assert [point["level"]["amount"] for point in points[1:]] == wanted
    assert Path("a.md").read_text("utf-8").startswith("# Robustness\n")
    assert {path.name for path in Path().iterdir()} == {"labels.csv", "a.json", "a.md"}


def test_tables_go_to_standard_output(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robustness", str(labels), "--only", "jpeg", "--jobs", "0", "--model", "light"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| JPEG")] == [
        "JPEG 95",
        "JPEG 80",
        "JPEG 60",
        "JPEG 40",
        "JPEG 20",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["labels.csv", "--report", "json"], "is not FORMAT=FILE"),
        (["labels.csv", "--report", "jsn=a.json"], "did you mean 'json'"),
        (["labels.csv", "--report", "json=labels.csv"], "would overwrite an input"),
        (["labels.csv", "--report", "json=a", "--report", "markdown=a"], "two reports would be written"),
        (["labels.csv", "--report", "json=gone/a.json"], "does not exist"),
        (["gone.csv", "--report", "json=a.json"], "cannot read labels"),
        (["labels.csv", "--limit", "1"], "--limit"),
        (["labels.csv", "--model", "gone"], "gone"),
    ],
)
def test_wrong_words_are_told_before_anything_is_scanned(
    labels: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = labels.read_bytes()
    assert main(["robustness", *words]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "scanning" not in told
    assert [path.name for path in labels.parent.iterdir()] == ["labels.csv"]
    assert labels.read_bytes() == before
