"""From labelled faces to a model folder: the whole of training in one function."""

from __future__ import annotations

import dataclasses
import datetime
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import ModelError
from dfdetect.scoring.card import CALIBRATION_FILE, ModelCard
from dfdetect.scoring.models import hash_file, load_model, save_calibration, write_card
from dfdetect.train.average import average_with, go_back
from dfdetect.train.build import QUICK, Net, build_network, export_experts, load_start
from dfdetect.train.check import Inputs, check_inputs
from dfdetect.train.forge.decoder import decoder_twins
from dfdetect.train.gather import forges, gather, no_fakes, no_reals, read_data
from dfdetect.train.loop import train
from dfdetect.train.measure import face_report, predict, sharpness
from dfdetect.train.meshes import compute_meshes
from dfdetect.train.quantise import LARGE
from dfdetect.train.recipe import Recipe
from dfdetect.train.refit import refit_heads
from dfdetect.train.stream import check_fakes
from dfdetect.train.table import FaceRow, split
from dfdetect.train.teacher import compute_features, model_hash, model_targets, targets
from dfdetect.train.transformer import TokenNet
from dfdetect.verdict.calibration import neutral_calibration


def run(
    inputs: Inputs, recipe: Recipe, out: Path, *, workers: int = 1, device: str = "cpu"
) -> dict[str, Any]:
    """Train and write the model folder `out`; returns the report on held-out sources (empty without fold)."""
    check_inputs(inputs, recipe, out, device)
    data = read_data(inputs, recipe)
    inputs.work.mkdir(parents=True, exist_ok=True)
    rows = gather(data, inputs.work, recipe.frames)
    kept, held = split(rows, recipe.fold, recipe.folds)
    _check_faces(kept, inputs, recipe)
    print(f"{len(kept)} faces to train on, {len(held)} held out", file=sys.stderr, flush=True)
    meshes = compute_meshes(kept, inputs.mesh, inputs.work / "meshes") if inputs.mesh else {}
    twins: list[FaceRow] = []
    if inputs.decoder and recipe.twin > 0:
        rng = np.random.default_rng(recipe.seed)
        folder = inputs.work / "twins"
        twins = decoder_twins(kept, inputs.decoder, folder, recipe.twins, rng, device=device)
    check_fakes(kept, meshes, recipe, twins)  # a teacher takes its time
    teacher = _teach(kept, inputs, recipe)
    net = train(
        kept,
        meshes,
        teacher,
        recipe,
        inputs.work / "run",
        weights=inputs.weights,
        twins=twins,
        made_with=_networks(inputs),
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


def _networks(inputs: Inputs) -> dict[str, str]:
    """Hashes of the networks that landmarks and targets come from, as `train` takes them."""
    made_with = {}
    if inputs.mesh is not None:
        made_with["mesh"] = hash_file(inputs.mesh)
    if inputs.encoder is not None:
        made_with["teacher"] = hash_file(inputs.encoder)
    if inputs.teacher is not None:
        made_with["teacher"] = model_hash(load_model(inputs.teacher))
    return made_with


def _check_faces(rows: Sequence[FaceRow], inputs: Inputs, recipe: Recipe) -> None:
    """Refuse faces with which training would fail, or never end: the labels promised more than was found."""
    if all(row.fake for row in rows):
        raise no_reals("none was found in what is labelled real and not held out")
    if not forges(inputs, recipe) and not any(row.fake for row in rows):
        raise no_fakes()


def write_folder(
    net: Net, recipe: Recipe, rows: Sequence[FaceRow], report: dict[str, Any], out: Path
) -> None:
    """Export the network and write a card; calibration is left to `dfdetect calibrate`.

    One that was fitted to this very network already, by an earlier end of the same run, stays.
    """
    out.mkdir(parents=True, exist_ok=True)
    fitted = _fitted(out)
    experts = export_experts(net, recipe, out, rows)
    measured = {"held_out_sources": report} if report else {}
    card = ModelCard(
        name=out.resolve().name,
        version="1",
        summary=f"{recipe.backbone} on face crops of {recipe.crops[0].size} px",
        created=datetime.date.today().isoformat(),
        experts=experts,
        closer=recipe.closer,
        files={LARGE: "", QUICK: ""} if recipe.blocks else {},
        data=_describe(rows),
        recipe=recipe.as_dict(),
        measured=measured,
    )
    written = write_card(out, card)
    if fitted is None or _scores_of(fitted) != _scores_of(written):
        save_calibration(out, neutral_calibration(len(experts)))
    else:
        # What was measured with it stays, too.
        earlier = fitted.measured if isinstance(fitted.measured, Mapping) else {}
        write_card(out, dataclasses.replace(written, golden=fitted.golden, measured={**earlier, **measured}))


def _fitted(out: Path) -> ModelCard | None:
    """The card of the calibrated model in `out`; None without one."""
    try:
        return load_model(out).card
    except ModelError:
        return None


def _scores_of(card: ModelCard) -> tuple[object, ...]:
    """All of a card that scores depend on before they are calibrated."""
    networks = {name: sha256 for name, sha256 in card.files.items() if name != CALIBRATION_FILE}
    return card.experts, card.closer, networks


def _describe(rows: Sequence[FaceRow]) -> dict[str, Any]:
    families: dict[str, int] = {}
    for row in rows:
        families[row.family] = families.get(row.family, 0) + 1
    return {
        "faces": len(rows),
        "sources": len({row.source for row in rows}),
        "methods": len({row.method for row in rows if row.fake and row.method}),
        "families": dict(sorted(families.items())),
    }
