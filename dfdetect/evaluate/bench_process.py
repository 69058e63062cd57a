"""Run a command from start to exit and say what it cost: wall time, processor time, peak memory.

This file is also the small program that starts the command.  On Linux the peak of a new process begins with
that of the process which started it; a small one in between keeps a large parent out of the figure.
So nothing but the standard library is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PATIENCE = 10.0
"""Seconds that a command gets to end by itself once it was told to."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a command cost."""

    wall: float
    """Seconds from start to exit."""
    cpu: float | None
    """Seconds of processor time, user and system, of the process and its children; None on Windows."""
    peak: int | None
    """Bytes of memory that the largest of the processes took at its peak; None on Windows."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    code: int
    run: Run
    stderr: str


def run_command(command: Sequence[str], env: Mapping[str, str]) -> Finished:
    """Run `command`, whose standard output goes nowhere, and wait for it.

    An exception in this process meanwhile (Ctrl-C) ends the command, with all its children, first.
    """
    starter = [sys.executable, "-I", "-S", os.path.abspath(__file__), *command]
    process = subprocess.Popen(
        starter,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C goes to this process only, which then ends the whole group
    )
    try:
        out, err = process.communicate()
    except BaseException:
        _end(process)
        raise
    stderr = err.decode("utf-8", "replace")
    if process.returncode != 0:
        raise OSError(f"the command could not be started: {stderr.strip() or process.returncode}")
    found = json.loads(out)
    return Finished(found["code"], Run(found["wall"], found["cpu"], found["peak"]), stderr)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the starter and everything that it has started."""
    if sys.platform == "win32":
        process.kill()
        process.wait()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
            return


def _measure(command: Sequence[str]) -> dict[str, Any]:
    """The starter's part."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    if sys.platform == "win32":
        code = process.wait()
        return {"code": code, "wall": time.perf_counter() - begin, "cpu": None, "peak": None}
    # Told to end, the command says so itself; this process only waits for it.  A handler, since what is
    # ignored would be ignored by the command as well.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "code": os.waitstatus_to_exitcode(status),
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * unit,
    }


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1:])))
