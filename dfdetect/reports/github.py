"""GitHub Actions: annotations (workflow commands), and a page for the summary of the job.

A step may show 10 annotations of a kind, and what is over that vanishes without a word: so there are the
worst ten (nine after the one that says that a scan was interrupted) and a line that says how many there are
in all.  Where ``GITHUB_STEP_SUMMARY`` names a file, the Markdown report is appended to it, once a scan.
"""

from __future__ import annotations

import io
import os
from typing import TextIO

from dfdetect.errors import InputError
from dfdetect.names import printable
from dfdetect.record.summary import Summary
from dfdetect.reports.base import Report, ReportOptions
from dfdetect.reports.findings import Finding, Worst, finding_of, in_repository
from dfdetect.reports.markdown import MarkdownReport
from dfdetect.results import Label, ScanResult

MAX_ANNOTATIONS = 10


class GithubReport(Report):
    """``error`` for what makes the exit status other than 0, else ``warning``; ``notice`` for the counts.

    An ``error`` are so what reaches ``--fail-on``, and also with ``--fail-on never`` a file that could not
    be read: a warning would not explain why the job failed.  Files that were read and could not be judged are
    annotated only if ``--fail-on`` or ``--strict`` asks for it, those that a baseline accepts never.  Making
    it raises `InputError` when the job's summary cannot be written.
    """

    name = "github"

    def __init__(self, stream: TextIO, options: ReportOptions | None = None) -> None:
        super().__init__(stream, options)
        self._worst = Worst(MAX_ANNOTATIONS)
        self._page = io.StringIO()
        self._markdown = MarkdownReport(self._page, self.options)
        self._summary_file = os.environ.get("GITHUB_STEP_SUMMARY", "")
        if self._summary_file:
            _check_appendable(self._summary_file)

    def add(self, result: ScanResult) -> None:
        """Keep the result if it belongs to the worst."""
        self._markdown.add(result)
        finding = finding_of(result, self.options)
        worth = finding.decides or result.label in (Label.FAKE, Label.UNCERTAIN)
        if worth and not finding.accepted:
            self._worst.add(finding)

    def end(self, summary: Summary) -> None:
        """Write the annotations, the worst first, and append the page."""
        early = [] if summary.complete else ["the scan was interrupted; the rest was not looked at"]
        worst = self._worst.kept[: MAX_ANNOTATIONS - len(early)]
        commands = [command("error", sentence) for sentence in early]
        commands += [_annotation(finding) for finding in worst]
        shown = f"; only the {len(worst)} worst are annotated" if self._worst.seen > len(worst) else ""
        commands.append(command("notice", summary.sentence().replace("\n", "; ") + shown))
        self.write("".join(line + "\n" for line in commands))
        if self._summary_file and self._summary_file not in summary.told:
            summary.told.add(self._summary_file)
            self._markdown.end(summary)
            with open(self._summary_file, "a", encoding="utf-8", newline="\n") as file:
                file.write(self._page.getvalue() + "\n")


def command(kind: str, message: str, **properties: str) -> str:
    """A workflow command; the runner ends it at a line break, its properties also at ``:`` and ``,``."""
    properties["title"] = "dfdetect"
    named = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    return f"::{kind} {named}::{_escaped(printable(message))}"


def _annotation(finding: Finding) -> str:
    share = f", {finding.share}" if finding.judged else ""
    detail = f": {finding.detail}" if finding.detail else ""
    caveats = f". {finding.caveats}" if finding.caveats else ""
    message = f"{finding.answer}{share}{detail} ({finding.path}){caveats}"
    kind = "error" if finding.decides else "warning"
    return command(kind, message, file=printable(in_repository(finding.path) or finding.path))


def _check_appendable(path: str) -> None:
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise InputError(
            f"cannot append to the file that GITHUB_STEP_SUMMARY names: {error.strerror or error}; "
            "unset the variable or correct it"
        ) from error


def _escaped(text: str, more: str = "") -> str:
    for char in "%\r\n" + more:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
