"""Scans that go on after the main thread has ended, when Python starts no more threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dfdetect import Detector

DATA = Path(__file__).resolve().parents[1] / "data"

THREAD = """
import threading, time
from dfdetect import Detector
detector = Detector(model="light")
def work():
    threading.main_thread().join()
    for name in {names!r}:
        print(detector.scan(name).label, flush=True)
threading.Thread(target=work).start()
"""
QUEUED = """
from concurrent.futures import ThreadPoolExecutor
from dfdetect import Detector
detector = Detector(model="light")
pool = ThreadPoolExecutor(1)
for name in {names!r}:
    pool.submit(detector.scan, name).add_done_callback(lambda done: print(done.result().label, flush=True))
"""


@pytest.mark.parametrize("code", [THREAD, QUEUED])
def test_other_threads_scan_on_when_the_main_one_has_ended(code: str) -> None:
    names = [str(DATA / "astronaut_forged.jpg"), str(DATA / "moving.mp4")]
    done = subprocess.run(
        [sys.executable, "-c", code.format(names=names)], capture_output=True, text=True, timeout=100
    )
    detector = Detector(model="light")
    assert done.stdout.split() == [str(detector.scan(name).label) for name in names], done.stderr


@pytest.mark.parametrize("name", ["astronaut.jpg", "moving.mp4"])
def test_a_scan_without_any_thread_gives_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Detector(model="light").scan(DATA / name)

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    result = Detector(model="light").scan(DATA / name)
    assert result.fake_probability == pytest.approx(expected.fake_probability, abs=1e-6)
    assert len(result.tracks) == len(expected.tracks)
