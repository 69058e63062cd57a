"""From a recipe to a network, and from a trained network to the experts of a model folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dfdetect.errors import InputError
from dfdetect.scoring.card import ExpertCard
from dfdetect.train.network import ExportNet, FaceNet, export_onnx, load_backbone, to_input
from dfdetect.train.quantise import LARGE, quantise
from dfdetect.train.recipe import Recipe
from dfdetect.train.rounding import input_grams
from dfdetect.train.table import FaceRow, aligned, sampling_weights
from dfdetect.train.transformer import ExportTokens, TokenNet, load_clip_onnx

Net = FaceNet | TokenNet
ROUNDED_ON = 128
"""Faces that decide how the weights of a transformer are rounded."""
QUICK = "model.quick.onnx"
"""The transformer with signed 8-bit weights, see `quantise`."""


def build_network(recipe: Recipe, teacher_width: int = 0) -> Net:
    """The untrained network of a recipe; raises `InputError` for a backbone that does not exist."""
    try:
        if recipe.blocks:
            return TokenNet(
                recipe.backbone, recipe.blocks, recipe.crops, teacher_width, recipe.dropout, recipe.tuned
            )
        return FaceNet(recipe.backbone, teacher_width, recipe.dropout)
    except RuntimeError as error:
        raise InputError(f"timm has no backbone '{recipe.backbone}' ({error})") from error


def load_start(net: Net, path: str | Path) -> None:
    """Start from pretrained weights: a state dict, or for CLIP's transformer its 8-bit ONNX file."""
    if isinstance(net, TokenNet) and str(path).endswith(".onnx"):
        load_clip_onnx(net, path)
    else:
        load_backbone(net.backbone, path)


def moving_keys(net: Net) -> list[str]:
    """Names of the parts of the state that training changes; the others are those of the start."""
    frozen = {
        name for name, p in net.named_parameters() if name.startswith("backbone.") and not p.requires_grad
    }
    return [name for name in net.state_dict() if name not in frozen]


def export_experts(
    net: Net, recipe: Recipe, folder: Path, rows: Sequence[FaceRow] = ()
) -> tuple[ExpertCard, ...]:
    """Write ``model.onnx`` into `folder` and say how its experts are fed.

    A transformer is written with 8-bit weights (see `quantise`), rounded so that they serve some of the faces
    of `rows` best.
    """
    net = net.cpu().eval()
    size = recipe.crops[0].size
    if isinstance(net, FaceNet):
        names = [("cnn", "logit", "heatmap")]
        shipped: torch.nn.Module = ExportNet(net)
    else:
        labels = [f"vit_{'aligned' if c.align == 'five_point' else c.align}" for c in recipe.crops]
        labels = [n if labels.count(n) == 1 else f"{n}_{i}" for i, n in enumerate(labels)]
        names = [(n, f"logit_{i}", f"heatmap_{i}") for i, n in enumerate(labels)]
        shipped = ExportTokens(net)
    outputs = [output for _, logit, heat in names for output in (logit, heat)]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "float.onnx"
        export_onnx(shipped, size, path, outputs)
        if isinstance(net, TokenNet):
            whole, path, quick = path, Path(scratch) / "safe.onnx", Path(scratch) / "quick.onnx"
            quantise(whole, path, quick, _grams(shipped, recipe, rows))
            (quick.parent / LARGE).chmod(0o644)  # onnx keeps it to its owner
            os.replace(quick.parent / LARGE, folder / LARGE)
            os.replace(quick, folder / QUICK)
        os.replace(path, folder / "model.onnx")
    return tuple(
        ExpertCard(
            name=name,
            file="model.onnx",
            crop=crop,
            mean=recipe.mean,
            std=recipe.std,
            input="image",
            logit=logit,
            heatmap=heat,
            quick_file=QUICK if isinstance(net, TokenNet) else None,
            arch=recipe.backbone + (f", blocks {list(recipe.blocks)}" if recipe.blocks else ""),
        )
        for (name, logit, heat), crop in zip(names, recipe.crops, strict=True)
    )


def _grams(
    shipped: torch.nn.Module, recipe: Recipe, rows: Sequence[FaceRow]
) -> dict[str, NDArray[np.float64]]:
    """How the inputs of every layer go together over training faces, drawn as training would."""
    if not rows:
        return {}
    count = min(ROUNDED_ON, len(rows))
    rng = np.random.default_rng(recipe.seed)
    drawn = rng.choice(len(rows), count, replace=False, p=sampling_weights(rows))
    batches = [
        to_input(np.stack([aligned(rows[int(i)], crop) for i in drawn[first : first + 8]]), recipe, "cpu")
        for crop in recipe.crops
        for first in range(0, count, 8)
    ]
    return input_grams(shipped, batches, "net.backbone.")
