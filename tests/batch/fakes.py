"""Small real detectors for the pool: what they do is said by the name of the file.

``ok-*`` gives a result, ``hang``, ``segfault``, ``kill``, ``exit``, ``raise``, ``memory``, ``media``,
``print``, ``compute`` and ``fatal`` do what they say, ``sleep-0.2-*`` sleeps, ``big-*`` is long.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from dfdetect.batch.failures import failed_result
from dfdetect.errors import MediaError, ModelError
from dfdetect.results import Label, Reason, ScanResult
from dfdetect.settings import Settings


class FakeDetector:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def scan(self, source: str, /) -> ScanResult:
        word = Path(source).name.split("-")[0]
        act = getattr(self, "do_" + word, None)
        if act is not None:
            act(source)
        return ScanResult(
            path=source,
            label=Label.REAL,
            reason=None,
            message=f"pid {os.getpid()} threads {self.settings.threads}" + "x" * (word == "big") * 300_000,
            fake_probability=0.25,
            logit=-1.0,
            band=(0.2, 0.8),
            tracks=(),
            media=None,
            notes=(),
            model=None,
            settings=self.settings.as_dict(),
            tool_version="test",
            elapsed=0.0,
        )

    def do_sleep(self, source: str) -> None:
        time.sleep(float(Path(source).name.split("-")[1]))

    def do_hang(self, source: str) -> None:
        while True:
            time.sleep(3600)

    def do_segfault(self, source: str) -> None:
        ctypes.string_at(0)

    def do_kill(self, source: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def do_exit(self, source: str) -> NoReturn:
        os._exit(7)

    def do_raise(self, source: str) -> NoReturn:
        raise ValueError("odd number of legs")

    def do_memory(self, source: str) -> NoReturn:
        raise MemoryError

    def do_media(self, source: str) -> NoReturn:
        raise MediaError(Reason.ENCRYPTED, "it is encrypted")

    def do_fatal(self, source: str) -> NoReturn:
        raise ModelError("the model has gone")

    def do_compute(self, source: str) -> None:
        import cv2
        import numpy as np

        noise = np.random.default_rng(0).random((800, 800), dtype=np.float32)
        assert cv2.resize(noise @ noise, (1600, 1600)).mean() > 100

    def do_print(self, source: str) -> None:
        print("python noise", flush=True)
        print("python noise", file=sys.stderr, flush=True)
        os.write(1, b"native noise\n")
        os.write(2, b"native noise\n")


class Unpicklable(FakeDetector):
    def scan(self, source: str, /) -> ScanResult:
        message = lambda: None  # noqa: E731
        return failed_result(source, Reason.NO_FACE, message, self.settings)  # type: ignore[arg-type]


def unpicklable(settings: Settings) -> Unpicklable:
    return Unpicklable(settings)


def fake(settings: Settings) -> FakeDetector:
    return FakeDetector(settings)


def without_model(settings: Settings) -> NoReturn:
    raise ModelError("model 'nope' is not installed")


def broken(settings: Settings) -> NoReturn:
    raise RuntimeError("no such instruction")


def dying(settings: Settings) -> NoReturn:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def dying_once(settings: Settings) -> FakeDetector:
    """Dies in the first process that builds it; the marker file is named by the setting `model`."""
    marker = Path(settings.model)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return FakeDetector(settings)


def build_slowly(settings: Settings) -> FakeDetector:
    time.sleep(0.6)
    return FakeDetector(settings)
