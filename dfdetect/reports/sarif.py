"""SARIF 2.1.0 (OASIS Standard, errata 01), as code scanning services and their viewers read it.

Findings are results; what was not examined is a notification of the invocation, so that nobody takes its
absence from the results for an answer.  Files that are *real* are in neither.  Results are written as they
come; the notifications and the list of analysed files wait in temporary files until `end`.
"""

from __future__ import annotations

import dataclasses
import os
from datetime import datetime, timedelta
from typing import Any, TextIO

from dfdetect import __version__
from dfdetect.names import printable
from dfdetect.record.plain import plain_result, text
from dfdetect.record.summary import ACCEPTED, Summary, is_accepted
from dfdetect.reports.base import Report, ReportOptions
from dfdetect.reports.findings import caveats, in_repository, suspects, why
from dfdetect.reports.held import Waiting
from dfdetect.reports.json_report import dumps
from dfdetect.reports.stamps import fuller
from dfdetect.results import Label, ModelStamp, Reason, ScanResult
from dfdetect.words import percent, reason_words

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RULES: tuple[dict[str, Any], ...] = (
    {
        "id": "fake-face",
        "name": "FakeFace",
        "shortDescription": {"text": "A face in the file is judged fake."},
        "fullDescription": {
            "text": "The calibrated probability that at least one face in the file was generated, swapped or "
            "re-enacted lies above the model's band, or above the chosen threshold."
        },
        "help": {
            "text": "Look at the persons and times named in the result, and compare with the source of the "
            "file. The answer is a calibrated estimate of a model, not a proof: its card says what it was "
            "measured on and where it fails. 'dfdetect scan --report html=report.html FILE' shows why."
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["deepfake", "media"], "problem.severity": "error"},
    },
    {
        "id": "uncertain-face",
        "name": "UncertainFace",
        "shortDescription": {"text": "The model cannot tell whether a face in the file is fake."},
        "fullDescription": {
            "text": "The calibrated probability that a face in the file is fake lies inside the model's "
            "band, where its answers are not reliable enough to be given."
        },
        "help": {
            "text": "Somebody has to look at the file. A better copy (larger, less compressed) or more "
            "frames ('dfdetect scan --frames 32 FILE') may settle it."
        },
        "defaultConfiguration": {"level": "note"},
        "properties": {"tags": ["deepfake", "media"], "problem.severity": "recommendation"},
    },
)
_REASONS = tuple(Reason)


