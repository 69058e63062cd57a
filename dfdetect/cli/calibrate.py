"""``dfdetect calibrate``: fit a model's calibration on labelled media."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from dfdetect.cli.common import COMMAND_SETTINGS, common_options, say
from dfdetect.cli.options import Number, jobs_option, refuse_settings, settings_from, settings_subset
from dfdetect.config import kinds
from dfdetect.names import without_commands

_RATE = Number(0.005, 0.5)
_OF_SCANS = ("prior", "threshold")
"""Settings that no calibration depends on: it is fitted at a prior of one half, without a threshold."""


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect calibrate labels.csv --model ./my-model
  dfdetect calibrate folder-with-real-and-fake/ --model ./my-model --error-rate 0.05 --miss-rate 0.1
  dfdetect calibrate labels.csv --model ./my-model --copies
  dfdetect calibrate labels.csv --model ./my-model --results scans.jsonl""",
)
@click.argument("labels", type=click.Path(path_type=Path))
@click.option(
    "--error-rate", type=_RATE, default=0.1, show_default=True, help="Share of reals that may be called fake."
)
@click.option(
    "--miss-rate", type=_RATE, help="Share of fakes that may be called real; default: --error-rate."
)
@click.option(
    "--results",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the records (JSON or JSON lines) of an earlier scan with this model instead of scanning.",
)
@click.option(
    "--copies",
    is_flag=True,
    help="Count a degraded copy of each file beside it (JPEG, H.264 or smaller, drawn by --seed): for media "
    "that were passed on and encoded anew.",
)
@jobs_option
@settings_subset(*(name for name in kinds(output=False) if name not in _OF_SCANS))
@common_options
@click.pass_context
def calibrate(
    context: click.Context,
    /,
    labels: Path,
    error_rate: float,
    miss_rate: float | None,
    results: Path | None,
    copies: bool,
    jobs: int | None,
    **words: Any,
) -> None:
    """Fit aggregation, calibration and the uncertain band of a model.

    LABELS is a CSV (columns file and label, real or fake; optional family, source and group), a folder that
    holds labels.csv, or a folder with folders real and fake. Use media of sources that the model was not
    trained on, 20 files at least that can be judged. The model folder is changed in place and must be named
    (--model): those that came with dfdetect stay as they are. One that was not calibrated yet, or whose
    networks are others now, will do. A prior or a threshold is no part of a calibration: give --prior or
    --threshold when scanning.
    """
    if results is not None and not copies:
        refuse_settings(context, "--results scans nothing", ("model", "seed", "min_face", "min_frames"))
    settings = settings_from(words)
    from dfdetect.evaluate.calibrate import open_sides
    from dfdetect.evaluate.recalibrate import calibrate_folder

    report = calibrate_folder(
        labels, settings, error_rate, jobs, miss_rate=miss_rate, results=results, copies=copies
    )
    click.echo(without_commands(json.dumps(report, indent=2)))
    say(f"wrote the calibration of {settings.model}")
    for text in open_sides(report["band"]):
        say(f"dfdetect: {text}")
