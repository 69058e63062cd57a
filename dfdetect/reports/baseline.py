"""A baseline: findings that somebody has looked at and accepts, so that only new ones fail a scan.

An entry names the sha256 of a file's content and the outcome that is accepted.  So a file stays accepted
wherever it is moved, a changed file does not, and neither does one whose outcome gets worse (*uncertain*
was accepted, now it is *fake*).  Of several entries with one hash, as a merge leaves them, each accepts its
own outcome.  What has no content to hash, such as a missing file, is never accepted.
The path in an entry is there for people, like ``why``, where they may say why they accept it.

The file is JSON with an entry a line, sorted by path, so that it reads well in a review::

    {"baseline": 1, "accepted": [
      {"path": "press/a.mp4", "outcome": "fake", "sha256": "9f86d0…", "why": "satire, labelled as such"}
    ]}
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfdetect.errors import InputError
from dfdetect.fields import Fields
from dfdetect.names import near, plural, printable
from dfdetect.record.plain import text
from dfdetect.record.summary import ACCEPTED, FailOn, decides
from dfdetect.results import LABEL_ORDER, Label, Note, Reason, ScanResult

VERSION = 1
_BY_NEW = "This finding is accepted by the new baseline"
_MOST_NAMED = 3
_MEMBERS = ("path", "outcome", "sha256", "why")


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted finding."""

    path: str
    """Where the file was when it was accepted."""
    outcome: Label | Reason
    sha256: str
    why: str = ""

    def covers(self, result: ScanResult) -> bool:
        """Whether this outcome, of the same content, is accepted: the same one, or *uncertain* for *fake*."""
        if result.label is None or isinstance(self.outcome, Reason):
            return result.reason is self.outcome
        return LABEL_ORDER[result.label] >= LABEL_ORDER[self.outcome]


_OUTCOMES: Mapping[str, Label | Reason] = {o.value: o for o in (Label.FAKE, Label.UNCERTAIN, *Reason)}


def read_baseline(path: str) -> list[Entry]:
    """The entries of a baseline; `InputError` says what is wrong with it."""
    try:
        document = json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError as error:
        hint = "check the path, or make it with --write-baseline"
        raise InputError(f"there is no baseline '{printable(path)}'; {hint}") from error
    except OSError as error:
        raise InputError(f"the baseline '{printable(path)}' cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        what = f"'{printable(path)}' is no baseline, or was damaged"
        raise InputError(f"{what}: {error}; mend it, or make one with --write-baseline") from error
    except (ValueError, RecursionError):
        document = None
    where = f"'{printable(path)}' is no baseline"
    if not isinstance(document, dict) or "baseline" not in document:
        raise InputError(f"{where}, a JSON object with that member; make one with --write-baseline")
    if document["baseline"] != VERSION:
        raise InputError(f"{where} of the only known version, {VERSION}: write it anew (--write-baseline)")
    accepted = document.get("accepted")
    if not isinstance(accepted, list):
        raise InputError(f"{where}: 'accepted' must be a list")
    return [_entry(item, f"{where}: entry {number}") for number, item in enumerate(accepted, start=1)]


def render_baseline(entries: Iterable[Entry]) -> str:
    """The file's text: an entry a line, by path; of several with the same content the first."""
    unique: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: (entry.path, entry.sha256)):
        unique.setdefault(entry.sha256, entry)
    lines = [f"  {json.dumps(_plain(entry))}" for entry in unique.values()]
    return f'{{"baseline": {VERSION}, "accepted": [\n' + ",\n".join(lines) + ("\n" if lines else "") + "]}\n"


