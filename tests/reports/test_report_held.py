"""Results that wait for a baseline: none is lost or doubled, whatever the disk does."""

from __future__ import annotations

import dataclasses
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfdetect.reports.held import HeldResults
from dfdetect.results import ScanResult
from tests.sample_results import render


class Small(io.FileIO):
    """A file on a disk with little room, which takes what fits and then no more."""

    room = 0

    def write(self, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = super().write(memoryview(data)[: self.room])
        self.room -= taken
        return taken


def big(report: str, results: list[ScanResult]) -> str:
    """A report of so many results that what waits needs more than the memory meant for it."""
    many = [
        dataclasses.replace(each, path=f"{number}-ä-{each.path}") for number in range(500) for each in results
    ]
    return render(report, many)


def none(**rest: Any) -> io.FileIO:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory")


@pytest.mark.parametrize("room", [None, 0, 1000, 1 << 20, (2 << 20) + 5000, 1 << 30])
def test_what_is_held_is_poured_once_and_in_order(
    room: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[ScanResult]
) -> None:
    def small(**rest: Any) -> io.FileIO:
        file = Small(tmp_path / "held", "w+")
        file.room = room or 0
        return file

    make: Callable[..., io.FileIO] = none if room is None else small
    monkeypatch.setattr("tempfile.TemporaryFile", make)
    held = HeldResults()
    added = [
        dataclasses.replace(results[number % len(results)], path=f"{number}.jpg", message="x" * 3000)
        for number in range(1200)
    ]
    for result in added:
        held.add(result)
    assert held.summary.files == 1200
    assert list(held.pour()) == added
    assert room is None or room < 1 << 30 or os.path.getsize(tmp_path / "held") > 3 << 20


@pytest.mark.parametrize("room", [None, 0, 1000, (1 << 20) + 70_000, 1 << 30])
@pytest.mark.parametrize("report", ["junit", "sarif"])
def test_a_report_needs_no_room_to_wait(
    report: str, room: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[ScanResult]
) -> None:
    monkeypatch.setattr("dfdetect.reports.held._IN_MEMORY", 1 << 30)
    expected = big(report, results)
    made: list[io.FileIO] = []

    def small(**rest: Any) -> io.FileIO:
        made.append(file := Small(tmp_path / str(len(made)), "w+"))
        file.room = room or 0
        return file

    monkeypatch.setattr("tempfile.TemporaryFile", none if room is None else small)
    monkeypatch.setattr("dfdetect.reports.held._IN_MEMORY", 1 << 16)
    assert big(report, results) == expected
    assert bool(made) == (room is not None)
