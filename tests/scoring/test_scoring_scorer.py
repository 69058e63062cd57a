"""Scoring: the same crop gets the same score, however it is batched; networks load late."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from scoring_nets import CALIBRATION, SIZE, crops, make_folder, tiny_expert, tiny_model

from dfdetect.errors import ModelError
from dfdetect.scoring import models
from dfdetect.scoring.card import read_card
from dfdetect.scoring.models import load_model, save_calibration, write_card
from dfdetect.scoring.scorer import BATCH, Fusion, Scorer, fuse_heatmaps, preprocess
from dfdetect.settings import Settings


def test_preprocess_is_the_formula_of_the_card() -> None:
    expert = tiny_expert()
    images = crops(3)
    batch = preprocess(images, expert)
    wanted = (np.stack(images) / 255 - np.array(expert.mean)) / np.array(expert.std)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    np.testing.assert_allclose(batch, wanted.transpose(0, 3, 1, 2), atol=1e-6)


def test_networks_load_at_the_first_crop(tmp_path: Path) -> None:
    scorer = Scorer(tiny_model(tmp_path), Settings())
    assert scorer.score([]).fused.shape == (0,)
    assert not scorer.is_loaded
    scorer.score([(crops(1)[0],)])
    assert scorer.is_loaded
    assert scorer.engine.startswith("onnxruntime ")


def test_batches_do_not_change_scores(tmp_path: Path) -> None:
    scorer = Scorer(tiny_model(tmp_path), Settings())
    images = crops(2 * BATCH + 3)
    together = scorer.score([(c,) for c in images])
    alone = np.concatenate([scorer.score([(c,)]).fused for c in images])
    assert together.fused.shape == (len(images),)
    assert together.fused.std() > 0.01  # the network tells crops apart at all
    np.testing.assert_allclose(together.fused, alone, atol=1e-5)


def test_experts_are_fused_as_calibrated(tmp_path: Path) -> None:
    calibration = {**CALIBRATION, "fusion": {"weights": [2.0, -0.5], "bias": 0.25}}
    scorer = Scorer(tiny_model(tmp_path, 2, calibration), Settings())
    first, second = crops(4), crops(4, seed=9)
    scores = scorer.score(list(zip(first, second, strict=True)), heatmaps=True)
    assert scores.experts.shape == (4, 2)
    np.testing.assert_allclose(scores.fused, 2 * scores.experts[:, 0] - 0.5 * scores.experts[:, 1] + 0.25)
    assert scores.heatmaps is not None
    # The mean of the tiny network's map is its logit, so the mean of the fused map is the fused logit.
    np.testing.assert_allclose(scores.heatmaps.mean(axis=(1, 2)) + 0.25, scores.fused, atol=1e-5)


def test_heatmaps_only_when_asked_for(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    views = [(crops(1)[0],)]
    assert Scorer(model, Settings()).score(views).heatmaps is None
    maps = Scorer(model, Settings(heatmaps=True)).score(views).heatmaps
    assert maps is not None
    assert maps.shape == (1, SIZE // 4, SIZE // 4)


def test_heatmaps_of_different_grids_meet_on_the_finest() -> None:
    fine = np.ones((2, 8, 8), np.float32)
    coarse = np.full((2, 4, 4), 3.0, np.float32)
    fused = fuse_heatmaps([fine, None, coarse], [1.0, 5.0, 0.5])
    assert fused is not None
    assert fused.shape == (2, 8, 8)
    np.testing.assert_allclose(fused, 2.5)
    assert fuse_heatmaps([None], [1.0]) is None


@pytest.mark.parametrize(
    "views",
    [
        (),
        (np.zeros((SIZE, SIZE, 3), np.float32),),
        (np.zeros((SIZE + 1, SIZE, 3), np.uint8),),
        (np.zeros((SIZE, SIZE), np.uint8),),
    ],
)
def test_wrong_crops_are_refused(tmp_path: Path, views: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(ValueError, match="crop"):
        Scorer(tiny_model(tmp_path), Settings()).score([views])


@pytest.mark.parametrize(
    "fusion",
    [{}, {"weights": [1.0, 2.0]}, {"weights": "1"}, {"weights": [float("inf")]}, [1.0]],
)
def test_wrong_fusion_is_refused(fusion: object) -> None:
    with pytest.raises(ModelError, match="fusion"):
        Fusion.from_calibration({"fusion": fusion}, 1, Path("calibration.json"))
    assert Fusion.from_calibration({}, 1, Path("calibration.json")).weights == (1.0,)


@pytest.mark.parametrize(
    ("fusion", "field"),
    [
        ({"weights": [1e308]}, "fusion.weights"),
        ({"weights": [-1.1e9]}, "fusion.weights"),
        ({"weights": [1.0], "bias": 1e308}, "fusion.bias"),
        ({"weights": [1.0], "bias": -(10**30)}, "fusion.bias"),
    ],
)
def test_fusion_stays_within_bounds(fusion: object, field: str) -> None:
    with pytest.raises(ModelError, match=f"calibration.json: '{field}' must stay within 1e"):
        Fusion.from_calibration({"fusion": fusion}, 1, Path("calibration.json"))
    bounds = {"fusion": {"weights": [1e9], "bias": -1e9}}
    assert Fusion.from_calibration(bounds, 1, Path("calibration.json")).bias == -1e9


@pytest.mark.parametrize("name", ["cnn1.onnx", "cnn0.quick.onnx", "weights.bin"])
def test_a_file_replaced_before_it_is_loaded_is_refused(name: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", experts=2)
    for other in ("cnn0.quick.onnx", "weights.bin"):
        shutil.copy(folder / "cnn0.onnx", folder / other)
    first, second = read_card(folder).experts
    experts = (dataclasses.replace(first, quick_file="cnn0.quick.onnx"), second)
    files = dict.fromkeys(("cnn0.quick.onnx", "weights.bin"), "")
    write_card(folder, dataclasses.replace(read_card(folder), experts=experts, files=files))
    scorer = Scorer(load_model(folder), Settings())
    # A description added to a network: it loads just as well.
    (tmp_path / "new").write_bytes((folder / name).read_bytes() + b"\x32\x01x")
    (tmp_path / "new").replace(folder / name)
    for _ in range(2):  # what was refused once is not taken the second time
        with pytest.raises(
            ModelError, match=f"{name} changed while the model was loaded; make a new Detector"
        ):
            scorer.score([(crops(1)[0], crops(1)[0])])
        assert not scorer.is_loaded


def test_an_untouched_model_is_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_SETTLED_NS", 0)
    scorer = Scorer(tiny_model(tmp_path / "m"), Settings())
    monkeypatch.setattr(models, "hash_file", None)
    scorer.load()
    assert scorer.is_loaded


def test_a_calibration_written_since_is_no_change_of_the_networks(tmp_path: Path) -> None:
    scorer = Scorer(tiny_model(tmp_path / "m"), Settings())
    save_calibration(tmp_path / "m", {**CALIBRATION, "prior": 0.4})
    scorer.load()
    assert scorer.is_loaded
