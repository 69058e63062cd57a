"""How a batch ends when something ends it: no orphans, no noise, promptly.  Each case is a real process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

# Not guarded by `if __name__ == "__main__"` on purpose: users' scripts are not either.
SCRIPT = """
import sys, threading
sys.path[:0] = {path!r}
from dfdetect.batch.pool import scan_many
from dfdetect.settings import Settings
from {fakes} import fake

def go():
    how = {{"jobs": {jobs}, "start_method": {method!r}}}
    for result in scan_many({files!r}, Settings(), detector_factory=fake, **how):
        print(result.path, flush=True)

print("start", flush=True)
if {thread}:
    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
else:
    go()
"""


def script(files: list[str], method: str | None, thread: bool = False, jobs: int = 2) -> list[str]:
    name = __package__ + ".fakes"
    root = Path(__file__).resolve().parents[name.count(".")]
    path = [str(root), *(p for p in sys.path if p)]
    text = SCRIPT.format(path=path, fakes=name, files=files, method=method, thread=thread, jobs=jobs)
    return [sys.executable, "-c", text]


@contextlib.contextmanager
def running(command: list[str], ready: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """The process once it has printed `ready`, and its workers."""
    parent = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout is not None
    workers: list[psutil.Process] = []
    try:
        while parent.stdout.readline().strip() != ready:
            assert parent.poll() is None, parent.stderr and parent.stderr.read()
        deadline = time.monotonic() + 5
        while len(workers) < 2 and time.monotonic() < deadline:
            workers = [
                p for p in psutil.Process(parent.pid).children() if "resource_tracker" not in str(p.cmdline())
            ]
            time.sleep(0.02)
        assert len(workers) == 2
        yield parent, workers
    finally:
        parent.kill()
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        parent.communicate()


FILES = ["ok-1", "hang-1", "ok-2", "hang-2", "ok-3"]


@pytest.mark.parametrize(("method", "whole_group"), [("fork", False), ("fork", True), ("spawn", True)])
def test_ctrl_c_ends_everything_promptly(method: str, whole_group: bool) -> None:
    with running(script(FILES, method), ready="ok-2") as (parent, workers):
        began = time.monotonic()
        # A terminal signals the whole group; the workers must leave the decision to the parent.
        os.killpg(parent.pid, signal.SIGINT) if whole_group else parent.send_signal(signal.SIGINT)
        _, errors = parent.communicate(timeout=5)
        assert time.monotonic() - began < 3
        assert parent.returncode == -signal.SIGINT  # Python's own answer to an interrupt nobody caught
        assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1  # the parent's only
        assert all_end(workers)


@pytest.mark.parametrize(
    ("method", "thread", "how"),
    [
        ("fork", False, signal.SIGTERM),
        ("fork", False, signal.SIGKILL),
        ("spawn", False, signal.SIGKILL),
        ("spawn", True, signal.SIGKILL),
    ],
)
def test_workers_follow_a_killed_parent_even_when_hung(
    method: str, thread: bool, how: signal.Signals
) -> None:
    with running(script(FILES, method, thread), ready="ok-2") as (parent, workers):
        parent.send_signal(how)
        parent.wait(5)
        assert all_end(workers)


@pytest.mark.parametrize("ignored", [False, True])
def test_only_the_parent_decides_what_a_closed_terminal_means(ignored: bool) -> None:
    *command, text = script(["ok-1", "hang-1", "ok-2", "sleep-1-x", "ok-3"], "fork")
    meaning = "SIG_IGN" if ignored else "SIG_DFL"  # ignored as under nohup, which may also run the tests
    text = f"import signal; signal.signal(signal.SIGHUP, signal.{meaning})\n" + text
    with running([*command, text], ready="ok-2") as (parent, workers):
        os.killpg(parent.pid, signal.SIGHUP)
        if ignored:
            assert parent.stdout is not None
            assert [parent.stdout.readline().strip() for _ in range(2)] == ["sleep-1-x", "ok-3"]
            assert not all_end(workers, within=0)
        else:
            assert parent.wait(5) == -signal.SIGHUP
            assert all_end(workers)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_interrupts_while_workers_start_leave_nothing(method: str) -> None:
    command = script(["hang-1", "hang-2"], method)
    for pause in (0.0, 0.02) if method == "fork" else (0.0, 0.1):
        parent = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert parent.stdout is not None
        assert parent.stdout.readline() == "start\n"
        time.sleep(pause)
        os.killpg(parent.pid, signal.SIGINT)
        parent.communicate(timeout=5)
        assert all_end([process for process in psutil.process_iter() if _group(process.pid) == parent.pid])


def all_end(processes: list[psutil.Process], within: float = 4.0) -> bool:
    deadline = time.monotonic() + within
    while any(map(_runs, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        # An orphan that has ended stays a zombie until the system's first process looks after it.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_workers_print_reaches_nobody(method: str) -> None:
    files = ["print-1", "segfault", "print-2"]
    done = subprocess.run(script(files, method), capture_output=True, text=True, timeout=20, check=True)
    assert sorted(done.stdout.split()) == sorted(["start", *files])
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="fork is used on Linux only")
def test_forked_workers_compute_although_the_parent_has_loaded_the_libraries() -> None:
    *command, text = script([f"compute-{i}" for i in range(4)], "fork")
    command.append("import numpy, cv2\n" + text)
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert sorted(done.stdout.split()) == [*(f"compute-{i}" for i in range(4)), "start"]
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="fork is used on Linux only")
def test_workers_of_a_program_without_standard_streams_answer(tmp_path: Path) -> None:
    *command, text = script(["ok-1", "ok-2"], "fork", jobs=1)
    told = tmp_path / "told"
    command.append(f"import sys\nsys.stdout = open({str(told)!r}, 'w')\n" + text)
    subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], timeout=20, check=True)
    assert sorted(told.read_text().split()) == ["ok-1", "ok-2", "start"]
