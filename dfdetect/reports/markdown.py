"""Markdown: counts and two tables, the worst first, for a comment, a wiki or a CI summary page.

The dialect is GitHub's (tables); file names stand in code spans, where no reader takes a character of
theirs for markup, a link or somebody's name.
"""

from __future__ import annotations

import re
from typing import TextIO

from dfdetect import __version__
from dfdetect.names import plural, printable
from dfdetect.record.summary import FailOn, Summary
from dfdetect.reports.base import Report, ReportOptions
from dfdetect.reports.findings import Finding, Worst, finding_of
from dfdetect.results import Label, ScanResult
from dfdetect.words import reason_words

MAX_ROWS = 100
"""Rows of each table; a CI summary page may not be larger than 1 MiB, and nobody reads more."""
MAX_NAME = 250
"""Characters of a file name or a message that are shown."""

_MARKUP = re.compile(r"([\\`*_\[\]<~|&])")


class MarkdownReport(Report):
    """A heading, the counts, the findings, and what has no answer.

    A finding is a file judged *fake* or *uncertain*, or one that reaches ``--fail-on``.  What decides the
    exit status comes first, what a baseline accepts last.
    """

    name = "markdown"

    def __init__(self, stream: TextIO, options: ReportOptions | None = None) -> None:
        super().__init__(stream, options)
        self._found = Worst(MAX_ROWS)
        self._unanswered = Worst(MAX_ROWS)
        self._model = ""

    def add(self, result: ScanResult) -> None:
        """Keep the result if it belongs to the worst."""
        if result.model is not None:
            self._model = f", model {result.model.name} {result.model.version}"
        finding = finding_of(result, self.options)
        if result.reason is not None:
            self._unanswered.add(finding)
        elif result.label is not Label.REAL:
            self._found.add(finding)

    def end(self, summary: Summary) -> None:
        """Write the page."""
        parts = [
            f"## dfdetect: {_title(summary)}\n",
            _counts(summary),
            self._facts(summary),
            *self._table("Findings", ("Answer", "Fake", "File", "Suspicious"), self._found),
            *self._table("No answer", ("Answer", "File", "Why"), self._unanswered),
        ]
        self.write("\n".join(parts))

    def _facts(self, summary: Summary) -> str:
        level = self.options.fail_on
        reached = summary.findings(level)
        failing = (
            "Nothing counts as a failure"
            if level is FailOn.NEVER
            else f"{plural(reached, 'file')} {'reaches' if reached == 1 else 'reach'} `--fail-on {level}`"
        )
        if self.options.strict and (count := summary.open_unjudged):
            failing += f"; {plural(count, 'file')} could not be judged (`--strict`)"
        if accepted := summary.accepted.total():
            failing += f"; {accepted} accepted by the baseline"
        early = "" if summary.complete else "**Interrupted: the rest was not looked at.** "
        tool = f"dfdetect {__version__}{self._model}"
        return f"{early}{failing}. Scanned in {summary.elapsed:.1f} s with {inline(tool)}.\n"

    def _table(self, title: str, head: tuple[str, ...], worst: Worst) -> list[str]:
        if not worst.seen:
            return []
        align = ["---:" if column == "Fake" else "---" for column in head]
        lines = [f"### {title}\n", _row(head), _row(tuple(align))]
        lines += [_row(_cells(finding)) for finding in worst.kept]
        if worst.hidden:
            lines.append(f"\n… and {plural(worst.hidden, 'other')}; the other formats have them all.")
        return ["\n".join(lines) + "\n"]


def code(text: str) -> str:
    """Text as a code span that is safe in a table cell, whatever it holds; shortened from its start."""
    text = printable(text) or "(no name)"
    if len(text) > MAX_NAME:
        text = "…" + text[1 - MAX_NAME :]
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    # A reader takes one blank off each end of a span, but leaves a span of blanks alone.
    pad = " " if (text[0] in "` " or text[-1] in "` ") and text.strip(" ") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def inline(text: str) -> str:
    """Text with every character escaped that Markdown would take for markup; shortened at its end."""
    text = printable(text)
    if len(text) > MAX_NAME:
        text = text[: MAX_NAME - 1] + "…"
    return _MARKUP.sub(r"\\\1", text)


def sentence(text: str, path: str) -> str:
    """Text in which the path of a file is quoted as messages quote it: ``'name'`` becomes a code span, since
    no escape keeps a reader from seeing a link or somebody's name in it.
    """
    name = printable(path)
    if not name or f"'{name}'" not in text:
        return inline(text)
    return code(name).join(inline(part) for part in text.split(f"'{name}'"))


def _cells(finding: Finding) -> tuple[str, ...]:
    answer = f"**{finding.answer}**" if finding.reached else finding.answer
    answer += " (accepted)" if finding.accepted else ""
    texts = filter(None, (finding.detail and _ended(finding), finding.caveats))
    detail = " ".join(sentence(text, finding.path) for text in texts)
    if finding.judged:
        return answer, finding.share, code(finding.path), detail
    return answer, code(finding.path), detail


def _ended(finding: Finding) -> str:
    """Who is suspicious, with a full stop where a sentence follows."""
    return finding.detail + ("." if finding.caveats else "")


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _title(summary: Summary) -> str:
    fakes = summary.labels[Label.FAKE]
    return f"{fakes or 'no'} fake in {plural(summary.files, 'file')}"


def _counts(summary: Summary) -> str:
    head = ("Files", "Fake", "Uncertain", "Real", "Not judged", "Unreadable")
    labels = [summary.labels[label] for label in (Label.FAKE, Label.UNCERTAIN, Label.REAL)]
    row = (summary.files, *labels, summary.unjudged, summary.unreadable)
    lines = [_row(head), _row(("---:",) * len(head)), _row(tuple(str(count) for count in row))]
    reasons = _reasons(summary)
    return "\n".join(lines) + "\n" + (f"\nNo answer: {reasons}.\n" if reasons else "")


def _reasons(summary: Summary) -> str:
    return ", ".join(f"{count} {reason_words(reason)}" for reason, count in summary.by_reason())
