"""The one table of output formats.  A new format is one file beside this one and one line here."""

from __future__ import annotations

import difflib
from typing import TextIO

from dfdetect.errors import InputError
from dfdetect.reports.base import Report, ReportOptions
from dfdetect.reports.csv_report import CsvReport
from dfdetect.reports.github import GithubReport
from dfdetect.reports.html_report import HtmlReport
from dfdetect.reports.json_report import JsonReport
from dfdetect.reports.jsonl import JsonlReport
from dfdetect.reports.junit import JunitReport
from dfdetect.reports.markdown import MarkdownReport
from dfdetect.reports.parquet import ParquetReport
from dfdetect.reports.record import RecordReport
from dfdetect.reports.sarif import SarifReport
from dfdetect.reports.text import TextReport

# Modules of formats import heavy packages (templates, pyarrow …) inside their methods: this table is
# read whenever the command line starts.
REPORTS: dict[str, type[Report]] = {
    report.name: report
    for report in (
        TextReport,
        HtmlReport,
        JsonReport,
        RecordReport,
        JsonlReport,
        CsvReport,
        ParquetReport,
        MarkdownReport,
        JunitReport,
        SarifReport,
        GithubReport,
    )
}
"""Name of the format → its class."""


def find_report(name: str) -> type[Report]:
    """The format of this name; an unknown one raises `InputError` that lists the known ones."""
    if name in REPORTS:
        return REPORTS[name]
    near = difflib.get_close_matches(name.lower(), REPORTS, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise InputError(f"unknown report format '{name}': {hint}known formats are {', '.join(REPORTS)}")


def make_report(name: str, stream: TextIO, options: ReportOptions | None = None) -> Report:
    """A report of the format `name` that writes to `stream` (text, UTF-8; ``stream.buffer`` for bytes)."""
    return find_report(name)(stream, options)
