"""torch's number of threads: it belongs to the whole program, and is ours only while we compute."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_computing = 0
_before = 0


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch compute in this thread on `count` threads, then put back the number that the program has.

    0 leaves that as it is.  Others that begin to compute in the meantime may find our number.
    """
    import torch

    global _before, _computing
    if not count:
        yield
        return
    with _lock:
        if not _computing:  # else it may be ours
            _before = torch.get_num_threads()
        _computing += 1
        torch.set_num_threads(count)
    try:
        yield
    finally:
        with _lock:
            _computing -= 1
            torch.set_num_threads(_before)