class SarifReport(Report):
    """One run: results for *fake* (``error``) and *uncertain* (``note``; ``warning`` if ``--fail-on`` asks).

    An uncertain file would be of the kind ``review``, but SARIF gives that the level ``none``, which code
    scanning services do not show.  Places are URIs relative to the repository of a workflow or else to the
    current folder; a file elsewhere has an absolute one.  `Settings.evidence` is switched on for the hashes,
    by which a finding is known again.
    """

    name = "sarif"
    needs = frozenset({"evidence"})

    def __init__(self, stream: TextIO, options: ReportOptions | None = None) -> None:
        super().__init__(stream, options)
        self._facts: dict[str, Any] = {}
        self._stamps: dict[str, ModelStamp | None] = {}
        self._notifications, self._artifacts = _Records(), _Records()
        self._separator = "\n   "

    def begin(self) -> None:
        """Open the run."""
        head = {"$schema": SCHEMA, "version": "2.1.0"}
        run = f'"tool": {dumps({"driver": _driver()})},\n  "results": ['
        self.write(f'{dumps(head)[:-1]}, "runs": [{{\n  {run}')

    def add(self, result: ScanResult) -> None:
        """Write a finding, or set a notification aside."""
        self._note_facts(result)
        if result.reason is not None:
            self._notifications.add(self._notification(result, result.reason))
        elif result.label is not Label.REAL:
            self.write(self._separator + dumps(self._result(result)))
            self._separator = ",\n   "

    def _note_facts(self, result: ScanResult) -> None:
        """What is the same for all files, from the first that says it, or says all of it."""
        for name in ("model", "detector"):
            known = self._stamps.get(name)
            stamp = fuller(known, getattr(result, name))
            if stamp is not known:
                self._stamps[name] = stamp
                self._facts[name] = plain_result(result)[name]
        if "settings" not in self._facts and result.settings:
            self._facts["settings"] = plain_result(result)["settings"]

    def end(self, summary: Summary) -> None:
        """Write what waited, and close the run."""
        invocation = {
            "executionSuccessful": summary.complete,
            "startTimeUtc": _utc(summary.started),
            "endTimeUtc": _utc(summary.started + timedelta(seconds=summary.elapsed)),
            "properties": summary.as_dict(),
        }
        if not summary.complete:
            self._notifications.add(
                {
                    "descriptor": _descriptor(len(_REASONS), "interrupted"),
                    "level": "error",
                    "message": {"text": "The scan was interrupted; the rest was not looked at."},
                }
            )
        opened = f'{dumps(invocation)[:-1]}, "toolExecutionNotifications": ['
        self.stream.write(f'\n  ],\n  "invocations": [{opened}')
        self._notifications.pour(self.stream)
        self.stream.write('\n  ]}],\n  "artifacts": [')
        self._artifacts.pour(self.stream)
        facts = f'"columnKind": "unicodeCodePoints",\n  "properties": {dumps(self._facts)}'
        self.write(f"\n  ],\n  {facts}\n}}]}}\n")

    def _result(self, result: ScanResult) -> dict[str, Any]:
        rule = 0 if result.label is Label.FAKE else 1
        level = "error" if rule == 0 else "warning" if self.options.fail_on.reached_by(result) else "note"
        persons = suspects(result)
        answer = f"Judged {result.label}. Probability of a fake face: {percent(result.fake_probability)}."
        parts = (answer, f"Suspicious: {persons}." if persons else "", *caveats(result))
        message = " ".join(filter(None, parts))
        record = plain_result(dataclasses.replace(result, notes=result.every_note))
        accepted = [
            {"kind": "external", "status": "accepted", "justification": text(note.text)}
            for note in result.notes
            if note.code == ACCEPTED
        ]
        return {
            "ruleId": RULES[rule]["id"],
            "ruleIndex": rule,
            "level": level,
            "message": _message(message),
            "locations": [self._location(result, index=self._artifact(result), region=True)],
            "partialFingerprints": {"primaryLocationLineHash": _fingerprint(result)},
            **({"suppressions": accepted} if accepted else {}),
            "rank": round(100 * record["fake_probability"], 4),
            "properties": {
                "fake_probability": record["fake_probability"],
                "band": record["band"],
                "novelty": record["novelty"],
                "message": record["message"],
                "notes": record["notes"],
                "persons": [
                    {name: track[name] for name in ("id", "label", "fake_probability", "start", "end")}
                    for track in record["tracks"]
                ],
            },
        }

    def _notification(self, result: ScanResult, reason: Reason) -> dict[str, Any]:
        if is_accepted(result):
            level = "note"
        elif reason.is_file_fault or self.options.strict:
            level = "error"
        else:
            level = "warning" if self.options.fail_on.reached_by(result) else "note"
        return {
            "descriptor": _descriptor(_REASONS.index(reason), reason.value),
            "level": level,
            "message": _message(why(result)),
            "locations": [self._location(result)],
        }

    def _artifact(self, result: ScanResult) -> int:
        """Note the analysed file, and give its number."""
        record: dict[str, Any] = {"location": {"uri": file_uri(result.path)}, "roles": ["analysisTarget"]}
        if result.media is not None and result.media.size_bytes is not None:
            record["length"] = result.media.size_bytes
        if result.evidence is not None and result.evidence.sha256 is not None:
            record["hashes"] = {"sha-256": result.evidence.sha256}
        self._artifacts.add(record)
        return self._artifacts.count - 1

    def _location(self, result: ScanResult, index: int | None = None, region: bool = False) -> dict[str, Any]:
        artifact: dict[str, Any] = {"uri": file_uri(result.path)}
        if index is not None:
            artifact["index"] = index
        physical: dict[str, Any] = {"artifactLocation": artifact}
        if region:  # GitHub shows nothing without a line, and a picture has none
            physical["region"] = {"startLine": 1}
        return {"physicalLocation": physical}


