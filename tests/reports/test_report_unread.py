"""A request to end, while a report is slow or nobody reads it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from dfdetect.reports.base import Report
from dfdetect.reports.output import ReportSet
from dfdetect.reports.registry import find_report
from dfdetect.results import ScanResult

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")
PATIENCE = 0.2


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfdetect.interrupts._PATIENCE", PATIENCE)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Also where Ctrl-C is ignored, as a shell has it for what a script runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is requested while a record is made, which takes long."""
    kind = find_report("jsonl")
    add = kind.add

    def add_slowly(self: Report, result: ScanResult) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(4 * PATIENCE)
        add(self, result)

    monkeypatch.setattr(kind, "add", add_slowly)


def scan(stream: TextIO, result: ScanResult) -> None:
    reports = ReportSet()
    reports.to_stream("jsonl", stream)
    with pytest.raises(KeyboardInterrupt), reports:
        reports.add(result)


def full_pipe() -> tuple[int, TextIO]:
    """Its reading end, and what nothing can be written to any more."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for size in (4096, 1):
        try:
            while True:
                os.write(writing, b" " * size)
        except BlockingIOError:
            pass
    os.set_blocking(writing, True)
    return reading, open(writing, "w", encoding="utf-8")


@pytest.mark.usefixtures("slow")
def test_a_slow_report_in_a_file_is_not_given_up(tmp_path: Path, results: list[ScanResult]) -> None:
    with open(tmp_path / "out", "w", encoding="utf-8") as stream:
        scan(stream, results[0])
    assert json.loads((tmp_path / "out").read_text("utf-8"))["label"] == results[0].label


@pytest.mark.usefixtures("slow")
def test_nor_is_one_in_a_pipe_that_has_room(results: list[ScanResult]) -> None:
    reading, writing = os.pipe()
    with open(writing, "w", encoding="utf-8") as stream:
        scan(stream, results[0])
    with open(reading, encoding="utf-8") as shown:
        assert json.loads(shown.read())["label"] == results[0].label


@pytest.mark.usefixtures("slow")
def test_one_in_a_pipe_that_is_full_is_given_up(results: list[ScanResult]) -> None:
    reading, stream = full_pipe()
    with stream:
        scan(stream, results[0])
    with open(reading, encoding="utf-8") as shown:
        assert shown.read().strip() == ""


def test_after_a_request_the_others_get_what_is_added(tmp_path: Path, results: list[ScanResult]) -> None:
    reading, stream = full_pipe()
    reports = ReportSet()
    reports.to_stream("jsonl", stream)
    reports.to_file("json", str(tmp_path / "a.json"))
    with stream, reports:
        reports.requested = True
        for result in results:
            reports.add(result)
    os.close(reading)
    assert len(json.loads((tmp_path / "a.json").read_text("utf-8"))["results"]) == len(results)
