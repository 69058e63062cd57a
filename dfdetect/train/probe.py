"""Where a transformer starts: as the best linear probe on its frozen features."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dfdetect.train.chunks import cached, capped
from dfdetect.train.network import to_input, weights_hash
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import FaceRow, aligned
from dfdetect.train.teacher import probe_weights
from dfdetect.train.transformer import TokenNet

STRENGTH = 0.001
"""Inverse regularisation of the probe (scikit-learn's C) on standardised features."""


def start_as_probe(
    net: TokenNet, rows: Sequence[FaceRow], recipe: Recipe, cache: Path, device: str = "cpu"
) -> None:
    """Fit a logistic regression for every view, on at most `recipe.probe_cap` faces of each source and label,
    and copy it into the network's heads.
    """
    from sklearn.linear_model import LogisticRegression

    chosen = capped(rows, recipe.probe_cap)
    fake = np.array([row.fake for row in chosen])
    if fake.all() or not fake.any():
        print("no probe to start from: the faces are all of one class", file=sys.stderr, flush=True)
        for view in range(len(recipe.crops)):
            found = view_features(net, chosen, recipe, view, cache, device)
            net.start_as_probe(view, found, np.zeros(found.shape[1]), 0.0)
        return
    for view in range(len(recipe.crops)):
        found = view_features(net, chosen, recipe, view, cache, device)
        flat = (found - found.mean(0)) / (found.std(0) + 1e-3)
        probe = LogisticRegression(C=STRENGTH, max_iter=300)
        probe.fit(flat, fake, sample_weight=probe_weights(chosen))
        net.start_as_probe(view, found, probe.coef_[0], float(probe.intercept_[0]))


def view_features(
    net: TokenNet, rows: Sequence[FaceRow], recipe: Recipe, view: int, cache: Path, device: str
) -> NDArray[np.float32]:
    """Features ``[n, d]`` of one view, computed once in chunks that are kept under `cache` by the weights
    and the input that they are of.
    """
    fed = [recipe.crops[view].as_dict(), recipe.mean, recipe.std, recipe.bf16]
    text = json.dumps([recipe.backbone, recipe.blocks, fed, weights_hash(net.backbone)])
    prefix = hashlib.sha256(text.encode()).hexdigest()[:12]
    compute = partial(_compute, net, recipe, view, device)
    known = cached(rows, cache, prefix, compute, f"probe, view {view}")
    return np.stack([known[row.name] for row in rows]).astype(np.float32)


@torch.inference_mode()
def _compute(
    net: TokenNet, recipe: Recipe, view: int, device: str, rows: Sequence[FaceRow]
) -> NDArray[np.float16]:
    net.eval()
    out = []
    for first in range(0, len(rows), 16):
        crops = np.stack([aligned(row, recipe.crops[view]) for row in rows[first : first + 16]])
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=recipe.bf16):
            found = net.features(to_input(crops, recipe, device), view)
        out.append(found.float().cpu().numpy().astype(np.float16))
    return np.concatenate(out)
