"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import shutil
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from dfdetect.errors import InputError
from dfdetect.interrupts import interrupts_held
from dfdetect.lock import lock, remove_leftovers
from dfdetect.names import printable


class WholeFile:
    """A file that is written beside its target, into `raw` or by the name `part`, and renamed by `commit`.

    A context manager: what was not committed is discarded.  What a killed process left beside the same target
    is removed, where the system has locks to tell it by.

    A link is followed, so that it stays one, and a file that is replaced keeps its permissions.  One that may
    be written but not replaced (mounted by itself, or of somebody else in a folder like ``/tmp``) is
    overwritten, once all is there.
    Raises `OSError` when the place cannot be written to, so that this is known before the work; `unwritable`
    puts that into words.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.target = Path(os.path.realpath(path))
        self._kept: Path | None = None
        old = os.path.isfile(self.target)
        if old and not os.access(self.target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not old:
            with contextlib.suppress(FileNotFoundError):
                os.stat(self.target)  # too long a name would else be known only when `part` is renamed
        remove_leftovers(self.target.parent, re.escape(_label(self.target)) + _PART)
        self.raw, self.part = _new_part(self.target)
        self._held = _duplicate(self.raw)
        if old:
            # Never executable: a report in the place of a script must not be run.
            os.chmod(self.part, self.target.stat().st_mode & 0o666)

    def commit(self) -> None:
        """Put the file in its place.  If it cannot be, it is kept, and `whereabouts` says where."""
        self.raw.close()
        try:
            self.part.replace(self.target)
        except OSError as error:
            if error.errno not in _NOT_REPLACED:
                raise
            try:
                self._overwrite()
            except OSError as failure:
                self._keep()
                # Where there is nothing to overwrite, that is no news.
                raise (error if isinstance(failure, FileNotFoundError) else failure) from None
        self._let_go()

    def _overwrite(self) -> None:
        """Copy the part into the target.

        Opened as it is there: in a sticky folder the system may refuse to create what somebody else owns.
        """
        with interrupts_held(), open(self.part, "rb") as part, open(self.target, "r+b") as target:
            target.truncate()
            shutil.copyfileobj(part, target)
        with contextlib.suppress(OSError):
            self.part.unlink()

    def _keep(self) -> None:
        """Give the part a name by which it is not taken for something left over."""
        self._kept = self.part
        with contextlib.suppress(OSError):
            self._kept = self.part.rename(self.part.with_name(f"{self.part.stem[1:]}.kept"))
        self._let_go()

    def whereabouts(self, again: str) -> str:
        """Where it was kept after `commit` failed, for a message; empty if it was not.

        `again` is the word for what would be done again, as in "scan again".
        """
        if self._kept is None:
            return ""
        where = f"it was kept as '{printable(str(self._kept))}'"
        if self._kept == self.part:  # without a name of its own
            where += f"; copy it before you {again} again, which removes it"
        return where

    def discard(self) -> None:
        """Leave nothing behind but what is in its place or was kept; an older file stays as it was."""
        self.raw.close()
        if self._kept is None:
            self.part.unlink(missing_ok=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def unwritable(named: str, target: Path, error: OSError) -> InputError:
    """What to say when the place of a file cannot be written to; `named` are the words for the file."""
    folder = target.parent
    hint = "" if os.path.isdir(folder) else f"; the folder '{printable(str(folder))}' does not exist"
    return InputError(f"cannot write {named}: {error.strerror or error}{hint}")


# Mounted by itself or on another device, or the folder is sticky or was closed in the meantime.
_NOT_REPLACED = (errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES)
_PART = r"\.dfdetect-[0-9a-f]{12}\.part"
_LABEL_BYTES = 80
"""So much of the target's name is in that of its part, which thereby is never too long."""


def _label(target: Path) -> str:
    """With what the name of a part begins.  Targets may share it: a lock tells whether a part is in use."""
    return "." + os.fsencode(target.name)[:_LABEL_BYTES].decode(errors="ignore")


def _new_part(target: Path) -> tuple[io.FileIO, Path]:
    """A new file beside `target`, locked where there are locks, and its path."""
    while True:
        part = target.with_name(f"{_label(target)}.dfdetect-{secrets.token_hex(6)}.part")
        raw = open(part, "xb", buffering=0)  # noqa: SIM115 - `commit` or `discard` closes it
        if lock(raw) is not False and part.exists():
            return raw, part
        raw.close()  # another process found it before it was locked, and removes it


def _duplicate(raw: io.FileIO) -> io.FileIO | None:
    """Holds the lock until the part has its final name; Windows renames no open file."""
    if sys.platform == "win32":
        return None
    held = open(os.dup(raw.fileno()), "wb", buffering=0)  # noqa: SIM115 - see `WholeFile._let_go`
    lock(held)  # it has it already; a forked worker shall not
    return held
