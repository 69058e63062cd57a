"""A worker process as the parent sees it: start it, give it a file, hear from it, kill it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from dfdetect.batch.worker import DetectorFactory, Done, Fatal, Job, Ready, Task, worker_main
from dfdetect.quiet import expected
from dfdetect.settings import Settings

StartMethod = Literal["fork", "spawn"]

START_LIMIT = 120.0
"""Seconds that a worker may take to start and to build its detector."""
_HASH_LIMIT = 60.0
"""Least seconds for hashing a file whose scan failed, however little time a scan may take."""
_DEATH_LIMIT = 5.0
"""Seconds to wait for the kernel to bury a process that is already dead or was killed."""
# Libraries with threads or devices of their own, which a fork would leave in pieces.
_UNSAFE_TO_FORK = ("torch", "onnxruntime", "openvino")

_hiding = threading.Lock()
"""Two threads that start workers at once would each keep what the other has hidden."""

_starting = threading.Lock()
"""For as long as the environment is not the user's."""

_parent_ends: set[Connection] = set()
"""The parent's ends of all open pipes; a forked child closes them (see `worker_main`)."""


@dataclass(frozen=True, slots=True)
class Died:
    """The worker process ended by itself."""

    exit_code: int | None


def choose_start_method(idle_threads: int = 0) -> StartMethod:
    """``fork`` (10 ms) on Linux while this process is alone and has no network library, else ``spawn``.

    Alone means one thread, not counting `idle_threads` that are known to be asleep and fork-safe.
    """
    if sys.platform != "linux" or any(name in sys.modules for name in _UNSAFE_TO_FORK):
        return "spawn"
    return "fork" if 0 <= native_threads() - 1 <= idle_threads else "spawn"


def native_threads() -> int:
    """All threads of this process, native ones too, which `threading` does not know of; 0 if unknown."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 0


def prepare(method: StartMethod) -> None:
    """What must be done once before `interrupts_held` and the start of a worker."""
    if method == "spawn" and sys.platform != "win32":
        # Spawning starts this helper process on the first occasion, which would let interrupts through.
        from multiprocessing import resource_tracker

        with _modules_not_from_here():
            resource_tracker.ensure_running()


@contextlib.contextmanager
def _modules_not_from_here() -> Iterator[None]:
    """Python processes that start inside do not look for modules in the working directory.

    It may hold what is to be judged; a worker gets the path of this process once it runs.
    """
    name = "PYTHONSAFEPATH"
    with _starting:
        before = os.environ.get(name)
        os.environ[name] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before


@contextlib.contextmanager
def _main_unseen(factory: DetectorFactory) -> Iterator[None]:
    """Keep a spawned worker from running the user's script a second time, guarded or not.

    `multiprocessing` looks at these two names to find the script; only a factory that lives in it needs it.
    """
    main = sys.modules["__main__"]
    if getattr(factory, "__module__", "__main__") == "__main__":
        yield
        return
    with _hiding:
        names: dict[str, Any] = {
            name: vars(main)[name] for name in ("__spec__", "__file__") if name in vars(main)
        }
        vars(main).update(dict.fromkeys(names))
        try:
            yield
        finally:
            vars(main).update(names)


class Worker:
    """One worker process, at most one task at a time."""

    def __init__(
        self, settings: Settings, threads: int, factory: DetectorFactory, method: StartMethod
    ) -> None:
        """Start the process; call within `interrupts_held`.  Raises OSError if the system refuses."""
        context = (
            multiprocessing.get_context("fork") if method == "fork" else multiprocessing.get_context("spawn")
        )
        self.connection, theirs = context.Pipe()
        self.task: Task | None = None
        self.ready = False
        self._timeout = settings.timeout
        self._owner = os.getpid()
        # The kernel's guard is tied to the thread that starts the worker: only the main thread stays.
        main = threading.current_thread() is threading.main_thread()
        guard = sys.platform == "linux" and main
        job = Job(settings, threads, factory, parent=self._owner, kernel_guard=guard)
        _parent_ends.add(self.connection)
        inherited = tuple(_parent_ends) if method == "fork" else ()
        self._process: BaseProcess = context.Process(
            target=worker_main, args=(theirs, job, inherited), name="dfdetect-worker", daemon=True
        )
        try:
            safely = _modules_not_from_here() if method == "spawn" else contextlib.nullcontext()
            # Python warns of any second thread; `choose_start_method` looks closer.
            unheard = expected(".*multi-threaded, use of fork", DeprecationWarning)
            with _main_unseen(factory), safely, unheard:
                self._process.start()
        except BaseException:
            self._close_connection()
            raise
        finally:
            theirs.close()
        self.began = time.monotonic()
        self.deadline = self.began + START_LIMIT

    def assign(self, task: Task) -> bool:
        """Give the worker its next file; False if it turns out to be dead."""
        try:
            self.connection.send(task)
        except OSError:
            return False
        self.task = task
        if self.ready:
            self._start_clock()
        return True

    def receive(self) -> Ready | Done | Fatal | Died:
        """The next message; blocks unless the connection is readable."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return Died(self.stop(kill=False))
        if isinstance(message, Ready):
            self.ready = True
            self._start_clock()
        elif isinstance(message, Done):
            self.task = None
        return message  # type: ignore[no-any-return]  # unpickled from our own worker

    def elapsed(self) -> float:
        """Wall seconds since the present file (or the process) began."""
        return time.monotonic() - self.began

    def kill(self) -> None:
        """Tell the kernel to end the process, without waiting."""
        # After a fork elsewhere in the program, a copy of this object is not the process's parent.
        if os.getpid() == self._owner:
            with contextlib.suppress(ValueError, OSError):
                self._process.kill()

    def stop(self, kill: bool = True) -> int | None:
        """End the process (or wait for its end), free what it held, give its exit code."""
        if kill:
            self.kill()
        self._close_connection()
        if os.getpid() != self._owner:
            return None
        try:
            self._process.join(_DEATH_LIMIT)
            if self._process.exitcode is None and not kill:
                self._process.kill()
                self._process.join(_DEATH_LIMIT)
            code = self._process.exitcode
            self._process.close()
        except ValueError:  # closed before, or unkillable: stuck inside the kernel
            return None
        return code

    def _start_clock(self) -> None:
        self.began = time.monotonic()
        hashing = self.task is not None and self.task.failed is not None
        self.deadline = self.began + (max(self._timeout, _HASH_LIMIT) if hashing else self._timeout)

    def _close_connection(self) -> None:
        _parent_ends.discard(self.connection)
        self.connection.close()
