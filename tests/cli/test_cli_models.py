"""``dfdetect models`` on a folder made here: shown, verified, and found out when it was altered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfdetect.cli.main import main
from dfdetect.scoring.card import ModelCard, read_card
from dfdetect.scoring.models import hash_file, write_card

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.onnx").write_bytes(b"\x08\x08")
    card = ModelCard(
        name="made\x1b[2Jhere",
        version="1.2",
        kind="face_detector",
        summary="For a test.",
        licence="Apache-2.0",
        files={"net.onnx": "0" * 64},
        data={"train": {"real": 3500, "sources": ["a", "b"]}},
        measured={"auc": 0.9},
        limits=("Does nothing.",),
    )
    write_card(tmp_path, card)
    return tmp_path


def test_show(folder: Path, capsys: Capture) -> None:
    assert main(["models", "show", str(folder)]) == 0
    text = capsys.readouterr().out
    for part in ("1.2", "Apache-2.0", "real: 3500", "sources: a, b", "auc: 0.9", "Does nothing.", "net.onnx"):
        assert part in text
    assert "\x1b" not in text
    assert main(["models", "show", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == "1.2"


def test_verify(folder: Path, capsys: Capture) -> None:
    assert main(["models", "verify", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("ok ")
    (folder / "net.onnx").write_bytes(b"\x08\x09")
    assert main(["models", "verify", str(folder)]) == 2
    assert "ALTERED" in capsys.readouterr().out
    (folder / "net.onnx").unlink()
    assert main(["models", "verify", str(folder)]) == 2


def test_verify_tells_the_hash_of_the_card_since_nothing_vouches_for_it(
    folder: Path, capsys: Capture
) -> None:
    assert main(["models", "verify", str(folder)]) == 0
    before = capsys.readouterr().out
    assert hash_file(folder / "card.json") in before
    (folder / "net.onnx").write_bytes(b"\x08\x09")
    write_card(folder, read_card(folder))
    assert main(["models", "verify", str(folder)]) == 0
    after = capsys.readouterr().out
    assert after != before
    assert hash_file(folder / "card.json") in after


def test_a_folder_without_a_card(tmp_path: Path, capsys: Capture) -> None:
    assert main(["models", "show", str(tmp_path)]) == 2
    assert "card.json" in capsys.readouterr().err
