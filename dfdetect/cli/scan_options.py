"""The options of ``dfdetect scan`` that are not settings: what to scan, and what to do with the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from dfdetect.cli.common import FormatFile, Function, HomePath, current_talk, together
from dfdetect.cli.options import check_report_places, jobs_option
from dfdetect.record.summary import FailOn
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.registry import REPORTS, find_report


@dataclass(frozen=True, slots=True)
class Output:
    """What to do with the results."""

    format: str
    reports: tuple[tuple[str, str], ...]
    """Format and file of each ``--report``."""
    fail_on: FailOn
    strict: bool
    baseline: str | None
    """Accepted findings."""
    write_baseline: str | None
    """Where to write the findings as accepted ones."""
    resume: str | None
    """The journal: where results are kept as they come, and taken over from."""
    verbosity: int
    color: bool | None

    def options(self, color: bool) -> ReportOptions:
        """The same in the words of a report."""
        return ReportOptions(color, self.verbosity, self.fail_on, self.strict)

    @property
    def needs(self) -> frozenset[str]:
        """Settings that the chosen formats cannot do without."""
        names = (self.format, *(name for name, _ in self.reports))
        return frozenset().union(*(find_report(name).needs for name in names))

    @property
    def quiet(self) -> bool:
        """No talk on standard error."""
        return self.verbosity < 0


class _ReportPlace(FormatFile):
    """``FORMAT=FILE``, where the file is not standard output; so `dfdetect config` refuses that too."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Name of a known format, and a file."""
        name, path = super().convert(value, param, ctx)
        if path == "-":
            self.fail("what goes to standard output is chosen by --format; --report writes files", param, ctx)
        return name, path


def source_options(function: Function) -> Function:
    """Which files, and how many at once."""
    return together(
        click.option(
            "--files-from",
            type=HomePath(),
            metavar="FILE",
            help="Also scan the paths listed in FILE, one per line ('-': standard input).",
        ),
        click.option(
            "-0", "--null", is_flag=True, help="The list ends each path with a NUL byte (find -print0)."
        ),
        jobs_option,
        click.option(
            "--ordered/--no-ordered",
            envvar="DFDETECT_ORDERED",
            help="Report in the order of the input, not each file as soon as it is done.",
        ),
    )(function)


def output_options(function: Function) -> Function:
    """Formats, exit status, and how much to say."""
    formats = "; ".join(f"{name}: {report.summary}" for name, report in REPORTS.items())
    return together(
        click.option(
            "-f",
            "--format",
            type=click.Choice(list(REPORTS)),
            default="text",
            envvar="DFDETECT_FORMAT",
            help=f"What to write to standard output. {formats}.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Short for --format json."),
        click.option("--jsonl", "as_jsonl", is_flag=True, help="Short for --format jsonl."),
        click.option(
            "--report",
            "reports",
            type=_ReportPlace(find_report, f"json=scan.json (formats: {', '.join(REPORTS)})"),
            multiple=True,
            callback=check_report_places,
            envvar="DFDETECT_REPORT",
            metavar="FORMAT=FILE",
            help="Write a report to FILE too, in any of the formats; may be given several times.",
        ),
        click.option(
            "--fail-on",
            type=click.Choice([level.value for level in FailOn]),
            default=FailOn.FAKE.value,
            envvar="DFDETECT_FAIL_ON",
            show_default=True,
            help="What makes the exit status 1; each level includes those before it. unjudged: read, but "
            "without an answer (no face, too dark …); error: could not be read; never: nothing does.",
        ),
        click.option(
            "--strict/--no-strict",
            envvar="DFDETECT_STRICT",
            help="Exit status 3 also if a file was read but could not be judged.",
        ),
        click.option(
            "--baseline",
            type=HomePath(),
            envvar="DFDETECT_BASELINE",
            metavar="FILE",
            help="Accept the findings in FILE: they are shown and do not decide the exit status.",
        ),
        click.option(
            "--write-baseline",
            type=HomePath(),
            metavar="FILE",
            help="Write this scan's findings to FILE, as accepted; results are then reported at the end.",
        ),
        click.option(
            "--resume",
            type=HomePath(),
            metavar="FILE",
            help="Keep every result in FILE at once; the same command again, whatever ended this one, "
            "takes them over and scans only the rest and what has changed.",
        ),
    )(function)


def output_from(words: Mapping[str, Any], context: click.Context) -> Output:
    """The values of `output_options`, taken from `words`; contradictions raise `click.UsageError`."""
    asked = {name for name in ("json", "jsonl") if words[f"as_{name}"]}
    on_line = context.get_parameter_source("format") is ParameterSource.COMMANDLINE
    # The short forms are on the command line, which outranks the environment and files.
    formats = sorted({*asked, words["format"]} if on_line or not asked else asked)
    if len(formats) > 1:
        raise click.UsageError(
            f"standard output takes one format, not {' and '.join(formats)}; "
            f"write the other to a file: --report {formats[0]}=scan.{formats[0]}"
        )
    if words["write_baseline"] == "-":
        raise click.UsageError("--write-baseline writes a file; '-' stands for none, so name one")
    if words["resume"] == "-":
        raise click.UsageError("--resume keeps results in a file; '-' stands for none, so name one")
    talk = current_talk()
    return Output(
        format=formats[0],
        reports=words["reports"],
        fail_on=FailOn(words["fail_on"]),
        strict=words["strict"],
        baseline=words["baseline"],
        write_baseline=words["write_baseline"],
        resume=words["resume"],
        verbosity=talk.verbosity,
        color=talk.color,
    )
