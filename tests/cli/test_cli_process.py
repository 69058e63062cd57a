"""``dfdetect`` as a program: signals, pipes, closed streams, standard input."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_driver import DRIVER, Run

from dfdetect.cli import main as cli_main
from dfdetect.errors import ExitCode


def test_standard_input_is_called_dash(program: Run) -> None:
    done = program("scan", "-", "--jsonl", stdin=b"fake")
    assert done.returncode == 1
    record = json.loads(done.stdout)
    assert record["path"] == "-"
    assert record["message"] == "standard input: fake"


def test_list_on_standard_input(program: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("real")
    done = program("scan", "--files-from", "-", "-0", "--jsonl", stdin=b"a.jpg\0gone\xff.jpg\0")
    assert done.returncode == 3
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == ["a.jpg", "gone\ufffd.jpg"]
    assert b"1 file of 2 could not be read" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_what_is_done(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "a.jpg").write_text("fake")
    (tmp_path / "b.jpg").write_text("sleep")
    words = [sys.executable, str(DRIVER), "scan", "a.jpg", "b.jpg", "--jsonl", "--report", "json=r.json"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(first)["path"] == "a.jpg"
    assert (rest, errors) == (b"", b"")
    document = json.loads((tmp_path / "r.json").read_text())
    assert (len(document["results"]), document["summary"]["complete"]) == (1, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.jpg", "r.json"]


def test_interrupts_are_held_also_when_another_thread_gets_them() -> None:
    code = (
        "import os, signal, threading, time; from dfdetect.interrupts import interrupts_held;"
        "threading.Thread(target=time.sleep, args=(5,), daemon=True).start(); done = []\n"
        "try:\n"
        "    with interrupts_held():\n"
        "        for _ in range(3): os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(0.2); done.append('whole')\n"
        "except KeyboardInterrupt: done.append('then')\n"
        "print(done)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "['whole', 'then']"


def test_a_full_disk_is_told_and_is_no_internal_error(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def run(words: list[str]) -> ExitCode:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cli_main, "_run", run)
    assert cli_main.main(["scan", "a.jpg"]) == 2
    assert "No space left on device; make room" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("system", "error", "code"),
    [
        ("win32", OSError(errno.EINVAL, "Invalid argument"), 130),
        ("win32", OSError(errno.EINVAL, "Invalid argument", "a?b"), 4),
        ("linux", OSError(errno.EINVAL, "Invalid argument"), 4),
    ],
)
def test_a_reader_that_goes_away_is_quiet_also_on_windows(
    system: str, error: OSError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def run(words: list[str]) -> ExitCode:
        raise error

    monkeypatch.setattr(cli_main, "_run", run)
    monkeypatch.setattr(sys, "platform", system)
    assert cli_main.main(["scan", "a.jpg"]) == code
    assert ("internal error" in capsys.readouterr().err) == (code == 4)


def test_a_request_to_end_ends_every_command_like_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(words: list[str]) -> ExitCode:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(5)
        raise AssertionError("nothing came")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli_main, "_run", run)
    assert cli_main.main(["evaluate", "labels.csv"]) == 130
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("words", [["--jsonl"], ["--json"], []])
def test_a_reader_that_goes_away_is_quiet(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "a.jpg").write_text("real")
    command = [sys.executable, str(DRIVER), "scan", "a.jpg", *words]
    env = {**os.environ, "DRIVER_REPEAT": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(timeout=30)
    assert errors == b""
    assert process.returncode == 130


def test_help_into_a_closed_pipe(tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m dfdetect.cli.main --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "130")


@pytest.mark.parametrize(("closed", "code"), [(">&-", 1), ("2>&-", 1), (">&- 2>&-", 1), ("<&-", 1)])
def test_closed_streams(tmp_path: Path, closed: str, code: int) -> None:
    (tmp_path / "a.jpg").write_text("fake")
    command = f"'{sys.executable}' '{DRIVER}' scan a.jpg {closed}"
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True).returncode == code


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path, closed: str) -> None:
    """With real workers, whose pipes would have the numbers of the streams."""
    data = Path(__file__).resolve().parents[2] / "data"
    (tmp_path / "labels.csv").write_text(f"file,label\n{data}/coffee.jpg,real\n{data}/astronaut.jpg,real\n")
    program = f"'{sys.executable}' -m dfdetect"
    for command, made in (
        (f"scan '{data}/astronaut.jpg' --model light --report json=scan.json", "scan.json"),
        ("evaluate labels.csv --model light --results results.jsonl", "results.jsonl"),
    ):
        whole = f"{program} {command} {closed}"
        done = subprocess.run(["bash", "-c", whole], cwd=tmp_path, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        text = (tmp_path / made).read_text()
        assert '"label": "real"' in text
        assert "crashed" not in text


def test_a_closed_standard_input_is_no_input(tmp_path: Path) -> None:
    command = f"'{sys.executable}' '{DRIVER}' scan - <&-"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "nothing is piped in" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words", ["a.jpg", "a.jpg --json", "a.jpg --format csv --report json=r.json", "--help"]
)
def test_a_full_disk_is_no_finding(tmp_path: Path, words: str, unbuffered: str) -> None:
    (tmp_path / "a.jpg").write_text("fake")
    command = f"PYTHONUNBUFFERED={unbuffered} '{sys.executable}' '{DRIVER}' scan {words} > /dev/full"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("No space left") == len(done.stderr.splitlines()) == 1


def test_an_encoding_without_the_characters(program: Run, tmp_path: Path) -> None:
    (tmp_path / "é.jpg").write_text("fake")
    done = program("scan", "é.jpg", "-v", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 1
    assert b"\\xe9.jpg" in done.stdout


def test_progress_appears_on_a_terminal_only(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jpg").write_text("fake")
    main_end, other_end = pty.openpty()
    command = [sys.executable, str(DRIVER), "scan", ".", "--jsonl"]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=other_end, timeout=30
    )
    os.close(other_end)
    shown = b""
    with contextlib.suppress(OSError):  # that is how Linux shows that the other end is closed
        while chunk := os.read(main_end, 4096):
            shown += chunk
    os.close(main_end)
    assert len(done.stdout.splitlines()) == 3
    assert b"scanning, 3 fake" in shown
    assert b"3/3" in shown


def test_start_is_quick() -> None:
    """The best of several runs, against Python itself: the machine may be busy."""

    def best(*words: str) -> float:
        times = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], capture_output=True, check=True)
            times.append(time.perf_counter() - began)
        return min(times)

    assert best("-m", "dfdetect.cli.main", "--version") < best("-c", "import click") + 0.15


@pytest.mark.skipif(sys.platform != "linux", reason="fork is used on Linux only")
def test_a_scan_starts_one_interpreter(tmp_path: Path) -> None:
    """Workers are forked: a spawned one would start Python twice more and import everything again."""
    picture = Path(__file__).resolve().parents[2] / "data" / "astronaut.jpg"
    words = [sys.executable, "-X", "importtime", "-m", "dfdetect", "scan", str(picture), "--model", "light"]
    done = subprocess.run(
        [*words, "--report", f"html={tmp_path / 'r.html'}"], capture_output=True, timeout=60
    )
    assert done.returncode in (0, 1)
    assert (tmp_path / "r.html").exists()
    started = [line for line in done.stderr.decode().splitlines() if line.split("|")[-1].strip() == "site"]
    assert len(started) == 1
