"""The inside of a worker process: receives paths through a pipe, sends results back.

What it says to the parent, in this order: one `Ready` once the detector is built, then one
`Done` per task.  `Fatal` replaces either when the reason holds for every file (a broken
model, a missing package).  The parent says tasks; the end of the pipe means stop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Protocol

from dfdetect.batch.failures import describe, failed_result, raised_result, with_evidence
from dfdetect.batch.resources import spare_algebra_threads
from dfdetect.errors import DfdetectError, MediaError
from dfdetect.interrupts import end_with_parent
from dfdetect.results import Reason, ScanResult
from dfdetect.settings import Settings


class SupportsScan(Protocol):
    """What a worker needs of a detector."""

    def scan(self, source: str, /) -> ScanResult:
        """Scan one file; what is wrong with the file is in the result and never raised."""
        ...


DetectorFactory = Callable[[Settings], SupportsScan]
"""Builds a detector inside the worker.  Must be a function of a module, since it is pickled."""


@dataclass(frozen=True, slots=True)
class Task:
    """One file to scan, with its number in the order of the input."""

    index: int
    path: str
    failed: ScanResult | None = None
    """The result of a scan that ended its worker: this time the file is only hashed, for the evidence."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The detector is built; the clock of the first file starts."""


@dataclass(frozen=True, slots=True)
class Done:
    """One file is finished."""

    result: ScanResult


@dataclass(frozen=True, slots=True)
class Fatal:
    """No file can be scanned."""

    error: DfdetectError


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is told when it starts."""

    settings: Settings
    """What the user chose; results are stamped with it."""
    threads: int
    """Threads of this worker's engine, its share of the machine."""
    factory: DetectorFactory
    parent: int
    """Process id of the parent."""
    kernel_guard: bool
    """Let the kernel kill this worker when the parent dies (Linux); else a thread watches."""


def build_detector(settings: Settings) -> SupportsScan:
    """The default factory: `dfdetect.detector.Detector`."""
    from dfdetect.detector import Detector

    return Detector(settings)


def build(factory: DetectorFactory, settings: Settings) -> SupportsScan:
    """Call `factory`; whatever goes wrong is a `DfdetectError`, since it holds for every file."""
    try:
        return factory(settings)
    except DfdetectError:
        raise
    except Exception as error:
        raise DfdetectError(f"the detector could not be built: {describe(error)}") from error


def scan_one(detector: SupportsScan, path: str, settings: Settings) -> ScanResult:
    """Scan `path`; an exception becomes a result, except a `DfdetectError` that holds for every file."""
    began = time.perf_counter()
    try:
        return detector.scan(path)
    except DfdetectError as error:
        if not isinstance(error, MediaError):
            raise
        result = raised_result(path, error, settings, time.perf_counter() - began)
    except Exception as error:
        result = raised_result(path, error, settings, time.perf_counter() - began)
    return with_evidence(result) if settings.evidence else result


def worker_main(connection: Connection, job: Job, inherited: Iterable[Connection]) -> None:
    """Entry point of a worker process.

    `inherited` are the parent's ends of the pipes of all workers, which a forked child must close:
    otherwise none of them would ever see the end of its pipe when the parent dies.
    """
    for end in inherited:
        end.close()
    _set_signals()
    _die_with_parent(job)
    _offer_to_oom_killer()
    connection = _beyond_standard(connection)
    _silence()
    spare_algebra_threads()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(connection, job)


def _serve(connection: Connection, job: Job) -> None:
    detector: SupportsScan | None = None
    try:
        while True:
            task: Task = connection.recv()
            if detector is None:
                detector = build(job.factory, job.settings.replace(threads=job.threads))
                connection.send(Ready())
            if task.failed is not None:
                result = with_evidence(task.failed)
            else:
                result = scan_one(detector, task.path, job.settings)
            # The share of cores is this machine's business: the result says what the user chose.
            stamped = {**result.settings, "threads": job.settings.threads}
            _send(connection, dataclasses.replace(result, settings=stamped), job.settings)
    except DfdetectError as error:
        connection.send(Fatal(_portable(error)))


def _send(connection: Connection, result: ScanResult, settings: Settings) -> None:
    try:
        connection.send(Done(result))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        text = f"a fault of dfdetect: the result cannot be sent ({describe(error)}); please report it"
        failed = failed_result(result.path, Reason.CRASHED, text, settings, result.elapsed)
        connection.send(Done(failed))


def _portable(error: DfdetectError) -> DfdetectError:
    """`error` itself if it survives pickling, else a plain one with the same text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return DfdetectError(str(error))
    return error


def _set_signals() -> None:
    # Ctrl-C, SIGHUP and Ctrl-Break go to the whole terminal group; only the parent decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


def _die_with_parent(job: Job) -> None:
    """A worker that hangs in native code must not outlive a parent that was killed."""
    if job.kernel_guard and _ask_kernel_to_kill():
        if os.getppid() != job.parent:  # it died before we asked
            os._exit(1)
        return
    end_with_parent()


def _ask_kernel_to_kill() -> bool:
    set_parent_death_signal = 1
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(set_parent_death_signal, int(signal.SIGKILL), 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def _offer_to_oom_killer() -> None:
    """If memory runs out, the kernel shall take a worker, not the parent or the user's desktop."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+") as file:
            score = max(500, int(file.read()))
            file.seek(0)
            file.write(str(score))


def _beyond_standard(connection: Connection) -> Connection:
    """`connection` under a number that `_silence` leaves alone.

    In a program that was started with its standard streams closed, pipes get their numbers.
    """
    if sys.platform == "win32" or connection.fileno() > 2:
        return connection
    import fcntl

    return Connection(fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))


def _silence() -> None:
    """Send what native libraries print to nowhere; standard output carries results only."""
    faulthandler.disable()  # a fork inherits it; the parent reports the crash in the file's result
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        if null > 2:
            os.close(null)
    # In notebooks and under test runners these objects do not write to 1 and 2.
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 lives as long as the process
