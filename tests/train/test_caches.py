"""What is kept under --work is used again for the same faces, networks and settings, and for no others."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfdetect.faces.crop import CropSpec
from dfdetect.train.chunks import cached
from dfdetect.train.meshes import compute_meshes
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import FaceRow, read_faces, read_picture
from dfdetect.train.teacher import compute_features, model_targets, targets
from tests.train.faces import make_crop_folder, require_training

onnx = pytest.importorskip("onnx", reason="training needs onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


@pytest.fixture
def rows(tmp_path: Path) -> list[FaceRow]:
    return read_faces(make_crop_folder(tmp_path / "crops", sources=2, per_source=1))


def repaint(row: FaceRow) -> None:
    """Put another picture in the place of a crop."""
    cv2.imwrite(row.path, 255 - read_picture(row))


def encoder(path: Path, factor: float) -> Path:
    """A network with the outputs of CLIP's image tower that a teacher needs: quarters of the picture."""
    names = [f"/vision_model/encoder/layers.{i}/Add_1_output_0" for i in (4, 6, 8)]
    nodes = [
        helper.make_node("AveragePool", ["image"], ["p"], kernel_shape=[112, 112], strides=[112, 112]),
        helper.make_node("Reshape", ["p", "shape"], ["r"]),
        helper.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
        *(helper.make_node("Mul", ["t", "factor"], [name]) for name in names),
    ]
    values = {"shape": np.array([0, 3, 4], np.int64), "factor": np.array(factor, np.float32)}
    return save(path, nodes, values, ["n", 3, 224, 224], {name: ["n", 4, 3] for name in names})


