"""The record that all tests of verification change."""

from __future__ import annotations

import io
import json
import shutil

import pytest

from dfdetect import Detector
from dfdetect.record.summary import Summary
from dfdetect.reports.base import Report
from dfdetect.reports.registry import make_report

from .cases import DATA, Case


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("verify")
    shutil.copy(DATA / "astronaut.jpg", folder / "photo.jpg")
    shutil.copy(DATA / "moving_forged.mp4", folder / "clip.mp4")
    (folder / "letter.txt").write_text("no picture at all\n" * 30)
    detector = Detector(model="light", frames=4, evidence=True)
    stream = io.StringIO()
    report: Report = make_report("record", stream)
    report.begin()
    summary = Summary()
    for name in ("photo.jpg", "clip.mp4", "letter.txt"):
        result = detector.scan(folder / name, name=name)
        summary.add(result)
        report.add(result)
    report.end(summary)
    return Case(folder, json.loads(stream.getvalue()))
