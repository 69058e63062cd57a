"""Decode the next pictures while the last one is being looked at."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")

_END = object()


class _Failed:
    """What the source raised, on its way to the consumer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def ahead(items: Iterable[_Item], depth: int = 1) -> Generator[_Item]:
    """The same items in the same order, made in a thread of their own, at most `depth` + 1 in advance.

    What the source raises is raised here, at its place.  Closing this generator stops the thread before the
    source goes on to another item, and waits for it: afterwards nobody uses the source any more.
    """
    ready: queue.Queue[object] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.05)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        source = iter(items)
        try:
            for item in source:
                if not put(item):
                    return
            put(_END)
        except BaseException as error:  # whatever it is, the consumer must see it
            put(_Failed(error))
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=produce, name="dfdetect-decode", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Failed):
                raise item.error
            yield item  # type: ignore[misc]  # neither of the marks, so one of the source's
    finally:
        stopped.set()
        thread.join()
