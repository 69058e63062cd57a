"""``dfdetect verify`` from the scan to the exit code, with the light model."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dfdetect.cli.main import main

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, a copy of another, and ``record.json`` of the photo."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copy(DATA / "astronaut.jpg", folder / "photo.jpg")
    shutil.copy(DATA / "coffee.jpg", folder / "other.jpg")
    words = ["scan", "photo.jpg", "--model", "light", "--jobs", "0", "--report", "record=record.json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*words, "--fail-on", "never"]) == 0
    return folder


@pytest.fixture(autouse=True)
def here(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recorded)


def edit(name: str, **values: Any) -> None:
    document = json.loads(Path("record.json").read_text())
    document["results"][0].update(values)
    if "label" in values:
        counts = dict.fromkeys(("real", "uncertain", "fake"), 0)
        document["summary"].update({**counts, values["label"]: 1})
    Path(name).write_text(json.dumps(document))


def test_what_is_as_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "record.json", "photo.jpg"]) == 0
    got = capsys.readouterr()
    assert got.out.startswith("ok      photo.jpg: reproduces to the last digit (")
    assert got.err == ""


def test_what_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    edit("edited.json", fake_probability=0.999)
    shutil.copy("photo.jpg", "renamed.jpg")
    assert main(["verify", "edited.json", "renamed.jpg", "other.jpg", "none.jpg"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAILED  renamed.jpg (recorded as photo.jpg): does NOT reproduce: 1 figure")
    assert lines[1].startswith("  beyond  fake probability: recorded 0.999, here ")
    assert lines[2].startswith("FAILED  other.jpg: the record has no file with these bytes (sha256 ")
    assert lines[3].startswith("UNREAD  none.jpg: 'none.jpg' does not exist")


def test_versions_that_differ_are_listed_once(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(Path("record.json").read_text())
    document["results"][0]["evidence"]["versions"]["onnxruntime"] = "1.0\x1b[2J"
    Path("older.json").write_text(json.dumps(document))
    assert main(["verify", "older.json", "photo.jpg", "photo.jpg"]) == 0
    out = capsys.readouterr().out
    assert out.count("  onnxruntime: 1.0\\x1b[2J, here ") == 1
    assert "\x1b" not in out


def test_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    result = json.loads(Path("record.json").read_text())["results"][0]
    other = "real" if result["label"] == "fake" else "fake"
    edit("edited.json", label=other)
    assert main(["verify", "edited.json", "photo.jpg", "none.jpg", "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert first["reproduces"] is False
    assert first["same_file"] is first["same_model"] is first["same_detector"] is True
    assert [d["what"] for d in first["differences"]] == ["label"]
    assert first["differences"][0]["recorded"] == other
    assert (second["reason"], second["sha256"]) == ("missing", None)


def test_json_has_no_lone_surrogates(capsys: pytest.CaptureFixture[str]) -> None:
    """The name of a second result of the same bytes stands in the differences and in the message."""
    document = json.loads(Path("record.json").read_text())
    first = document["results"][0]
    name = {"path": "b\ufffd.jpg", "path_base64": base64.b64encode(b"b\xe9.jpg").decode()}
    lines = [first, {**first, **name, "fake_probability": 0.001}]
    Path("names.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["verify", "names.jsonl", "photo.jpg", "--json"]) == 1
    out = capsys.readouterr().out
    (outcome,) = json.loads(out)
    assert outcome["differences"][0]["what"] == "as b\ufffd.jpg: fake probability"
    assert "\\ud" not in out


def test_a_file_from_standard_input_is_verified_by_its_bytes(tmp_path: Path) -> None:
    """Its message, too, begins with its name."""
    Path("letter.txt").write_text("no picture at all\n" * 30)
    words = [sys.executable, "-m", "dfdetect", "scan", "-", "--model", "light", "--jobs", "0"]
    record = str(tmp_path / "record.json")
    with open("letter.txt", "rb") as file:
        subprocess.run([*words, "--report", f"record={record}"], stdin=file, capture_output=True, check=False)
    assert main(["verify", record, "letter.txt"]) == 0


def test_only_unreadable_files_are_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "record.json", "photo.jpg", "none.jpg"]) == 3
    assert "1 file of 2 could not be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["record.json"], "Missing argument"),
        (["none.json", "photo.jpg"], "cannot read results"),
        (["photo.jpg", "record.json"], "photo.jpg is no record of a scan; make one with"),
        (["plain.json", "photo.jpg"], "--report record=FILE"),
        (["unknown.json", "photo.jpg"], "unknown setting 'sharpen'"),
        (["trusting.json", "photo.jpg"], "trust_list must be the path of a PEM file, not 5"),
    ],
)
def test_wrong_use_is_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    edit("plain.json", evidence=None)
    settings = json.loads(Path("record.json").read_text())["results"][0]["settings"]
    edit("unknown.json", settings={**settings, "sharpen": 3})
    edit("trusting.json", settings={**settings, "trust_list": 5})
    assert main(["verify", *words]) == 2
    got = capsys.readouterr()
    assert said in got.err
    assert "Traceback" not in got.err


@pytest.mark.parametrize("model", ["m" * 5000, "~nosuchuser/m", "a\0b", "\ud800"])
def test_a_recorded_model_of_an_impossible_name_is_missing(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = json.loads(Path("record.json").read_text())["results"][0]["settings"]
    edit("odd.json", settings={**settings, "model": model})
    assert main(["verify", "odd.json", "photo.jpg"]) == 2
    got = capsys.readouterr()
    assert got.out.startswith("UNKNOWN  photo.jpg: cannot be repeated here: ")
    assert len(got.out) < 1000
    assert got.err == ""


def test_a_changed_summary_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(Path("record.json").read_text())
    document["summary"]["fake"] = 3
    Path("edited.json").write_text(json.dumps(document))
    assert main(["verify", "edited.json", "photo.jpg"]) == 1
    assert "  beyond  summary: fake: recorded 3, here " in capsys.readouterr().out


def test_a_missing_engine_is_told_and_not_a_difference(capsys: pytest.CaptureFixture[str]) -> None:
    """A record of a machine with CUDA, here without."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    settings = json.loads(Path("record.json").read_text())["results"][0]["settings"]
    edit("cuda.json", settings={**settings, "engine": "torch", "device": "cuda"})
    assert main(["verify", "cuda.json", "photo.jpg"]) == 2
    assert "sees no such CUDA device" in capsys.readouterr().err
