"""``dfdetect robustness``: how a model bears compression, shrinking, blur and noise."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from dfdetect.batch.sources import looks_like_media
from dfdetect.cli.common import COMMAND_SETTINGS, FormatFile, common_options
from dfdetect.cli.options import settings_from, settings_options
from dfdetect.errors import InputError
from dfdetect.reports.output import ReportFile
from dfdetect.reports.words import printable


def _find_form(name: str) -> object:
    from dfdetect.evaluate.robustness_report import find_form

    return find_form(name)


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
    type=click.IntRange(min=2),
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
    help="Write the curves to FILE; json: all figures, markdown: tables, svg: a plot (needs matplotlib). "
    "May be given several times. Default: the tables on standard output.",
)
@click.option("-j", "--jobs", type=click.IntRange(min=0), metavar="N", help="Worker processes.")
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

    LABELS is a CSV (columns file and label; optional family, source and group), a folder that holds
    labels.csv, or a folder with folders real and fake. Degraded copies of the files are scanned and deleted
    again. Of videos longer than 10 seconds the first 10 count, unless --end says otherwise. Takes about
    15 scans of the drawn files.
    """
    settings = settings_from(words)
    from dfdetect.evaluate.degrade import LEVELS
    from dfdetect.evaluate.robustness import measure_robustness
    from dfdetect.evaluate.robustness_report import FORMS, render_markdown

    levels = [level for level in LEVELS if not only or level.damage.value in only]
    with _files(reports, labels) as files:
        found = measure_robustness(labels, settings, limit=limit, jobs=jobs, levels=levels)
        for name, file in files:
            file.stream.write(FORMS[name].render(found))
    if not reports:
        click.echo(render_markdown(found), nl=False)


@contextlib.contextmanager
def _files(reports: tuple[tuple[str, str], ...], labels: Path) -> Iterator[list[tuple[str, ReportFile]]]:
    """The files to write, opened before hours of scanning; they appear whole at the end or not at all."""
    from dfdetect.evaluate.robustness_report import find_form

    taken = {os.path.realpath(labels), os.path.realpath(labels / "labels.csv")}
    files: list[tuple[str, ReportFile]] = []
    try:
        for name, path in reports:
            find_form(name).check()
            if os.path.realpath(path) in taken or (os.path.isfile(path) and looks_like_media(path)):
                raise InputError(
                    f"the report '{printable(path)}' would overwrite an input, another report or media"
                )
            taken.add(os.path.realpath(path))
            files.append((name, ReportFile(path)))
        yield files
    except BaseException:
        for _, file in files:
            file.discard()
        raise
    for _, file in files:
        file.commit()