def mesh(path: Path, shift: float) -> Path:
    """A network that is fed and answers as the face mesh does: one point, 468 times."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["f"]),
        helper.make_node("ReduceMean", ["f"], ["m"], axes=[1], keepdims=1),
        helper.make_node("Add", ["m", "shift"], ["points"]),
        helper.make_node("Add", ["m", "one"], ["score"]),
    ]
    values = {"shift": np.full((1, 1404), shift, np.float32), "one": np.ones((1, 1), np.float32)}
    return save(path, nodes, values, ["n", 192, 192, 3], {"points": ["n", 1404], "score": ["n", 1]})


def save(
    path: Path,
    nodes: list[Any],
    values: dict[str, np.ndarray],
    shape: list[object],
    outputs: dict[str, list[object]],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, own) for name, own in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def features_of(path: Path) -> Callable[[list[FaceRow], Path], dict[str, np.ndarray]]:
    return lambda rows, cache: compute_features(rows, path, cache, 100)


def meshes_of(path: Path) -> Callable[[list[FaceRow], Path], dict[str, np.ndarray]]:
    return lambda rows, cache: compute_meshes(rows, path, cache)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from dfdetect.train import chunks
from dfdetect.train.table import read_faces

rows = read_faces(sys.argv[1])
chunks.CHUNK = 2

def compute(part):
    if rows[2] in part:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.zeros((len(part), 3))

chunks.cached(rows, Path(sys.argv[2]), "test", compute, "landmarks")
"""
"""A computation that is killed in its second chunk."""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_what_is_known_before_a_kill_is_not_computed_again(rows: list[FaceRow], tmp_path: Path) -> None:
    words = [sys.executable, "-c", KILLED, str(tmp_path / "crops"), str(tmp_path / "cache")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "landmarks: 2/4 faces" in done.stderr
    computed = []

    def compute(part: Sequence[FaceRow]) -> np.ndarray:
        computed.extend(row.name for row in part)
        return np.ones((len(part), 3))

    found = cached(rows, tmp_path / "cache", "test", compute, "landmarks")
    assert computed == [row.name for row in rows[2:]]
    assert [found[row.name].mean() for row in rows] == [0, 0, 1, 1]


@pytest.mark.parametrize(("make", "of"), [(encoder, features_of), (mesh, meshes_of)])
def test_what_a_network_says_is_kept_by_network_and_picture(
    make: Callable[[Path, float], Path],
    of: Callable[[Path], Callable[[list[FaceRow], Path], dict[str, np.ndarray]]],
    rows: list[FaceRow],
    tmp_path: Path,
) -> None:
    cache, name = tmp_path / "cache", rows[0].name
    one, two = of(make(tmp_path / "one.onnx", 1.0)), of(make(tmp_path / "two.onnx", 2.0))
    first = one(rows, cache)
    files = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    again = one(rows, cache)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == files
    assert (again[name] == first[name]).all()
    assert (two(rows, cache)[name] != first[name]).any()
    repaint(rows[0])
    fresh = one(rows, cache)
    assert (fresh[name] == one(rows, tmp_path / "empty")[name]).all()
    assert (fresh[name] != first[name]).any()


def small_model(root: Path) -> Path:
    """The folder of a small trained model."""
    from dfdetect.train.check import Inputs
    from dfdetect.train.run import run

    recipe = Recipe("test_efficientnet", crops=(CropSpec("five_point", 64, 0.9),), batch=4, steps=1)
    data = make_crop_folder(root / "other", sources=1, per_source=1)
    run(Inputs((data,), root / "work"), recipe, root / "model", workers=0)
    return root / "model"


def test_a_model_and_an_encoder_teach_from_one_folder(rows: list[FaceRow], tmp_path: Path) -> None:
    require_training()
    model, clip, cache = small_model(tmp_path), encoder(tmp_path / "clip.onnx", 1.0), tmp_path / "teacher"
    logits = model_targets(rows, model, cache, 100)
    features = compute_features(rows, clip, cache, 100)
    assert {value.shape for value in features.values()} == {(6, 3)}
    again = model_targets(rows, model, cache, 100)
    assert all((again[name] == value).all() for name, value in logits.items())
    repaint(rows[0])
    fresh, empty = (model_targets(rows, model, folder, 100) for folder in (cache, tmp_path / "empty"))
    for name, value in empty.items():
        assert fresh[name] == pytest.approx(value, rel=1e-3, abs=1e-3)
    assert (fresh[rows[0].name] != logits[rows[0].name]).any()


VIT = Recipe(backbone="test_vit", blocks=(2, 4), crops=(CropSpec("upright", 160, 1.4),), batch=4)


@pytest.mark.parametrize("changes", [{"mean": (0.4, 0.4, 0.4)}, {"std": (0.3, 0.3, 0.3)}, {"bf16": True}])
def test_features_of_a_probe_are_kept_by_how_pictures_are_fed(
    changes: dict[str, object], rows: list[FaceRow], tmp_path: Path
) -> None:
    torch = require_training()
    from dfdetect.train.build import build_network
    from dfdetect.train.probe import view_features
    from dfdetect.train.transformer import TokenNet

    torch.manual_seed(0)
    net = build_network(VIT)
    assert isinstance(net, TokenNet)
    recipe = dataclasses.replace(VIT, **changes)  # type: ignore[arg-type]
    before = view_features(net, rows, VIT, 0, tmp_path / "cache", "cpu")
    after = view_features(net, rows, recipe, 0, tmp_path / "cache", "cpu")
    assert (after != before).any()


def test_features_of_a_probe_are_kept_by_weights_and_picture(rows: list[FaceRow], tmp_path: Path) -> None:
    torch = require_training()
    from dfdetect.train.build import build_network
    from dfdetect.train.probe import view_features
    from dfdetect.train.transformer import TokenNet

    cache = tmp_path / "cache"
    torch.manual_seed(0)
    one, two = build_network(VIT), build_network(VIT)
    assert isinstance(one, TokenNet)
    assert isinstance(two, TokenNet)
    first = view_features(one, rows, VIT, 0, cache, "cpu")
    files = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert (view_features(one, rows, VIT, 0, cache, "cpu") == first).all()
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == files
    assert (view_features(two, rows, VIT, 0, cache, "cpu") != first).any()
    repaint(rows[0])
    fresh = view_features(one, rows, VIT, 0, cache, "cpu")
    assert (fresh[0] != first[0]).any()
    assert (fresh[1:] == first[1:]).all()


def test_a_teacher_of_few_faces_has_fewer_components(tmp_path: Path) -> None:
    few = read_faces(make_crop_folder(tmp_path / "few", sources=4, per_source=2))
    rng = np.random.default_rng(0)
    found = targets(few, {row.name: rng.standard_normal((6, 30)).astype(np.float16) for row in few})
    assert {vector.shape for vector in found.values()} == {(len(few),)}  # one component less, and the logit
    assert all(np.isfinite(vector).all() for vector in found.values())
