"""A network with 8-bit weights scores nearly as with its floats, each face by itself, in every engine.

The networks of the other tests are too small for it: their matrices stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfdetect.faces.crop import CropSpec
from dfdetect.scoring.card import ExpertCard
from dfdetect.scoring.engines import create_engine, installed_engines
from dfdetect.scoring.kernels import signed_bytes_are_exact
from dfdetect.settings import Settings
from tests.train.faces import make_crop_folder, require_training

torch = require_training()
onnx = pytest.importorskip("onnx")

from dfdetect.scoring.models import load_model  # noqa: E402
from dfdetect.scoring.scorer import Scorer  # noqa: E402
from dfdetect.train.build import build_network  # noqa: E402
from dfdetect.train.quantise import LARGE, LEAST, quantise  # noqa: E402
from dfdetect.train.recipe import Recipe  # noqa: E402
from dfdetect.train.run import write_folder  # noqa: E402
from dfdetect.train.table import aligned, read_faces  # noqa: E402
from dfdetect.train.transformer import ExportTokens, TokenNet  # noqa: E402

Floats = NDArray[np.float32]
SIZE, INNER = 32, 384
"""Of the crops, and of the layer between: 192 values of each of 16 patches, ``[192, 384]`` and back."""


def expert(quick: str | None = None) -> ExpertCard:
    return ExpertCard(
        name="vit",
        file="safe.onnx",
        crop=CropSpec("upright", SIZE, 1.4),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        input="image",
        logit="logit",
        heatmap="heatmap",
        quick_file=quick,
    )


def made_weights() -> dict[str, Floats]:
    rng = np.random.default_rng(1)
    # Channels of very different size: each has a scale of its own.
    first = rng.normal(0, 0.05, (192, INNER)) * np.geomspace(0.02, 2, INNER)
    return {
        "first": first.astype(np.float32),
        "second": rng.normal(0, 0.05, (INNER, 192)).astype(np.float32),
        "head": rng.normal(0, 0.2, (192, 1)).astype(np.float32),
    }


def float_network(path: Path) -> Path:
    """Patches of a crop through two layers, large enough for 8 bits, and a head that is not; as torch names
    them.
    """
    helper, number = onnx.helper, onnx.TensorProto
    shapes = {
        "split": [-1, 3, 4, 8, 4, 8],
        "row": [-1, 16, 192],
        "grid": [-1, 4, 4],
    }
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in made_weights().items()]
    constants += [onnx.numpy_helper.from_array(np.array(v, np.int64), k) for k, v in shapes.items()]
    nodes = [
        helper.make_node("Reshape", ["image", "split"], ["tiles"]),
        helper.make_node("Transpose", ["tiles"], ["patches"], perm=[0, 2, 4, 1, 3, 5]),
        helper.make_node("Reshape", ["patches", "row"], ["tokens"]),
        helper.make_node("MatMul", ["tokens", "first"], ["wide"], name="/blocks.0/mlp/fc1/MatMul"),
        helper.make_node("Relu", ["wide"], ["kept"]),
        helper.make_node("MatMul", ["kept", "second"], ["back"], name="/blocks.0/mlp/fc2/MatMul"),
        helper.make_node("Add", ["tokens", "back"], ["state"]),
        helper.make_node("MatMul", ["state", "head"], ["each"], name="/head/MatMul"),
        helper.make_node("Reshape", ["each", "grid"], ["heatmap"]),
        helper.make_node("ReduceMean", ["heatmap", "sides"], ["logit"], keepdims=0),
    ]
    constants.append(onnx.numpy_helper.from_array(np.array([1, 2], np.int64), "sides"))
    graph = helper.make_graph(
        nodes,
        "floats",
        [helper.make_tensor_value_info("image", number.FLOAT, ["n", 3, SIZE, SIZE])],
        [
            helper.make_tensor_value_info("logit", number.FLOAT, ["n"]),
            helper.make_tensor_value_info("heatmap", number.FLOAT, ["n", 4, 4]),
        ],
        constants,
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def crops(count: int) -> Floats:
    """Crops one of whose patches is a hundred times as strong as the others, as a few tokens are inside."""
    made = np.random.default_rng(2).normal(0, 1, (count, 3, SIZE, SIZE)).astype(np.float32)
    made[:, :, :8, :8] *= 100
    return made


def score(path: Path, batch: Floats, engine: str = "onnxruntime", quick: str | None = None) -> Any:
    loaded = create_engine(path, expert(quick), Settings(engine=engine, threads=1))
    logits, maps = loaded.run(batch, heatmap=True)
    assert maps is not None
    return logits, maps


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``float.onnx`` and what becomes of it."""
    place = tmp_path_factory.mktemp("quantised")
    quantise(float_network(place / "float.onnx"), place / "safe.onnx", place / "quick.onnx")
    return place


