"""``dfdetect bench`` from words to files, with the shipped model."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dfdetect.cli.bench import KINDS, bench
from dfdetect.cli.main import main
from dfdetect.evaluate import bench_media
from dfdetect.evaluate.bench import REPEAT

PHOTO = Path(__file__).resolve().parents[2] / "data" / "astronaut.jpg"


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder of these tests; the current folder is another one."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setenv("TMPDIR", str(place))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return place


def left(scratch: Path) -> list[str]:
    """What of ours is left there; ONNX Runtime keeps a file of its own."""
    return [path.name for path in scratch.iterdir() if path.name != ".ses"]


def test_options_offer_what_the_library_has() -> None:
    assert tuple(bench_media.KINDS) == KINDS
    options = {option.name: option for option in bench.params}
    assert options["repeat"].default == REPEAT


def test_a_photo_to_a_file(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--repeat", "1", "--model", "light", "--report", "json=a.json"]
    assert main(["bench", str(PHOTO), *words]) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert "astronaut.jpg: 1 run\n" in output.err
    document = json.loads(Path("a.json").read_text("utf-8"))
    (case,) = document["cases"]
    assert (case["name"], case["files"], case["frames"], case["faces"]) == ("astronaut.jpg", 1, 1, 1)
    assert case["seconds"] is None
    assert case["reference"] is None
    assert len(case["scan"]["runs"]) == 1
    assert 0 < case["scan"]["wall"] < 60
    assert sum(stage["share"] for stage in case["stages"]) == pytest.approx(1, abs=1e-3)
    assert document["model"] == "light"
    assert document["settings"]["model"] == "light"
    assert left(scratch) == []
    assert [path.name for path in Path().iterdir()] == ["a.json"]


def test_code_in_the_current_folder_is_not_run(scratch: Path) -> None:
    Path("dfdetect").mkdir()
    Path("dfdetect/__init__.py").write_text("open('run', 'w')\n", "utf-8")
    assert main(["bench", str(PHOTO), "--repeat", "1", "--model", "light", "--report", "json=a.json"]) == 0
    assert sorted(os.listdir()) == ["a.json", "dfdetect"]


def test_made_media_to_standard_output(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "photo", "--repeat", "1", "--model", "light"]) == 0
    output = capsys.readouterr()
    assert "photo: making a photo" in output.err
    assert output.out.startswith("# Benchmark\n")
    assert "| `photo`, a photo of 512×512 pixels with one face | 1 | 1 | " in output.out
    assert left(scratch) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_interrupted_leaves_nothing(scratch: Path) -> None:
    command = [sys.executable, "-m", "dfdetect", "bench", "--only", "photo", "--repeat", "50"]
    process = subprocess.Popen(
        [*command, "--model", "light", "--report", "json=a.json"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "photo: 50 runs" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert "Traceback" not in process.stderr.read()
    assert left(scratch) == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gone.jpg"], "'gone.jpg' does not exist"),
        ([str(PHOTO), "--all"], "choose among made media"),
        (["--report", "svg=a.svg"], "add --curve"),
        (["--report", "jsn=a"], "did you mean 'json'"),
        (["--report", "json=a", "--report", "markdown=a"], "two reports would be written"),
        (["--report", "json=gone/a.json"], "does not exist"),
        (["--only", "films"], "--only"),
        (["--repeat", "0"], "--repeat"),
        (["--model", "gone"], "gone"),
    ],
)
def test_wrong_words_are_told_before_anything_runs(
    scratch: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "making" not in told
    assert list(Path().iterdir()) == []


def test_a_missing_reference_is_told(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "timm" else there(name, *rest)
    )
    assert main(["bench", str(PHOTO), "--reference"]) == 2
    told = capsys.readouterr().err
    assert "timm" in told
    assert 'pip install "dfdetect[train]"' in told


def test_a_scan_that_fails_ends_the_benchmark(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The engine is checked by the scan only, in its own process; what it says comes through."""
    folder = Path("empty")
    os.mkdir(folder)
    assert main(["bench", str(folder), "--repeat", "1", "--model", "light"]) == 4
    assert "the scan failed: " in capsys.readouterr().err
