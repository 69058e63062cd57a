"""One process at a time for one file, and no longer than that process lives."""

from __future__ import annotations

import contextlib
import io
import os
import weakref


def lock(file: io.FileIO) -> bool | None:
    """Keep other processes out until `file` and its duplicates are closed or this process ends, however it
    ends.  `file` must be open for writing.

    False if another one has it.  None where there is no `fcntl` (Windows), and on file systems without
    locks: nothing keeps two processes apart there.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    _locked.add(file)
    return True


def remove_unlocked(path: str) -> None:
    """Remove a file that belongs to no process any more, by its lock; whatever cannot be is left."""
    with contextlib.suppress(OSError), open(path, "r+b", buffering=0) as file:
        if lock(file):
            os.unlink(path)


_locked: weakref.WeakSet[io.FileIO] = weakref.WeakSet()


def _let_go() -> None:
    """In a forked worker: one that hangs must not hold the lock of a parent that was killed."""
    for file in list(_locked):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
