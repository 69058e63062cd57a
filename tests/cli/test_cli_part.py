"""A scan of a part of a video: what its reports say of the rest, and that it can be repeated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from dfdetect.cli.main import main

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A video in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(DATA / "moving_forged.mp4", "clip.mp4")
    return "clip.mp4"


def test_every_report_tells_which_part_was_looked_at(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    reports = ("html=a.html", "markdown=a.md", "json=a.json", "csv=a.csv", "record=a.record.json")
    words = ["scan", clip, "--end", "1", "--frames", "3", "--model", "light", "--jobs", "0"]
    main([*words, "--fail-on", "never", *(word for name in reports for word in ("--report", name))])
    out = capsys.readouterr().out
    (note,) = [
        note
        for note in json.loads(Path("a.json").read_text())["results"][0]["media"]["notes"]
        if note["code"] == "part"
    ]
    assert note["text"].startswith("Only 0:00 to 0:01 of 0:0")
    assert out.splitlines()[0].endswith(note["text"])
    assert note["text"] in Path("a.html").read_text()
    assert note["text"].partition(" of ")[0] in Path("a.md").read_text()
    assert "part" in Path("a.csv").read_text().splitlines()[1]
    assert main(["verify", "a.record.json", clip]) == 0


def test_nobody_in_a_part_is_not_nobody_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, *rest = (Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in range(0, 200, 10))
    first.save("red.gif", save_all=True, append_images=rest, duration=100)
    main(["scan", "red.gif", "--start", "1", "--model", "light", "--jobs", "0"])
    line = capsys.readouterr().out.splitlines()[0]
    assert line.endswith(". Only 0:01 to 0:02 of 0:02 was looked at.")
