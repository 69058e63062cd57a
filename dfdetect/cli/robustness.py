"""``dfdetect robustness``: how a model bears compression, shrinking, blur and noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfdetect.cli.common import COMMAND_SETTINGS, FormatFile, common_options
from dfdetect.cli.options import Whole, jobs_option, settings_from, settings_options
from dfdetect.cli.outputs import Outputs
from dfdetect.reports.registry import find_format

if TYPE_CHECKING:
    from dfdetect.evaluate.forms import Form
    from dfdetect.evaluate.robustness import Robustness


def _find_form(name: str) -> Form[Robustness]:
    from dfdetect.evaluate.robustness_report import FORMS

    return find_format(FORMS, name)


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect robustness labels.csv
  dfdetect robustness labels.csv --limit 80 --report json=curve.json --report svg=curve.svg
  dfdetect robustness folder-with-real-and-fake/ --model ./my-model --only jpeg --only h264""",
)
@click.argument("labels", type=click.Path(path_type=Path))
@click.option(
    "--limit",
    type=Whole(min=2),
    default=200,
    show_default=True,
    metavar="N",
    help="Files that are drawn, as many real as fake and photos as videos while there are enough.",
)
@click.option(
    "--only",
    type=click.Choice(["jpeg", "h264", "scale", "blur", "noise"]),
    multiple=True,
    help="Measure this kind of damage only; may be given several times.",
)
@click.option(
    "--report",
    "reports",
    type=FormatFile(_find_form, "json=robustness.json"),
    multiple=True,
    metavar="FORMAT=FILE",
    help="Write the curves to FILE ('-': standard output); json: all figures, markdown: tables, svg: a plot "
    "(needs matplotlib). May be given several times. Default: the tables on standard output.",
)
@jobs_option
@settings_options
@common_options
def robustness(
    labels: Path,
    limit: int,
    only: tuple[str, ...],
    reports: tuple[tuple[str, str], ...],
    jobs: int | None,
    **words: Any,
) -> None:
    """Measure how a model bears JPEG, H.264, shrinking, blur and noise: AUC at every level of damage.

    LABELS is a CSV (columns file and label, real or fake; optional family, source and group), a folder that
    holds labels.csv, or a folder with folders real and fake. Degraded copies of the files are scanned and
    deleted again. Of videos longer than 10 seconds the first 10 count, unless --end says otherwise. Takes
    about 15 scans of the drawn files.
    """
    settings = settings_from(words)
    from dfdetect.evaluate.degrade import LEVELS
    from dfdetect.evaluate.robustness import measure_robustness
    from dfdetect.evaluate.robustness_report import render_markdown

    levels = [level for level in LEVELS if not only or level.damage.value in only]
    with Outputs(reports, _find_form, [labels, labels / "labels.csv"]) as outputs:
        found = measure_robustness(labels, settings, limit=limit, jobs=jobs, levels=levels)
        outputs.write(found, lambda found: click.echo(render_markdown(found), nl=False))
