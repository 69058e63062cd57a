"""What every report is: something that is fed results one by one and writes them to a text stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TextIO

from dfdetect.record.summary import FailOn, Summary, decides
from dfdetect.results import ScanResult


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What the user chose about reporting; formats for machines ignore it."""

    color: bool = False
    verbosity: int = 0
    """-1: only findings and unreadable files; 0: a line per file; 1 and more: with particulars."""
    fail_on: FailOn = FailOn.FAKE
    """What counts as a finding."""
    strict: bool = False
    """Whether a file that could not be judged decides the exit status, as one does that could not be read."""

    def decides(self, result: ScanResult) -> bool:
        """Whether this result alone makes the exit status other than 0."""
        return decides(result, self.fail_on, self.strict)


class Report(ABC):
    """One output format.

    `begin`, then `add` for each result as soon as it is there, then `end`; nothing is kept between
    calls beyond what the format needs, so a report of a million files costs the memory of one.  Each call
    writes whole records with one ``write``: an interruption leaves no half of one, and `end` still
    makes a well-formed document.
    """

    name: ClassVar[str]
    """What the user calls the format."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Settings that a scan must switch on for this format, e.g. ``pictures``."""

    def __init__(self, stream: TextIO, options: ReportOptions | None = None) -> None:
        self.stream = stream
        self.options = options or ReportOptions()

    def begin(self) -> None:  # noqa: B027 - many formats have nothing to write here
        """Write what comes before the first result."""

    @abstractmethod
    def add(self, result: ScanResult) -> None:
        """Write one result."""

    def end(self, summary: Summary) -> None:  # noqa: B027 - or here
        """Write what comes after the last result."""

    def write(self, text: str) -> None:
        """Write and flush, so that a reader sees each record as soon as it is done."""
        self.stream.write(text)
        self.stream.flush()
