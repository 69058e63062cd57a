"""``dfdetect evaluate``: measure a model on labelled media."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfdetect.batch.sources import looks_like_media
from dfdetect.cli.common import COMMAND_SETTINGS, FormatFile, common_options, say
from dfdetect.cli.options import settings_from, settings_options
from dfdetect.cli.progress import wants_color
from dfdetect.errors import InputError
from dfdetect.reports.output import ReportFile
from dfdetect.reports.words import plural, printable

if TYPE_CHECKING:
    from dfdetect.evaluate.report import Evaluation

STDOUT = "-"


def _find_form(name: str) -> object:
    from dfdetect.evaluate.rendering import find_form

    return find_form(name)


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect evaluate labels.csv --report html=evaluation.html
  dfdetect evaluate folder-with-real-and-fake/ --model ./my-model --results scans.jsonl
  dfdetect evaluate labels.csv --model ./my-model --from-results scans.jsonl --report json=-""",
)
@click.argument("labels", type=click.Path(path_type=Path))
@click.option(
    "--report",
    "reports",
    type=FormatFile(_find_form, "html=evaluation.html"),
    multiple=True,
    metavar="FORMAT=FILE",
    help="Write the report to FILE ('-': standard output); html: a page with plots, markdown: tables, json: "
    "all figures. May be given several times. Default: the main tables on the terminal.",
)
@click.option("--results", type=click.Path(path_type=Path), help="Also write a record per file (JSON lines).")
@click.option(
    "--from-results",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Scan nothing: take the records of an earlier --results or scan --report jsonl=FILE, and judge "
    "their scores by the model's present calibration.",
)
@click.option("--as-stored", is_flag=True, help="With --from-results: keep the stored verdicts as they are.")
@click.option("--card-as", metavar="NAME", help="Write the figures into the model's card under this name.")
@click.option(
    "--draws",
    type=click.IntRange(min=20, max=100_000),
    default=500,
    show_default=True,
    help="Bootstrap draws behind each interval.",
)
@click.option("-j", "--jobs", type=click.IntRange(min=0), metavar="N", help="Worker processes.")
@settings_options
@common_options
def evaluate(
    labels: Path,
    reports: tuple[tuple[str, str], ...],
    results: Path | None,
    from_results: Path | None,
    as_stored: bool,
    card_as: str | None,
    draws: int,
    jobs: int | None,
    **words: Any,
) -> None:
    """Measure a model on labelled media: AUC with intervals, per medium and family, beside baselines.

    LABELS is a CSV (columns file and label; optional family, method, source and group), a folder that holds
    labels.csv, or a folder with folders real and fake. Files of one group (a person, a clip) are drawn
    together when intervals are computed.
    """
    if from_results is None and as_stored:
        raise click.UsageError("--as-stored belongs to --from-results")
    if from_results is not None and (results is not None or jobs is not None):
        raise click.UsageError("--from-results scans nothing: leave out --results and --jobs")
    settings = settings_from(words)
    from dfdetect.evaluate.run import Stored, evaluate_labels

    stored = Stored(from_results, as_stored) if from_results is not None else None
    spared = [labels, labels / "labels.csv", *(p for p in (results, from_results) if p is not None)]
    with _Outputs(reports, spared) as outputs:
        evaluation = evaluate_labels(labels, settings, jobs, results, card_as, stored, draws)
        outputs.write(evaluation)
    if evaluation.missing:
        say(f"dfdetect: {_missing(evaluation.missing, evaluation.files, str(from_results))}")


def _missing(names: tuple[str, ...], found: int, results: str) -> str:
    first = ", ".join(printable(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
    return (
        f"{plural(len(names), 'labelled file')} of {len(names) + found} without a result in "
        f"{printable(results)} ({first}); they are in no figure"
    )


class _Outputs:
    """The reports asked for; that they can be written is known before anything is scanned.

    A context manager: a report appears whole at its end, or not at all.
    """

    def __init__(self, reports: tuple[tuple[str, str], ...], spared: list[Path]) -> None:
        from dfdetect.evaluate.rendering import find_form

        if sum(path == STDOUT for _, path in reports) > 1:
            raise click.UsageError("standard output takes one report; write the others to files")
        self._files: list[tuple[str, ReportFile | None]] = []
        kept = {os.path.realpath(path) for path in spared}
        try:
            for name, path in reports:
                find_form(name).check()
                if path == STDOUT:
                    self._files.append((name, None))
                    continue
                if os.path.realpath(path) in kept or (os.path.isfile(path) and looks_like_media(path)):
                    raise InputError(
                        f"the report '{printable(path)}' would overwrite an input, another output or media"
                    )
                kept.add(os.path.realpath(path))
                self._files.append((name, ReportFile(path)))
        except BaseException:
            self._discard()
            raise

    def __enter__(self) -> _Outputs:
        return self

    def write(self, evaluation: Evaluation) -> None:
        """Render everything; without a report for standard output and without files, tables go there."""
        from dfdetect.evaluate.rendering import FORMS

        for name, file in self._files:
            text = FORMS[name].render(evaluation)
            if file is None:
                click.echo(text, nl=False)
            else:
                file.stream.write(text)
        if not self._files:
            from dfdetect.evaluate.terminal import show

            show(evaluation, sys.stdout, wants_color(None, sys.stdout))

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._discard()
            return
        for _, file in self._files:
            if file is not None:
                file.commit()

    def _discard(self) -> None:
        for _, file in self._files:
            if file is not None:
                file.discard()
