"""Lists that come through a pipe from a program that takes its time: nothing else waits for it."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from dfdetect.batch.journal import Journal
from dfdetect.batch.pool import scan_many
from dfdetect.batch.resume import scan_with
from dfdetect.batch.sources import NotYet, find_media
from dfdetect.errors import InputError
from dfdetect.results import Label, Reason
from dfdetect.settings import Settings

from . import fakes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the list is waited for on Windows")

QUICK = Settings(timeout=20)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[BinaryIO]:
    """Where to write the list.  It ends after a while, so that a test that waits for it fails."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as sink:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        guard = threading.Timer(30, sink.close)
        guard.start()
        yield sink
        guard.cancel()


@pytest.mark.parametrize("jobs", [0, 1, 4])
@pytest.mark.parametrize("ordered", [False, True])
def test_results_come_while_the_list_is_silent(sink: BinaryIO, jobs: int, ordered: bool) -> None:
    paths = find_media([], files_from="-")
    stream = scan_many(paths, QUICK, jobs=jobs, ordered=ordered, detector_factory=fakes.fake)
    for name in ("ok-1", "ok-2", "ok-3"):
        sink.write(name.encode() + b"\n")
        assert next(stream).path == name
        assert not sink.closed
    sink.write(b"ok-4\nok-5")
    sink.close()
    assert sorted(result.path for result in stream) == ["ok-4", "ok-5"]


def test_a_file_runs_out_of_time_while_the_list_is_silent(sink: BinaryIO) -> None:
    paths = find_media(["ok-1", "hang"], files_from="-")
    stream = scan_many(paths, Settings(timeout=0.5), jobs=3, detector_factory=fakes.fake)
    assert {next(stream).reason, next(stream).reason} == {None, Reason.TIMED_OUT}
    assert not sink.closed
    sink.close()
    assert list(stream) == []


@pytest.mark.parametrize("ordered", [False, True])
def test_results_are_kept_while_the_list_is_silent(
    sink: BinaryIO, ordered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ok-1", "ok-2"):
        Path(name).touch()

    def results(journal: Journal) -> list[str]:
        sink.write(b"ok-1\n")
        paths = find_media([], files_from="-")
        stream = scan_with(
            journal,
            paths,
            lambda rest: scan_many(rest, QUICK, jobs=2, detector_factory=fakes.fake),
            ordered=ordered,
        )
        got = [next(stream).path]
        sink.write(b"ok-2\n")
        got.append(next(stream).path)
        stream.close()
        return got

    for taken in (0, 2):
        with Journal("j", {}) as journal:
            assert results(journal) == ["ok-1", "ok-2"]
            assert journal.taken == taken
    assert not sink.closed


@pytest.mark.parametrize("null", [False, True])
def test_silence_is_said_in_the_middle_of_a_name_too(sink: BinaryIO, null: bool) -> None:
    end = b"\0" if null else b"\n"
    stream = find_media([], files_from="-", null_separated=null)
    sink.write(b"no-such-1" + end + b"no-")
    assert next(stream) == "no-such-1"
    for _ in range(3):
        assert isinstance(next(stream), NotYet)
    sink.write(b"such-2")
    silent = next(stream)
    assert isinstance(silent, NotYet)
    sink.write(end)
    silent.wait()
    assert next(stream) == "no-such-2"
    sink.close()
    assert list(stream) == []


def test_an_error_of_the_list_comes_after_its_files(sink: BinaryIO) -> None:
    stream = scan_many(find_media([], files_from="-"), QUICK, jobs=2, detector_factory=fakes.fake)
    sink.write(b"ok-1\n")
    assert next(stream).label is Label.REAL
    sink.write(b"sleep-0.2-a\n\0\n")
    assert next(stream).path == "sleep-0.2-a"
    with pytest.raises(InputError, match="--null"):
        next(stream)


def test_a_pipe_that_does_not_wait_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as late:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        timer = threading.Timer(0.3, lambda: (late.write(b"ok-1\nok-2\n"), late.close()))
        timer.start()
        names = [name for name in find_media([], files_from="-") if not isinstance(name, NotYet)]
        timer.join()
    assert names == ["ok-1", "ok-2"]
