"""What is said of a network of a user's own that gives other shapes than it should, with every engine.

The networks are average pools, so that what they give is known.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scoring_nets import SIZE, tiny_expert

from dfdetect.errors import ModelError
from dfdetect.scoring.engines import Engine, create_engine, installed_engines
from dfdetect.settings import Settings

onnx = pytest.importorskip("onnx")
SIDE = SIZE // 4
EVERY = pytest.mark.parametrize("name", installed_engines())


def network(path: Path, logit: tuple[int, ...] = (-1,), heatmap: tuple[int, ...] = (-1, SIDE, SIDE)) -> Path:
    """A network whose score is the mean of the crop and whose heat map its means, in these shapes.

    Of an input of ``[n, 3, 32, 32]`` a shape says how the n scores, and the n times 64 means, are laid out.
    """
    helper, number = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("AveragePool", ["grey"], ["means"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("ReduceMean", ["grey"], ["score"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["score", "logit_shape"], ["logit"]),
        helper.make_node("Reshape", ["means", "heatmap_shape"], ["heatmap"]),
    ]
    shapes = {"logit": logit, "heatmap": heatmap}
    outputs = [
        helper.make_tensor_value_info(name, number.FLOAT, [f"{name}{i}" for i in range(len(shape))])
        for name, shape in shapes.items()
    ]
    constants = [
        onnx.numpy_helper.from_array(np.array(shape, np.int64), f"{name}_shape")
        for name, shape in shapes.items()
    ]
    taken = helper.make_tensor_value_info("input", number.FLOAT, ["n", 3, SIZE, SIZE])
    graph = helper.make_graph(nodes, "wrong", [taken], outputs, constants)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def engine(name: str, path: Path) -> Engine:
    return create_engine(path, tiny_expert(), Settings(engine=name, threads=1))


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((count, 3, SIZE, SIZE), dtype=np.float32)


@EVERY
@pytest.mark.parametrize(
    ("logit", "heatmap"),
    [((-1,), (-1, SIDE, SIDE)), ((-1, 1), (-1, 1, SIDE, SIDE)), ((-1,), (-1, 4, 16))],
    ids=["as documented", "with a channel", "wide"],
)
def test_what_can_only_mean_one_thing_is_taken(
    name: str, logit: tuple[int, ...], heatmap: tuple[int, ...], tmp_path: Path
) -> None:
    batch = crops(4)
    scores, maps = engine(name, network(tmp_path / "own.onnx", logit, heatmap)).run(batch, heatmap=True)
    assert scores == pytest.approx(batch.mean((1, 2, 3)), abs=1e-5)
    means = batch.mean(1).reshape(4, SIDE, 4, SIDE, 4).mean((2, 4))
    assert maps is not None
    assert maps.ndim == 3
    np.testing.assert_allclose(maps.reshape(means.shape), means, atol=1e-5)


def two_scores(path: Path) -> Path:
    """Two scores a crop, as of a network with a class for real and one for fake."""
    model = onnx.load(str(network(path, (-1, 1))))
    (last,) = (node for node in model.graph.node if "logit" in node.output)
    last.output[0] = "one"
    model.graph.node.append(onnx.helper.make_node("Concat", ["one", "one"], ["logit"], axis=1))
    onnx.save(model, str(path))
    return path


@EVERY
def test_two_scores_a_crop_are_refused(name: str, tmp_path: Path) -> None:
    said = r"own\.onnx: 3 crops gave scores of shape \[3, 2\], not \[3\]"
    own = engine(name, two_scores(tmp_path / "own.onnx"))
    for heatmap in (False, True):
        with pytest.raises(ModelError, match=said):
            own.run(crops(3), heatmap)


@EVERY
@pytest.mark.parametrize(
    ("shape", "given"),
    [
        ((-1, 2, 4, SIDE), "3, 2, 4, 8"),
        ((1, -1, SIDE, SIDE), "1, 3, 8, 8"),
        ((1, -1, SIDE), "1, 24, 8"),
        ((-1, SIDE * SIDE), "3, 64"),
        ((-1,), "192"),
    ],
    ids=["channels", "channel first", "one map", "flat", "list"],
)
def test_heat_maps_of_another_shape_are_refused_where_they_are_asked_for(
    name: str, shape: tuple[int, ...], given: str, tmp_path: Path
) -> None:
    own = engine(name, network(tmp_path / "own.onnx", heatmap=shape))
    batch = crops(3)
    assert own.run(batch)[0] == pytest.approx(batch.mean((1, 2, 3)), abs=1e-5)
    with pytest.raises(
        ModelError, match=rf"own\.onnx: 3 crops gave heat maps of shape \[{given}\], not \[n, h"
    ):
        own.run(batch, heatmap=True)


@EVERY
def test_a_batch_that_is_fixed_inside_is_an_error_or_no_matter(name: str, tmp_path: Path) -> None:
    """The input says n, and a reshape within says two: that shows when other crops come.  OpenVINO passes it
    over, and its scores are right.
    """
    own = engine(name, network(tmp_path / "own.onnx", logit=(2,)))
    batch = crops(3)
    assert own.run(batch[:2])[0] == pytest.approx(batch[:2].mean((1, 2, 3)), abs=1e-5)
    if name == "openvino":
        assert own.run(batch)[0] == pytest.approx(batch.mean((1, 2, 3)), abs=1e-5)
        return
    with pytest.raises(ModelError, match=r"own\.onnx: .*[Rr]eshape") as caught:
        own.run(batch)
    assert "\n" not in str(caught.value)


def test_a_network_that_fails_is_told_with_what_to_do(tmp_path: Path) -> None:
    own = engine("onnxruntime", network(tmp_path / "own.onnx", logit=(2,)))
    said = r"^onnxruntime \S+ cpu failed in .*own\.onnx: .+; try another engine, or export the network anew$"
    with pytest.raises(ModelError, match=said):
        own.run(crops(3))


def test_a_machine_without_memory_is_no_fault_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = engine("onnxruntime", network(tmp_path / "own.onnx"))

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(own, "_compute", full)
    with pytest.raises(MemoryError):
        own.run(crops(1))


@EVERY
def test_an_input_of_another_rank_is_told_at_load(name: str, tmp_path: Path) -> None:
    model = onnx.load(str(network(tmp_path / "own.onnx")))
    kind = model.graph.input[0].type.tensor_type
    del kind.shape.dim[3]
    model.graph.node[0].attribute[0].ints[:] = [1]
    del model.graph.node[1:]
    model.graph.node.append(onnx.helper.make_node("ReduceMean", ["grey"], ["logit"], axes=[1, 2], keepdims=0))
    del model.graph.output[1]
    onnx.save(model, str(tmp_path / "own.onnx"))
    expert = dataclasses.replace(tiny_expert(), heatmap=None)
    with pytest.raises(
        ModelError, match=rf"takes \[n?.*3, {SIZE}\] and expert 'cnn' .* gives it \[n, 3, 32, 32\]"
    ):
        create_engine(tmp_path / "own.onnx", expert, Settings(engine=name, threads=1))
