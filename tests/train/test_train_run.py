from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from dfdetect.errors import InputError
from dfdetect.faces.crop import CropSpec
from dfdetect.settings import Settings
from tests.train.faces import make_crop_folder, require_training

torch = require_training()

from dfdetect.scoring.models import load_model  # noqa: E402
from dfdetect.scoring.scorer import Scorer  # noqa: E402
from dfdetect.train.check import Inputs  # noqa: E402
from dfdetect.train.loop import train  # noqa: E402
from dfdetect.train.network import to_input  # noqa: E402
from dfdetect.train.recipe import Recipe  # noqa: E402
from dfdetect.train.run import run  # noqa: E402
from dfdetect.train.table import aligned, read_faces  # noqa: E402
from dfdetect.train.teacher import model_targets  # noqa: E402

# A backbone of timm's own tests: a third of a million weights.
RECIPE = Recipe(
    backbone="test_efficientnet",
    crops=(CropSpec("five_point", 64, 0.9),),
    batch=8,
    steps=4,
    warmup=1,
    clean=1.0,
    self_blend=0.0,
    warp=0.0,
    swap=0.0,
)


def test_a_trained_folder_is_a_model_that_scores_like_torch(tmp_path: Path) -> None:
    data = make_crop_folder(tmp_path / "crops")
    out = tmp_path / "model"
    report = run(
        Inputs((data,), tmp_path / "work"), dataclasses.replace(RECIPE, fold=0, folds=2), out, workers=0
    )
    assert report["faces"] > 0
    folder = load_model(out)
    assert folder.card.recipe["backbone"] == "test_efficientnet"
    assert folder.card.licence == "", "nobody has said it"
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    scores = Scorer(folder, Settings()).score([(crop,) for crop in crops], heatmaps=True)
    assert scores.heatmaps is not None
    assert scores.heatmaps.mean((1, 2)) == pytest.approx(scores.fused, abs=1e-4)
    lines = [json.loads(line) for line in (tmp_path / "work" / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == RECIPE.steps


def test_a_resumed_run_ends_where_an_unbroken_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_faces(make_crop_folder(tmp_path / "crops"))
    monkeypatch.setattr("dfdetect.train.loop.CHECKPOINT_EVERY", 2)

    class Killed(Exception):
        pass

    def kill_at_three(step: int, recipe: Recipe) -> float:
        if step == 3 and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            raise Killed
        return 1.0

    monkeypatch.setattr("dfdetect.train.loop._schedule", lambda step, recipe: 1.0)
    whole = train(rows, {}, {}, RECIPE, tmp_path / "even", workers=0)
    monkeypatch.setattr("dfdetect.train.loop._schedule", kill_at_three)
    with pytest.raises(Killed):
        train(rows, {}, {}, RECIPE, tmp_path / "broken", workers=0)
    resumed = train(rows, {}, {}, RECIPE, tmp_path / "broken", workers=0)
    images = np.stack([np.full((64, 64, 3), v, np.uint8) for v in (30, 128, 220)])
    view = torch.zeros(3, dtype=torch.long)
    with torch.inference_mode():
        a = whole(to_input(images, RECIPE, "cpu"), view)[0]
        b = resumed(to_input(images, RECIPE, "cpu"), view)[0]
    assert torch.allclose(a, b, atol=1e-5)


def test_a_model_teaches_another(tmp_path: Path) -> None:
    data = make_crop_folder(tmp_path / "crops")
    run(Inputs((data,), tmp_path / "work"), RECIPE, tmp_path / "teacher", workers=0)
    recipe = dataclasses.replace(RECIPE, teacher_weight=1.0, seed=1)
    taught = Inputs((data,), tmp_path / "work2", teacher=tmp_path / "teacher")
    run(taught, recipe, tmp_path / "pupil", workers=0)
    line = json.loads((tmp_path / "work2" / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert line["teacher"] > 0
    rows = read_faces(data)
    found = model_targets(rows, tmp_path / "teacher", tmp_path / "work2" / "teacher", 100)
    model = load_model(tmp_path / "teacher")
    crops = [tuple(aligned(row, e.crop) for e in model.card.experts) for row in rows]
    logits = Scorer(model, Settings()).score(crops).experts
    wanted = np.clip(logits / logits.std(0), -4, 4)
    assert np.stack([found[row.name] for row in rows]) == pytest.approx(wanted, rel=1e-3)


def test_a_decoder_without_a_share_is_refused(tmp_path: Path) -> None:
    inputs = Inputs((make_crop_folder(tmp_path / "crops"),), tmp_path / "work", decoder=tmp_path / "d")
    with pytest.raises(InputError, match="twin"):
        run(inputs, RECIPE, tmp_path / "out", workers=0)


@pytest.mark.parametrize(
    ("teachers", "weight", "message"),
    [({"teacher": "a"}, 0.0, "weight"), ({"teacher": "a", "encoder": "b"}, 1.0, "one teacher")],
)
def test_teachers_that_make_no_sense_are_refused(
    tmp_path: Path, teachers: dict[str, str], weight: float, message: str
) -> None:
    data = make_crop_folder(tmp_path / "crops")
    inputs = Inputs((data,), tmp_path / "work", **{key: tmp_path / name for key, name in teachers.items()})
    with pytest.raises(InputError, match=message):
        run(inputs, dataclasses.replace(RECIPE, teacher_weight=weight), tmp_path / "out", workers=0)
