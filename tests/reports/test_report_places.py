"""Places that may be written but not replaced: a report of hours of scanning is not thrown away for that."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from dfdetect.errors import InputError
from dfdetect.reports.output import ReportFile, ReportSet
from dfdetect.results import ScanResult

NOT_REPLACED = [errno.EBUSY, errno.EPERM, errno.EACCES, errno.EXDEV]


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """No file can be put in the place of another, as when that is mounted by itself."""

    def replace(self: Path, target: object) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "replace", replace)


def scan(path: Path, results: list[ScanResult]) -> None:
    reports = ReportSet()
    reports.to_file("json", str(path))
    with reports:
        for result in results:
            reports.add(result)


@pytest.mark.parametrize("number", NOT_REPLACED)
def test_what_cannot_be_replaced_is_overwritten(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[ScanResult]
) -> None:
    refuse(monkeypatch, number)
    target = tmp_path / "a.json"
    target.write_text("old" * 100_000)
    before = target.stat().st_ino
    scan(target, results)
    assert len(json.loads(target.read_text())["results"]) == len(results)
    assert target.stat().st_ino == before
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("number", NOT_REPLACED)
def test_what_cannot_be_put_anywhere_is_kept_and_named(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[ScanResult]
) -> None:
    refuse(monkeypatch, number)
    target = tmp_path / "a.json"
    with pytest.raises(InputError) as caught:
        scan(target, results)  # there is nothing to overwrite
    (kept,) = tmp_path.iterdir()
    reason = os.strerror(number)
    assert str(caught.value) == f"cannot write a report to '{target}': {reason}; it was kept as '{kept}'"
    assert len(json.loads(kept.read_text())["results"]) == len(results)
    ReportFile(str(target)).discard()
    assert list(tmp_path.iterdir()) == [kept], "the next run does not take it for something left over"


def test_a_full_disk_under_what_is_overwritten_is_the_reason_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[ScanResult]
) -> None:
    def full(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    refuse(monkeypatch, errno.EBUSY)
    monkeypatch.setattr("shutil.copyfileobj", full)
    target = tmp_path / "a.json"
    target.write_text("old")
    reason = re.escape(os.strerror(errno.ENOSPC))
    with pytest.raises(InputError, match=rf"{reason}; it was kept as '.*\.kept'$"):
        scan(target, results)


def test_what_is_kept_under_its_passing_name_must_be_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[ScanResult]
) -> None:
    def rename(self: Path, target: object) -> Path:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    refuse(monkeypatch, errno.EACCES)
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(InputError, match=r"kept as '.*\.part'; copy it before you scan again") as caught:
        scan(tmp_path / "a.json", results)
    (kept,) = tmp_path.iterdir()
    assert f"'{kept}'" in str(caught.value)
    assert len(json.loads(kept.read_text())["results"]) == len(results)


def test_other_failures_leave_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[ScanResult]
) -> None:
    refuse(monkeypatch, errno.ENOSPC)
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(InputError, match="make room"):
        scan(target, results)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interruption_leaves_no_half_of_what_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, errno.EBUSY)
    (tmp_path / "a").write_text("old")
    file = ReportFile(str(tmp_path / "a"))
    file.stream.write("new" * 100_000)

    def copy(source: Any, target: Any) -> None:
        target.write(source.read(1000))
        os.kill(os.getpid(), signal.SIGINT)
        target.write(source.read())

    monkeypatch.setattr("shutil.copyfileobj", copy)
    with pytest.raises(KeyboardInterrupt):
        file.commit()
    assert (tmp_path / "a").read_text() == "new" * 100_000
    file.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts need root on Linux")
def test_a_file_that_is_mounted_by_itself(tmp_path: Path, results: list[ScanResult]) -> None:
    import ctypes

    (tmp_path / "outside").write_text("old")
    target = tmp_path / "a.json"
    target.touch()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(bytes(tmp_path / "outside"), bytes(target), b"none", 4096, None):  # MS_BIND
        pytest.skip(f"no mounts here: {os.strerror(ctypes.get_errno())}")
    try:
        scan(target, results)
    finally:
        libc.umount2(bytes(target), 0)
    assert len(json.loads((tmp_path / "outside").read_text())["results"]) == len(results)
