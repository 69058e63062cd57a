"""What training refuses before it looks at a single face, so that no work is lost to a slip."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from dfdetect.errors import DfdetectError, InputError, SettingsError
from dfdetect.train.average import average_parts
from dfdetect.train.build import Net, build_network, load_start
from dfdetect.train.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where training finds what it needs."""

    data: tuple[Path, ...]
    """Crop folders (``faces.csv``) and label files of media (``labels.csv``, or a folder that holds one)."""
    work: Path
    """Caches, log and checkpoint; a run that was killed goes on from here."""
    weights: Path | None = None
    """Weights to start from."""
    mesh: Path | None = None
    """The 468-landmark network; without it no forgeries are made on the fly."""
    decoder: Path | None = None
    """A tiny autoencoder of an image generator; without it there are no decoder twins."""
    encoder: Path | None = None
    """An image encoder as teacher, or"""
    teacher: Path | None = None
    """a model folder as teacher; without either there is none."""
    average: tuple[Path, ...] = ()
    """Work folders of finished runs whose weights are averaged with those of this one."""


def check_inputs(inputs: Inputs, recipe: Recipe, out: Path, device: str) -> None:
    """Refuse what would fail later whatever the faces are.

    Raises `InputError` or `SettingsError`, and `ModelError` for a network that cannot be used.
    """
    _check_sense(inputs, recipe)
    check_device(device)
    check_folder(out, "--out")
    check_folder(inputs.work, "--work")
    _check_networks(inputs, recipe)


def check_folder(path: Path, option: str) -> None:
    """Raise `InputError` unless files can be written in the folder `path`.

    It is made for the test where it is missing, and taken away again.
    """
    if os.path.isfile(path):
        raise InputError(f"{option} {path} is a file; give the path of a folder")
    made = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"{option} {path} cannot be written ({error.strerror or error}); give another folder"
        ) from error
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def check_device(device: str) -> None:
    """Raise `SettingsError` for a device that torch does not have here."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter from a torch without CUDA
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"cannot train on the device {device!r} ({reason}); give cpu or cuda") from error


def _check_sense(inputs: Inputs, recipe: Recipe) -> None:
    """What the inputs and the recipe say against each other."""
    taught = inputs.teacher is not None or inputs.encoder is not None
    if inputs.teacher is not None and inputs.encoder is not None:
        raise InputError("there can be one teacher; give --teacher or --encoder")
    if taught and recipe.blocks:
        raise InputError("a transformer takes no teacher; leave --teacher and --encoder away")
    if taught and recipe.teacher_weight <= 0:
        raise InputError("a teacher without weight teaches nothing; set teacher_weight, e.g. to 1")
    if inputs.average and not recipe.blocks:
        raise InputError("only runs of a transformer have a mean; leave --average away, or set blocks")
    if recipe.way < 1 and not (recipe.blocks and inputs.weights):
        raise InputError("only a transformer with --weights has a start to go back to; leave way at 1")
    if inputs.decoder is not None and recipe.twin <= 0:
        raise InputError("a decoder without a share makes no twins; set twin, e.g. to 0.05")


def _check_networks(inputs: Inputs, recipe: Recipe) -> None:
    """Load every network that is named once, and run that of the recipe."""
    net = _check_recipe(recipe)
    if inputs.average:
        average_parts(net, inputs.average)
    if inputs.weights is not None:
        load_start(net, inputs.weights)
    if inputs.mesh is not None:
        from dfdetect.faces.mesh import FaceMesh

        FaceMesh(inputs.mesh)
    if inputs.decoder is not None:
        from dfdetect.train.forge.decoder import TinyAutoencoder

        TinyAutoencoder(inputs.decoder)
    if inputs.encoder is not None:
        from dfdetect.train.encoder import Encoder

        Encoder(inputs.encoder)
    if inputs.teacher is not None:
        from dfdetect.scoring.models import load_model

        load_model(inputs.teacher)


def _check_recipe(recipe: Recipe) -> Net:
    """The network of a recipe; `InputError` unless it gives a score for a crop of every view."""
    size, views = recipe.crops[0].size, len(recipe.crops)
    try:
        net = build_network(recipe).eval()
        with torch.inference_mode():
            logit = net(torch.zeros(views, 3, size, size), torch.arange(views))[0]
        if logit.shape != (views,) or not bool(torch.isfinite(logit).all()):
            raise ValueError("it gives no finite score")
    except DfdetectError:
        raise
    except Exception as error:  # every architecture fails in its own way
        reason = str(error).partition("\n")[0] or type(error).__name__
        wanted = "a vision transformer and crops" if recipe.blocks else "a CNN and crops"
        aside = "" if recipe.blocks else "; a vision transformer needs blocks"
        raise InputError(
            f"backbone '{recipe.backbone}' with blocks {list(recipe.blocks)} cannot take crops of {size} px "
            f"({reason}); choose {wanted} of a size that it takes{aside}"
        ) from error
    return net
