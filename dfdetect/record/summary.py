"""What a whole scan amounts to: the counts, and the exit code that follows from them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from dfdetect.errors import ExitCode
from dfdetect.names import plural
from dfdetect.results import Label, Reason, ScanResult
from dfdetect.words import NOT_JUDGED, UNREADABLE, reason_words


class FailOn(StrEnum):
    """From which outcome on a file counts as a finding.  Each level includes those before it."""

    FAKE = "fake"
    """Files judged fake."""
    UNCERTAIN = "uncertain"
    """… and files whose answer is *uncertain*."""
    UNJUDGED = "unjudged"
    """… and files that were read but could not be judged (no face, too small, too dark …)."""
    ERROR = "error"
    """… and files that could not be read: whatever is not *real*."""
    NEVER = "never"
    """Nothing counts as a finding."""

    def reached_by(self, result: ScanResult) -> bool:
        """Whether this result is a finding at this level; one that a baseline accepts is none."""
        if self is FailOn.NEVER or is_accepted(result):
            return False
        return _severity(result) <= _LEVELS.index(self)


_LEVELS = (FailOn.FAKE, FailOn.UNCERTAIN, FailOn.UNJUDGED, FailOn.ERROR)
_REAL = len(_LEVELS)

ACCEPTED = "accepted"
"""Code of the `Note` that marks a result as accepted by a baseline (`dfdetect.reports.baseline`)."""


def is_accepted(result: ScanResult) -> bool:
    """Whether a baseline accepts this result: it is shown as it is and does not decide the exit status."""
    return any(note.code == ACCEPTED for note in result.notes)


def decides(result: ScanResult, fail_on: FailOn, strict: bool = False) -> bool:
    """Whether this result alone makes the exit status other than 0: what `outcome` says of all, of one file.

    It reaches `fail_on`, or could not be read, or with `strict` could not be judged; and no baseline accepts
    it.
    """
    if is_accepted(result):
        return False
    gap = result.reason is not None and (strict or result.reason.is_file_fault)
    return gap or fail_on.reached_by(result)


def _severity(result: ScanResult) -> int:
    """Position of the outcome in the order of `FailOn`, 0 for *fake*; beyond its end for *real*."""
    if result.label is Label.FAKE:
        return 0
    if result.label is Label.UNCERTAIN:
        return 1
    if result.reason is not None:
        return 3 if result.reason.is_file_fault else 2
    return _REAL


@dataclass
class Summary:
    """Counts of a scan, fed with each result as it comes."""

    labels: Counter[Label] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    accepted: Counter[FailOn] = field(default_factory=Counter)
    """Results that a baseline accepts, by their level; `labels` and `reasons` count them too."""
    told: set[str] = field(default_factory=set, repr=False, compare=False)
    """Files shared with others that hold this scan already, such as a job's summary: once is enough."""
    complete: bool = True
    """False when the scan was interrupted before every file had its turn."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    elapsed: float = 0.0
    """Wall seconds from the start to the latest result (of the whole scan, not the sum of its files)."""
    _clock: float = field(default_factory=time.perf_counter, repr=False)

    def add(self, result: ScanResult) -> None:
        """Count one result."""
        if result.label is not None:
            self.labels[result.label] += 1
        elif result.reason is not None:
            self.reasons[result.reason] += 1
        if is_accepted(result) and (level := _severity(result)) < _REAL:
            self.accepted[_LEVELS[level]] += 1
        self.elapsed = time.perf_counter() - self._clock

    @property
    def files(self) -> int:
        """Files that have a result."""
        return self.labels.total() + self.reasons.total()

    @property
    def unreadable(self) -> int:
        """Files that could not be read."""
        return sum(count for reason, count in self.reasons.items() if reason.is_file_fault)

    @property
    def unjudged(self) -> int:
        """Files that were read and could not be judged."""
        return self.reasons.total() - self.unreadable

    @property
    def open_unjudged(self) -> int:
        """Files that were read and could not be judged, without those that a baseline accepts."""
        return self.unjudged - self.accepted[FailOn.UNJUDGED]

    def findings(self, fail_on: FailOn) -> int:
        """Files at or above the level `fail_on` that no baseline accepts."""
        if fail_on is FailOn.NEVER:
            return 0
        counts = (self.labels[Label.FAKE], self.labels[Label.UNCERTAIN], self.unjudged, self.unreadable)
        levels = _LEVELS[: _LEVELS.index(fail_on) + 1]
        return sum(counts[: len(levels)]) - sum(self.accepted[level] for level in levels)

    def sentence(self) -> str:
        """In a line: ``7 files: 2 fake, 1 uncertain, 3 real, 1 not judged (1 no face) in 4.2 s``.

        Unreadable files are told apart from those not judged.  What a baseline accepts is counted there and
        named in a second line.
        """
        parts = [f"{self.labels[label]} {label.value}" for label in (Label.FAKE, Label.UNCERTAIN, Label.REAL)]
        for count, words, faults in ((self.unjudged, NOT_JUDGED, False), (self.unreadable, UNREADABLE, True)):
            if count:
                parts.append(f"{count} {words} ({self._detail(faults)})")
        end = "" if self.complete else "; interrupted, the rest was not looked at"
        known = f"\n{self.accepted.total()} accepted by the baseline" if self.accepted else ""
        return f"{plural(self.files, 'file')}: {', '.join(parts)} in {self.elapsed:.1f} s{end}{known}"

    def _detail(self, faults: bool) -> str:
        """The reasons of the unreadable (`faults`) or the unjudged files."""
        chosen = [(reason, count) for reason, count in self.by_reason() if reason.is_file_fault is faults]
        return ", ".join(f"{count} {reason_words(reason)}" for reason, count in chosen)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the JSON report (``$defs/summary`` of the schema)."""
        return {
            "files": self.files,
            "fake": self.labels[Label.FAKE],
            "uncertain": self.labels[Label.UNCERTAIN],
            "real": self.labels[Label.REAL],
            "not_judged": self.unjudged,
            "unreadable": self.unreadable,
            "accepted": self.accepted.total(),
            "reasons": {reason.value: count for reason, count in self.by_reason()},
            "complete": self.complete,
            "started": self.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "elapsed": round(self.elapsed, 3),
        }

    def by_reason(self) -> list[tuple[Reason, int]]:
        """Each reason with its count, the most frequent first."""
        return sorted(self.reasons.items(), key=lambda item: (-item[1], list(Reason).index(item[0])))


def outcome(summary: Summary, fail_on: FailOn = FailOn.FAKE, strict: bool = False) -> ExitCode:
    """The exit code of a scan; the only place that decides it.

    In this order: an interrupted scan is `INTERRUPTED`, since nobody can say what the rest holds.
    A finding is `FOUND`, even if another file was unreadable: one broken file must not hide a fake,
    and every format still shows what could not be read (its record, the summary, a line on standard
    error).  An unreadable file, or with `strict` one that could not be judged, is `UNJUDGED`, so that a
    scan with gaps never passes as clean.  Otherwise `CLEAN`.  What a baseline accepts counts for nothing.
    """
    if not summary.complete:
        return ExitCode.INTERRUPTED
    if summary.findings(fail_on):
        return ExitCode.FOUND
    unreadable = summary.unreadable - summary.accepted[FailOn.ERROR]
    if unreadable or (strict and summary.open_unjudged):
        return ExitCode.UNJUDGED
    return ExitCode.CLEAN
