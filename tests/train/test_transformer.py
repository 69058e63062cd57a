from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dfdetect.errors import InputError, SettingsError
from dfdetect.evaluate.metrics import auc
from dfdetect.faces.crop import CropSpec
from dfdetect.scoring.card import Closer
from dfdetect.settings import Settings
from tests.train.faces import make_crop_folder, require_training

torch = require_training()

from dfdetect.scoring.engines import installed_engines  # noqa: E402
from dfdetect.scoring.kernels import signed_bytes_are_exact  # noqa: E402
from dfdetect.scoring.models import load_model  # noqa: E402
from dfdetect.scoring.scorer import Scorer  # noqa: E402
from dfdetect.train.build import build_network, load_start  # noqa: E402
from dfdetect.train.check import Inputs  # noqa: E402
from dfdetect.train.loop import train  # noqa: E402
from dfdetect.train.measure import predict  # noqa: E402
from dfdetect.train.network import to_input  # noqa: E402
from dfdetect.train.recipe import Recipe  # noqa: E402
from dfdetect.train.refit import blend_head, class_token_columns, refit_heads  # noqa: E402
from dfdetect.train.rounding import fitted_bytes, nearest_bytes  # noqa: E402
from dfdetect.train.run import run  # noqa: E402
from dfdetect.train.table import aligned, read_faces  # noqa: E402
from dfdetect.train.transformer import TokenNet, region_pools  # noqa: E402

# A backbone of timm's own tests: 64 channels, 100 patches.
RECIPE = Recipe(
    backbone="test_vit",
    blocks=(2, 4),
    crops=(CropSpec("upright", 160, 1.4), CropSpec("five_point", 160, 0.9)),
    batch=8,
    steps=4,
    warmup=0,
    lr=0.01,
    backbone_lr=1.0,
    ema=0.5,
    clean=1.0,
    self_blend=0.0,
    warp=0.0,
    swap=0.0,
    family_weight=0.0,
)


def test_pools_average_and_the_mouth_lies_below_the_eyes() -> None:
    whole, mouth, eyes = region_pools(CropSpec("five_point", 224, 0.95), 14)
    assert whole == pytest.approx(np.full(196, 1 / 196))
    rows = np.repeat(np.arange(14), 14)
    assert mouth.sum() == pytest.approx(1)
    assert eyes.sum() == pytest.approx(1)
    assert not (mouth * eyes).any()
    assert mouth @ rows > eyes @ rows + 3
    assert len(region_pools(CropSpec("upright", 224, 1.4), 14)) == 1


def test_only_norms_and_heads_are_trained(tmp_path: Path) -> None:
    rows = read_faces(make_crop_folder(tmp_path / "crops"))
    torch.manual_seed(RECIPE.seed)
    before = build_network(RECIPE).state_dict()
    after = train(rows, {}, {}, RECIPE, tmp_path / "run", workers=0).state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert any("norm" in name for name in moved)
    assert {"heads.0.weight", "heads.1.weight"} <= moved
    assert all("norm" in name for name in moved if name.startswith("backbone"))


def test_all_of_the_blocks_are_trained_where_asked_for(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, tuned="all", matrix_lr=0.5, layer_decay=0.5)
    rows = read_faces(make_crop_folder(tmp_path / "crops"))
    torch.manual_seed(recipe.seed)
    before = build_network(recipe).state_dict()
    after = train(rows, {}, {}, recipe, tmp_path / "run", workers=0).state_dict()
    moved = {name: float((after[name] - before[name]).abs().max()) for name in after}
    by_block = [moved[f"backbone.blocks.{i}.mlp.fc1.weight"] for i in range(4)]
    assert all(slow < 0.8 * fast for slow, fast in pairwise(by_block))
    assert moved["backbone.blocks.0.mlp.fc1.weight"] > 0
    assert moved["backbone.pos_embed"] == moved["backbone.patch_embed.proj.weight"] == 0


