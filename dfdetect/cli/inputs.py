"""What is to be scanned: the search, and a file on standard input."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import glob
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import click

from dfdetect.batch.sources import (
    MEDIA_SUFFIXES,
    NotYet,
    Survey,
    find_media,
    looks_like_media,
    wait_for_input,
)
from dfdetect.cli.progress import is_terminal
from dfdetect.errors import InputError
from dfdetect.lock import lock, remove_leftovers
from dfdetect.names import plural, printable
from dfdetect.results import Reason, ScanResult

STDIN = "-"
"""Stands for standard input, as a path and as a list."""
_SPOOL = "dfdetect-stdin-"
"""With what the name of a temporary file begins that holds standard input."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The words of the command line that say what to scan."""

    paths: tuple[str, ...]
    files_from: str | None
    null: bool
    spooled: str | None = None
    """Temporary file that holds what came on standard input."""
    survey: Survey = field(default_factory=Survey, compare=False)
    """What `find` met; complete once its iterator has ended."""

    def __post_init__(self) -> None:
        if not self.paths and self.files_from is None:
            raise click.UsageError(
                "nothing to scan: name a file, a folder or a pattern, as in: dfdetect scan clip.mp4"
            )
        if STDIN in self.paths and self.files_from == STDIN:
            raise click.UsageError(
                "standard input is either a media file ('-') or a list (--files-from -), not both"
            )
        if self.null and self.files_from is None:
            raise click.UsageError(
                "-0 belongs to --files-from, as in: find . -print0 | dfdetect scan --files-from - -0"
            )

    def find(self) -> Iterator[str | NotYet]:
        """Every path to scan; `InputError` that says why if there is none."""
        found = self._search(self.survey)
        first = next(found, None)
        if first is None:
            raise InputError(self._nothing())
        return itertools.chain([first], found)

    def count(self) -> int | None:
        """How many paths there are, by searching once more; None if that cannot be known beforehand."""
        if self.files_from is not None and not os.path.isfile(self.files_from):
            return None  # standard input or a pipe: reading it twice would lose what it holds
        return sum(1 for _ in self._search(Survey()))

    def not_entered(self, hidden: bool) -> list[str]:
        """That links to folders and (`hidden`) hidden folders were not entered, in a sentence each."""
        counts = [
            (self.survey.linked, "linked folder"),
            (self.survey.hidden if hidden else 0, "hidden folder"),
        ]
        return [
            f"{plural(count, noun)} {_was(count)} not entered; name {'it' if count == 1 else 'them'} "
            "to have what is inside judged"
            for count, noun in counts
            if count
        ]

    def passed_over(self) -> list[str]:
        """That files of folders were not looked at, and that what came up again was not either, in a sentence
        each."""
        sentences = []
        if count := self.survey.skipped:
            sentences.append(
                f"{plural(count, 'file')} of folders {_was(count)} passed over as no media; "
                "name one to have it judged"
            )
        if count := self.survey.repeated:
            sentences.append(f"{plural(count, 'name')} came up again and {_was(count)} not scanned twice")
        return sentences

    def original(self, result: ScanResult) -> ScanResult:
        """The result under the name that the user knows: a spooled file is ``-``."""
        if self.spooled is None or result.path != self.spooled:
            return result
        message = result.message.replace(self.spooled, "standard input")
        return dataclasses.replace(result, path=STDIN, message=message)

    def unmatched(self, result: ScanResult) -> bool:
        """Whether the result stands for a pattern that matches nothing."""
        return result.reason is Reason.MISSING and result.path in self.paths and glob.has_magic(result.path)

    def spare(self, report: str, read: Sequence[str | None] = (), what: str = "report") -> None:
        """Refuse a report that would overwrite what is to be scanned, any photo or video, or a file that the
        scan reads for another reason (`read`: such files, and folders whose files all are).

        `what` is the word for it.
        """
        named = f"the {what} '{printable(report)}' would overwrite"
        if os.path.isfile(report) and looks_like_media(report):
            raise InputError(f"{named} a photo or a video")
        place = os.path.realpath(report)
        if place in {os.path.realpath(path) for path in self.paths}:
            raise InputError(f"{named} a file that is to be scanned")
        kept = {os.path.realpath(path) for path in (self.files_from, *read) if path}
        if place in kept or (os.path.exists(place) and os.path.dirname(place) in kept):
            raise InputError(f"{named} a file that the scan reads")

    def spare_journal(self, journal: str, read: Sequence[str | None], written: Iterable[str | None]) -> None:
        """The same for the journal of a scan, which must not be any of the files that are `written` either.

        The name of a photo or a video is refused too: a search of its folder would find it.
        """
        self.spare(journal, read, "journal")
        if os.path.splitext(journal)[1][1:].lower() in MEDIA_SUFFIXES:
            raise InputError(
                f"the journal '{printable(journal)}' has the name of a photo or a video: name another file"
            )
        if os.path.realpath(journal) in {os.path.realpath(path) for path in written if path}:
            raise InputError(
                f"the journal and a report or a baseline would be the same file, '{printable(journal)}': "
                "give each its own"
            )

    def _search(self, survey: Survey) -> Iterator[str | NotYet]:
        paths = [self.spooled or path if path == STDIN else path for path in self.paths]
        return find_media(paths, files_from=self.files_from, null_separated=self.null, survey=survey)

    def _nothing(self) -> str:
        where = ", ".join(f"'{path}'" for path in self.paths[:3]) + (", …" if len(self.paths) > 3 else "")
        if not self.paths:
            return f"nothing to scan: the list '{self.files_from}' names no file"
        passed = [
            plural(count, noun)
            for count, noun in (
                (self.survey.skipped, "other file"),
                (self.survey.hidden, "hidden folder"),
                (self.survey.linked, "linked folder"),
            )
            if count
        ]
        itself = "a file or folder" if self.survey.hidden or self.survey.linked else "a file"
        over = (
            f" ({' and '.join(passed)} passed over; name {itself} itself to have it scanned)"
            if passed
            else ""
        )
        return f"nothing to scan: there is no photo or video in {where}{over}"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


