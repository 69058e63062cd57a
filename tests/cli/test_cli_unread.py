"""Standard output that nobody reads, and what killed processes left of their standard input."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_driver import DRIVER, Run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")


@contextlib.contextmanager
def scanning(folder: Path, *words: str, ignored: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A scan of many files whose standard output is full, since nobody reads it."""
    (folder / "a.jpg").write_text("fake")
    command = [sys.executable, str(DRIVER), "scan", "a.jpg", *words, "--report", "json=r.json"]
    env = {**os.environ, "DRIVER_REPEAT": "1"}

    def own_signals() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)

    with subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=own_signals,
        pipesize=4096,  # full in no time
    ) as process:
        try:
            wait_until_full(process)
            yield process
        finally:
            process.kill()


def wait_until_full(process: subprocess.Popen[bytes]) -> None:
    import fcntl
    import termios

    assert process.stdout is not None
    before = -1
    for _ in range(120):
        time.sleep(0.25)
        (there,) = struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4))
        if there == before and there > 2_000:
            return
        before = there
    raise AssertionError("standard output never got full")


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGINT, ["--jsonl"]), (signal.SIGTERM, ["--json"]), (signal.SIGHUP, [])],
)
def test_a_request_to_end_does_not_wait_for_who_does_not_read(
    tmp_path: Path, number: signal.Signals, words: list[str]
) -> None:
    with scanning(tmp_path, *words) as process:
        process.send_signal(number)
        assert process.wait(timeout=20) == 130
        assert process.stdout is not None
        assert process.stderr is not None
        shown = process.stdout.read().count(b"a.jpg")
        assert process.stderr.read() == b""
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["summary"]["complete"] is False
    assert 0 < len(document["results"]) < 5000
    assert shown > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "r.json"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_reads_on_soon_gets_whole_records(tmp_path: Path, number: signal.Signals) -> None:
    with scanning(tmp_path, "--json") as process:
        process.send_signal(number)
        time.sleep(0.3)
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (130, b"")
    shown = json.loads(output)
    assert shown["summary"]["complete"] is False
    assert shown["results"] == json.loads((tmp_path / "r.json").read_text())["results"]


def test_what_is_ignored_ends_nothing(tmp_path: Path) -> None:
    with scanning(tmp_path, "--json", ignored=True) as process:
        process.send_signal(signal.SIGHUP)
        time.sleep(3)
        assert process.poll() is None
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
    assert len(json.loads(output)["results"]) == 5000


def test_a_pipe_that_nobody_reads_is_not_waited_for_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with scanning(tmp_path, "--jsonl", "--report", "jsonl=pipe") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 130
    os.close(reading)
    assert json.loads((tmp_path / "r.json").read_text())["summary"]["complete"] is False


def test_files_are_finished_before_the_end_of_standard_output(tmp_path: Path) -> None:
    """JUnit has its counts first, so that all of it is written in the end."""
    with scanning(tmp_path, "--format", "junit") as process:
        for _ in range(100):
            if (tmp_path / "r.json").exists():
                break
            time.sleep(0.1)
        document = json.loads((tmp_path / "r.json").read_text())
        assert (len(document["results"]), document["summary"]["complete"]) == (5000, True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 130


def test_what_waits_for_a_new_baseline_does_not_wait_for_who_does_not_read(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(60):
        (tmp_path / "photos" / f"{number}.jpg").write_text("fake")
    os.mkfifo(tmp_path / "last")
    words = ["photos", "last", "--jsonl", "--report", "json=r.json", "--write-baseline", "new.json"]
    with subprocess.Popen(
        [sys.executable, str(DRIVER), "scan", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pipesize=4096,
    ) as process:
        try:
            with open(tmp_path / "last", "w"):  # once all others are scanned and that is being read
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=30) == 130
            assert process.stderr is not None
            assert process.stderr.read() == b""
        finally:
            process.kill()
    document = json.loads((tmp_path / "r.json").read_text())
    assert (len(document["results"]), document["summary"]["complete"]) == (60, False)
    assert not (tmp_path / "new.json").exists()


def test_what_killed_processes_left_of_their_input_is_removed(program: Run, tmp_path: Path) -> None:
    def left() -> set[str]:
        return {path.name for path in spool.iterdir()}

    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "other").touch()
    (spool / "dfdetect-stdin-a_folder").mkdir()
    (spool / "dfdetect-stdin-notes.txt").touch()
    env = {**os.environ, "TMPDIR": str(spool)}
    command = [sys.executable, str(DRIVER), "scan", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env) as process:
        assert process.stdin is not None
        process.stdin.write(b"sleep")
        process.stdin.close()
        while not any(path.is_file() and path.read_bytes() == b"sleep" for path in spool.iterdir()):
            time.sleep(0.1)
        begun = left()
        assert len(begun) == 4
        assert program("scan", "-", stdin=b"real", TMPDIR=str(spool)).returncode == 0
        assert left() == begun, "in use"
        process.kill()
    assert left() == begun
    assert program("scan", "-", stdin=b"real", TMPDIR=str(spool)).returncode == 0
    assert left() == {"other", "dfdetect-stdin-a_folder", "dfdetect-stdin-notes.txt"}
