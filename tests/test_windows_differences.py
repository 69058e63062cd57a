"""What Windows does in its own way, imitated: messages, paths, memory, and whose configuration counts."""

from __future__ import annotations

import ctypes
import errno
import ntpath
import os
import signal
import struct
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from dfdetect import Detector
from dfdetect.batch.failures import describe_exit
from dfdetect.batch.resources import WORKER_BYTES, default_jobs, usable_memory
from dfdetect.config import find_config
from dfdetect.reports import sarif
from dfdetect.results import Reason


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.parametrize("number", [32, 33])
def test_a_file_that_another_program_holds(
    number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"recorded just now")
    error = PermissionError(errno.EACCES, "The process cannot access the file")
    error.winerror = number  # type: ignore[attr-defined]
    real = os.open

    def refuse(name: Any, *rest: Any, **more: Any) -> int:
        if os.fspath(name) == os.fspath(path):
            raise error
        return real(name, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    result = Detector(model="light").scan(path)
    assert result.reason is Reason.UNREADABLE
    assert "in use by another program" in (result.message or "")


def test_a_crash_is_told_by_the_number_that_people_know() -> None:
    assert describe_exit(3221225477) == "exit status 0xC0000005"
    assert describe_exit(3) == "exit status 3"


def test_workers_go_by_the_free_memory(windows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 3 * WORKER_BYTES + 5

    def status(buffer: Any) -> int:
        layout = struct.Struct("<II7Q")
        assert struct.unpack_from("<I", buffer)[0] == layout.size == len(buffer) == 64
        layout.pack_into(buffer, 0, layout.size, 50, 2 * free, free, *[0] * 5)
        return 1

    kernel = types.SimpleNamespace(GlobalMemoryStatusEx=status)
    monkeypatch.setattr(ctypes, "windll", types.SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr("dfdetect.batch.resources.usable_cores", lambda: 16)
    assert usable_memory() == free
    assert default_jobs() == 3
    kernel.GlobalMemoryStatusEx = lambda buffer: 0
    assert usable_memory() is None


def test_a_configuration_above_counts_in_the_home_directory_alone(
    windows: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "shared" / "work"
    (tmp_path / "shared" / ".git").mkdir(parents=True)
    folder.mkdir()
    (tmp_path / "shared" / "dfdetect.toml").write_text('fail_on = "never"\n')
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    monkeypatch.chdir(folder)
    assert find_config() is None
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert find_config() is not None


def test_the_address_of_a_file_on_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "os", types.SimpleNamespace(path=ntpath, pardir="..", sep="\\"))
    monkeypatch.setattr(sarif, "in_repository", lambda path: None)
    monkeypatch.setattr(ntpath, "relpath", lambda path: "..\\" + path)
    monkeypatch.setattr(ntpath, "abspath", lambda path: path)
    assert sarif.file_uri("\\\\server\\share\\a b.jpg") == "file://server/share/a%20b.jpg"
    assert sarif.file_uri("D:\\media\\a.jpg") == "file:///D%3A/media/a.jpg"


@pytest.mark.skipif(sys.platform == "win32", reason="an imitation")
def test_ctrl_break_is_a_request_to_end() -> None:
    """There the module chooses its signals when it is imported."""
    code = (
        "import signal, sys; signal.SIGBREAK = signal.SIGUSR1; sys.platform = 'win32'\n"
        "import dfdetect.interrupts as made\n"
        "sys.platform = 'linux'; import os\n"
        "with made.terminated_like_interrupted():\n"
        "    os.kill(os.getpid(), signal.SIGUSR1); signal.sigtimedwait([], 5)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "KeyboardInterrupt" in done.stderr
    assert done.returncode in (-signal.SIGINT, 130, 1)


def test_the_script_for_the_shell_has_no_carriage_returns() -> None:
    code = (
        "import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.buffer, newline='\\r\\n')\n"
        "from dfdetect.cli.main import main; sys.argv = ['dfdetect', 'completion', 'bash']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert b"complete" in done.stdout, done.stderr
    assert b"\r" not in done.stdout
