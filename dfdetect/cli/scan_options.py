"""The options of ``dfdetect scan`` that are not settings: what to scan, and what to do with the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from dfdetect.cli.common import FormatFile, Function
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.registry import REPORTS, find_report
from dfdetect.reports.summary import FailOn


@dataclass(frozen=True, slots=True)
class Output:
    """What to do with the results."""

    format: str
    reports: tuple[tuple[str, str], ...]
    """Format and file of each ``--report``."""
    fail_on: FailOn
    strict: bool
    verbosity: int
    color: bool | None

    def options(self, color: bool) -> ReportOptions:
        """The same in the words of a report."""
        return ReportOptions(color=color, verbosity=self.verbosity, fail_on=self.fail_on)

    @property
    def needs(self) -> frozenset[str]:
        """Settings that the chosen formats cannot do without."""
        names = (self.format, *(name for name, _ in self.reports))
        return frozenset().union(*(find_report(name).needs for name in names))

    @property
    def quiet(self) -> bool:
        """No talk on standard error."""
        return self.verbosity < 0


def source_options(function: Function) -> Function:
    """Which files, and how many at once."""
    for decorate in reversed(
        (
            click.option(
                "--files-from",
                type=click.Path(),
                metavar="FILE",
                help="Also scan the paths listed in FILE, one per line ('-': standard input).",
            ),
            click.option(
                "-0", "--null", is_flag=True, help="The list ends each path with a NUL byte (find -print0)."
            ),
            click.option(
                "-j",
                "--jobs",
                type=click.IntRange(min=0),
                metavar="N",
                help="Worker processes; default: as many as cores and memory allow. 0 scans in this process, "
                "without time limit.",
            ),
            click.option(
                "--ordered",
                is_flag=True,
                help="Report in the order of the input, not each file as soon as it is done.",
            ),
        )
    ):
        function = decorate(function)
    return function


def output_options(function: Function) -> Function:
    """Formats, exit status, and how much to say."""
    formats = "; ".join(f"{name}: {report.summary}" for name, report in REPORTS.items())
    for decorate in reversed(
        (
            click.option(
                "-f",
                "--format",
                type=click.Choice(list(REPORTS)),
                help=f"What to write to standard output. {formats}.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Short for --format json."),
            click.option("--jsonl", "as_jsonl", is_flag=True, help="Short for --format jsonl."),
            click.option(
                "--report",
                "reports",
                type=FormatFile(find_report, f"json=scan.json (formats: {', '.join(REPORTS)})"),
                multiple=True,
                metavar="FORMAT=FILE",
                help="Write a report to FILE too, in any of the formats; may be given several times.",
            ),
            click.option(
                "--fail-on",
                type=click.Choice([level.value for level in FailOn]),
                default=FailOn.FAKE.value,
                show_default=True,
                help="What makes the exit status 1; each level includes those before it. unjudged: read, but "
                "without an answer (no face, too dark …); error: could not be read; never: nothing does.",
            ),
            click.option(
                "--strict",
                is_flag=True,
                help="Exit status 3 also if a file was read but could not be judged.",
            ),
            click.option(
                "-q",
                "--quiet",
                is_flag=True,
                help="No progress, no talk; as text, only what reaches --fail-on or could not be read.",
            ),
            click.option(
                "-v",
                "--verbose",
                count=True,
                help="As text, with the particulars of each file and every person.",
            ),
            click.option(
                "--color/--no-color",
                default=None,
                help="Colour or none; default: on a terminal, unless NO_COLOR is set.",
            ),
        )
    ):
        function = decorate(function)
    return function


def output_from(words: Mapping[str, Any]) -> Output:
    """The values of `output_options`, taken together; contradictions raise `click.UsageError`."""
    asked = {words["format"], "json" if words["as_json"] else None, "jsonl" if words["as_jsonl"] else None}
    formats = sorted(asked - {None})
    if len(formats) > 1:
        raise click.UsageError(
            f"standard output takes one format, not {' and '.join(formats)}; "
            f"write the other to a file: --report {formats[0]}=scan.{formats[0]}"
        )
    if words["quiet"] and words["verbose"]:
        raise click.UsageError("--quiet and --verbose contradict each other")
    return Output(
        format=formats[0] if formats else "text",
        reports=words["reports"],
        fail_on=FailOn(words["fail_on"]),
        strict=words["strict"],
        verbosity=-1 if words["quiet"] else words["verbose"],
        color=words["color"],
    )


OUTPUT_WORDS = (
    "format",
    "as_json",
    "as_jsonl",
    "reports",
    "fail_on",
    "strict",
    "quiet",
    "verbose",
    "color",
)
"""Names of the values that `output_options` adds."""
