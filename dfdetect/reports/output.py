"""Where reports go: standard output, or files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from dfdetect.errors import DfdetectError, InputError
from dfdetect.files import WholeFile, unwritable
from dfdetect.interrupts import Hold, interrupts_held
from dfdetect.names import printable
from dfdetect.record.summary import Summary
from dfdetect.reports.base import Report, ReportOptions
from dfdetect.reports.registry import find_report, make_report
from dfdetect.results import ScanResult


class ReportFile:
    """A file for a report, UTF-8 with ``\\n``, that appears whole or not at all (`WholeFile`).

    A device, a pipe or an open descriptor (``/dev/stderr``, a FIFO, a shell's ``>(command)``) is written
    directly.
    `InputError` when the place cannot be written to, so that this is known before hours of scanning; `what`
    is its word for the content.
    """

    def __init__(self, path: str, what: str = "a report") -> None:
        self._named = f"{what} to '{printable(path)}'"
        descriptor = _descriptor(path)
        # What a descriptor leads to must not be renamed over: others write to it too.
        self.target = Path(path if descriptor is not None else os.path.realpath(path))
        # Functions of `os.path`, since the methods of `Path` raise for a name that is too long.
        if descriptor is None and os.path.isdir(self.target):
            raise InputError(f"cannot write {self._named}: it is a folder; name a file in it")
        self._whole: WholeFile | None = None
        self.stream: TextIO
        try:
            if descriptor is not None or (os.path.exists(self.target) and not os.path.isfile(self.target)):
                place = self.target if descriptor is None else os.dup(descriptor)
                self.stream = open(place, "w", encoding="utf-8", newline="\n")  # noqa: SIM115 - see `commit`
            else:
                self._whole = WholeFile(self.target)
                buffer = io.BufferedWriter(self._whole.raw)
                self.stream = io.TextIOWrapper(buffer, encoding="utf-8", newline="\n")
        except OSError as error:
            raise unwritable(self._named, self.target, error) from error

    def commit(self) -> None:
        """Close, and put the file in its place.  If it cannot be, it is kept, and `unwritten` says where."""
        self.stream.close()
        if self._whole is not None:
            self._whole.commit()

    @property
    def waits(self) -> bool:
        """Whether writing may wait for somebody who reads."""
        return self._whole is None

    def unwritten(self, error: OSError) -> InputError:
        """What to say when writing to `stream` or `commit` failed with `error`."""
        why = error.strerror or str(error)
        hint = "make room or name another place, and scan again"
        if error.errno == errno.EPIPE:
            hint = "its reader ended before all was written"
        if self._whole is not None:
            hint = self._whole.whereabouts("scan") or hint
        return InputError(f"cannot write {self._named}: {why}; {hint}")

    def discard(self) -> None:
        """Close, and leave nothing behind; an older report of that name stays as it was."""
        try:
            self.stream.close()
        finally:
            if self._whole is not None:
                self._whole.discard()


def _descriptor(path: str) -> int | None:
    """The number of an open file that `path` stands for, as in ``/dev/stdout`` or ``/dev/fd/63``."""
    found = re.fullmatch(r"/dev/std(in|out|err)|/(?:dev|proc/self)/fd/(\d+)", os.path.normpath(path))
    if found is None:
        return None
    return ("in", "out", "err").index(found[1]) if found[1] else int(found[2])


_Entry = tuple[Report, ReportFile | None]


def _waits(entry: _Entry) -> bool:
    _, file = entry
    return file is None or file.waits


def _limited(entry: _Entry, hold: Hold | None, requested: bool) -> contextlib.AbstractContextManager[None]:
    """For a step that may have to wait for somebody who does not read."""
    if hold is None or not _waits(entry):
        return contextlib.nullcontext()
    number: int | None = None
    with contextlib.suppress(OSError, ValueError, AttributeError):  # not a file of the system, or closed
        number = entry[0].stream.fileno()
    return hold.limited(requested, number)


def _give_up(report: Report, file: ReportFile | None) -> None:
    """Let what is still written to somebody who does not read go nowhere: closing would wait once more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # not a file of the system, or closed
        number = report.stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)
    if file is not None:
        with contextlib.suppress(OSError):
            file.discard()


