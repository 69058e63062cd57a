"""From labelled faces to a model folder: the whole of training in one function."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import InputError
from dfdetect.scoring.card import ModelCard
from dfdetect.scoring.models import save_calibration, write_card
from dfdetect.train.average import average_with, finished, go_back
from dfdetect.train.build import QUICK, Net, build_network, export_experts, load_start
from dfdetect.train.extract import extract
from dfdetect.train.forge.decoder import decoder_twins
from dfdetect.train.loop import train
from dfdetect.train.measure import face_report, predict, sharpness
from dfdetect.train.meshes import compute_meshes
from dfdetect.train.quantise import LARGE
from dfdetect.train.recipe import Recipe
from dfdetect.train.refit import refit_heads
from dfdetect.train.table import FaceRow, read_faces, split
from dfdetect.train.teacher import compute_features, model_targets, targets
from dfdetect.train.transformer import TokenNet


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


UNCALIBRATED = {
    "format": 1,
    "fusion": {"weights": [1.0], "bias": 0.0},
    "aggregator": {"kind": "mean"},
    "file": {"kind": "max", "track_penalty": 0.0},
    "calibrator": {kind: {"kind": "platt", "a": 1.0, "b": 0.0} for kind in ("photo", "video")},
    "band": {"photo": [0.0, 1.0], "video": [0.0, 1.0]},
    "prior": 0.5,
    "quality": {"min_sharpness": 4.0, "min_brightness": 0.06, "min_contrast": 0.02},
    "fitted_on": {"source": "nothing yet: run `dfdetect calibrate`", "files": 0},
}
"""What a freshly trained folder holds until it is calibrated: every answer is uncertain, and says why."""


def gather(inputs: Inputs, frames: int) -> list[FaceRow]:
    """All faces of all data; media are read and their faces cut out once."""
    rows: list[FaceRow] = []
    for path in inputs.data:
        if (path / "faces.csv").exists():
            rows += read_faces(path)
        elif (labels := path if path.is_file() else path / "labels.csv").exists():
            rows += read_faces(extract(labels, inputs.work, frames=frames))
        else:
            raise InputError(f"{path} holds neither faces.csv nor labels.csv")
    if not any(not row.fake for row in rows):
        raise InputError("training needs real faces; none of the data is labelled real")
    return rows


def run(
    inputs: Inputs, recipe: Recipe, out: Path, *, workers: int = 1, device: str = "cpu"
) -> dict[str, Any]:
    """Train and write the model folder `out`; returns the report on held-out sources (empty without fold)."""
    inputs.work.mkdir(parents=True, exist_ok=True)
    rows = gather(inputs, recipe.frames)
    kept, held = split(rows, recipe.fold, recipe.folds)
    _check(kept, inputs, recipe)
    print(f"{len(kept)} faces to train on, {len(held)} held out", file=sys.stderr, flush=True)
    meshes = compute_meshes(kept, inputs.mesh, inputs.work) if inputs.mesh else {}
    teacher = _teach(kept, inputs, recipe)
    twins: list[FaceRow] = []
    if inputs.decoder and recipe.twin > 0:
        rng = np.random.default_rng(recipe.seed)
        folder = inputs.work / "twins"
        twins = decoder_twins(kept, inputs.decoder, folder, recipe.twins, rng, device=device)
    net = train(
        kept,
        meshes,
        teacher,
        recipe,
        inputs.work / "run",
        weights=inputs.weights,
        twins=twins,
        workers=workers,
        device=device,
    )
    if isinstance(net, TokenNet) and inputs.average:
        average_with(net, inputs.average)
    if isinstance(net, TokenNet) and inputs.weights is not None and recipe.way < 1:
        start = build_network(recipe)
        load_start(start, inputs.weights)
        assert isinstance(start, TokenNet)
        go_back(net, start, recipe.way)
    if isinstance(net, TokenNet) and recipe.refit_blocks:
        refit_heads(net, kept, recipe, inputs.work / "refit", device)
    logit = predict(net, held, recipe, device).mean(1)
    report = face_report(held, logit, sharpness(held, recipe)) if held else {}
    write_folder(net, recipe, kept, report, out)
    return report


def _teach(rows: Sequence[FaceRow], inputs: Inputs, recipe: Recipe) -> Mapping[str, NDArray[np.float32]]:
    """The teacher's targets by the name of the face; none without a teacher, or one without weight."""
    cache = inputs.work / "teacher"
    if recipe.teacher_weight <= 0:
        return {}
    if inputs.teacher is not None:
        return model_targets(rows, inputs.teacher, cache, recipe.teacher_cap)
    if inputs.encoder is None:
        return {}
    features = compute_features(rows, inputs.encoder, cache, recipe.teacher_cap)
    return targets([row for row in rows if row.name in features], features)


def _check(rows: Sequence[FaceRow], inputs: Inputs, recipe: Recipe) -> None:
    """Refuse early what would fail, or never end, hours later."""
    if inputs.teacher is not None and inputs.encoder is not None:
        raise InputError("there can be one teacher; give --teacher or --encoder")
    if (inputs.teacher is not None or inputs.encoder is not None) and recipe.teacher_weight <= 0:
        raise InputError("a teacher without weight teaches nothing; set teacher_weight, e.g. to 1")
    if inputs.average and not recipe.blocks:
        raise InputError("only runs of a transformer have a mean; leave --average away, or set blocks")
    for work in inputs.average:
        finished(work)
    if recipe.way < 1 and not (recipe.blocks and inputs.weights):
        raise InputError("only a transformer with --weights has a start to go back to; leave way at 1")
    if all(row.fake for row in rows):
        raise InputError("training needs real faces; none is left to train on")
    if inputs.decoder is not None and recipe.twin <= 0:
        raise InputError("a decoder without a share makes no twins; set twin, e.g. to 0.05")
    forging = inputs.mesh is not None and recipe.self_blend + recipe.warp + recipe.swap > 0
    if not forging and not any(row.fake for row in rows):
        raise InputError("there are no fakes to train on; give --mesh to forge them from the reals")


def write_folder(
    net: Net, recipe: Recipe, rows: Sequence[FaceRow], report: dict[str, Any], out: Path
) -> None:
    """Export the network and write a card; calibration is left to `dfdetect calibrate`."""
    out.mkdir(parents=True, exist_ok=True)
    experts = export_experts(net, recipe, out, rows)
    calibration = {**UNCALIBRATED, "fusion": {"weights": [1 / len(experts)] * len(experts), "bias": 0.0}}
    (out / "calibration.json").write_text(json.dumps(calibration, indent=2) + "\n", encoding="utf-8")
    card = ModelCard(
        name=out.resolve().name,
        version="1",
        summary=f"{recipe.backbone} on face crops of {recipe.crops[0].size} px",
        licence="Apache-2.0",
        created=datetime.date.today().isoformat(),
        experts=experts,
        files={LARGE: "", QUICK: ""} if recipe.blocks else {},
        data=_describe(rows),
        recipe=recipe.as_dict(),
        measured={"held_out_sources": report} if report else {},
    )
    write_card(out, card)
    save_calibration(out, calibration)


def _describe(rows: Sequence[FaceRow]) -> dict[str, Any]:
    families: dict[str, int] = {}
    for row in rows:
        families[row.family] = families.get(row.family, 0) + 1
    return {
        "faces": len(rows),
        "sources": len({row.source for row in rows}),
        "methods": len({row.method for row in rows if row.fake}),
        "families": dict(sorted(families.items())),
    }
