"""Hold back Ctrl-C and requests to end while something must not be left half-done; end with the parent."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

# SIGHUP: the terminal was closed, or the connection to it has broken.  Windows has SIGBREAK (Ctrl-Break) in
# its place, the only one that a program there can send to another.
if sys.platform == "win32":
    _REQUESTS = (signal.SIGTERM, signal.SIGBREAK)
else:
    _REQUESTS = (signal.SIGTERM, signal.SIGHUP)
_ENDINGS = (signal.SIGINT, *_REQUESTS)
_PATIENCE = 2.0
"""So many seconds after a request what may never end has to end."""


@contextlib.contextmanager
def interrupts_held() -> Iterator[Hold]:
    """Deliver Ctrl-C, SIGTERM and SIGHUP only after the block.

    A process started inside also begins with them held back, until it has chosen what they mean.
    """
    hold = Hold()
    with _handlers_held(hold), _mask_held():
        yield hold


class Hold:
    """A block of `interrupts_held`."""

    def __init__(self) -> None:
        self.caught: list[int] = []
        self._limited = False
        self._waited_for: int | None = None
        self._before: tuple[Any, tuple[float, float]] | None = None
        """Handler and timer that somebody else has set, while the alarm is ours."""

    def catch(self, number: int, frame: object) -> None:
        """Keep a request for later."""
        self.caught.append(number)
        if self._limited:
            self._set_alarm()

    @contextlib.contextmanager
    def limited(self, requested: bool = False, waited_for: int | None = None) -> Iterator[None]:
        """For a part that may never end, as writing to somebody who does not read.

        Raises KeyboardInterrupt in it when it still goes on two seconds after a request; those count from
        the beginning if there was a request before (`requested`).  As long as the open file `waited_for` can
        take more, nobody is waited for, and it may go on.  Only the main thread can be so disturbed, and not
        on Windows.
        """
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._limited, self._waited_for = True, waited_for
        # Not masked: a call of the system that waits must notice the request.
        mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_ENDINGS, signal.SIGALRM))
        try:
            if requested or self.caught:
                self._set_alarm()
            yield
        finally:
            self._limited = False
            if self._before is not None:
                handler, timer = self._before
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, handler)
                signal.setitimer(signal.ITIMER_REAL, *timer)
                self._before = None
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _set_alarm(self) -> None:
        if sys.platform != "win32" and self._before is None:
            handler = signal.signal(signal.SIGALRM, self._expire) or signal.SIG_DFL
            self._before = handler, signal.setitimer(signal.ITIMER_REAL, _PATIENCE)

    def _expire(self, number: int, frame: object) -> None:
        if not self._limited:  # it has just ended by itself
            return
        if self._waited_for is not None and sys.platform != "win32":
            poll = select.poll()
            poll.register(self._waited_for, select.POLLOUT)
            if poll.poll(0):  # nobody is waited for: the part itself takes so long
                signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
                return
        raise KeyboardInterrupt


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


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
def _handlers_held(hold: Hold) -> Iterator[None]:
    """For this process: the system hands a signal to any thread that does not mask it, be it one of numpy's,
    and Python then runs the handler in the main thread all the same.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # None: a handler that Python did not install and cannot put back.  What is ignored stays ignored.
    known: dict[int, Any] = {number: signal.getsignal(number) for number in _ENDINGS}
    before = {n: handler for n, handler in known.items() if handler not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, hold.catch)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(hold.caught):
            signal.raise_signal(number)


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM (a CI job's time is up), SIGHUP (the terminal is closed) and Ctrl-Break end like Ctrl-C: with
    finished reports and no workers left.  A SIGHUP that is ignored (nohup) stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _REQUESTS}
    for number, handler in tuple(before.items()):
        if number != signal.SIGTERM and handler in (signal.SIG_IGN, None):
            del before[number]
        else:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """End this process, one of `multiprocessing`, once that which started it is gone.

    One that was killed cannot ask for it.
    """
    threading.Thread(target=_watch_parent, name="parent-watch", daemon=True).start()


def _watch_parent() -> None:
    from multiprocessing.connection import wait
    from multiprocessing.process import parent_process

    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
