"""The one table of output formats.  A new format is one file beside this one and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO, TypeVar

from dfdetect.errors import InputError
from dfdetect.names import near
from dfdetect.reports.base import Report, ReportOptions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Format:
    """A format that is imported when it is asked for: a scan needs one of them, and its start counts."""

    module: str
    """Below `dfdetect.reports`."""
    kind: str
    """Name of its class."""
    summary: str
    """One phrase for the help."""

    def load(self) -> type[Report]:
        """The class."""
        kind: type[Report] = getattr(importlib.import_module(f"dfdetect.reports.{self.module}"), self.kind)
        return kind


REPORTS: dict[str, Format] = {
    "text": Format("text", "TextReport", "for people (default)"),
    "html": Format("html_report", "HtmlReport", "one page with pictures for people"),
    "json": Format("json_report", "JsonReport", "one JSON document (published schema)"),
    "record": Format(
        "record",
        "RecordReport",
        "the JSON document with hashes, versions and Content Credentials, for dfdetect verify",
    ),
    "jsonl": Format("jsonl", "JsonlReport", "one JSON record per line, as soon as a file is done"),
    "csv": Format("csv_report", "CsvReport", "one row per file"),
    "parquet": Format("parquet", "ParquetReport", "Apache Parquet, one row per file (extra: parquet)"),
    "markdown": Format("markdown", "MarkdownReport", "counts and the worst findings, for a page"),
    "junit": Format("junit", "JunitReport", "JUnit XML, a test case per file"),
    "sarif": Format("sarif", "SarifReport", "SARIF 2.1.0, for code scanning"),
    "github": Format("github", "GithubReport", "annotations and step summary of GitHub Actions"),
}
"""What the user calls the format → where it is."""


def find_format(formats: Mapping[str, T], name: str) -> T:
    """The format of this name; an unknown one raises `InputError` that lists the known ones."""
    if name in formats:
        return formats[name]
    hint = near(name.lower(), formats)
    raise InputError(
        f"unknown report format '{name}': {hint and hint + ' '}known formats are {', '.join(formats)}"
    )


def find_report(name: str) -> type[Report]:
    """The report of this name; raises as `find_format` does."""
    return find_format(REPORTS, name).load()


def make_report(name: str, stream: TextIO, options: ReportOptions | None = None) -> Report:
    """A report of the format `name` that writes to `stream` (text, UTF-8; ``stream.buffer`` for bytes)."""
    return find_report(name)(stream, options)
