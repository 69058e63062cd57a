"""The evidence record: the JSON document, with evidence in it, valid by the schema, and readable again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dfdetect.record.parse import read_results
from dfdetect.record.plain import plain_result
from dfdetect.reports.registry import find_report
from dfdetect.results import Credentials, Evidence, ModelStamp, ScanResult
from dfdetect.settings import Settings
from tests.sample_results import render, samples

EVIDENCE = Evidence(
    "2026-01-02T03:04:05Z",
    "ab" * 32,
    {"python": "3.11.7", "libavcodec": "62.28.102"},
    Credentials(
        True, False, None, "Camera\x1b (Works)", "Painter 1.2", True, ("assertion.dataHash.mismatch",)
    ),
)
DETECTOR = ModelStamp("mtcnn", "1", {"pnet.onnx": "12" * 32}, "onnxruntime")


@pytest.fixture
def recorded() -> list[ScanResult]:
    judged, unreadable = samples()[0], samples()[-1]
    return [dataclasses.replace(judged, evidence=EVIDENCE, detector=DETECTOR), unreadable]


def test_it_is_the_json_document(recorded: list[ScanResult]) -> None:
    assert render("record", recorded) == render("json", recorded)


def test_it_asks_the_scan_for_evidence() -> None:
    needs = find_report("record").needs
    assert needs == {"evidence"}
    assert Settings(**dict.fromkeys(needs, True)).evidence


def test_it_is_valid_by_the_schema(recorded: list[ScanResult], schema: dict[str, Any]) -> None:
    document = json.loads(render("record", recorded))
    jsonschema.Draft202012Validator({**schema, "$ref": "#/$defs/document"}).validate(document)


def test_it_says_what_ran_on_which_bytes_and_what_came_out(recorded: list[ScanResult]) -> None:
    document = json.loads(render("record", recorded))
    record = document["results"][0]
    assert document["tool"]["name"] == "dfdetect"
    assert record["evidence"]["sha256"] == EVIDENCE.sha256
    assert record["evidence"]["started"] == EVIDENCE.started
    assert record["evidence"]["versions"] == EVIDENCE.versions
    assert record["evidence"]["credentials"]["problems"] == ["assertion.dataHash.mismatch"]
    assert record["model"]["sha256"] == recorded[0].model.sha256 if recorded[0].model else False
    assert record["detector"]["sha256"] == DETECTOR.sha256
    assert record["settings"] == Settings().as_dict()
    faces = [face for track in record["tracks"] for face in track["faces"]]
    assert all({"time", "frame", "box", "logit", "experts"} <= face.keys() for face in faces)
    assert len(faces) == sum(len(track.faces) for track in recorded[0].tracks)


def test_it_can_be_read_again(recorded: list[ScanResult], tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(render("record", recorded), "utf-8")
    again = list(read_results(path))
    assert [plain_result(r) for r in again] == [plain_result(r) for r in recorded]
    assert again[0].evidence == EVIDENCE
