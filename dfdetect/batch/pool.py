"""Many files through worker processes: results stream, memory is bounded, one bad file costs one file.

The parent has a single thread.  It keeps one file in each worker, waits on all pipes at once (also on that
which a list of files comes through), and kills what exceeds its time.  A worker never has a second file
queued, so that a crash can only be the fault of the file it had, and no file waits behind a long video while
other workers are idle.

Nothing outlives the parent: closing the generator (Ctrl-C, an exception, `close()`) kills all workers;
if the parent itself is killed, the kernel (Linux) or a watching thread ends them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import SupportsIndex

from dfdetect.batch.failures import describe_exit, died_result, timed_out_result
from dfdetect.batch.process import (
    Died,
    StartMethod,
    Worker,
    choose_start_method,
    native_threads,
    prepare,
)
from dfdetect.batch.resources import allowed_jobs, default_jobs, threads_per_worker
from dfdetect.batch.sources import NotYet
from dfdetect.batch.worker import (
    DetectorFactory,
    Done,
    Fatal,
    Ready,
    SupportsScan,
    Task,
    build,
    build_detector,
    scan_one,
)
from dfdetect.errors import DfdetectError, SettingsError
from dfdetect.interrupts import interrupts_held
from dfdetect.results import ScanResult
from dfdetect.settings import DEFAULT_DETECTOR, DEFAULT_ENGINE, Settings, require_settings

AHEAD = 2
"""Files per worker that may be taken from the input before their results have been taken by the caller."""
AHEAD_ORDERED = 8
"""The same with `ordered`: one slow file may be overtaken by this many per worker."""
_TICK = 1.0
"""Longest wait in seconds, so that a pause of the whole program (Ctrl-Z, sleep) is noticed."""
_START_DEATHS = 3
"""Workers that may die one after the other before they are ready."""
Paths = Iterable[str | os.PathLike[str] | NotYet]
"""What to scan, and where it is not known yet."""


def scan_many(
    paths: Paths,
    settings: Settings,
    *,
    jobs: int | None = None,
    ordered: bool = False,
    detector_factory: DetectorFactory = build_detector,
    start_method: StartMethod | None = None,
) -> Generator[ScanResult, None, None]:
    """Scan `paths` and give one result per path, as they come or (`ordered`) in the order of the input.

    `jobs` is the number of worker processes, by default as many as cores and memory allow (never more
    than there are files, nor, on Windows, than 60).  `jobs=0` scans in this process: no time limit, and a
    crash of a decoder is a crash of the program.  `paths` is consumed while results are given, `AHEAD` per
    worker ahead at most; where the next path may be long in coming it gives `NotYet`, else everything waits
    for it.
    Workers share the cores among their engines unless `Settings.threads` says otherwise.

    A file that takes longer than `Settings.timeout` seconds gets `Reason.TIMED_OUT`, one whose worker
    dies `Reason.CRASHED` (or `Reason.OUT_OF_MEMORY`); the worker is replaced and the rest goes on.

    Raises at once `TypeError` for a single path, `SettingsError` for a bad `jobs` or what is no `Settings`,
    `ModelError` for a bad model and `MissingExtraError` for an engine that is not installed; while iterating
    any `DfdetectError` that holds for every file.  Close the iterator (``contextlib.closing``) to stop early.

    `detector_factory` builds the detector of a worker; `start_method` None chooses ``fork`` where that
    is safe, else ``spawn``.
    """
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise TypeError(f"paths must be a list or another iterable of paths, not the single {paths!r:.60}")
    require_settings(settings)
    jobs = None if jobs is None else _whole(jobs)
    alone = choose_start_method() == "fork"
    if detector_factory is build_detector:
        from dfdetect.scoring.models import load_model

        load_model(settings.model)  # a broken model is said once, before any process is started
        if settings.engine != DEFAULT_ENGINE:
            from dfdetect.scoring.engines import check_installed

            check_installed(settings)  # not the device: with torch in here no worker could be forked
        if settings.detector != DEFAULT_DETECTOR:
            from dfdetect.faces.reference import check_installed as check_detector

            check_detector()
        if settings.trust_list is not None:
            from dfdetect.media.credentials import read_trust_list

            read_trust_list(settings.trust_list)
    if jobs == 0:
        return _scan_here(paths, settings, detector_factory)
    # What appeared in between are the sleeping pools of libraries (numpy's) that know how to be forked.
    idle = native_threads() - 1 if alone else 0
    pool = _Pool(
        paths, settings, detector_factory, lambda: start_method or choose_start_method(idle), ordered
    )
    return pool.run(allowed_jobs(jobs) if jobs else default_jobs())


def _whole(jobs: SupportsIndex) -> int:
    """The number of processes as Python's own, be it numpy's."""
    with contextlib.suppress(TypeError):
        if not isinstance(jobs, bool) and (number := operator.index(jobs)) >= 0:
            return number
    raise SettingsError(f"jobs must be a whole number of at least 0, not {jobs!r}")


def _scan_here(
    paths: Paths, settings: Settings, factory: DetectorFactory
) -> Generator[ScanResult, None, None]:
    detector: SupportsScan | None = None
    for path in paths:
        if isinstance(path, NotYet):
            path.wait()
            continue
        if detector is None:
            detector = build(factory, settings)
        yield scan_one(detector, _decoded(path), settings)


def _decoded(path: object) -> str:
    """A path as plain text; contents and open files, which `Detector.scan` takes, are none.

    Contents are told from the bytes of a path by a zero, which no path can have and every photo has.
    """
    if isinstance(path, (str, os.PathLike)) or (isinstance(path, bytes) and b"\0" not in path):
        return str.__str__(os.fsdecode(path))  # a worker may not have the class of a text
    what = "contents" if isinstance(path, bytes) else type(path).__name__
    raise TypeError(f"scan_many takes paths, not {what}: use Detector.scan for that")


class _Input:
    """Numbered tasks from the caller's iterable; its error is kept until the files before it are done."""

    def __init__(self, paths: Paths) -> None:
        self.error: Exception | None = None
        self.taken = 0
        self.silent: NotYet | None = None
        """Set while `next` gave nothing only because the input has nothing yet."""
        self._paths: Iterator[str | os.PathLike[str] | NotYet] | None = iter(paths)
        self._waiting: deque[Task] = deque()

    def count(self, limit: int) -> int:
        """How many files there are or may be, as far as `limit`; takes so many from the input."""
        while len(self._waiting) < limit and (task := self._pull()):
            self._waiting.append(task)
        return limit if self.silent else len(self._waiting)

    def next(self, may_pull: bool) -> Task | None:
        """The next task, from those taken before or, if allowed, from the caller."""
        self.silent = None
        if self._waiting:
            return self._waiting.popleft()
        return self._pull() if may_pull else None

    def give_back(self, task: Task) -> None:
        """`task` was not done, through no fault of its file."""
        self._waiting.appendleft(task)

    def _pull(self) -> Task | None:
        if self._paths is None:
            return None
        try:
            path = next(self._paths)
            if isinstance(path, NotYet):
                self.silent = path
                return None
            path = _decoded(path)
        except StopIteration:
            self._paths = None
            return None
        except Exception as error:
            self._paths, self.error = None, error
            return None
        self.taken += 1
        return Task(self.taken - 1, path)


