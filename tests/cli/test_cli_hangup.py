"""A terminal that is closed while ``dfdetect`` runs in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_driver import DRIVER

from dfdetect.cli import main as cli_main
from dfdetect.errors import ExitCode

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [[], ["--jsonl"], ["--jsonl", "--quiet"]])
def test_a_closed_terminal_leaves_what_is_done(tmp_path: Path, words: list[str], unbuffered: str) -> None:
    import fcntl
    import termios

    (tmp_path / "a.jpg").write_text("fake")
    (tmp_path / "b.jpg").write_text("sleep")
    command = [sys.executable, str(DRIVER), "scan", "a.jpg", "b.jpg", *words, "--report", "json=r.json"]
    ours, theirs = os.openpty()

    def own_terminal() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may be run by nohup
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=own_terminal
    ) as process:
        os.close(theirs)
        shown = b""
        while b"a.jpg" not in shown:
            shown += os.read(ours, 4096)
        time.sleep(0.2)  # until it is at the second file
        os.close(ours)
        code = process.wait(timeout=30)
    assert code == 130
    document = json.loads((tmp_path / "r.json").read_text())
    assert (len(document["results"]), document["summary"]["complete"]) == (1, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.jpg", "r.json"]


@pytest.mark.parametrize("ignored", [False, True])
def test_a_hangup_ends_every_command_unless_it_is_ignored(
    ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(words: list[str]) -> ExitCode:
        signal.raise_signal(signal.SIGHUP)
        return ExitCode.CLEAN

    def ours(number: int, frame: object) -> None:
        raise AssertionError("the handler of the caller was called")

    handler = signal.SIG_IGN if ignored else ours
    before = signal.signal(signal.SIGHUP, handler)
    with contextlib.ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGHUP, before)
        monkeypatch.setattr(cli_main, "_run", run)
        assert cli_main.main(["evaluate", "labels.csv"]) == (0 if ignored else 130)
        assert signal.getsignal(signal.SIGHUP) is handler
