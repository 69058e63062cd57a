"""``dfdetect scan``: judge files and report."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

import click

from dfdetect.batch.resources import spare_algebra_threads
from dfdetect.cli.common import COMMAND_SETTINGS, CONFIG, common_options, insist, say
from dfdetect.cli.inputs import Inputs, opened
from dfdetect.cli.options import settings_from, settings_options
from dfdetect.cli.progress import ProgressLine, is_terminal, wants_color
from dfdetect.cli.scan_options import Output, output_from, output_options, source_options
from dfdetect.cli.stdout import document_stdout, is_stdout
from dfdetect.config import Config, kinds
from dfdetect.errors import ExitCode, InputError
from dfdetect.names import plural, printable
from dfdetect.record.summary import Summary, outcome
from dfdetect.reports.baseline import Gate, read_baseline, render_baseline
from dfdetect.reports.held import HeldResults
from dfdetect.reports.output import ReportFile, ReportSet
from dfdetect.results import ScanResult
from dfdetect.settings import Settings

if TYPE_CHECKING:
    from dfdetect.batch.journal import Journal
    from dfdetect.batch.sources import NotYet
    from dfdetect.scoring.models import ModelFolder


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect scan clip.mp4
  dfdetect scan photos/ 'clips/*.mp4' --jobs 4
  dfdetect scan photos/ --json --report csv=scan.csv > scan.json
  dfdetect scan archive/ --resume night.journal --report html=night.html
  find . -name '*.mp4' -newer last -print0 | dfdetect scan --files-from - -0
  curl -s https://example.org/a.jpg | dfdetect scan -

Every option with a default, and every other that makes sense there, can also be set in the environment
(DFDETECT_MIN_FACE=48) and in a configuration file (min_face = 48). The command line outranks the
environment, the environment the file; 'dfdetect config' shows what is in force and why.

\b
Exit status:
  0    nothing reached --fail-on, or a baseline accepts what did
  1    something did (a fake, unless --fail-on says otherwise)
  2    wrong usage, setting or model, nothing to scan, or output that could not be written (outranks 1)
  3    an input could not be read, or with --strict could not be judged
  4    internal error
  130  interrupted, or the reader of the output went away

A finding (1) outranks an unreadable file (3): one broken file must not hide a fake. What could not be
read is always reported, by its record and by the summary or a line on standard error.""",
)
# A path type, so that shells complete it; what is wrong with a path is for its result to say.
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(readable=False))
@source_options
@output_options
@settings_options
@common_options
@click.pass_context
def scan(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    files_from: str | None,
    null: bool,
    jobs: int | None,
    ordered: bool,
    **words: Any,
) -> ExitCode:
    """Judge photos and videos: real, fake or uncertain.

    PATH is a file, a folder (searched with its subfolders, but for hidden ones and links to folders),
    a pattern such as 'clips/*.mp4', or '-' for a file on standard input. What a file is, is found from
    its content.
    """
    output = output_from(words, context)
    chosen = {name: words[name] for name in kinds(output=False)}
    settings = settings_from({**chosen, **dict.fromkeys(output.needs, True)})
    with opened(paths, files_from, null) as inputs:
        summary = _scan(inputs, settings, output, jobs, ordered, _config_file(context))
    return outcome(summary, output.fail_on, output.strict)


def _config_file(context: click.Context) -> str | None:
    found: Config | None = context.meta.get(CONFIG)
    return str(found.path) if found is not None else None


def _scan(
    inputs: Inputs,
    settings: Settings,
    output: Output,
    jobs: int | None,
    ordered: bool,
    config: str | None,
) -> Summary:
    spare_algebra_threads()
    _spare(inputs, output, settings.trust_list and os.path.expanduser(settings.trust_list), config)
    _spare_stdout(output)
    paths = inputs.find()
    with (
        _journal(inputs, settings, output) as journal,
        # While this process has no threads: then workers start in no time (fork).
        contextlib.closing(_results(paths, inputs, settings, journal, jobs, ordered)) as results,
    ):
        if journal is None:
            _spared_model(inputs, settings, output)
        # Everything that can be wrong is found before the first report begins.
        gate = _gate(output)
        with _new_baseline(output) as baseline:
            summary, hints = _report(results, inputs, output, gate, baseline)
    if output.write_baseline is not None:
        for sentence in (gate.summary(output.write_baseline), *gate.left_out()):
            say(f"dfdetect: {sentence}")
    if journal is not None and journal.known:
        hints.append(
            f"{journal.taken} of {plural(summary.files, 'file')} {'was' if journal.taken == 1 else 'were'} "
            f"taken over from {printable(journal.path)}"
        )
    hints += inputs.not_entered(hidden=output.verbosity > 0)
    if output.verbosity > 0:
        hints += [*gate.unmet(), *inputs.passed_over()]
    if not output.quiet:
        _talk(summary, output, hints)
    if output.strict and (count := summary.open_unjudged):
        insist(f"dfdetect: {plural(count, 'file')} could not be judged (--strict)")
    return summary


@contextlib.contextmanager
def _journal(inputs: Inputs, settings: Settings, output: Output) -> Iterator[Journal | None]:
    """The journal, if that is asked for; only then is its code loaded."""
    if output.resume is None:
        yield None
        return
    from dfdetect.batch.journal import Journal
    from dfdetect.batch.key import scan_key

    key = scan_key(settings, _spared_model(inputs, settings, output))
    with Journal(output.resume, key, lambda text: say(f"dfdetect: {text}")) as journal:
        yield journal


def _spared_model(inputs: Inputs, settings: Settings, output: Output) -> ModelFolder:
    """The model, in whose folder nothing shall be written."""
    from dfdetect.scoring.models import load_model

    model = load_model(settings.model)
    _spare(inputs, output, str(model.path))
    return model


