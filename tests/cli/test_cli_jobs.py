"""``--jobs`` is one option: every command that scans names, reads and explains it as ``dfdetect scan``."""

from __future__ import annotations

import inspect
import pkgutil
from pathlib import Path
from typing import Any

import click
import pytest

from dfdetect.cli.calibrate import calibrate
from dfdetect.cli.evaluate import evaluate
from dfdetect.cli.main import main
from dfdetect.cli.robustness import robustness
from dfdetect.cli.scan import scan

TARGETS = {
    "evaluate": "dfdetect.evaluate.run.evaluate_labels",
    "calibrate": "dfdetect.evaluate.recalibrate.calibrate_folder",
    "robustness": "dfdetect.evaluate.robustness.measure_robustness",
}


class Called(Exception):
    """Instead of the work."""


def option(command: click.Command) -> dict[str, Any]:
    (found,) = (option for option in command.params if option.name == "jobs")
    return {**found.to_info_dict(), "envvar": found.envvar}


@pytest.mark.parametrize("command", [evaluate, calibrate, robustness])
def test_it_is_the_same_everywhere(command: click.Command) -> None:
    assert option(command) == option(scan)


@pytest.mark.parametrize("command", TARGETS)
def test_it_is_read_from_the_line_the_environment_and_files(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int | None] = []

    signature = inspect.signature(pkgutil.resolve_name(TARGETS[command]))

    def target(*values: object, **options: object) -> None:
        seen.append(signature.bind(*values, **options).arguments["jobs"])
        raise Called

    monkeypatch.setattr(TARGETS[command], target)
    monkeypatch.chdir(tmp_path)
    words = [command, "labels.csv"]
    assert main(words) == 4
    Path("dfdetect.toml").write_text("jobs = 5\n")
    assert main(words) == 4
    monkeypatch.setenv("DFDETECT_JOBS", "3")
    assert main(words) == 4
    assert main([*words, "-j", "0"]) == 4
    assert seen == [None, 5, 3, 0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("scan . --jobs many", "must be a whole number of at least 0, not 'many'"),
        ("scan . --jobs -1", "must be a whole number of at least 0, not '-1'"),
        ("bench --repeat 0", "must be a whole number of at least 1, not '0'"),
        ("robustness . --limit 1.5", "must be a whole number of at least 2, not '1.5'"),
        ("evaluate . --draws 3", "must be a whole number between 20 and 100000, not '3'"),
        ("calibrate . --error-rate 0.7", "must be a number between 0.005 and 0.5, not '0.7'"),
        ("calibrate . --miss-rate few", "must be a number between 0.005 and 0.5, not 'few'"),
        ("train . --out m --work w --steps 0", "must be a whole number of at least 1, not '0'"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_those_that_can(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert f"'{words.split()[-2]}'" in (told := capsys.readouterr().err)
    assert said in told


@pytest.mark.parametrize(
    "words", ["scan . --jobs", "calibrate . --error-rate", "scan . --start"], ids=["whole", "any", "time"]
)
def test_what_a_terminal_would_obey_is_shown_escaped(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "1\x1b[2J\n##[error]"]) == 2
    assert "'1\\x1b[2J\\n#\\x23[error]'" in capsys.readouterr().err


def test_one_in_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DFDETECT_JOBS", "-1")
    assert main(["scan", "."]) == 2
    assert "DFDETECT_JOBS: must be a whole number of at least 0, not '-1'" in capsys.readouterr().err
