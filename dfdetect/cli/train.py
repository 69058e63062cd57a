"""``dfdetect train``: faces or media in, a model folder out."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dfdetect.cli.common import COMMAND_SETTINGS, common_options, say
from dfdetect.cli.options import Whole
from dfdetect.errors import InputError, MissingExtraError
from dfdetect.names import without_commands


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect train faces/ clips/ --out my-model --work run1 --steps 4000
  dfdetect calibrate other/labels.csv --model my-model
  dfdetect scan clip.mp4 --model ./my-model

A run that was killed goes on where it was when it is started again with the same --work.""",
)
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option(
    "--work", required=True, type=click.Path(path_type=Path), help="Folder for caches, log and checkpoint."
)
@click.option("--recipe", type=click.Path(path_type=Path), help="JSON file with settings of the recipe.")
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Change one setting of the recipe.")
@click.option("--steps", type=Whole(min=1), help="Optimiser steps in all.")
@click.option("--fold", type=Whole(min=0), help="Hold out the sources of this fold and measure on them.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Pretrained weights: a state dict, or CLIP's 8-bit ONNX file.",
)
@click.option(
    "--mesh", type=click.Path(path_type=Path), help="468-landmark network, for forgeries on the fly."
)
@click.option(
    "--decoder", type=click.Path(path_type=Path), help="Autoencoder of an image generator, for decoder twins."
)
@click.option("--encoder", type=click.Path(path_type=Path), help="Image encoder of the teacher (ONNX).")
@click.option("--teacher", type=click.Path(path_type=Path), help="A model folder as teacher (distillation).")
@click.option(
    "--average",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Work folder of a finished run from the same start, to average the weights with; may be repeated.",
)
@click.option("--workers", type=Whole(min=0), default=1, show_default=True, help="Loader processes.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@common_options
def train(
    data: tuple[Path, ...],
    out: Path,
    work: Path,
    recipe: Path | None,
    sets: tuple[str, ...],
    steps: int | None,
    fold: int | None,
    weights: Path | None,
    mesh: Path | None,
    decoder: Path | None,
    encoder: Path | None,
    teacher: Path | None,
    average: tuple[Path, ...],
    workers: int,
    device: str,
) -> None:
    """Train a model on labelled faces or media.

    DATA is a folder of face crops (faces.csv, five.npz) or of media with a labels.csv (columns file and
    label, real or fake; optional family, method, source and group). Groups of one name are one group in all
    of the data.
    """
    values = _recipe_values(recipe, sets, steps, fold)
    try:
        from dfdetect.train.check import Inputs
        from dfdetect.train.recipe import Recipe
        from dfdetect.train.run import run
    except ImportError as error:
        raise MissingExtraError(
            f'training needs torch and timm ({error}); run: pip install "dfdetect[train]"'
        ) from error
    inputs = Inputs(data, work, weights, mesh, decoder, encoder, teacher, average)
    report = run(inputs, Recipe.from_mapping(values), out, workers=workers, device=device)
    if report:
        click.echo(without_commands(json.dumps(report, indent=2)))
    say(f"wrote {out}; calibrate it next: dfdetect calibrate LABELS --model {out}")


def _recipe_values(
    recipe: Path | None, sets: tuple[str, ...], steps: int | None, fold: int | None
) -> dict[str, object]:
    values: dict[str, object] = {}
    if recipe is not None:
        try:
            found = json.loads(recipe.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"cannot read the recipe {recipe}: {error}") from error
        if not isinstance(found, dict):
            raise InputError(f"the recipe {recipe} must hold an object with settings, not {found!r:.40}")
        values.update(found)
    for item in sets:
        name, mark, text = item.partition("=")
        if not mark:
            raise InputError(f"--set takes NAME=VALUE, not {item!r}")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    if steps is not None:
        values["steps"] = steps
    if fold is not None:
        values["fold"] = fold
    return values
