"""Where the figures of a measurement go: to standard output, or to files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import click

from dfdetect.batch.sources import looks_like_media
from dfdetect.cli.stdout import document_stdout, is_stdout
from dfdetect.errors import InputError
from dfdetect.interrupts import interrupts_held
from dfdetect.names import printable
from dfdetect.reports.output import ReportFile

if TYPE_CHECKING:
    from dfdetect.evaluate.forms import Form

T = TypeVar("T")

STDOUT = "-"
"""Stands for standard output, as the file of a report."""


class Outputs(Generic[T]):
    """The reports asked for (``--report``); that they can be written is known before any work.

    A context manager: its end puts every file in its place, an error leaves none.  Raises `InputError` for a
    report that cannot be put there, or that would overwrite one of the `spared` paths, a photo, a video, or
    another report, also one that goes to standard output.
    """

    def __init__(
        self,
        reports: Sequence[tuple[str, str]],
        find_form: Callable[[str], Form[T]],
        spared: Iterable[str | Path],
    ) -> None:
        if sum(path == STDOUT for _, path in reports) > 1:
            raise click.UsageError("standard output takes one report; write the others to files")
        self._spared = {os.path.realpath(path) for path in spared}
        self._taken: set[str] = set()
        self._to_stdout = any(path == STDOUT for _, path in reports)
        self._entries: list[tuple[Form[T], ReportFile | None]] = []
        try:
            for name, path in reports:
                form = find_form(name)
                form.check()
                self._entries.append((form, None if path == STDOUT else self._open(path)))
        except BaseException:
            self._discard()
            raise

    def __enter__(self) -> Outputs[T]:
        return self

    def write(self, found: T, tables: Callable[[T], None]) -> None:
        """Render every report; if none was asked for, `tables` shows the figures on standard output."""
        for form, file in self._entries:
            text = form.render(found)
            if file is None:
                stream = document_stdout()
                stream.write(text)
                stream.flush()
            else:
                file.stream.write(text)
        if not self._entries:
            tables(found)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        with interrupts_held():
            try:
                if kind is None:
                    for file in self._files():
                        _commit(file)
            finally:
                self._discard()  # nothing is left of those that are in their places

    def _open(self, path: str) -> ReportFile:
        place = os.path.realpath(path)
        if place in self._spared:
            raise InputError(f"the report '{printable(path)}' would overwrite an input or another output")
        if os.path.isfile(path) and looks_like_media(path):
            raise InputError(f"the report '{printable(path)}' would overwrite a photo or a video")
        if place in self._taken or (self._to_stdout and is_stdout(path)):
            raise InputError(f"two reports would be written to '{printable(path)}'; give each its own file")
        self._taken.add(place)
        return ReportFile(path)

    def _files(self) -> list[ReportFile]:
        return [file for _, file in self._entries if file is not None]

    def _discard(self) -> None:
        for file in self._files():
            with contextlib.suppress(OSError):  # a full disk must not keep the others
                file.discard()


def _commit(file: ReportFile) -> None:
    try:
        file.commit()
    except OSError as error:
        raise file.unwritten(error) from error
