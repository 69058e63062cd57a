"""The README's examples, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dfdetect.cli.group import COMMANDS, commands
from dfdetect.scoring.models import load_model

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [
    line.split("  #")[0].strip()
    for kind, block in BLOCKS
    if kind == ""
    for line in block.splitlines()
    if re.match(r"(dfdetect|find) ", line)
]
RUN = [
    line
    for line in LINES
    if not re.match(r"dfdetect (train|calibrate|evaluate|robustness|scan clip.mp4 --model \./my)", line)
]
PARSED = [line for line in LINES if line not in RUN]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the examples name, made of the samples."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copy(ROOT / "data" / "moving.mp4", place / "clip.mp4")
    for folder, sample in (("archive", "astronaut.jpg"), ("more", "coffee.jpg"), ("inbox", "astronaut.jpg")):
        (place / folder).mkdir()
        shutil.copy(ROOT / "data" / sample, place / folder)
    (place / "last").touch()
    os.utime(place / "last", (0, 0))
    (place / "clip.mp4").touch()
    return place


@pytest.mark.parametrize("line", RUN)
def test_command(line: str, workplace: Path) -> None:
    command = line.replace("dfdetect ", f"'{sys.executable}' -m dfdetect ", 1)
    done = subprocess.run(command, shell=True, cwd=workplace, capture_output=True, text=True, timeout=110)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", PARSED)
def test_longer_command_is_understood(line: str) -> None:
    _, name, *words = line.split()
    command = commands.get_command(commands.make_context("dfdetect", [name], resilient_parsing=True), name)
    assert command is not None
    command.make_context(name, words)


@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind == "python"])
def test_python(block: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr


def test_first_output_is_what_the_first_command_prints() -> None:
    shown = BLOCKS[1][1]
    command = [sys.executable, "-m", "dfdetect", "scan", "data/"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    band = load_model("standard").calibration["band"]

    def answers(text: str) -> dict[str, tuple[str, int | None, str]]:
        found = {}
        for line in text.strip().splitlines()[:-2]:
            parts = re.fullmatch(r"(\S+(?: judged)?) +(?:(\d+) % fake|-)  (\S+)(.*)", line)
            assert parts, line
            label, percent, path, message = parts.groups()
            found[path] = (label, int(percent) if percent else None, message)
        return found

    printed, promised = answers(done.stdout), answers(shown)
    assert printed.keys() == promised.keys()
    for path, (label, percent, message) in promised.items():
        assert printed[path][2] == message
        if percent is None:
            assert printed[path][:2] == (label, None)
            continue
        # Another processor rounds 8-bit sums otherwise; beside a limit of the band that changes the answer.
        assert printed[path][1] == pytest.approx(percent, abs=6)
        limits = band["video" if path.endswith(".mp4") else "photo"]
        if all(abs(percent - 100 * limit) > 6 for limit in limits):
            assert printed[path][0] == label
    assert done.stdout.splitlines()[-1].startswith("5 files: ")


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_mentioned(name: str) -> None:
    assert f"dfdetect {name}" in README


def test_ci_calls_the_test_command() -> None:
    command = 'python -m pip install -e ".[test]" && python -m pytest -n 2 --dist loadfile'
    assert command in README
    ci = ROOT / ".ci" / "run"
    if ci.exists():
        assert command.replace("install -e", "install -q -e") in ci.read_text(encoding="utf-8")