class ReportSet:
    """Feeds one stream of results to several reports at once.

    A context manager: leaving it ends every report, also after an interruption or an error (the
    summary then says that it is not complete), so what was done is never lost.  A report whose file cannot be
    written, as on a full disk, is given up, the others go on, and the end raises `InputError` with its name.

    Every report takes its step before whoever reads standard output or a pipe is waited for; and one who does
    not read is not waited for any longer than a moment after Ctrl-C or a request to end.
    """

    def __init__(self) -> None:
        self.summary = Summary()
        self.requested = False
        """Whether the end was requested before what is still added, which only had to wait."""
        self._entries: list[_Entry] = []
        self._failures: list[OSError | ValueError | InputError] = []

    def to_stream(self, name: str, stream: TextIO, options: ReportOptions | None = None) -> None:
        """Add a report of the format `name` that writes to an open text stream."""
        self._entries.append((make_report(name, stream, options), None))

    def to_file(self, name: str, path: str, options: ReportOptions | None = None) -> None:
        """Add a report of the format `name` that becomes the file `path`."""
        kind = find_report(name)
        file: ReportFile | None = None
        try:
            file = ReportFile(path)
            if any(other and other.target == file.target for _, other in self._entries):
                raise InputError(
                    f"two reports would be written to '{printable(path)}'; give each its own file"
                )
            self._entries.append((kind(file.stream, options), file))
        except DfdetectError:  # also of the format itself, whose package may be missing
            if file is not None:
                file.discard()
            self._discard()
            raise

    def __enter__(self) -> ReportSet:
        try:
            self._each(lambda report: report.begin())
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def add(self, result: ScanResult) -> None:
        """Count the result and hand it to every report; an interruption comes only after that.

        It comes before when one report waits too long for somebody who does not read: that one is given up,
        and others that may have to wait miss the result too, but not after an earlier request (`requested`).
        """
        with interrupts_held() as hold:
            self.summary.add(result)
            self._each(lambda report: report.add(result), hold)

    def _each(self, step: Callable[[Report], None], hold: Hold | None = None) -> None:
        """Take a step with every report; one that fails costs its own file, standard output everything."""
        for entry in sorted(self._entries, key=_waits):
            report, file = entry
            try:
                with _limited(entry, hold, self.requested):
                    step(report)
            except KeyboardInterrupt:
                if hold is None or not _waits(entry):
                    raise
                self._entries.remove(entry)
                _give_up(*entry)
                if hold.caught or not self.requested:
                    raise
            except OSError as error:
                if file is None:
                    raise
                self._entries.remove(entry)
                self._failures.append(file.unwritten(error))
                with contextlib.suppress(OSError):
                    file.discard()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.summary.complete = False
        if isinstance(error, DfdetectError) and not self.summary.files:
            # Nothing was wrong with a file but with the whole scan: older reports stay as they were.
            self._discard()
            self._entries = [entry for entry in self._entries if entry[1] is None]
        with interrupts_held() as hold:
            for entry in sorted(self._entries, key=_waits):
                self._end(entry, hold, requested=isinstance(error, KeyboardInterrupt))
        # After an error its consequences are not news: typically the reader of standard output is gone.
        if self._failures and error is None:
            raise self._failure()

    def _failure(self) -> OSError | ValueError | InputError:
        """One error for all failures: that of standard output alone, or with the names of all files."""
        files = [failure for failure in self._failures if isinstance(failure, InputError)]
        return InputError("; ".join(map(str, files))) if len(files) > 1 else self._failures[0]

    def _end(self, entry: _Entry, hold: Hold, requested: bool) -> None:
        try:
            with _limited(entry, hold, requested):
                self._finish(*entry)
        except KeyboardInterrupt:  # for a request that `hold` delivers, or that was delivered before
            _give_up(*entry)

    def _finish(self, report: Report, file: ReportFile | None) -> None:
        """End one report.  What goes wrong is kept, so that the others are still ended."""
        try:
            report.end(self.summary)
            if file is not None:
                file.commit()
        except (OSError, ValueError) as failure:
            if file is None:
                self._failures.append(failure)
                return
            self._failures.append(file.unwritten(failure) if isinstance(failure, OSError) else failure)
            with contextlib.suppress(OSError):
                file.discard()

    def _discard(self) -> None:
        for _, file in self._entries:
            if file is not None:
                file.discard()
