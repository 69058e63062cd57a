"""One process at a time for one file, and no longer than that process lives."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import sys
import weakref

_FAR = 1 << 40
"""The byte that is locked on Windows: far behind all content, since nobody else can read what is locked."""


def lock(file: io.FileIO) -> bool | None:
    """Keep other processes out until `file` and its duplicates are closed or this process ends, however it
    ends.  `file` must be open for writing.

    False if another one has it.  None on file systems without locks: nothing keeps two processes apart there.
    """
    if sys.platform == "win32":
        return _lock_byte(file)
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


def _lock_byte(file: io.FileIO) -> bool | None:
    """As `lock`, on Windows, where the system frees what a process locked once that ends."""
    if sys.platform == "win32":
        import msvcrt

        with contextlib.suppress(OSError):
            place = file.tell()
            file.seek(_FAR)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                return True
            except PermissionError:
                return False
            finally:
                file.seek(place)
    return None


def remove_leftovers(folder: str | os.PathLike[str], names: str, owner: int | None = None) -> None:
    """Remove the files that belong to no process any more, by their locks; whatever cannot be is left.

    `names` is a regular expression for their names, `owner` the user whose they must be.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not re.fullmatch(names, entry.name):
                continue
            with contextlib.suppress(OSError):
                state = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(state.st_mode) and owner in (None, state.st_uid):
                    _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    with contextlib.suppress(OSError), open(path, "r+b", buffering=0) as file:
        if lock(file):
            if sys.platform == "win32":
                file.close()  # no file that is open is removed there, be it here or in another process
            os.unlink(path)


_locked: weakref.WeakSet[io.FileIO] = weakref.WeakSet()


def _let_go() -> None:
    """In a forked worker: one that hangs must not hold the lock of a parent that was killed."""
    for file in list(_locked):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