@pytest.mark.parametrize("engine", installed_engines())
def test_scores_stay_and_small_values_beside_huge_ones_too(engine: str, folder: Path) -> None:
    batch = crops(5)
    logits, maps = score(folder / "float.onnx", batch)
    found, found_maps = score(folder / "safe.onnx", batch, engine)
    assert np.ptp(logits) > 1
    assert found == pytest.approx(logits, abs=0.02 * float(np.ptp(logits)))
    quiet = np.ones((4, 4), bool)
    quiet[0, 0] = False
    spread = np.ptp(maps[:, quiet])
    assert np.abs(maps[:, 0, 0]).mean() > 5 * spread, "else the patch is not huge"
    assert np.abs(found_maps - maps)[:, quiet].max() < 0.02 * spread
    assert (found_maps != maps).any(), "it is not the network of floats"


@pytest.mark.parametrize("engine", installed_engines())
def test_a_score_does_not_depend_on_the_neighbours(engine: str, folder: Path) -> None:
    batch = crops(4)
    batch[2] *= 30
    together, _ = score(folder / "safe.onnx", batch, engine)
    alone = np.concatenate([score(folder / "safe.onnx", one[None], engine)[0] for one in batch])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-4)


def test_both_files_and_all_engines_give_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = crops(5)
    safe, safe_maps = score(folder / "safe.onnx", batch)
    for engine in installed_engines():
        found, found_maps = score(folder / "safe.onnx", batch, engine)
        np.testing.assert_allclose(found, safe, atol=0.01, err_msg=engine)  # the last bit decides roundings
        np.testing.assert_allclose(found_maps, safe_maps, atol=0.1, err_msg=engine)
    if signed_bytes_are_exact():  # elsewhere the quick file is wrong, and not taken
        quick, quick_maps = score(folder / "safe.onnx", batch, quick="quick.onnx")
        np.testing.assert_allclose(quick, safe, atol=0.01)
        np.testing.assert_allclose(quick_maps, safe_maps, atol=0.1)


def test_a_crop_without_contrast_has_a_score(folder: Path) -> None:
    """All values of a token are equal, or 0: there is no range to divide by."""
    for value in (0.0, 0.7):
        batch = np.full((1, 3, SIZE, SIZE), value, np.float32)
        assert score(folder / "safe.onnx", batch)[0] == pytest.approx(
            score(folder / "float.onnx", batch)[0], abs=0.02
        )


def test_the_large_matrices_are_bytes_in_one_file_for_both(folder: Path) -> None:
    graphs = {
        name: onnx.load(str(folder / f"{name}.onnx"), load_external_data=False).graph
        for name in ("quick", "safe")
    }
    for name, graph in graphs.items():
        held = {item.name: item for item in graph.initializer}
        assert not {"first", "second"} & held.keys()
        assert held["head"].data_type == onnx.TensorProto.FLOAT, "it costs nothing"
        kinds = {held[f"{which}_integers"].data_type for which in ("first", "second")}
        assert kinds == {onnx.TensorProto.INT8 if name == "quick" else onnx.TensorProto.UINT8}
        places = {
            e.value
            for which in ("first", "second")
            for e in held[f"{which}_integers"].external_data
            if e.key == "location"
        }
        assert places == {LARGE}
        assert (folder / f"{name}.onnx").stat().st_size < 32_000
        products = [node.op_type for node in graph.node if "MatMul" in node.op_type]
        assert products == ["MatMulInteger", "MatMulInteger", "MatMul"]
    size = sum(w.size for w in made_weights().values() if w.size >= LEAST)
    assert size <= (folder / LARGE).stat().st_size < 1.2 * size


