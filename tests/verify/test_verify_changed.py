"""A file that becomes another one between its hash and its scan is not verified, whatever it has become."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfdetect import Detector, ScanResult
from dfdetect.cli.main import main
from dfdetect.verify import Verifier

from .cases import DATA, Case


def become_other(path: Path) -> None:
    shutil.copy(DATA / "astronaut_forged.jpg", path)


def become_a_clip_of_the_record(path: Path) -> None:
    shutil.copy(DATA / "moving_forged.mp4", path)


def grow(path: Path) -> None:
    """The pictures are the same, the bytes are not."""
    path.write_bytes(path.read_bytes() + b"\0")


def become_text(path: Path) -> None:
    path.write_text("no picture at all\n" * 30)


def vanish(path: Path) -> None:
    path.unlink()


def change_before_the_scan(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]) -> list[str]:
    """Let the scans of `Detector` begin with `change` of their file; the names that were scanned."""
    scan, scanned = Detector.scan, list[str]()

    def changed(self: Detector, source: Any, **named: Any) -> ScanResult:
        change(Path(source))
        scanned.append(source)
        return scan(self, source, **named)

    monkeypatch.setattr(Detector, "scan", changed)
    return scanned


@pytest.fixture
def photo(case: Case, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the recorded photo, and the record."""
    record = tmp_path / "record.json"
    record.write_text(json.dumps(case.record), "utf-8")
    return Path(shutil.copy(case.folder / "photo.jpg", tmp_path / "photo.jpg")), record


@pytest.mark.parametrize("change", [become_other, become_a_clip_of_the_record, grow, become_text, vanish])
def test_a_file_that_changes_meanwhile_does_not_reproduce(
    change: Callable[[Path], None], photo: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, record = photo
    verifier = Verifier(record)
    sha256 = verifier.verify(str(path)).sha256
    scanned = change_before_the_scan(monkeypatch, change)
    outcome = verifier.verify(str(path))
    assert scanned == [str(path)]
    assert not outcome.reproduces
    assert outcome.message == "the file changed while it was verified: try again"
    assert outcome.sha256 == sha256, "of the bytes that were looked up"
    assert (outcome.same_file, outcome.recorded_path, outcome.differences) == (False, None, ())


def test_the_command_line_says_so(
    photo: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, record = photo
    change_before_the_scan(monkeypatch, grow)
    assert main(["verify", str(record), str(path)]) == 1
    assert "the file changed while it was verified: try again" in capsys.readouterr().out
