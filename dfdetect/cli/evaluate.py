"""``dfdetect evaluate``: measure a model on labelled media."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from dfdetect.cli.common import COMMAND_SETTINGS, debug_option
from dfdetect.cli.options import settings_from, settings_options


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect evaluate labels.csv
  dfdetect evaluate folder-with-real-and-fake/ --model ./my-model --results scans.jsonl""",
)
@click.argument("labels", type=click.Path(path_type=Path))
@click.option("--results", type=click.Path(path_type=Path), help="Also write a record per file (JSON lines).")
@click.option("--card-as", metavar="NAME", help="Write the figures into the model's card under this name.")
@click.option("--jobs", type=click.IntRange(min=0), help="Worker processes.")
@settings_options
@debug_option
def evaluate(labels: Path, results: Path | None, card_as: str | None, jobs: int | None, **words: Any) -> None:
    """Measure a model on labelled media: AUC with intervals, per medium and family, beside baselines.

    LABELS is a CSV (columns file and label; optional family, method, source and group), a folder that holds
    labels.csv, or a folder with folders real and fake.
    """
    settings = settings_from(words)
    from dfdetect.evaluate.run import evaluate_labels

    click.echo(json.dumps(evaluate_labels(labels, settings, jobs, results, card_as), indent=2))
