"""The pre-commit hook: its manifest, its pattern, and its command on real files."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dfdetect.batch.sources import MEDIA_SUFFIXES

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def hook() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    manifest = ROOT / ".pre-commit-hooks.yaml"
    if not manifest.exists():
        pytest.skip("not run in a clone of the repository")
    hooks = yaml.safe_load(manifest.read_text("utf-8"))
    assert [entry["id"] for entry in hooks] == ["dfdetect"]
    found: dict[str, Any] = hooks[0]
    return found


def test_manifest(hook: dict[str, Any]) -> None:
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["language"] == "python"
    assert hook["pass_filenames"] is True
    clientlib = pytest.importorskip("pre_commit.clientlib")
    clientlib.load_manifest(str(ROOT / ".pre-commit-hooks.yaml"))


def test_pattern_is_that_of_folders(hook: dict[str, Any]) -> None:
    pattern = re.compile(hook["files"])  # as pre-commit does, which searches in the path
    for suffix in MEDIA_SUFFIXES:
        assert pattern.search(f"a/b.{suffix}"), suffix
        assert pattern.search(f"B.{suffix.upper()}"), suffix
    for name in ("a.txt", "a.ts", "jpg", "mp4/a.py", "a.jpg.md", "a.mp3", "ajpg", "a.jpgx"):
        assert not pattern.search(name), name
    words = re.search(r"\((.+)\)\$", "".join(hook["files"].removeprefix("(?ix)").split()))
    assert words is not None
    assert set(words[1].split("|")) == MEDIA_SUFFIXES


@pytest.mark.parametrize(
    ("threshold", "code", "out"), [("0.000001", 1, "fake"), ("0.999999", 0, "")], ids=["finding", "clean"]
)
def test_command(hook: dict[str, Any], threshold: str, code: int, out: str, tmp_path: Path) -> None:
    program, *words = shlex.split(hook["entry"])
    assert program == "dfdetect"
    names = [str(ROOT / "data" / name) for name in ("astronaut.jpg", "coffee.jpg")]
    if not all(map(os.path.exists, names)):
        pytest.skip("the sample media are not here")
    env = {**os.environ, "DFDETECT_MODEL": "light", "DFDETECT_THRESHOLD": threshold, "DFDETECT_JOBS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dfdetect", *words, *names],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    # One line for the one photo with a face, and none for the other.
    assert [line.split()[0] for line in done.stdout.splitlines()] == ([out] if out else [])