class _Records:
    """Items of a list that are written later."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting = Waiting()

    def add(self, record: dict[str, Any]) -> None:
        self._waiting.add(((",\n   " if self.count else "\n   ") + dumps(record)).encode("ascii"))
        self.count += 1

    def pour(self, stream: TextIO) -> None:
        for record in self._waiting.pour():
            stream.write(record.decode("ascii"))


def file_uri(path: str) -> str:
    """The path as a URI reference: relative to the repository, as in an annotation (`in_repository`), or to
    the current folder if there is one; absolute if the file lies in neither.

    Percent-encoded are the bytes of the name, also those that are not UTF-8.
    """
    from urllib.parse import quote

    if not path:
        return ""
    try:
        relative = in_repository(path) or os.path.relpath(path)
        outside = relative == os.pardir or relative.startswith(os.pardir + os.sep)
    except (OSError, ValueError):  # the current folder has been removed; another drive of Windows
        relative, outside = path, os.path.isabs(path)
    shown = os.path.abspath(path) if outside else relative
    try:
        raw = shown.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that stand for no byte, never from a file system
        raw = text(shown).encode("utf-8")
    if os.sep != "/":
        raw = raw.replace(os.sep.encode(), b"/")
    coded = quote(raw, safe="/")
    if not outside:
        return coded
    if coded.startswith("//"):  # a share of Windows: the host is there
        return "file:" + coded
    return "file://" + (coded if coded.startswith("/") else "/" + coded)


def _driver() -> dict[str, Any]:
    notifications = [
        _notice(reason.value, f"A file has no answer: {reason_words(reason)}.", reason.is_file_fault)
        for reason in _REASONS
    ]
    early = "The scan ended before every file had its turn."
    interrupted = {**_notice("interrupted", early, serious=True), "name": "ScanInterrupted"}
    return {
        "name": "dfdetect",
        "version": __version__,
        "semanticVersion": __version__,
        "fullDescription": {"text": "Tells whether a photo or a video shows a faked face."},
        "rules": list(RULES),
        "notifications": [*notifications, interrupted],
    }


def _notice(code: str, meaning: str, serious: bool) -> dict[str, Any]:
    effect = "is incomplete" if serious else "says nothing of it, neither real nor fake"
    return {
        "id": code,
        "name": "NoAnswer" + "".join(word.capitalize() for word in code.split("_")),
        "shortDescription": {"text": meaning},
        "fullDescription": {"text": f"{meaning} The scan {effect}."},
        "help": {"text": "The message says what to do; then scan again."},
        "defaultConfiguration": {"level": "error" if serious else "note"},
    }


def _descriptor(index: int, code: str) -> dict[str, Any]:
    return {"id": code, "index": index}


def _message(sentence: str) -> dict[str, str]:
    """Plain text as SARIF wants it: braces mark places to fill, and ``[text](place)`` a link."""
    sentence = printable(sentence).replace("{", "{{").replace("}", "}}").replace("](", "] (")
    return {"text": sentence}


def _fingerprint(result: ScanResult) -> str:
    """Of the content where its hash is known, else of the path; GitHub matches alerts by it and the path."""
    from hashlib import sha256

    known = result.evidence.sha256 if result.evidence is not None else None
    digest = known or sha256(file_uri(result.path).encode()).hexdigest()
    return f"{digest[:16]}:1"


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
