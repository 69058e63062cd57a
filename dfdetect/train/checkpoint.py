"""The checkpoint of a training run, and what it must agree with before a run goes on from it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dfdetect.errors import InputError
from dfdetect.train.build import Net
from dfdetect.train.network import UNREADABLE, weights_hash
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import FaceRow, stamp

NAME = "checkpoint.pt"
FORMAT = "2"
"""Of the fingerprint: what other versions of it say cannot be compared."""
AFTERWARDS = ("closer", "way", "refit_blocks", "refit")
"""Fields of a recipe that act after the last step, or only on the card of the model: a finished run may be
given others."""


def fingerprint(
    net: Net,
    rows: Sequence[FaceRow],
    meshes: Mapping[str, Any],
    teacher: Mapping[str, Any],
    recipe: Recipe,
    made_with: Mapping[str, str],
) -> dict[str, str]:
    """All that the steps of a run depend on, part by part, as short texts.

    Neither the names of faces nor where they lie count: the faces are told by their stamps, pairs by place.

    `net` must hold the weights that training starts from: a checkpoint has only those that move.
    `made_with` has hashes of the networks that landmarks and targets are of; the landmarks and targets
    themselves may differ in their last bit from run to run.
    """
    places = {row.name: place for place, row in enumerate(rows)}
    told = [
        [row.fake, row.family, row.method, row.medium, row.source, row.group, places.get(row.pair or "")]
        for row in rows
    ]
    shaping = {name: value for name, value in recipe.as_dict().items() if name not in AFTERWARDS}
    width = len(next(iter(teacher.values()))) if teacher else 0
    return {
        "format": FORMAT,
        "recipe": json.dumps(shaping, sort_keys=True),
        "start weights": weights_hash(net),
        "faces": _hash([stamp(row) for row in rows]),
        "labels or columns of the faces": _hash(told),
        "landmarks": _hash([made_with.get("mesh"), [row.name in meshes for row in rows]]),
        "teacher": _hash([made_with.get("teacher"), width, [row.name in teacher for row in rows]]),
    }


def save(
    folder: Path,
    net: Net,
    average: Mapping[str, Tensor],
    optimiser: torch.optim.AdamW,
    step: int,
    run: Mapping[str, str],
) -> None:
    """Write the checkpoint; a kill in between leaves the older one whole."""
    part = folder / f"{NAME}.part"
    state = {
        "net": {key: value for key, value in net.state_dict().items() if key in average},
        "average": dict(average),
        "optimiser": optimiser.state_dict(),
        "step": step,
        "run": dict(run),
    }
    torch.save(state, part)
    os.replace(part, folder / NAME)


def resume(
    folder: Path,
    net: Net,
    average: Mapping[str, Tensor],
    optimiser: torch.optim.AdamW,
    run: Mapping[str, str],
) -> int:
    """Take up the checkpoint in `folder`, if there is one, and return its step (0: there is none).

    Raises `InputError` when it cannot be read, or is not of this run: what differs is named.
    """
    path = folder / NAME
    if not path.exists():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        theirs = state["run"]
    except (*UNREADABLE, LookupError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{path} is no whole checkpoint ({reason}); delete it to train afresh, or bring back a whole one"
        ) from error
    if theirs != run:
        raise InputError(
            f"{path} belongs to another run ({_difference(theirs, run)}); give another --work, "
            "or delete it to train afresh"
        )
    net.load_state_dict(state["net"], strict=False)  # what is not there never changes
    optimiser.load_state_dict(state["optimiser"])
    for key, value in state["average"].items():
        average[key].copy_(value)
    return int(state["step"])


def _difference(theirs: object, ours: Mapping[str, str]) -> str:
    """What differs between two fingerprints, in words."""
    if not isinstance(theirs, dict) or theirs.get("format") != FORMAT:
        return "it was written by an older dfdetect"
    parts = [part for part in ours if theirs.get(part) != ours[part]]
    if "recipe" in parts and "recipe" in theirs:
        before, now = json.loads(theirs["recipe"]), json.loads(ours["recipe"])
        changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        parts[parts.index("recipe")] = f"recipe: {', '.join(changed)}"
    return f"it differs in {'; '.join(parts)}"


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
