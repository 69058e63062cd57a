"""What the formats for machines share: the worst results of a scan, and who in a file is suspicious."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable
from dataclasses import dataclass

from dfdetect.names import plural, printable
from dfdetect.record.summary import is_accepted
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.timeline import peak
from dfdetect.results import LABEL_ORDER, Label, ScanResult, TrackResult
from dfdetect.words import label_words, percent, reason_words, span

MAX_SUSPECTS = 3
"""Persons named in a sentence; JSON has them all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a line about a result takes; small, so that the worst of a long scan can be kept."""

    rank: tuple[int, int, float, str]
    """Sorts the worst first: what decides the exit status, so that nothing crowds out why a job failed, and
    last what a baseline accepts; then by the kind of outcome, the probability downwards, the path."""
    path: str
    answer: str
    """``fake``, ``uncertain``, ``real``, ``not judged`` or ``unreadable``."""
    share: str
    """The probability in per cent, ``-`` where there is none."""
    detail: str
    """Who and when, or why nothing can be said; may hold text that came from the file."""
    caveats: str
    """Why an answer is worth less or does not speak for all of the file; empty where it is and does."""
    reached: bool
    """Whether it reached ``--fail-on``."""
    decides: bool
    """Whether it alone makes the exit status other than 0."""
    accepted: bool
    """Whether a baseline accepts it."""

    @property
    def judged(self) -> bool:
        """Whether there is an answer."""
        return self.share != "-"


class Worst:
    """The `limit` worst findings of a stream, and the number of all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.seen = 0
        self.kept: list[Finding] = []
        """The worst first."""

    def add(self, finding: Finding) -> None:
        """Keep the finding if it belongs to the worst."""
        self.seen += 1
        bisect.insort(self.kept, finding, key=lambda found: found.rank)
        del self.kept[self.limit :]

    @property
    def hidden(self) -> int:
        """Findings that are not among those kept."""
        return self.seen - len(self.kept)


_HARM = ("part", "truncated", "damaged")
"""Codes of the notes that may be why no face was found or none could be judged."""
_UNSEEN = (
    *("part", "pages", "streams", "video_follows", "late_start"),
    *("truncated", "damaged", "wrong_header", "faces_dropped"),
)
"""Codes of the notes that say that the answer does not speak for all that the file holds, or its times for
those of a player."""
_WEAK = ("unlike_calibration",)
"""Codes of the notes that say that the answer itself is worth less."""
_KINDS = ("fake", "uncertain", "unreadable", "not judged", "real")


def finding_of(result: ScanResult, options: ReportOptions) -> Finding:
    """The finding of a result; also of a *real* one."""
    answer = label_words(result.label, result.reason)
    accepted, decides = is_accepted(result), options.decides(result)
    turn = 0 if decides else 2 if accepted else 1
    probability = result.fake_probability if result.fake_probability is not None else 0.0
    return Finding(
        rank=(turn, _KINDS.index(answer), -probability, result.path),
        path=result.path,
        answer=answer,
        share=percent(result.fake_probability),
        detail=suspects(result) if result.reason is None else why(result),
        caveats=" ".join(caveats(result)) if result.reason is None else "",
        reached=options.fail_on.reached_by(result),
        decides=decides,
        accepted=accepted,
    )


def in_repository(path: str) -> str | None:
    """The path relative to the repository of a workflow (``GITHUB_WORKSPACE``), which need not be the current
    folder; None where there is no such repository or the file does not lie in it.
    """
    root = os.environ.get("GITHUB_WORKSPACE", "")
    if not root or path in ("", "-"):  # nothing, standard input
        return None
    try:
        inner = os.path.relpath(path, root)
    except (OSError, ValueError):  # the current folder has been removed; another drive of Windows
        return None
    outside = inner == os.pardir or inner.startswith(os.pardir + os.sep)
    return None if outside else inner.replace(os.sep, "/")


def why(result: ScanResult) -> str:
    """Why there is no answer, in one printable line; also that parts of the file are missing, wrong or
    were not looked at.
    """
    words = result.message or (reason_words(result.reason) if result.reason is not None else "")
    harm = [note.text for note in (result.media.notes if result.media else ()) if note.code in _HARM]
    return printable(" ".join((words, *harm)))


def unseen(result: ScanResult) -> str:
    """That the answer does not speak for all of the file, in one printable line; empty if it does."""
    return " ".join(_said(result, _UNSEEN))


def doubts(result: ScanResult) -> str:
    """That the answer is to be trusted less, in one printable line; empty if it is not."""
    return " ".join(_said(result, _WEAK))


def caveats(result: ScanResult) -> tuple[str, ...]:
    """What `doubts` and `unseen` say, a printable sentence or more for each note."""
    return _said(result, (*_WEAK, *_UNSEEN))


def _said(result: ScanResult, codes: tuple[str, ...]) -> tuple[str, ...]:
    notes = dict.fromkeys((*(result.media.notes if result.media else ()), *result.notes))
    found = sorted((note for note in notes if note.code in codes), key=lambda note: note.code not in _WEAK)
    return tuple(printable(sentence(note.text)) for note in found)


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def worst_first(tracks: Iterable[TrackResult]) -> list[TrackResult]:
    """The fake before the uncertain and these before the others, those with a higher probability first."""
    return sorted(tracks, key=lambda t: (LABEL_ORDER[t.label], -(t.fake_probability or 0.0), t.id))


def suspects(result: ScanResult) -> str:
    """Who is suspicious, and when or where: ``person 2 at 0:03–0:07 (93 %)``, or nothing.

    At most `MAX_SUSPECTS`, the worst first.
    """
    found = [t for t in worst_first(result.tracks) if t.label in (Label.FAKE, Label.UNCERTAIN)]
    alone = len(result.tracks) == 1
    parts = [_suspect(track, result.is_video, alone) for track in found[:MAX_SUSPECTS]]
    hidden = len(found) - len(parts)
    return "; ".join(parts) + (f"; and {plural(hidden, 'other')}" if hidden else "")


def _suspect(track: TrackResult, video: bool, alone: bool) -> str:
    """One person; who is `alone` has the figures of the file, and in a photo needs no place."""
    words = [f"person {track.id}"]
    where = span(track.start, track.end) if video else "" if alone else _corner(track)
    if where:
        words.append(f"at {where}")
    details = []
    if not alone:
        word = "" if track.label is Label.FAKE else f"{track.label} "
        details.append(word + percent(track.fake_probability))
    top = peak(track) if video else None
    if top and span(*top) != where:
        details.append(f"strongest at {span(*top)}")
    if details:
        words.append(f"({', '.join(details)})")
    return " ".join(words)


def _corner(track: TrackResult) -> str:
    """The upper left corner of a face in a photo, in pixels."""
    return f"{track.faces[0].box.x0:.0f},{track.faces[0].box.y0:.0f} px" if track.faces else ""
