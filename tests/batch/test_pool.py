from __future__ import annotations

import dataclasses
import hashlib
import io
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from dfdetect.batch import pool, process, resources
from dfdetect.batch.pool import AHEAD, AHEAD_ORDERED, scan_many
from dfdetect.batch.worker import DetectorFactory
from dfdetect.errors import DfdetectError, InputError, ModelError, SettingsError
from dfdetect.results import Label, Reason, ScanResult
from dfdetect.settings import Settings

from . import fakes

QUICK = Settings(timeout=20)


def scan(paths: list[str], settings: Settings = QUICK, **options: object) -> dict[str, ScanResult]:
    options.setdefault("jobs", 2)
    options.setdefault("detector_factory", fakes.fake)
    results = list(scan_many(paths, settings, **options))  # type: ignore[arg-type]
    assert sorted(result.path for result in results) == sorted(paths)
    return {result.path: result for result in results}


@pytest.mark.parametrize("jobs", [0, 1])
@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0\0", io.BytesIO(b"\xff\xd8")])
def test_contents_and_open_files_are_no_paths(jobs: int, content: object) -> None:
    with pytest.raises(TypeError, match="use Detector"):
        list(scan_many([content], QUICK, jobs=jobs, detector_factory=fakes.fake))  # type: ignore[list-item]