def test_writing_once_more_does_not_append(folder: Path) -> None:
    before = (folder / LARGE).read_bytes()
    quantise(folder / "float.onnx", folder / "safe.onnx", folder / "quick.onnx")
    assert (folder / LARGE).read_bytes() == before


def test_weights_may_be_rounded_so_that_given_inputs_keep_their_scores(folder: Path, tmp_path: Path) -> None:
    """Inputs of few directions, by layer; a matrix that is not named as a layer cannot be found."""
    rng = np.random.default_rng(4)
    patches = (rng.normal(size=(64, 6)) @ rng.normal(size=(6, 192))).astype(np.float32)
    weights = made_weights()
    kept = np.maximum(patches @ weights["first"], 0)
    grams = {
        f"blocks.0.mlp.{name}": (x.T @ x).astype(np.float64) for name, x in (("fc1", patches), ("fc2", kept))
    }
    quantise(folder / "float.onnx", tmp_path / "safe.onnx", tmp_path / "quick.onnx", grams)
    batch = patches.reshape(4, 4, 4, 3, 8, 8).transpose(0, 3, 1, 4, 2, 5).reshape(4, 3, SIZE, SIZE)
    errors = {}
    wanted = score(folder / "float.onnx", batch)[1]
    for place in (folder, tmp_path):
        errors[place] = np.abs(score(place / "safe.onnx", batch)[1] - wanted).mean()
    assert errors[tmp_path] < 0.9 * errors[folder]
    with pytest.raises(KeyError, match=r"blocks\.0\.mlp\.fc2"):
        quantise(
            folder / "float.onnx",
            tmp_path / "safe.onnx",
            tmp_path / "quick.onnx",
            {"blocks.0.mlp.fc1": grams["blocks.0.mlp.fc1"]},
        )


@pytest.mark.slow
def test_a_transformer_with_large_matrices_scores_as_torch_does(tmp_path: Path) -> None:
    """192 channels: qkv and both layers of the MLP are in 8 bits."""
    recipe = Recipe(
        backbone="vit_tiny_patch16_224",
        blocks=(1, 2),
        crops=(CropSpec("upright", 224, 1.4), CropSpec("five_point", 224, 0.9)),
    )
    torch.manual_seed(3)
    net = build_network(recipe)
    assert isinstance(net, TokenNet)
    for head in net.heads:
        torch.nn.init.normal_(head.weight, std=0.05)
    rows = read_faces(make_crop_folder(tmp_path / "crops"))
    write_folder(net, recipe, rows, {}, tmp_path / "model")
    model = load_model(tmp_path / "model")
    graph = onnx.load(str(tmp_path / "model" / "model.onnx"), load_external_data=False).graph
    assert sum(node.op_type == "MatMulInteger" for node in graph.node) == 6
    views = [tuple(aligned(row, e.crop) for e in model.card.experts) for row in rows[:4]]
    wanted = []
    for i in range(2):
        images = np.stack([view[i] for view in views]).transpose(0, 3, 1, 2) / np.float32(127.5) - 1
        with torch.inference_mode():
            wanted.append(ExportTokens(net)(torch.from_numpy(images))[2 * i].numpy())
    near = pytest.approx(np.stack(wanted, 1), abs=0.05 * float(min(map(np.ptp, wanted))))
    for engine in installed_engines():
        assert Scorer(model, Settings(engine=engine, threads=1)).score(views).experts == near, engine
