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