class Gate:
    """Marks the accepted ones among results, and keeps what a new baseline would hold.

    `known` are the entries to accept by.  With `accept_all` every finding that can be accepted is, since it
    goes into the new baseline, and `unmark` takes that back; the reasons (``why``) of `known` are kept.  A
    *finding* is what would make the exit status other than 0: what reaches `fail_on`, what cannot be read,
    and with `strict` what cannot be judged.
    """

    def __init__(
        self, known: Iterable[Entry], fail_on: FailOn, strict: bool = False, accept_all: bool = False
    ) -> None:
        self._known: dict[str, list[Entry]] = {}
        for entry in known:
            self._known.setdefault(entry.sha256, []).append(entry)
        self._fail_on, self._strict, self._accept_all = fail_on, strict, accept_all
        self._met: set[str] = set()
        self._refused: set[str] = set()
        self.found: list[Entry] = []
        """An entry for each finding that can be accepted, in the order of the results."""
        self._hollow, self._named = 0, list[str]()

    def mark(self, result: ScanResult, place: str | None = None) -> ScanResult:
        """The result, with a note if it is accepted.

        A finding's file is read for its hash, at `place` if that is not the result's path.
        """
        outcome = result.label or result.reason
        if outcome is None or not decides(result, self._fail_on, self._strict):
            return result
        if (digest := _digest(result, place or result.path)) is None:
            self._hollow += 1
            if len(self._named) < _MOST_NAMED:
                self._named.append(result.path)
            return result
        known = self._known.get(digest, [])
        entry = next((entry for entry in known if entry.covers(result)), None)
        # The reason of the entry that accepts it, else what was said of this content first.
        why = (entry.why if entry else "") or next((other.why for other in known if other.why), "")
        new = Entry(text(result.path), outcome, digest, why)
        self.found.append(new)
        if entry is not None:
            self._met.add(digest)
        elif self._accept_all:
            entry = new
        else:
            self._refused.add(text(result.path))
            return result
        accepted = _BY_NEW if entry is new else "This finding is accepted by the baseline"
        note = Note(ACCEPTED, f"{accepted}: {entry.why}." if entry.why else f"{accepted}.")
        return dataclasses.replace(result, notes=(*result.notes, note))

    def unmark(self, result: ScanResult) -> ScanResult:
        """The result without the note that only a new baseline gave it, which has not come about."""
        kept = tuple(n for n in result.notes if n.code != ACCEPTED or not n.text.startswith(_BY_NEW))
        return dataclasses.replace(result, notes=kept)

    def unmet(self) -> list[str]:
        """A sentence for each entry that did not come up."""
        return [
            f"the baseline's {printable(entry.path)} ({entry.outcome.value.replace('_', ' ')}) "
            + ("has changed" if entry.path in self._refused else "is no finding of this scan")
            for digest, entries in self._known.items()
            if digest not in self._met
            for entry in entries
        ]

    def summary(self, path: str) -> str:
        """What was written, in a line: of copies there is one entry for all."""
        count, files = len({entry.sha256 for entry in self.found}), len(self.found)
        words = plural(count, "finding") if count == files else f"{plural(count, 'content')} ({files} files)"
        return f"{words} written to the baseline '{printable(path)}'"

    def left_out(self) -> list[str]:
        """A sentence on the findings that no baseline can hold; nothing if there are none."""
        if not self._hollow:
            return []
        have = "has" if self._hollow == 1 else "have"
        names = ", ".join(map(printable, self._named)) + (", …" if self._hollow > len(self._named) else "")
        return [f"{plural(self._hollow, 'finding')} {have} no content and cannot be accepted: {names}"]


def _digest(result: ScanResult, path: str) -> str | None:
    """The sha256 of the file's content; None if there is none to be had."""
    if result.evidence is not None and result.evidence.sha256 is not None:
        return result.evidence.sha256
    try:
        if not os.path.isfile(path):  # a pipe would block, or be empty by now
            return None
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None


def _plain(entry: Entry) -> dict[str, str]:
    record = {"path": entry.path, "outcome": entry.outcome.value, "sha256": entry.sha256}
    return {**record, "why": entry.why} if entry.why else record


def _entry(item: Any, where: str) -> Entry:
    if not isinstance(item, dict):
        raise InputError(f"{where} must be a JSON object")
    for name in item:
        if name not in _MEMBERS:
            hint = near(name, _MEMBERS) or f"known are {', '.join(_MEMBERS)}"
            raise InputError(f"{where} has an unknown member '{printable(name)}'; {hint}")
    values = Fields(item, where, InputError)
    path, why, outcome = values.text("path", ""), values.text("why", ""), values.text("outcome")
    if outcome not in _OUTCOMES:
        raise values.wrong("outcome", "be fake, uncertain or a reason")
    return Entry(path, _OUTCOMES[outcome], values.sha256("sha256"), why)
