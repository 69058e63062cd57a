"""The whole command line, from files to reports, with the shipped model and real worker processes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dfdetect.settings import DEFAULT_MODEL, Settings

NAMES = ["broken.jpg", "empty.mp4", "face.png", "noise.png", "notes.txt"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face, noise, and three files that are no photo or video."""
    data = pytest.importorskip("skimage.data")
    import numpy as np
    from PIL import Image

    place = tmp_path_factory.mktemp("media")
    Image.fromarray(data.astronaut()).save(place / "face.png")
    noise = np.random.default_rng(0).integers(100, 140, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(place / "noise.png")
    (place / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    (place / "empty.mp4").touch()
    (place / "notes.txt").write_text("not media")
    return place


def dfdetect(folder: Path, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "dfdetect.cli.main", *words]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, timeout=100)


@pytest.fixture(scope="module")
def document(folder: Path) -> dict[str, Any]:
    """The JSON report of the folder's files, with a CSV report beside it."""
    done = dfdetect(
        folder, "scan", *NAMES, "--ordered", "--json", "--jobs", "2", "--report", "csv=../scan.csv"
    )
    assert done.returncode in (1, 3), done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def test_document_is_valid(document: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.validate(document, schema)


def test_each_file_has_the_right_outcome(document: dict[str, Any]) -> None:
    results = {record["path"]: record for record in document["results"]}
    assert list(results) == NAMES
    face = results["face.png"]
    assert face["label"] in ("real", "uncertain", "fake")
    assert len(face["tracks"][0]["faces"]) == 1
    assert face["media"]["kind"] == "photo"
    assert len(face["model"]["sha256"]) >= 2
    assert face["settings"]["frames"] == Settings().frames
    assert results["noise.png"]["reason"] == "no_face"
    assert results["empty.mp4"]["reason"] == "empty"
    assert results["notes.txt"]["reason"] == "not_media"
    assert results["broken.jpg"]["label"] is None
    assert document["summary"]["unreadable"] == 3


def test_csv_says_the_same(document: dict[str, Any], folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((folder.parent / "scan.csv").read_text("utf-8"))))
    for row, record in zip(rows, document["results"], strict=True):
        assert row["path"] == record["path"]
        assert (row["label"] or None) == record["label"]
        assert (row["reason"] or None) == record["reason"]
        assert (float(row["logit"]) if row["logit"] else None) == record["logit"]


def test_standard_input_gives_the_same_score(document: dict[str, Any], folder: Path) -> None:
    done = dfdetect(folder, "scan", "-", "--jsonl", stdin=(folder / "face.png").read_bytes())
    record = json.loads(done.stdout)
    assert record["path"] == "-"
    face = next(result for result in document["results"] if result["path"] == "face.png")
    assert record["logit"] == face["logit"]
    assert record["label"] == face["label"]


def test_text_of_a_folder(folder: Path) -> None:
    done = dfdetect(folder, "scan", ".", "--jobs", "1")
    text = done.stdout.decode("utf-8")
    assert "4 files: " in text, "notes.txt is passed over in a folder"
    assert "\x1b" not in text
    assert done.stderr == b""


def test_missing_file_and_strict(folder: Path) -> None:
    done = dfdetect(folder, "scan", "gone.jpg", "--jsonl")
    assert done.returncode == 3
    assert json.loads(done.stdout)["reason"] == "missing"
    assert dfdetect(folder, "scan", "noise.png").returncode == 0
    assert dfdetect(folder, "scan", "noise.png", "--strict").returncode == 3


def test_models(folder: Path) -> None:
    listed = dfdetect(folder, "models", "list", "--json")
    assert DEFAULT_MODEL in [model["name"] for model in json.loads(listed.stdout)]
    assert f"{DEFAULT_MODEL} ".encode() in dfdetect(folder, "models").stdout
    shown = dfdetect(folder, "models", "show", DEFAULT_MODEL, "--json")
    assert json.loads(shown.stdout)["name"] == DEFAULT_MODEL
    verified = dfdetect(folder, "models", "verify")
    assert verified.returncode == 0
    assert b"ALTERED" not in verified.stdout


def test_rare_pictures_in_a_folder_are_judged(folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    with Image.open(folder / "face.png") as face:
        for suffix in ("ppm", "pcx", "sgi", "dds", "qoi"):
            face.convert("RGB").save(tmp_path / f"rgb.{suffix}")
        face.convert("L").save(tmp_path / "grey.pgm")
        face.convert("1").save(tmp_path / "bits.pbm")
        face.convert("1").save(tmp_path / "bits.msp")
    done = dfdetect(tmp_path, "scan", ".", "--json")
    judged = {record["path"] for record in json.loads(done.stdout)["results"] if not record["reason"]}
    assert judged == {f"./{place.name}" for place in tmp_path.iterdir()}