def test_it_starts_as_the_probe_and_is_already_better_than_chance(tmp_path: Path) -> None:
    rows = read_faces(make_crop_folder(tmp_path / "crops"))
    frozen = dataclasses.replace(RECIPE, steps=1, lr=1e-12, backbone_lr=0.0)
    net = train(rows, {}, {}, frozen, tmp_path / "run", workers=0)
    logit = predict(net, rows, frozen)
    fake = np.array([row.fake for row in rows])
    assert logit.shape == (len(rows), 2)
    for view in range(2):
        assert auc(fake.astype(np.int64), logit[:, view]) > 0.7


def test_refitting_sets_heads_right_that_have_it_the_wrong_way_round(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, refit_blocks=(4,), refit=1.0)
    rows = read_faces(make_crop_folder(tmp_path / "crops"))
    fake = np.array([row.fake for row in rows])
    net = build_network(recipe)
    assert isinstance(net, TokenNet)

    def gap() -> np.ndarray:
        logit = predict(net, rows, recipe)
        return np.asarray(logit[fake].mean(0) - logit[~fake].mean(0))

    with torch.no_grad():
        for view, head in enumerate(net.heads):
            torch.nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(view))
        for head, sign in zip(net.heads, np.sign(gap()), strict=True):
            head.weight.mul_(-float(sign))
    assert (gap() < 0).all()
    refit_heads(net, rows, recipe, tmp_path / "refit")
    assert (gap() > 0).all()
    for view, head in enumerate(net.heads):
        outside = np.setdiff1d(np.arange(head.in_features), class_token_columns(net, view, (4,)))
        assert not head.weight[0, outside].any()


def test_a_blended_head_is_the_weighted_sum_of_both() -> None:
    net = build_network(RECIPE)
    assert isinstance(net, TokenNet)
    rng = np.random.default_rng(0)
    size = net.heads[0].in_features
    found = rng.normal(size=(50, size)).astype(np.float32)
    net.start_as_probe(0, found * 2 + 1, rng.normal(size=size), 0.3)

    def logits() -> np.ndarray:
        z = (torch.from_numpy(found) - net.centre[0]) / net.spread[0]
        return np.asarray(net.heads[0](z)[:, 0].detach())

    tuned, weight = logits(), rng.normal(size=size)
    blend_head(net, 0, found, weight, -0.7, 0.25)
    fitted = (found @ weight - 0.7) * tuned.std() / (found @ weight).std()
    assert logits() == pytest.approx(0.75 * tuned + 0.25 * fitted, abs=1e-3)


def test_the_shipped_network_scores_like_torch_and_each_face_by_itself(tmp_path: Path) -> None:
    data = make_crop_folder(tmp_path / "crops")
    out, recipe = tmp_path / "model", dataclasses.replace(RECIPE, closer=Closer(1.2, 0.4))
    run(Inputs((data,), tmp_path / "work"), recipe, out, workers=0)
    folder = load_model(out)
    assert [expert.name for expert in folder.card.experts] == ["vit_upright", "vit_aligned"]
    assert folder.card.closer == recipe.closer
    assert {expert.file for expert in folder.card.experts} == {"model.onnx"}
    rows = read_faces(data)[:6]
    crops = [tuple(aligned(row, expert.crop) for expert in folder.card.experts) for row in rows]
    scorer = Scorer(folder, Settings())
    together = scorer.score(crops, heatmaps=True)
    alone = np.concatenate([scorer.score([views]).experts for views in crops])
    assert alone == pytest.approx(together.experts, abs=1e-4)
    assert together.heatmaps is not None
    assert together.heatmaps.shape == (6, 10, 10)
    resumed = train(read_faces(data), {}, {}, recipe, tmp_path / "work" / "run", workers=0)
    whole = predict(resumed, rows, recipe)
    assert together.experts == pytest.approx(whole, abs=0.05 * np.ptp(whole))


def test_weights_keep_eight_bits_for_each_channel() -> None:
    weight = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32) * np.geomspace(0.01, 10, 32)
    whole, scale = nearest_bytes(weight.astype(np.float32))
    assert (np.abs(whole).max(0) == 127).all()
    assert (np.abs(whole * scale - weight) <= scale / 2 + 1e-6).all()


