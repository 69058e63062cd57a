"""JUnit XML: a test case per file, as Jenkins, GitLab and other CI systems read test reports.

There is no one schema; this keeps to what the one of Jenkins' xUnit plugin (``junit-10.xsd``) allows, and
writes each explanation twice: as the attribute ``message``, which Jenkins shows, and as text, which GitLab
shows.  A case has the name of its file, so that it keeps its identity from run to run.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TextIO

from dfdetect import __version__
from dfdetect.names import printable
from dfdetect.record.summary import Summary, is_accepted
from dfdetect.reports.base import Report, ReportOptions
from dfdetect.reports.findings import suspects, why
from dfdetect.reports.held import Waiting
from dfdetect.reports.stamps import fuller
from dfdetect.results import Label, ModelStamp, ScanResult
from dfdetect.words import label_words, percent

NAME = "dfdetect"
CLASS = "dfdetect.scan"
"""Class name of every case; Jenkins groups by what stands before and after the last dot."""
PASSED = "passed"
_NONCHARACTERS = re.compile("[\ufffe\uffff]")


class JunitReport(Report):
    """``failure``: reaches ``--fail-on``; ``error``: could not be read; passed: *real*; else ``skipped``.

    So a file that could not be judged, whose answer is *uncertain* (or *fake*) while ``--fail-on`` does not
    ask for that, or which a baseline accepts, is skipped, never passed.  With ``--strict`` one that could not
    be judged is an ``error``, as it decides the exit status.  The counts stand before the cases
    and are known after them: the cases wait in a temporary file (in memory while they are few), and `end`
    writes the document.  An interrupted scan has one more case, an ``error``.
    """

    name = "junit"

    def __init__(self, stream: TextIO, options: ReportOptions | None = None) -> None:
        super().__init__(stream, options)
        self._counts: Counter[str] = Counter()
        self._model: ModelStamp | None = None
        self._cases = Waiting()

    def add(self, result: ScanResult) -> None:
        """Set one case aside."""
        self._model = fuller(self._model, result.model)
        kind = str(result.label or result.reason)
        self._keep(result.path, result.elapsed, self._outcome(result), kind, _lines(result))

    def end(self, summary: Summary) -> None:
        """Write the document."""
        if not summary.complete:
            lines = ["interrupted: the rest was not looked at"]
            self._keep("(the rest of the scan)", 0.0, "error", "interrupted", lines)
        counts = {
            "tests": str(self._counts.total()),
            "failures": str(self._counts["failure"]),
            "errors": str(self._counts["error"]),
            "time": f"{summary.elapsed:.3f}",
        }
        skipped = str(self._counts["skipped"])
        started = summary.started.isoformat("T", "seconds")
        properties = [_element("property", {"name": key, "value": value}) for key, value in self._facts()]
        head = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            _opening("testsuites", {"name": NAME, **counts}),
            _opening("testsuite", {"name": NAME, **counts, "skipped": skipped, "timestamp": started}),
            f"<properties>{''.join(properties)}</properties>",
        ]
        self.stream.write("\n".join(head) + "\n")
        for case in self._cases.pour():
            self.stream.write(case.decode())
        self.write("</testsuite>\n</testsuites>\n")

    def _facts(self) -> list[tuple[str, str]]:
        facts = [("fail-on", self.options.fail_on.value)]
        if self._model is not None:
            facts.append(("model", legal(f"{self._model.name} {self._model.version} ({self._model.engine})")))
        if self.options.strict:
            facts.append(("strict", "true"))
        return [*facts, ("tool", f"dfdetect {__version__}")]

    def _outcome(self, result: ScanResult) -> str:
        """The name of the element that says it."""
        fault = result.reason is not None and result.reason.is_file_fault
        if fault and not is_accepted(result):
            return "error"
        if self.options.fail_on.reached_by(result):
            return "failure"
        if self.options.decides(result):
            return "error"
        return PASSED if result.label is Label.REAL else "skipped"

    def _keep(self, path: str, elapsed: float, outcome: str, kind: str, lines: list[str]) -> None:
        body = "\n".join(lines)
        if outcome == PASSED:
            inner = _element("system-out", {}, body)
        else:
            inner = _element(outcome, {"message": lines[0], "type": kind}, body)
        name = legal(path) or "(no name)"
        head = _opening("testcase", {"classname": CLASS, "name": name, "time": f"{elapsed:.3f}"})
        self._cases.add(f"{head}{inner}</testcase>\n".encode())
        self._counts[outcome] += 1


def legal(text: str) -> str:
    """Printable text without the characters that XML 1.0 cannot hold in any form."""
    return _NONCHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", printable(text))


def _lines(result: ScanResult) -> list[str]:
    """First the answer in brief with who is suspicious, then the sentence of the result and the notes."""
    word = label_words(result.label, result.reason)
    if result.reason is not None:
        lines = [f"{word}: {why(result)}"]
    else:
        persons = suspects(result)
        answer = f"{word}, {percent(result.fake_probability)}"
        lines = [f"{answer}: {persons}" if persons else answer, result.message]
    lines += [f"note: {note.text}" for note in result.every_note if note.text not in lines[0]]
    return [legal(line) for line in lines if line]


def _opening(name: str, attributes: dict[str, str]) -> str:
    """The start tag of an element."""
    return _element(name, attributes).removesuffix(f"</{name}>")


def _element(name: str, attributes: dict[str, str], body: str = "") -> str:
    from xml.etree import ElementTree as ET

    element = ET.Element(name, attributes)
    element.text = body
    return ET.tostring(element, encoding="unicode", short_empty_elements=False)
