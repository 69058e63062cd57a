"""Weights between those of several runs and of their start.

Runs that start from the same weights and are tuned slowly end in one basin, where the mean of their weights
holds better on unseen sources than each of them, at the cost of a single network ("Model soups", Wortsman et
al., ICML 2022; figures in models/README.md).  A mean that goes back a little towards the start holds better
still ("Robust fine-tuning of zero-shot models", Wortsman et al., CVPR 2022).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dfdetect.errors import InputError
from dfdetect.train.build import Net, moving_keys
from dfdetect.train.network import UNREADABLE
from dfdetect.train.transformer import TokenNet


@torch.no_grad()
def average_with(net: TokenNet, works: Sequence[Path]) -> None:
    """Give `net` the mean of its own weights and those of the finished runs in the work folders `works`.

    Raises `InputError` for a run that is not finished, of another network, or from another start.
    """
    own = net.state_dict()
    others = average_parts(net, works)
    for work, other in zip(works, others, strict=True):
        fixed = [key for key in other if key.startswith(("centre.", "spread."))]
        if not all(torch.allclose(other[key], own[key].cpu()) for key in fixed):
            raise InputError(f"the run in {work} started elsewhere; only runs from one start have a mean")
    for key in moving_keys(net):
        stack = torch.stack([own[key].cpu(), *(other[key] for other in others)])
        own[key].copy_(stack.mean(0))


def average_parts(net: Net, works: Sequence[Path]) -> list[dict[str, Tensor]]:
    """The weights of the finished runs in the work folders `works`, whose shapes must be those of `net`.

    Raises `InputError` for a run that is not finished or of another network.
    """
    state = net.state_dict()
    shapes = {key: state[key].shape for key in moving_keys(net)}
    others = [finished(work) for work in works]
    for work, other in zip(works, others, strict=True):
        if {key: value.shape for key, value in other.items()} != shapes:
            raise InputError(
                f"the run in {work} trained another network or other parts of it; only like runs have a mean"
            )
    return others


@torch.no_grad()
def go_back(net: TokenNet, start: TokenNet, way: float) -> None:
    """Give the backbone of `net` the weights at the share `way` (0 to 1) from `start` to its own.

    The heads stay as they are.
    """
    for own, first in zip(net.backbone.parameters(), start.backbone.parameters(), strict=True):
        own.lerp_(first.to(own.device), 1 - way)


def finished(work: Path) -> dict[str, Tensor]:
    """The averaged (EMA) weights that a finished run left in its work folder; else `InputError`."""
    folder = work / "run"
    try:
        steps = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))["steps"]
        state = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
        done, weights = state["step"], dict(state["average"])
    except (*UNREADABLE, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{work} is not the --work folder of a training run: {error!r}") from error
    if done < steps:
        raise InputError(f"the run in {work} is at step {done} of {steps}; let it finish first")
    return weights
