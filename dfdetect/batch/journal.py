"""A file that holds the results of a scan as they come, so that a scan that was killed can go on.

The first line is a header: the format, its version, and the *key* of the scan, which is whatever decides its
figures (`dfdetect.batch.key`).  Every further line is the result of one file, with the size and the time
stamp that the file had before its scan began, and with a checksum.  A line is on the disk before its result
is handed on.

A result is taken over as long as its file has that size and time stamp.  Only what the file itself brings
about is kept: whoever raises a time limit, mends a permission or installs a decoder wants another try.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

from dfdetect.batch.key import differences
from dfdetect.batch.stored import about_in, line_of, result_in
from dfdetect.errors import InputError
from dfdetect.interrupts import interrupts_held
from dfdetect.lock import lock
from dfdetect.names import plural, printable
from dfdetect.results import Reason, ScanResult

FORMAT = "dfdetect-journal"
VERSION = 1
KEPT = frozenset(
    {
        Reason.NO_FACE,
        Reason.FACE_TOO_SMALL,
        Reason.FACE_TOO_BLURRED,
        Reason.FACE_TOO_DARK,
        Reason.TOO_FEW_FRAMES,
        Reason.EMPTY,
        Reason.NOT_MEDIA,
        Reason.NO_PICTURE,
        Reason.ENCRYPTED,
        Reason.TRUNCATED,
        Reason.TOO_LARGE,
    }
)
"""Reasons that lie in the file.  Not so *unreadable*, which a failing disk makes too, and *unsupported*,
which a missing package does."""

_MAGIC = f'{{"format": "{FORMAT}"'.encode()


class Stamp(NamedTuple):
    """By what it is told whether a file is still the one that was scanned."""

    size: int
    mtime_ns: int


class _Entry(NamedTuple):
    """Where the result of a file is."""

    stamp: Stamp
    offset: int


def _silent(message: str) -> None:
    """Says nothing."""


class Journal:
    """The results of a scan in a file, which is made if it does not exist.

    A context manager.  While it is open no other process can open it, where the system has such locks.
    `key` comes from `dfdetect.batch.key.scan_key`; `tell` gets a sentence about whatever is damaged.  Raises
    `InputError` for a file that is no journal, that holds results of another scan, that is in use, or cannot
    be written to.

    In memory is, for each file, only where its result lies.
    """

    def __init__(self, path: str, key: Mapping[str, Any], tell: Callable[[str], None] = _silent) -> None:
        self.path = path
        self.known = 0
        """Files that it held a result of when it was opened, whether they have changed since or not."""
        self.taken = 0
        """Results that `dfdetect.batch.resume.scan_with` took over from it."""
        self._entries: dict[str, _Entry] = {}
        self._tell = tell
        try:
            self._folder = os.getcwd()
        except FileNotFoundError:  # somebody removed it
            self._folder = ""
        try:
            self._file = self._open()
            try:
                # Some file systems count no links.
                self._linked = os.fstat(self._file.fileno()).st_nlink > 0
                if lock(self._file) is False:
                    raise InputError(
                        f"{self._title} is in use by another scan: wait for its end, or name another file"
                    )
                self._end = self._read(dict(key))
                self.known = len(self._entries)
            except BaseException:
                self.close()
                raise
        except OSError as error:
            raise InputError(f"{self._title} cannot be used: {error.strerror or error}") from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def find(self, path: str) -> int | None:
        """Where the result of this file lies, for `read`; None if there is none or the file has changed."""
        entry = self._entries.get(path)
        return entry.offset if entry is not None and entry.stamp == stamp_of(path) else None

    def read(self, offset: int) -> ScanResult:
        """The result that `find` or `keep` gave the place of."""
        try:
            self._file.seek(offset)
            with _buffered(self._file) as reader:
                return result_in(reader.readline())
        except (OSError, ValueError, LookupError, TypeError, RecursionError, InputError) as error:
            raise InputError(
                f"{self._title} cannot be read any more ({error}): name another file, and scan again"
            ) from error

    def keep(self, result: ScanResult, stamp: Stamp) -> int | None:
        """Append a result and wait until the disk has it; gives the place, or None for what is not kept.

        `stamp` is from before the scan of the file.  Raises `InputError` when the line cannot be written;
        those before it remain.
        """
        if result.reason is not None and result.reason not in KEPT:
            return None
        about: dict[str, Any] = {"path": result.path, **stamp._asdict()}
        if not os.path.isabs(result.path):
            about["folder"] = self._folder  # elsewhere the same name means another file
        try:
            line = line_of(about, result)
        except (ValueError, TypeError):  # no JSON, as with a figure that is none: the reports will refuse it
            return None
        offset = self._append(line)
        self._entries[result.path] = _Entry(stamp, offset)
        return offset

    @property
    def _title(self) -> str:
        return f"the journal '{printable(self.path)}'"

    def _open(self) -> io.FileIO:
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise InputError(f"{self._title} is no regular file: name another")
        return open(self.path, "r+b", buffering=0, opener=_or_made)  # closed by `close`

    def _read(self, key: dict[str, Any]) -> int:
        """Take in what the file holds and cut off a line that was never finished; gives the end."""
        with _buffered(self._file) as reader:
            head = reader.readline()
            if not head.endswith(b"\n"):
                if head and not head.startswith(_MAGIC):  # less than that may be anybody's
                    raise self._foreign()
                return self._begin(key)
            other = self._compare(head, key)
            if other and not reader.readline().endswith(b"\n"):  # it holds nothing yet
                return self._begin(key)
            if other:
                raise InputError(
                    f"{self._title} holds results of another scan ({other}): name another file, or repeat "
                    "with the same settings and formats of reports on the same installation"
                )
            end, damaged = len(head), 0
            for line in reader:
                if not line.endswith(b"\n"):
                    break
                damaged += not self._index(line, end)
                end += len(line)
        if damaged:
            self._tell(
                f"{plural(damaged, 'line')} of {self._title} {'is' if damaged == 1 else 'are'} damaged and "
                "passed over; what should stand there is scanned again"
            )
        self._file.truncate(end)
        return end

    def _index(self, line: bytes, offset: int) -> bool:
        """Remember where the result of one file is; False for a line that is not as it was written."""
        try:
            about = about_in(line)
            place = _Entry(Stamp(about["size"], about["mtime_ns"]), offset)
            if about.get("folder", self._folder) == self._folder:
                self._entries[about["path"]] = place
        except (ValueError, KeyError, TypeError, RecursionError):  # the last of absurd nesting
            return False
        return True

    def _begin(self, key: dict[str, Any]) -> int:
        self._file.truncate(0)
        self._end = 0
        header = {"format": FORMAT, "version": VERSION, "key": key}
        self._append(json.dumps(header).encode() + b"\n")
        with contextlib.suppress(OSError, AttributeError):  # Windows opens no folders
            folder = os.open(os.path.dirname(self.path) or os.curdir, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)  # a new name, too, must outlast a power cut
            finally:
                os.close(folder)
        return self._end

    def _append(self, line: bytes) -> int:
        """Write at the end; gives where the line begins."""
        begin = self._end
        try:
            with interrupts_held():
                self._file.seek(begin)
                rest = memoryview(line)
                while rest:
                    rest = rest[self._file.write(rest) :]
                os.fsync(self._file.fileno())
                links = os.fstat(self._file.fileno()).st_nlink
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(begin)
            raise InputError(
                f"cannot write {self._title}: {error.strerror or error}; make room and repeat the command, "
                "which goes on from there"
            ) from error
        if self._linked and not links:
            raise InputError(
                f"{self._title} was removed or replaced during the scan, and nothing can be kept in it:"
                " leave it where it is and repeat the command"
            )
        self._end += len(line)
        return begin

    def _compare(self, head: bytes, key: dict[str, Any]) -> str:
        """In what the scan of the header differs from this one; empty if it does not."""
        try:
            header = json.loads(head)
            version = repr(header["version"])
            other = differences(dict(header["key"]), json.loads(json.dumps(key)))
            if header["format"] != FORMAT:
                raise ValueError(header["format"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._foreign() from error
        if version != repr(VERSION):
            raise InputError(
                f"{self._title} is of version {version:.20}, and only {VERSION} is known: name another file"
            )
        return other

    def _foreign(self) -> InputError:
        return InputError(f"{self._title} is there and is no journal of a scan: name another file")


def stamp_of(path: str) -> Stamp | None:
    """The stamp of a regular file; None for whatever else, which cannot be told from a changed one."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


@contextlib.contextmanager
def _buffered(file: io.FileIO) -> Iterator[BinaryIO]:
    """A reader from the present place on, which leaves `file` open."""
    reader = io.BufferedReader(file, 1 << 16)
    try:
        yield reader
    finally:
        reader.detach()


def _or_made(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)
