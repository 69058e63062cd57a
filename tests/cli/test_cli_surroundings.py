"""What is around a scan is not as usual: no working directory, nobody who listens, no temporary files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_driver import DRIVER

from dfdetect.cli.main import main

Capture = pytest.CaptureFixture[str]
full = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="only Linux has a device that is always full"
)


@pytest.fixture
def gone(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `files`; the working directory has been removed."""
    place = files / "gone"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    return files


def test_a_scan_needs_no_working_directory(gone: Path, capsys: Capture) -> None:
    words = ["scan", str(gone / "fake.jpg"), "--report", f"sarif={gone / 'a.sarif'}"]
    assert main([*words, "--format", "sarif"]) == 1
    got = capsys.readouterr()
    assert got.err == ""
    for text in (got.out, (gone / "a.sarif").read_text()):
        (result,) = json.loads(text)["runs"][0]["results"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri == (gone / "fake.jpg").as_uri()
    # Even there the folder above can be reached, on Linux.
    assert main(["scan", "../fake.jpg", "--format", "sarif"]) in (1, 3)
    assert '"uri": "../fake.jpg"' in capsys.readouterr().out
    (gone / "named.toml").write_text('fail_on = "never"\n')
    assert main([*words, "--config", str(gone / "named.toml")]) == 0
    assert main([*words, "--config", "../named.toml"]) in (0, 2)
    assert main([*words, "--config", "named.toml"]) == 2
    assert "named.toml cannot be read" in capsys.readouterr().err
    assert main(["config"]) == 0


@pytest.mark.parametrize("words", [["."], ["a.jpg", "--report", "json=/tmp/never-written.json"]])
def test_what_needs_one_says_so(words: list[str], gone: Path, capsys: Capture) -> None:
    assert main(["scan", *words]) == 2
    assert "the working directory does not exist any more" in capsys.readouterr().err


@full
@pytest.mark.parametrize("reader", [True, False], ids=["full", "closed"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["fake.jpg", "no_face.jpg", "unreadable.jpg", "--jsonl", "--strict"], 1),
        (["no_face.jpg", "--jsonl", "--strict"], 3),
        (["real.jpg", "nosuch*.jpg"], 3),
        (["fake.jpg", "--write-baseline", "known.json", "--report", "json=a.json"], 0),
        (["--no-such-option"], 2),
    ],
)
def test_nobody_who_listens_changes_no_exit_status(
    words: list[str], code: int, reader: bool, files: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full" if reader else writing, "wb") as errors:
        done = subprocess.run(
            [sys.executable, str(DRIVER), "scan", *words],
            cwd=files,
            stdout=subprocess.PIPE,
            stderr=errors,
            timeout=60,
        )
    assert done.returncode == code


@full
def test_a_full_standard_output_counts_all_the_same(files: Path) -> None:
    command = f"'{sys.executable}' '{DRIVER}' scan fake.jpg unreadable.jpg --jsonl >/dev/full 2>/dev/full"
    assert subprocess.run(["bash", "-c", command], cwd=files, timeout=60).returncode == 2


def test_no_temporary_folder_costs_no_result(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(files / "nosuch"))
    for number in range(1500):
        (files / f"{number:04}.jpg").write_text("real")
    assert main(["scan", ".", "--write-baseline", "known.json", "--report", "csv=a.csv", "--jsonl"]) == 0
    paths = [json.loads(line)["path"] for line in capsys.readouterr().out.splitlines()]
    assert len(paths) == 1505
    assert paths == sorted(paths)
    assert len((files / "a.csv").read_text().splitlines()) == 1506


def test_standard_input_without_a_temporary_folder(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(files / "nosuch"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"fake")))
    assert main(["scan", "-"]) == 2
    said = capsys.readouterr().err
    assert "standard input cannot be kept in a temporary file: No such file or directory; set TMPDIR" in said


@pytest.mark.skipif(sys.platform == "win32", reason="no limits for files")
@pytest.mark.parametrize("size", [9000, 300_000])
def test_standard_input_without_room(size: int, files: Path) -> None:
    command = f"ulimit -f 8; exec '{sys.executable}' '{DRIVER}' scan -"
    env = {**os.environ, "TMPDIR": str(files), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["bash", "-c", command], input=b"x" * size, capture_output=True, cwd=files, env=env, timeout=60
    )
    assert done.returncode == 2
    assert b"standard input cannot be kept in a temporary file: File too large; set TMPDIR" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert not list(files.glob("dfdetect-stdin-*"))
