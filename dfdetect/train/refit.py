"""The heads of a tuned transformer, fitted once more.

Tuning moves the features faster than the heads, and what it has learned gathers in the class tokens of the
last blocks: a logistic regression on these alone, on training faces as they are, holds better on unseen
sources than the heads that were tuned along, and both together better still (see models/README.md).  The
result is one linear head again, so that it costs nothing when scanning.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dfdetect.train.chunks import capped
from dfdetect.train.probe import view_features
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import FaceRow
from dfdetect.train.teacher import probe_weights
from dfdetect.train.transformer import TokenNet

STRENGTH = 3e-4
"""Inverse regularisation (scikit-learn's C) on standardised features."""


def refit_heads(
    net: TokenNet, rows: Sequence[FaceRow], recipe: Recipe, cache: Path, device: str = "cpu"
) -> None:
    """Give every head of `net` a share of `recipe.refit` of a probe on the class tokens of
    `recipe.refit_blocks`, fitted on at most `recipe.probe_cap` faces of each source and label.

    Both parts are first brought to the same spread over these faces, that of the tuned head.
    """
    from sklearn.linear_model import LogisticRegression

    chosen = capped(rows, recipe.probe_cap)
    fake = np.array([row.fake for row in chosen])
    if fake.all() or not fake.any():
        print("no probe to refit the heads with: the faces are all of one class", file=sys.stderr, flush=True)
        return
    for view in range(len(recipe.crops)):
        found = view_features(net, chosen, recipe, view, cache, device)
        seen = class_token_columns(net, view, recipe.refit_blocks)
        centre, spread = found[:, seen].mean(0), found[:, seen].std(0) + 1e-3
        probe = LogisticRegression(C=STRENGTH, max_iter=400)
        probe.fit((found[:, seen] - centre) / spread, fake, sample_weight=probe_weights(chosen))
        weight = np.zeros(found.shape[1])
        weight[seen] = probe.coef_[0] / spread
        bias = float(probe.intercept_[0] - weight[seen] @ centre)
        blend_head(net, view, found, weight, bias, recipe.refit)


def class_token_columns(net: TokenNet, view: int, blocks: Sequence[int]) -> NDArray[np.intp]:
    """Where the class tokens of `blocks` stand in the features of a view."""
    width = (1 + len(net.pools[view])) * net.channels
    starts = [net.blocks.index(block) * width for block in blocks]
    return np.concatenate([np.arange(start, start + net.channels) for start in starts])


@torch.no_grad()
def blend_head(
    net: TokenNet,
    view: int,
    features: NDArray[np.float32],
    weight: NDArray[np.float64],
    bias: float,
    share: float,
) -> None:
    """Mix ``features @ weight + bias``, stretched to the head's own spread over `features`, into a head."""
    head = net.heads[view]
    centre, spread = (part[view].detach().double().numpy(force=True) for part in (net.centre, net.spread))
    tuned = head.weight[0].double().numpy(force=True) / spread
    tuned_bias = float(head.bias) - tuned @ centre
    stretch = np.std(features @ tuned) / max(float(np.std(features @ weight)), 1e-9)
    mixed = (1 - share) * tuned + share * stretch * weight
    mixed_bias = (1 - share) * tuned_bias + share * stretch * bias
    head.weight.copy_(torch.from_numpy((mixed * spread)[None]))
    head.bias.fill_(float(mixed_bias + mixed @ centre))