def test_fitted_weights_change_products_less_than_the_nearest_do() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(64, 64)) * np.geomspace(3, 0.1, 64)
    inputs = (rng.normal(size=(400, 64)) @ mixing).astype(np.float32)
    # A start on a grid of its own and a small coherent change, as slow tuning leaves it.
    start = rng.integers(-127, 128, (64, 32)).astype(np.float32)
    start[0] = 127.0
    weight = start + 0.2 * rng.normal(size=(64, 1)).astype(np.float32)
    fresh = (rng.normal(size=(400, 64)) @ mixing).astype(np.float32)
    errors = {}
    for name, (whole, scale) in {
        "nearest": nearest_bytes(weight),
        "fitted": fitted_bytes(weight, (inputs.T @ inputs).astype(np.float64)),
    }.items():
        assert np.abs(whole).max() <= 127
        errors[name] = np.abs(fresh @ (whole * scale) - fresh @ weight).mean()
    assert errors["fitted"] < 0.8 * errors["nearest"]


def test_signed_and_unsigned_weights_give_the_same_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_crop_folder(tmp_path / "crops")
    recipe = dataclasses.replace(RECIPE, refit_blocks=(4,))
    run(Inputs((data,), tmp_path / "work"), recipe, tmp_path / "model", workers=0)
    folder = load_model(tmp_path / "model")
    assert list((tmp_path / "work" / "refit").glob("*.npz"))  # the features that the heads were fitted on
    crops = [tuple(aligned(row, e.crop) for e in folder.card.experts) for row in read_faces(data)[:4]]
    scores = {}
    for exact in (True, False):
        monkeypatch.setattr("dfdetect.scoring.engines.signed_bytes_are_exact", lambda exact=exact: exact)
        scores[exact] = Scorer(folder, Settings()).score(crops).experts
    # Where signed kernels overflow the quick file would differ; it is not taken there.
    if signed_bytes_are_exact():
        assert scores[True] == pytest.approx(scores[False], abs=1e-5)
    assert np.isfinite(scores[False]).all()


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_the_other_engines_run_the_shipped_network(tmp_path: Path, engine: str) -> None:
    if engine not in installed_engines():
        pytest.skip(f"{engine} is not installed")
    data = make_crop_folder(tmp_path / "crops")
    run(Inputs((data,), tmp_path / "work"), RECIPE, tmp_path / "model", workers=0)
    folder = load_model(tmp_path / "model")
    crops = [tuple(aligned(row, e.crop) for e in folder.card.experts) for row in read_faces(data)[:3]]
    own = Scorer(folder, Settings()).score(crops).experts
    other = Scorer(folder, Settings(engine=engine)).score(crops).experts
    assert other == pytest.approx(own, abs=2e-3)


def test_a_state_dict_of_the_backbone_is_taken_and_another_refused(tmp_path: Path) -> None:
    net = build_network(RECIPE)
    assert isinstance(net, TokenNet)
    torch.manual_seed(1)
    other = build_network(RECIPE)
    torch.save(other.backbone.state_dict(), tmp_path / "start.pth")
    load_start(net, tmp_path / "start.pth")
    image = to_input(np.zeros((1, 160, 160, 3), np.uint8), RECIPE, "cpu")
    with torch.inference_mode():
        assert torch.equal(net.features(image, 0), other.features(image, 0))
    (tmp_path / "start.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"start\.onnx"):
        load_start(net, tmp_path / "start.onnx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": (4, 2)}, "rising"),
        ({"blocks": ()}, "one view"),
        ({"tuned": "some"}, "norms or all"),
        ({"refit_blocks": (3,)}, "among blocks"),
        ({"refit": 1.5}, "between 0 and 1"),
        ({"crops": (CropSpec("upright", 160, 1.4), CropSpec("upright", 96, 1.4))}, "same size"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        dataclasses.replace(RECIPE, **changes)


def test_a_cnn_is_no_transformer() -> None:
    with pytest.raises(InputError, match="vision transformer"):
        build_network(dataclasses.replace(RECIPE, backbone="test_efficientnet"))