def children() -> list[int]:
    names = [child for child in psutil.Process().children() if "resource_tracker" not in str(child.cmdline())]
    return [child.pid for child in names]


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Iterator[None]:
    yield
    assert children() == []
    assert not process._parent_ends


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_every_file_gets_its_result(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    results = scan([f"ok-{i}" for i in range(20)], start_method=method)
    assert all(result.label is Label.REAL for result in results.values())
    workers = {result.message for result in results.values()}
    assert 1 <= len(workers) <= 2
    assert f"pid {os.getpid()} " not in str(workers)


PLANTED = """open("planted", "w").close()
raise ImportError("not this one")
"""
SPAWNING = """
from dfdetect.batch.pool import scan_many
from dfdetect.settings import Settings

if __name__ == "__main__":
    (result,) = scan_many(["missing.jpg"], Settings(model="light"), jobs=1, start_method="spawn")
    print(result.reason.value)
"""


def test_no_code_comes_from_the_working_directory(tmp_path: Path) -> None:
    scanned = tmp_path / "scanned"
    scanned.mkdir()
    for name in ("multiprocessing", "json", "numpy"):
        (scanned / f"{name}.py").write_text(PLANTED)
    script = (
        tmp_path / "program.py"
    )  # as an installed command: its own folder is searched, not the present one
    script.write_text(SPAWNING)
    run = subprocess.run(
        [sys.executable, str(script)], cwd=scanned, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout == "missing\n", run.stderr
    assert not (scanned / "planted").exists()


def test_a_hanging_file_costs_that_file_and_its_time() -> None:
    began = time.monotonic()
    results = scan(["ok-1", "hang", "ok-2", "ok-3", "hang-too", "ok-4"], Settings(timeout=0.7))
    took = time.monotonic() - began
    assert {p for p, r in results.items() if r.reason is Reason.TIMED_OUT} == {"hang", "hang-too"}
    assert sum(r.label is Label.REAL for r in results.values()) == 4
    assert "0.7 s" in results["hang"].message
    assert 0.7 <= results["hang"].elapsed < 4
    assert took < 10


@pytest.mark.parametrize(
    ("name", "reason", "word"),
    [
        ("segfault", Reason.CRASHED, "SIGSEGV"),
        ("exit", Reason.CRASHED, "exit status 7"),
        ("kill", Reason.OUT_OF_MEMORY, "--jobs"),
        ("raise", Reason.CRASHED, "ValueError: odd number of legs (fakes.py:"),
        ("memory", Reason.OUT_OF_MEMORY, "memory"),
        ("media", Reason.ENCRYPTED, "it is encrypted"),
    ],
)
def test_a_crash_costs_one_file(name: str, reason: Reason, word: str) -> None:
    results = scan(["ok-1", name, "ok-2", name + "-b", "ok-3", "ok-4"])
    for bad in (name, name + "-b"):
        assert results[bad].reason is reason
        assert word in results[bad].message
        assert results[bad].settings == QUICK.as_dict()
    assert sum(r.label is Label.REAL for r in results.values()) == 4


@pytest.mark.parametrize(
    ("name", "reason", "jobs"),
    [
        ("hang", Reason.TIMED_OUT, 1),
        ("segfault", Reason.CRASHED, 1),
        ("kill", Reason.OUT_OF_MEMORY, 2),
        ("raise", Reason.CRASHED, 2),
        ("raise", Reason.CRASHED, 0),
    ],
)
def test_what_stops_a_scan_keeps_no_file_from_being_hashed(
    tmp_path: Path, name: str, reason: Reason, jobs: int
) -> None:
    path = tmp_path / f"{name}-1"
    path.write_bytes(b"some bytes")
    missing = f"{name}-that-is-missing"
    settings = Settings(evidence=True, timeout=0.5 if name == "hang" else 20)
    results = scan([str(path), missing, "ok-1"], settings, jobs=jobs)
    evidence = results[str(path)].evidence
    assert evidence is not None
    assert evidence.sha256 == hashlib.sha256(b"some bytes").hexdigest()
    assert evidence.versions["dfdetect"]
    assert results[str(path)].reason is results[missing].reason is reason
    assert results[missing].evidence is None
    assert results["ok-1"].label is Label.REAL
    assert scan([str(path)], settings.replace(evidence=False), jobs=jobs)[str(path)].evidence is None


@pytest.mark.skipif(sys.platform == "win32", reason="counts file descriptors")
def test_replaced_workers_leave_no_open_files() -> None:
    scan(["exit-0", "ok"])
    before = psutil.Process().num_fds()
    results = scan([f"exit-{i}" for i in range(12)])
    assert {result.reason for result in results.values()} == {Reason.CRASHED}
    assert psutil.Process().num_fds() == before


def test_a_result_that_cannot_be_sent_costs_one_file() -> None:
    results = scan(["a", "b"], detector_factory=fakes.unpicklable)
    assert {result.reason for result in results.values()} == {Reason.CRASHED}


def test_the_time_to_build_the_detector_is_not_the_files_time() -> None:
    results = scan(["ok-1"], Settings(timeout=0.4), detector_factory=fakes.build_slowly, jobs=1)
    assert results["ok-1"].label is Label.REAL


def test_ordered_keeps_the_order_of_the_input() -> None:
    paths = ["sleep-0.4-a", "ok-1", "segfault-1", "sleep-0.1-b", *(f"ok-{i}" for i in range(2, 30))]
    ordered = scan_many(paths, QUICK, jobs=2, ordered=True, detector_factory=fakes.fake)
    assert [result.path for result in ordered] == paths
    free = scan_many(paths, QUICK, jobs=2, detector_factory=fakes.fake)
    assert [result.path for result in free] != paths


@pytest.mark.parametrize(("ordered", "ahead"), [(False, AHEAD), (True, AHEAD_ORDERED)])
def test_input_is_taken_no_further_ahead_than_promised(ordered: bool, ahead: int) -> None:
    taken = 0

    def paths() -> Iterator[str]:
        nonlocal taken
        for i in range(300):
            taken += 1
            yield "sleep-0.3-slow" if i == 0 else f"ok-{i}"

    worst = given = 0
    for _ in scan_many(paths(), QUICK, jobs=2, ordered=ordered, detector_factory=fakes.fake):
        if given == 0:
            assert taken < 40  # the first result comes long before the last file is known
        time.sleep(0.001)  # a slow reader must not let finished results pile up
        worst = max(worst, taken - given)
        given += 1
    assert given == taken == 300
    assert worst <= ahead * 2


def test_one_worker_does_not_wait_behind_another() -> None:
    results = list(scan_many(["sleep-1-a", *"bcdefgh"], QUICK, jobs=2, detector_factory=fakes.fake))
    assert results[-1].path == "sleep-1-a"


def test_no_more_workers_than_files_and_they_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "usable_cores", lambda: 8)
    one = scan(["ok-1"], jobs=4)["ok-1"]
    assert one.message.endswith("threads 8")
    assert one.settings["threads"] == 0  # what the user chose
    two = scan(["sleep-0.2-a", "sleep-0.2-b", "ok-c"], jobs=2)
    assert all(result.message.endswith("threads 4") for result in two.values())
    chosen = scan(["ok-1", "ok-2"], Settings(threads=3))["ok-1"]
    assert chosen.message.endswith("threads 3")
    assert chosen.settings["threads"] == 3


def test_jobs_0_gives_the_same_results_in_this_process() -> None:
    paths = ["ok-1", "raise", "media", "memory", "ok-2"]
    here, there = scan(paths, jobs=0), scan(paths, jobs=2)
    assert f"pid {os.getpid()} " in here["ok-1"].message
    for path in paths:
        text = "" if path.startswith("ok") else there[path].message  # those that worked name their process
        mine, theirs = (dataclasses.replace(r[path], elapsed=0, message=text) for r in (here, there))
        assert mine == theirs
        assert path.startswith("ok") or here[path].message == text


@pytest.mark.parametrize("jobs", [0, 2])
@pytest.mark.parametrize(
    ("factory", "error", "text"),
    [
        (fakes.without_model, ModelError, "model 'nope' is not installed"),
        (fakes.broken, DfdetectError, "RuntimeError: no such instruction"),
    ],
)
def test_a_detector_that_cannot_be_built_raises_once(
    jobs: int, factory: DetectorFactory, error: type[DfdetectError], text: str
) -> None:
    with pytest.raises(error, match=text):
        list(scan_many(["a", "b", "c"], QUICK, jobs=jobs, detector_factory=factory))


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_model_error_in_the_middle_raises(jobs: int) -> None:
    with pytest.raises(ModelError, match="gone"):
        list(scan_many(["ok-1", "fatal", "ok-2"], QUICK, jobs=jobs, detector_factory=fakes.fake))


def test_workers_that_die_at_start_raise_after_a_few() -> None:
    with pytest.raises(DfdetectError, match="before they are ready \\(SIGSEGV\\)"):
        list(scan_many(["a", "b", "c"], QUICK, jobs=2, detector_factory=fakes.dying))


def test_one_death_at_start_loses_no_file(tmp_path: Path) -> None:
    settings = Settings(model=f"{tmp_path}/marker")
    results = scan(["ok-1", "ok-2", "ok-3"], settings, detector_factory=fakes.dying_once)
    assert all(result.label is Label.REAL for result in results.values())


def test_a_worker_that_is_never_ready_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START_LIMIT", 0.1)
    with pytest.raises(DfdetectError, match="not ready after"):
        list(scan_many(["a"], QUICK, jobs=1, detector_factory=fakes.build_slowly))


def test_a_missing_model_is_said_before_anything_starts() -> None:
    pytest.importorskip("dfdetect.scoring.models")
    with pytest.raises(ModelError):
        scan_many(iter(["a"]), Settings(model="no-such-model"), jobs=2)


@pytest.mark.parametrize("jobs", [-1, 1.5, True, "2"])
def test_wrong_jobs_are_refused_at_once(jobs: object) -> None:
    with pytest.raises(SettingsError, match="jobs must be"):
        scan_many([], QUICK, jobs=jobs, detector_factory=fakes.fake)  # type: ignore[arg-type]


@pytest.mark.parametrize("jobs", [0, 2, None])
def test_nothing_in_nothing_out(jobs: int | None) -> None:
    assert list(scan_many([], QUICK, jobs=jobs, detector_factory=fakes.without_model)) == []


def test_an_error_of_the_input_comes_after_the_files_before_it() -> None:
    def paths() -> Iterator[str]:
        yield "ok-1"
        yield "sleep-0.2-x"
        yield "ok-2"
        raise InputError("the list cannot be read on")

    results: list[str] = []
    stream = scan_many(paths(), QUICK, jobs=2, detector_factory=fakes.fake)
    with pytest.raises(InputError, match="read on"):
        results.extend(result.path for result in stream)
    assert sorted(results) == ["ok-1", "ok-2", "sleep-0.2-x"]


def test_closing_the_stream_ends_the_workers_promptly() -> None:
    stream = scan_many(["ok-1", "hang-1", "hang-2", "ok-2"], QUICK, jobs=2, detector_factory=fakes.fake)
    assert next(stream).path == "ok-1"
    assert children()
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 2
    assert children() == []


def test_long_results_and_a_reader_that_pauses() -> None:
    stream = scan_many(
        [f"big-{i}" for i in range(8)], Settings(timeout=0.5), jobs=2, detector_factory=fakes.fake
    )
    results = []
    for result in stream:
        results.append(result)
        time.sleep(0.6 if len(results) < 3 else 0)  # longer than a file may take
    assert all(result.label is Label.REAL and len(result.message) > 300_000 for result in results)
    assert len(results) == 8


@pytest.mark.skipif(sys.platform != "linux", reason="fork is used on Linux only")
def test_fork_is_chosen_only_while_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in process._UNSAFE_TO_FORK:
        monkeypatch.delitem(sys.modules, name, raising=False)
    before = process.native_threads()
    assert before >= 1
    assert process.choose_start_method(before - 1) == "fork"
    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    try:
        assert process.choose_start_method(before - 1) == "spawn"
    finally:
        event.set()
        thread.join()
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert process.choose_start_method(before - 1) == "spawn"


def test_a_scan_from_a_thread_works() -> None:
    results: list[ScanResult] = []
    thread = threading.Thread(
        target=lambda: results.extend(scan_many(["ok-1", "ok-2"], QUICK, jobs=2, detector_factory=fakes.fake))
    )
    thread.start()
    thread.join()
    assert [result.label for result in results] == [Label.REAL] * 2


def test_scans_from_several_threads_leave_the_main_program_as_it_was() -> None:
    main = vars(sys.modules["__main__"])
    before = {name: main.get(name) for name in ("__spec__", "__file__")}
    threads = [
        threading.Thread(target=scan, args=(["ok-1", "ok-2"],), kwargs={"start_method": "spawn"})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: main.get(name) for name in before} == before


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_single_path_is_wrong_use_and_bytes_are_a_path(jobs: int) -> None:
    for single in ("ok.mp4", b"ok.mp4", Path("ok.mp4")):
        with pytest.raises(TypeError, match="not the single"):
            scan_many(single, QUICK, jobs=jobs)  # type: ignore[arg-type]
    paths: Any = [b"ok-1", Path("ok-2")]
    found = list(scan_many(paths, QUICK, jobs=jobs, detector_factory=fakes.fake, ordered=True))
    assert [result.path for result in found] == ["ok-1", "ok-2"]


def test_two_thousand_trivial_files_in_flat_memory() -> None:
    me = psutil.Process()
    sizes: list[int] = []
    began = time.monotonic()
    stream = scan_many((f"ok-{i}" for i in range(2000)), QUICK, jobs=2, detector_factory=fakes.fake)
    for number, _ in enumerate(stream):
        if number % 500 == 499:
            sizes.append(me.memory_info().rss)
    assert number == 1999
    assert max(sizes) - sizes[0] < 2 * 2**20
    assert time.monotonic() - began < 20


def test_default_jobs_come_from_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= resources.default_jobs() <= (os.cpu_count() or 1)
    monkeypatch.setattr(resources, "usable_cores", lambda: 16)
    for memory, jobs in ((None, 16), (2**40, 16), (3 * resources.WORKER_BYTES, 3), (1, 1)):
        monkeypatch.setattr(resources, "usable_memory", lambda memory=memory: memory)
        assert resources.default_jobs() == jobs
    assert [resources.threads_per_worker(jobs) for jobs in (1, 3, 16, 99)] == [16, 5, 1, 1]


def test_containers_limits_are_obeyed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resources, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8), raising=False)
    assert resources.usable_cores() == 8
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert resources.usable_cores() == 8
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert resources.usable_cores() == 2
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert resources.usable_cores() == 1
    (tmp_path / "memory.max").write_text("1000000000\n")
    (tmp_path / "memory.current").write_text("200000000\n")
    assert resources.usable_memory() == 800_000_000


def test_a_pause_of_the_whole_program_is_not_charged_to_files(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    paused: list[bool] = []

    def wait_through_a_pause(connections: list[Connection], timeout: float) -> list[Any]:
        if sum(heard) == 1 and not paused:  # the worker has said that it is ready and is busy now
            paused.append(True)
            time.sleep(0.8)  # as if Ctrl-Z had stopped us
            return []
        heard.append(len(found := wait(connections, timeout)))
        return found

    monkeypatch.setattr(pool, "_TICK", 0.1)
    monkeypatch.setattr(pool, "wait", wait_through_a_pause)
    stream = scan_many(["sleep-1-x"], Settings(timeout=0.6), jobs=1, detector_factory=fakes.fake)
    assert [result.label for result in stream] == [Label.REAL]
    assert paused