class _Pool:
    """The parent's loop: feed, collect, give."""

    def __init__(
        self,
        paths: Paths,
        settings: Settings,
        factory: DetectorFactory,
        start_method: Callable[[], StartMethod],
        ordered: bool,
    ) -> None:
        self._input = _Input(paths)
        self._settings = settings
        self._factory = factory
        self._start_method = start_method
        self._ordered = ordered
        self._workers: list[Worker] = []
        self._finished: dict[int, ScanResult] = {}  # by number of the file, in order of arrival
        self._given = 0
        self._start_deaths = 0
        self._size = 0

    def run(self, jobs: int) -> Generator[ScanResult, None, None]:
        """Give all results; kills every worker on the way out, whatever the way."""
        try:
            # One file among eight cores gets one worker with eight threads.
            self._size = self._input.count(jobs)
            self._threads = self._settings.threads or threads_per_worker(self._size)
            while True:
                self._feed()
                more = self._input.silent is not None or any(worker.task for worker in self._workers)
                if more:
                    self._collect(block=not self._has_result())
                    self._feed()  # let the workers work while the caller has the result
                if self._has_result():
                    yield self._take()
                elif not more:
                    break
            if self._input.error is not None:
                raise self._input.error
        finally:
            self._stop()

    def _has_result(self) -> bool:
        return self._given in self._finished if self._ordered else bool(self._finished)

    def _take(self) -> ScanResult:
        key = self._given if self._ordered else next(iter(self._finished))
        self._given += 1
        return self._finished.pop(key)

    def _feed(self) -> None:
        """Give a file to every idle worker, starting workers while there are fewer than wanted."""
        limit = self._size * (AHEAD_ORDERED if self._ordered else AHEAD)
        self._input.silent = None
        while True:
            worker = next((each for each in self._workers if each.task is None), None)
            if worker is None and len(self._workers) >= self._size:
                return
            task = self._input.next(may_pull=self._input.taken - self._given < limit)
            if task is None:
                return
            worker = worker or self._start()
            if worker is None:
                self._input.give_back(task)
            elif not worker.assign(task):
                self._input.give_back(task)
                self._lost(worker, worker.stop())

    def _start(self) -> Worker | None:
        """A new worker; None if the system allows no more than there are."""
        method = self._start_method()
        try:
            prepare(method)
            with interrupts_held():
                worker = Worker(self._settings, self._threads, self._factory, method)
                self._workers.append(worker)
        except (OSError, AssertionError) as error:  # the latter in a daemonic process, e.g. of Celery
            if not self._workers:
                raise DfdetectError(
                    f"no worker process can be started: {error}; try --jobs 0 (jobs=0 in Python)"
                ) from error
            self._size = len(self._workers)
            return None
        return worker

    def _collect(self, block: bool) -> None:
        """Take in what workers say; wait for it if `block`, at most until the next deadline or file."""
        before = time.monotonic()
        deadline = min((worker.deadline for worker in self._workers if worker.task), default=before + _TICK)
        patience = min(_TICK, max(0.0, deadline - before)) if block else 0.0
        sources: list[Connection | int] = [worker.connection for worker in self._workers]
        if self._input.silent is not None:
            sources.append(self._input.silent.descriptor)
        readable: list[object] = list(wait(sources, patience))
        pause = time.monotonic() - before - patience
        for worker in list(self._workers):
            if pause > 2 * _TICK:
                worker.deadline += pause  # everything stood still, the workers too
            if _among(worker.connection, readable):
                self._hear(worker)
            elif worker.task and time.monotonic() >= worker.deadline:
                self._expire(worker)

    def _hear(self, worker: Worker) -> None:
        task = worker.task
        match worker.receive():
            case Ready():
                self._start_deaths = 0
            case Done(result):
                assert task is not None
                self._finished[task.index] = result
            case Fatal(error):
                raise error
            case Died(exit_code):
                self._lost(worker, exit_code)

    def _expire(self, worker: Worker) -> None:
        elapsed = worker.elapsed()
        self._workers.remove(worker)
        worker.stop()
        assert worker.task is not None
        if not worker.ready:
            self._start_death(worker.task, f"not ready after {elapsed:.0f} s")
            return
        self._failed(worker.task, timed_out_result(worker.task.path, self._settings, elapsed))

    def _lost(self, worker: Worker, exit_code: int | None) -> None:
        """The process is gone: charge it to its file, if it had begun one."""
        self._workers.remove(worker)
        task = worker.task
        if worker.ready and task is not None:
            self._failed(task, died_result(task.path, exit_code, self._settings, worker.elapsed()))
        elif not worker.ready:
            self._start_death(task, describe_exit(exit_code))

    def _failed(self, task: Task, result: ScanResult) -> None:
        """The scan of `task` has ended its worker; another one hashes the file if evidence is wanted.

        Not the parent: a file on a dead disk would hang it.
        """
        if task.failed is not None:
            self._finished[task.index] = task.failed
        elif self._settings.evidence:
            self._input.give_back(dataclasses.replace(task, failed=result))
        else:
            self._finished[task.index] = result

    def _start_death(self, task: Task | None, how: str) -> None:
        self._start_deaths += 1
        if self._start_deaths >= _START_DEATHS:
            raise DfdetectError(
                f"worker processes end before they are ready ({how}): run 'dfdetect selftest', "
                "and use fewer --jobs if memory is short"
            )
        if task is not None:
            self._input.give_back(task)

    def _stop(self) -> None:
        with interrupts_held():
            for worker in self._workers:
                worker.kill()
            for worker in self._workers:
                worker.stop()
            self._workers.clear()


def _among(connection: Connection, readable: list[object]) -> bool:
    return any(connection is each for each in readable)
