"""Decode the next pictures while the last one is being looked at."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

_Item = TypeVar("_Item")

_END = object()


class _Failed:
    """What the source raised, on its way to the consumer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Ahead(Iterator[_Item], Generic[_Item]):
    """The same items in the same order, made in a thread of their own, at most two in advance.

    The thread begins at once, before the first item is asked for.  What the source raises is raised here, at
    its place.  `close` stops the thread before the source goes on to another item, and waits for it:
    afterwards nobody uses the source any more.
    """

    def __init__(self, items: Iterable[_Item]) -> None:
        self._items = items
        self._ready: queue.Queue[object] = queue.Queue(1)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="dfdetect-decode", daemon=True)
        self._thread.start()

    def __next__(self) -> _Item:
        if self._stopped.is_set():
            raise StopIteration
        item = self._ready.get()
        if item is _END or isinstance(item, _Failed):
            self.close()
            if isinstance(item, _Failed):
                raise item.error
            raise StopIteration
        return item  # type: ignore[return-value]  # neither of the marks, so one of the source's

    def close(self) -> None:
        """Stop, and wait for what is being made; may be called twice."""
        self._stopped.set()
        self._thread.join()

    def _produce(self) -> None:
        source = iter(self._items)
        try:
            for item in source:
                if not self._put(item):
                    return
            self._put(_END)
        except BaseException as error:  # whatever it is, the consumer must see it
            self._put(_Failed(error))
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    def _put(self, item: object) -> bool:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=0.05)
            except queue.Full:
                continue
            return True
        return False
