"""The journal: what is kept and taken over; a scan that is killed goes on."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.batch.journal import KEPT, Journal, Stamp, stamp_of
from dfdetect.batch.pool import scan_many
from dfdetect.batch.resume import scan_with
from dfdetect.batch.stored import about_in, line_of, result_in
from dfdetect.errors import InputError
from dfdetect.results import (
    Reason,
    ScanResult,
)
from dfdetect.settings import Settings

from . import fakes
from .journals import KEY, NOT_UTF8, ROOT, Scan, crc_of, files, result, rich, run


@given(st.floats(0, 1), st.none() | st.binary())
def test_nothing_is_lost_in_a_line(value: float, picture: bytes | None) -> None:
    whole = rich(value, picture)
    line = line_of({"path": NOT_UTF8, "size": 1}, whole)
    assert line.count(b"\n") == 1
    json.loads(line)
    again = result_in(line)
    assert again == whole
    assert repr(again) == repr(whole), "also the order of mappings, and the sign of zero"
    assert about_in(line) == {"path": NOT_UTF8, "size": 1}


def test_a_line_of_an_older_journal_is_read() -> None:
    """It said nothing of pictures where there were none."""
    whole = dataclasses.replace(rich(0.3, None), frames=())
    line = json.loads(line_of({"path": "a"}, whole))
    del line["crc32"], line["result"]["faces"], line["result"]["frames"]
    assert result_in(crc_of(json.dumps(line).encode())) == whole


def test_only_the_rest_is_scanned(folder: Path) -> None:
    paths = files("a.jpg", "b.jpg", NOT_UTF8)
    assert run(paths[:2]) == (paths[:2], paths[:2], 0)
    assert run(paths) == (paths, [NOT_UTF8], 2)
    assert run(paths) == (paths, [], 3)


def test_a_changed_file_is_scanned_again_and_the_later_line_holds(folder: Path) -> None:
    paths = files("a.jpg", "b.jpg", "c.jpg")
    run(paths)
    before = os.stat("a.jpg")
    os.utime("a.jpg", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    Path("b.jpg").write_text("longer than it was before")
    os.utime("b.jpg", ns=(before.st_atime_ns, os.stat("b.jpg").st_mtime_ns))
    changed = Scan(lambda path: result(path, probability=0.75))
    assert run(paths, changed)[1:] == (["a.jpg", "b.jpg"], 1)
    with Journal("j", KEY) as journal:
        got = list(scan_with(journal, paths, Scan()))
    assert [each.fake_probability for each in got] == [0.75, 0.75, 0.25]


def test_what_is_written_to_while_it_is_scanned_is_scanned_again(folder: Path) -> None:
    paths = files("a.jpg")

    def busy(path: str) -> ScanResult:
        Path(path).write_text("and more")
        return result(path)

    run(paths, Scan(busy))
    assert run(paths)[1:] == (paths, 0)


@pytest.mark.parametrize("reason", Reason)
def test_what_circumstances_bring_about_is_tried_again(folder: Path, reason: Reason) -> None:
    paths = files("a.jpg")
    run(paths, Scan(lambda path: result(path, reason)))
    assert run(paths)[1] == ([] if reason in KEPT else paths)
    again = {"missing", "not_permitted", "unreadable", "unsupported", "timed_out", "crashed", "out_of_memory"}
    assert (reason.value in again) is (reason not in KEPT)


def test_what_is_no_regular_file_is_never_taken_over(folder: Path) -> None:
    Path("folder").mkdir()
    paths = ["-", "folder", "gone.jpg", *files("spooled")]
    for _ in range(2):
        assert run(paths, apart=["spooled", None])[1:] == (paths, 0)


def test_the_same_name_elsewhere_is_another_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [*files("a.jpg"), str(folder / "a.jpg")]
    run(there)
    for name in ("a.jpg", "other"):
        stamp = os.stat("a.jpg")
        Path("sub").mkdir(exist_ok=True)
        (Path("sub") / name).write_bytes(Path("a.jpg").read_bytes())
        os.utime(Path("sub") / name, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    monkeypatch.chdir("sub")
    with Journal("../j", KEY) as journal:
        assert journal.find("a.jpg") is None
        assert journal.find(there[1]) is not None


def test_order(folder: Path) -> None:
    paths = files(*(f"{number}.jpg" for number in range(8)))
    run([paths[0], paths[3], paths[6], paths[7]])

    def backwards(rest: Iterator[Any]) -> Generator[ScanResult, None, None]:
        taken = list(rest)
        assert taken == [paths[1], paths[2], paths[4], paths[5]]
        for path in reversed(taken):
            # `unreadable` is not kept, and must come in its turn all the same
            yield result(path, Reason.UNREADABLE if path == paths[4] else None)

    with Journal("j", KEY) as journal:
        assert [r.path for r in scan_with(journal, paths, backwards, ordered=True)] == paths
    assert run(paths)[1:] == ([paths[4]], 7)


def test_those_that_are_there_come_as_they_are_met(folder: Path) -> None:
    paths = files(*(f"{number}.jpg" for number in range(6)))
    run([paths[0], paths[1], paths[3], paths[5]])
    scan = Scan()
    with Journal("j", KEY) as journal:
        results = scan_with(journal, iter(paths), scan)
        assert [next(results).path, next(results).path, scan.seen] == [*paths[:2], []]
        assert sorted(each.path for each in results) == paths[2:]


def test_the_scan_is_asked_at_once_and_closed(folder: Path) -> None:
    def refusing(paths: Iterator[Any]) -> Generator[ScanResult, None, None]:
        raise InputError("no")

    closed = []

    def scan(paths: Iterator[Any]) -> Generator[ScanResult, None, None]:
        try:
            yield from map(result, paths)
        finally:
            closed.append(True)

    paths = files("a.jpg", "b.jpg")
    with Journal("j", KEY) as journal:
        with pytest.raises(InputError, match="no"):
            scan_with(journal, paths, refusing)
        results = scan_with(journal, paths, scan)
        next(results)
        results.close()
    assert closed == [True]
    assert run(paths)[1:] == (["b.jpg"], 1)


def test_stamps(folder: Path) -> None:
    files("a.jpg")
    os.utime("a.jpg", ns=(1, 123_456_789_000_000_001))
    assert stamp_of("a.jpg") == Stamp(os.path.getsize("a.jpg"), 123_456_789_000_000_001)
    assert stamp_of("gone") is stamp_of("a\0b") is stamp_of(".") is None


class Counting(fakes.FakeDetector):
    """Writes down what it begins."""

    def scan(self, source: str, /) -> ScanResult:
        with open("scans", "a") as log:
            log.write(os.path.basename(source) + "\n")
        return super().scan(source)


def counting(settings: Settings) -> Counting:
    return Counting(settings)


def program(ordered: bool) -> None:
    """A scan of this folder with real workers; to be killed."""
    paths = sorted(name for name in os.listdir() if "-" in name)
    with Journal("j", KEY) as journal:
        results = scan_with(
            journal,
            paths,
            lambda rest: scan_many(rest, Settings(), jobs=2, detector_factory=counting),
            ordered=ordered,
        )
        for each in results:
            print(each.path, flush=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("ordered", [False, True])
def test_a_scan_that_was_killed_goes_on(folder: Path, ordered: bool) -> None:
    paths = files(*(f"sleep-0.05-{number:02}" for number in range(12)), "sleep-0.5-last")
    paths.sort()
    words = [sys.executable, "-c", f"from tests.batch.test_journal import program; program({ordered})"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        process.kill()
    done = {about_in(line)["path"] for line in Path("j").read_bytes().splitlines(keepends=True)[1:-1]}
    assert 3 <= len(done) < len(paths)
    Path("scans").unlink()
    second = subprocess.run(words, env=env, stdout=subprocess.PIPE, check=True, text=True, timeout=60)
    got = second.stdout.splitlines()
    assert sorted(got) == paths
    assert got == paths or not ordered
    scanned = Path("scans").read_text().split()
    assert sorted(set(scanned)) == sorted(scanned), "each once"
    assert not done & set(scanned)