@contextlib.contextmanager
def opened(paths: Sequence[str], files_from: str | None, null: bool) -> Iterator[Inputs]:
    """The inputs, with standard input in a temporary file if it is one of them.

    In a file, because a video must be seekable and a worker process must be able to open it.  `InputError` if
    there is no place for it.
    """
    inputs = Inputs(tuple(paths), files_from, null)
    if STDIN not in inputs.paths and files_from != STDIN:
        yield inputs
        return
    if sys.stdin is None or is_terminal(sys.stdin):
        raise InputError("'-' stands for standard input, but nothing is piped in")
    if files_from == STDIN:
        yield inputs
        return
    with _spooled(sys.stdin.buffer) as path:
        yield dataclasses.replace(inputs, spooled=path)


@contextlib.contextmanager
def _spooled(stream: BinaryIO) -> Iterator[str]:
    """The path of a temporary file with what the stream holds.

    What killed processes of this user left of theirs is removed.
    """
    with contextlib.ExitStack() as stack:
        try:
            # As `mkstemp` names them.  On Windows a file that is looked at could not be removed by its owner.
            if sys.platform != "win32":
                remove_leftovers(tempfile.gettempdir(), _SPOOL + "[a-z0-9_]{8}", os.getuid())
            path = stack.enter_context(_temporary())
            wait_for_input(stream)
            with open(path, "wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
        except OSError as error:
            stack.close()
            why = error.strerror or error
            if error.errno in (errno.EBADF, errno.EISDIR, errno.EIO):
                raise InputError(f"standard input cannot be read: {why}") from error
            raise InputError(
                f"standard input cannot be kept in a temporary file: {why}; "
                "set TMPDIR to a folder with room for it"
            ) from error
        yield path


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    """The path of a new temporary file, locked where somebody may look for leftovers."""
    while True:
        descriptor, path = tempfile.mkstemp(prefix=_SPOOL)
        held = open(descriptor, "r+b", buffering=0)  # noqa: SIM115 - closed below
        if sys.platform == "win32" or (lock(held) is not False and os.path.exists(path)):
            break
        held.close()  # another process found it before it was locked, and removes it
    try:
        yield path
    finally:
        held.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