def _results(
    paths: Iterator[str | NotYet],
    inputs: Inputs,
    settings: Settings,
    journal: Journal | None,
    jobs: int | None,
    ordered: bool,
) -> Generator[ScanResult, None, None]:
    """The result of every file, from the journal or from a scan."""
    from dfdetect.batch.pool import scan_many

    if journal is None:
        return scan_many(paths, settings, jobs=jobs, ordered=ordered)
    from dfdetect.batch.resume import scan_with

    # Not `ordered` there: what waits for its turn shall be in the journal.
    return scan_with(
        journal,
        paths,
        lambda rest: scan_many(rest, settings, jobs=jobs),
        ordered=ordered,
        apart=[inputs.spooled],
    )


def _spare(inputs: Inputs, output: Output, *read: str | None) -> None:
    """Refuse a report, a new baseline or a journal in the place of anything that the scan reads."""
    for _, path in output.reports:
        inputs.spare(path, (*read, output.baseline))
    if output.write_baseline is not None:
        inputs.spare(output.write_baseline, read)
    if output.resume is not None:
        written = [output.write_baseline, *(path for _, path in output.reports)]
        inputs.spare_journal(output.resume, (*read, output.baseline), written)


def _spare_stdout(output: Output) -> None:
    """Refuse two outputs in one file, of which one would be lost: what is written, and standard output."""
    for path in (output.write_baseline, output.resume, *(path for _, path in output.reports)):
        if path and is_stdout(path):
            raise InputError(
                f"standard output goes to '{printable(path)}', which would be written too: "
                "give each its own file"
            )


def _report(
    results: Iterable[ScanResult],
    inputs: Inputs,
    output: Output,
    gate: Gate,
    baseline: ReportFile | None,
) -> tuple[Summary, list[str]]:
    """Write all reports as results come; gives their summary and what to say of patterns without a file."""
    watched = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb" and not output.quiet
    total = inputs.count() if watched else None
    line = ProgressLine(watched and total != 1, total, wants_color(output.color, sys.stderr))
    hints: list[str] = []
    failures: list[InputError] = []
    with _reports(output) as reports, _sink(reports, gate, baseline, failures) as sink, line:
        for result in results:
            if inputs.unmatched(result):
                hints.append(f"the pattern '{printable(result.path)}' matches no file")
            with line.aside():
                sink.add(gate.mark(inputs.original(result), result.path))
            line.update(sink.summary)
    if failures:  # only now: inside, it would make the reports of a whole scan incomplete
        raise failures[0]
    return reports.summary, hints


def _gate(output: Output) -> Gate:
    """Accepts what the baseline holds, or everything that goes into a new one."""
    again = output.write_baseline
    # A project's configuration names its baseline also when that is about to be made.
    first = again is not None and output.baseline is not None and _is_first(output.baseline, again)
    known = read_baseline(output.baseline) if output.baseline is not None and not first else []
    if output.baseline is None and again is not None and os.path.isfile(again):
        known = read_baseline(again)  # for the reasons that people wrote into it
    return Gate(known, output.fail_on, output.strict, accept_all=again is not None)


def _is_first(baseline: str, new: str) -> bool:
    return os.path.realpath(baseline) == os.path.realpath(new) and not os.path.lexists(baseline)


@contextlib.contextmanager
def _sink(
    reports: ReportSet, gate: Gate, baseline: ReportFile | None, failures: list[InputError]
) -> Iterator[ReportSet | HeldResults]:
    """Where results go: with a new baseline they wait for it, since only then are they accepted by it.

    What keeps it from being written is added to `failures`, and the results go to the reports all the same.
    """
    if baseline is None:
        yield reports
        return
    held, written = HeldResults(), False
    try:
        yield held
        try:
            baseline.stream.write(render_baseline(gate.found))
            baseline.commit()
            written = True
        except OSError as error:
            failures.append(baseline.unwritten(error))
    except KeyboardInterrupt:
        reports.requested = True  # or what was held would wait, without end, for who does not read
        raise
    finally:
        for result in held.pour():
            reports.add(result if written else gate.unmark(result))


@contextlib.contextmanager
def _new_baseline(output: Output) -> Iterator[ReportFile | None]:
    """The place of a new baseline, if that is asked for; an interrupted scan leaves the old file."""
    if output.write_baseline is None:
        yield None
        return
    if os.path.realpath(output.write_baseline) in {os.path.realpath(path) for _, path in output.reports}:
        raise click.UsageError("a report and the baseline would be written to the same file")
    file = ReportFile(output.write_baseline, "the baseline")
    try:
        yield file
    except BaseException:
        with contextlib.suppress(OSError):  # a full disk is what the error tells of already
            file.discard()
        raise


def _reports(output: Output) -> ReportSet:
    stream = _stdout(output)
    reports = ReportSet()
    reports.to_stream(output.format, stream, output.options(wants_color(output.color, stream)))
    for name, path in output.reports:
        reports.to_file(name, path, output.options(color=False))
    return reports


def _talk(summary: Summary, output: Output, hints: list[str]) -> None:
    """What the user must know and may not see in the report."""
    for hint in hints:
        say(f"dfdetect: {hint}")
    if summary.unreadable and output.format != "text":
        say(f"dfdetect: {plural(summary.unreadable, 'file')} of {summary.files} could not be read")


def _stdout(output: Output) -> TextIO:
    if output.format == "text" and sys.stdout is not None:
        return sys.stdout  # in the encoding of the terminal; `dfdetect.cli.main` has what that lacks escaped
    return document_stdout()
