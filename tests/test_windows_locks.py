"""Locks as Windows has them: of a byte, seen by everybody who reads, and no open file can be removed."""

from __future__ import annotations

import errno
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfdetect.batch.journal import Journal
from dfdetect.errors import InputError
from dfdetect.reports.output import ReportFile

KEY = {"frames": 8}
LEFT_OVER = ".dfdetect-0123456789ab.part"
"""How the name of a part ends."""


def imitate(monkeypatch: pytest.MonkeyPatch, locking: Callable[[int, int, int], None]) -> None:
    """Let this system pass for Windows with such a `msvcrt.locking`."""
    msvcrt = types.ModuleType("msvcrt")
    msvcrt.__dict__.update(locking=locking, LK_NBLCK=2)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Windows, or what passes for it."""
    monkeypatch.chdir(tmp_path)
    if sys.platform == "win32":
        return
    fcntl = pytest.importorskip("fcntl")
    if not os.path.exists("/dev/fd"):
        pytest.skip("open files have no names here")
    unlink = os.unlink

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (2, 1)
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        assert place >= 1 << 40, "what is locked cannot be read by others"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from error

    def unlink_closed(path: Any, **rest: Any) -> None:
        there = os.stat(path)
        for number in map(int, os.listdir("/dev/fd")):
            try:
                here = os.fstat(number)
            except OSError:  # that of the list itself
                continue
            if os.path.samestat(here, there):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        unlink(path, **rest)

    imitate(monkeypatch, locking)
    monkeypatch.setattr(os, "unlink", unlink_closed)


@pytest.mark.usefixtures("windows")
def test_one_scan_at_a_time_has_a_journal() -> None:
    with Journal("j", KEY):
        before = Path("j").read_bytes()
        with pytest.raises(InputError, match="is in use by another scan"):
            Journal("j", KEY)
        assert Path("j").read_bytes() == before
    Journal("j", KEY).close()
    assert Path("j").read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="an imitation")
@pytest.mark.parametrize(("number", "used"), [(errno.EACCES, True), (errno.EINVAL, False)])
def test_a_drive_without_locks_takes_a_journal(
    number: int, used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locking(descriptor: int, mode: int, count: int) -> None:
        raise OSError(number, os.strerror(number))

    imitate(monkeypatch, locking)
    if used:
        with pytest.raises(InputError, match="is in use by another scan"):
            Journal(str(tmp_path / "j"), KEY)
    else:
        Journal(str(tmp_path / "j"), KEY).close()


@pytest.mark.usefixtures("windows")
def test_what_is_left_over_of_a_report_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    left = tmp_path / f".a.csv{LEFT_OVER}"
    left.write_text("half")
    first = ReportFile(str(tmp_path / "a.csv"))
    assert not left.exists()
    begun = list(tmp_path.iterdir())
    second = ReportFile(str(tmp_path / "a.csv"))
    assert set(begun) < set(tmp_path.iterdir())
    second.discard()
    assert list(tmp_path.iterdir()) == begun
    first.stream.write("new")
    first.commit()
    assert (tmp_path / "a.csv").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
