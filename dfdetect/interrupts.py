"""Hold back Ctrl-C and requests to end while something must not be left half-done."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

# SIGHUP, where there is one: the terminal was closed, or the connection to it has broken.
_REQUESTS = (signal.SIGTERM, *([] if sys.platform == "win32" else [signal.SIGHUP]))
_ENDINGS = (signal.SIGINT, *_REQUESTS)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Deliver Ctrl-C, SIGTERM and SIGHUP only after the block.

    A process started inside also begins with them held back, until it has chosen what they mean.
    """
    with _handlers_held(), _mask_held():
        yield


@contextlib.contextmanager
def _mask_held() -> Iterator[None]:
    """For processes started inside, which inherit the mask of this thread."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _handlers_held() -> Iterator[None]:
    """For this process: the system hands a signal to any thread that does not mask it, be it one of numpy's,
    and Python then runs the handler in the main thread all the same.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def catch(number: int, frame: object) -> None:
        caught.append(number)

    # None: a handler that Python did not install and cannot put back.
    before: dict[int, Any] = {n: signal.getsignal(n) for n in _ENDINGS if signal.getsignal(n) is not None}
    for number in before:
        signal.signal(number, catch)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(caught):
            signal.raise_signal(number)


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM (a CI job's time is up) and SIGHUP (the terminal is closed) end like Ctrl-C: with finished
    reports and no workers left.  A SIGHUP that is ignored (nohup) stays so.
    """

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _REQUESTS}
    for number, handler in tuple(before.items()):
        if number != signal.SIGTERM and handler in (signal.SIG_IGN, None):
            del before[number]
        else:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
