"""One process at a time for one file, and no longer than that process lives."""

from __future__ import annotations

import io
import os
import weakref


def lock(file: io.FileIO) -> bool:
    """Keep other processes out until `file` is closed or this process ends, however it ends.

    False if another one has it.  Where there is no `fcntl` (Windows), and on file systems without locks,
    nothing keeps two processes apart.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    _locked.add(file)
    return True


_locked: weakref.WeakSet[io.FileIO] = weakref.WeakSet()


def _let_go() -> None:
    """In a forked worker: one that hangs must not hold the lock of a parent that was killed."""
    for file in list(_locked):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
