"""``dfdetect evaluate``: measure a model on labelled media."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfdetect.cli.common import COMMAND_SETTINGS, FormatFile, common_options, say
from dfdetect.cli.options import Whole, jobs_option, refuse_settings, settings_from, settings_options
from dfdetect.cli.outputs import Outputs
from dfdetect.cli.progress import wants_color
from dfdetect.names import plural, printable
from dfdetect.reports.registry import find_format

if TYPE_CHECKING:
    from dfdetect.evaluate.forms import Form
    from dfdetect.evaluate.report import Evaluation


def _find_form(name: str) -> Form[Evaluation]:
    from dfdetect.evaluate.rendering import FORMS

    return find_format(FORMS, name)


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
    help="Write the report to FILE ('-': standard output); html: a page with plots (needs matplotlib), "
    "markdown: tables, json: all figures. May be given several times. Default: the main tables on the "
    "terminal.",
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
@click.option(
    "--card-as", metavar="NAME", help="Write the figures into your own model's card under this name."
)
@click.option(
    "--draws",
    type=Whole(min=20, max=100_000),
    default=500,
    show_default=True,
    help="Bootstrap draws behind each interval.",
)
@jobs_option
@settings_options
@common_options
@click.pass_context
def evaluate(
    context: click.Context,
    /,
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

    LABELS is a CSV (columns file and label, real or fake; optional family, method, source and group), a
    folder that holds labels.csv, or a folder with folders real and fake. Files of one group (a person, a
    clip) are drawn together when intervals are computed.
    """
    if from_results is None and as_stored:
        raise click.UsageError("--as-stored belongs to --from-results")
    if as_stored:
        refuse_settings(context, "--as-stored keeps verdicts as they are", ("model", "seed"))
    elif from_results is not None:
        from dfdetect.evaluate.stored import OF_VERDICTS

        refuse_settings(context, "--from-results scans nothing", ("model", "seed", *OF_VERDICTS))
    if from_results is not None and results is not None:
        raise click.UsageError("--from-results scans nothing: leave out --results")
    settings = settings_from(words)
    from dfdetect.evaluate.run import Stored, evaluate_labels

    stored = Stored(from_results, as_stored) if from_results is not None else None
    spared = [labels, labels / "labels.csv", *(p for p in (results, from_results) if p is not None)]
    with Outputs(reports, _find_form, spared) as outputs:
        evaluation = evaluate_labels(labels, settings, jobs, results, card_as, stored, draws)
        outputs.write(evaluation, _show)
    if evaluation.missing:
        say(f"dfdetect: {_missing(evaluation.missing, evaluation.files, str(from_results))}")


def _missing(names: tuple[str, ...], found: int, results: str) -> str:
    first = ", ".join(printable(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
    return (
        f"{plural(len(names), 'labelled file')} of {len(names) + found} without a result in "
        f"{printable(results)} ({first}); they are in no figure"
    )


def _show(evaluation: Evaluation) -> None:
    from dfdetect.evaluate.terminal import show

    show(evaluation, sys.stdout, wants_color(None, sys.stdout))
