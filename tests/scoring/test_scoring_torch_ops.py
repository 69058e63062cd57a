"""The torch engine's operators against ONNX Runtime's, one small graph each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")

from dfdetect.errors import ModelError  # noqa: E402
from dfdetect.scoring.torch_graph import TorchGraph  # noqa: E402

IMAGE = np.random.default_rng(1).standard_normal((2, 4, 9, 11)).astype(np.float32)
ROWS = np.random.default_rng(2).standard_normal((2, 5, 6)).astype(np.float32)
FACTORS = np.random.default_rng(3).standard_normal((4, 2, 3, 3)).astype(np.float32)
SQUARE = np.random.default_rng(4).standard_normal((6, 6)).astype(np.float32)
CHANNELS = np.float32([1, 2, 3, 4])


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CASES: list[tuple[str, np.ndarray, list[np.ndarray | None], dict[str, Any]]] = [
    ("Conv", IMAGE, [FACTORS], {"group": 2, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Conv", IMAGE, [FACTORS], {"group": 2, "auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    (
        "Conv",
        IMAGE,
        [FACTORS, np.ones(4, np.float32)],
        {"group": 2, "pads": [1, 0, 2, 1], "dilations": [1, 2]},
    ),
    ("Gemm", SQUARE, [SQUARE, SQUARE[0]], {"alpha": 0.5, "beta": 2.0, "transA": 1, "transB": 1}),
    ("BatchNormalization", IMAGE, [CHANNELS, np.ones(4, np.float32)] + [CHANNELS] * 2, {}),
    ("LayerNormalization", ROWS, [SQUARE[0], SQUARE[1]], {"epsilon": 1e-3}),
    ("MaxPool", IMAGE, [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("MaxPool", IMAGE, [], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("AveragePool", IMAGE, [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("AveragePool", IMAGE, [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("AveragePool", IMAGE, [], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("GlobalAveragePool", IMAGE, [], {}),
    ("GlobalMaxPool", IMAGE, [], {}),
    ("ReduceMean", IMAGE, [ints(2, 3)], {"keepdims": 0}),
    ("ReduceMean", IMAGE, [], {}),
    ("ReduceL2", ROWS, [ints(-1)], {}),
    ("Clip", ROWS, [None, np.float32(0.5)], {}),
    ("Clip", ROWS, [np.float32(-0.5)], {}),
    ("Softmax", ROWS, [], {"axis": 1}),
    ("Gelu", ROWS, [], {}),
    ("Gelu", ROWS, [], {"approximate": "tanh"}),
    ("Erf", ROWS, [], {}),
    ("HardSigmoid", ROWS, [], {}),
    ("LeakyRelu", ROWS, [], {"alpha": 0.2}),
    ("PRelu", IMAGE, [np.float32([0.1, 0.2, 0.3, 0.4]).reshape(4, 1, 1)], {}),
    ("Pow", np.abs(ROWS), [np.float32(0.5)], {}),
    ("Mod", np.arange(-6, 6), [ints(4)], {}),
    ("Div", np.arange(-6, 6), [ints(4)], {}),
    ("Max", ROWS, [np.float32(0.1)], {}),
    ("BitwiseXor", np.arange(256, dtype=np.uint8), [np.uint8(128)], {}),
    ("Pad", IMAGE, [ints(0, 0, 1, -2, 0, 0, 2, 1), np.float32(3.0)], {}),
    ("Pad", IMAGE, [ints(1, 2), None, ints(-1)], {}),
    ("Slice", IMAGE, [ints(1, -100), ints(100, -1), ints(2, 3), ints(2, 3)], {}),
    ("Slice", IMAGE, [ints(-1), ints(-100), ints(3), ints(-2)], {}),
    ("Slice", IMAGE, [ints(5), ints(2), ints(3)], {}),
    ("Gather", IMAGE, [np.array([[0, -1], [2, 1]])], {"axis": 1}),
    ("Gather", IMAGE, [np.array(3)], {"axis": 2}),
    ("Reshape", IMAGE, [ints(0, -1, 11)], {}),
    ("Flatten", IMAGE, [], {"axis": -1}),
    ("Flatten", IMAGE, [], {"axis": 0}),
    ("Transpose", IMAGE, [], {}),
    ("Transpose", IMAGE, [], {"perm": [0, 2, 3, 1]}),
    ("Unsqueeze", ROWS, [ints(0, -1)], {}),
    ("Squeeze", ROWS[:1], [ints(0)], {}),
    ("Squeeze", ROWS[:1], [], {}),
    ("Expand", ROWS[:1], [ints(3, 1, 1)], {}),
    ("Shape", IMAGE, [], {"start": 1, "end": 3}),
    ("Cast", ROWS, [], {"to": 7}),
    ("Where", ROWS > 0, [ROWS, np.float32(0)], {}),
    ("DynamicQuantizeLinear", ROWS, [], {}),
    ("QuantizeLinear", ROWS, [np.float32(0.02), np.uint8(120)], {}),
    ("QuantizeLinear", ROWS, [np.float32([0.02, 0.01, 0.03, 0.02, 0.05]), np.zeros(5, np.int8)], {"axis": 1}),
    ("DequantizeLinear", (SQUARE * 40).astype(np.int8), [np.float32(0.02), np.int8(3)], {}),
    (
        "MatMulInteger",
        (SQUARE * 40).astype(np.uint8),
        [(SQUARE * 30).astype(np.int8), np.uint8(7), np.int8(-3)],
        {},
    ),
    (
        "ConvInteger",
        (np.abs(IMAGE) * 40).astype(np.uint8),
        [(FACTORS * 30).astype(np.uint8), np.uint8(9)],
        {"group": 2, "pads": [1, 1, 1, 1]},
    ),
]


def graph(
    path: Path, kind: str, data: np.ndarray, others: list[np.ndarray | None], options: dict[str, Any]
) -> Path:
    names = [f"x{i}" if other is not None else "" for i, other in enumerate(others)]
    constants = [
        onnx.numpy_helper.from_array(np.asarray(o), n) for n, o in zip(names, others, strict=True) if n
    ]
    outputs = ["y", "scale", "zero"] if kind == "DynamicQuantizeLinear" else ["y"]
    node = onnx.helper.make_node(kind, ["x", *names], outputs, **options)
    element = onnx.helper.np_dtype_to_tensor_dtype(data.dtype)
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [node],
            "one",
            [onnx.helper.make_tensor_value_info("x", element, list(data.shape))],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", 20)],
        ir_version=9,
    )
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_operator_agrees_with_onnxruntime(case: Any, tmp_path: Path) -> None:
    import onnxruntime

    path = graph(tmp_path / "one.onnx", *case)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"x": case[1]})
    own = TorchGraph.load(path)
    found = own.run({"x": case[1]}, own.outputs)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_unknown_operator_is_named_at_load(tmp_path: Path) -> None:
    path = graph(tmp_path / "one.onnx", "Einsum", SQUARE, [SQUARE], {"equation": "ij,jk->ik"})
    with pytest.raises(ModelError, match=r"operator Einsum.*onnxruntime"):
        TorchGraph.load(path)


def test_failure_inside_names_the_operator(tmp_path: Path) -> None:
    own = TorchGraph.load(graph(tmp_path / "one.onnx", "MatMul", SQUARE, [SQUARE], {}))
    with pytest.raises(ModelError, match="MatMul"):
        own.run({"x": ROWS[:, :, :3]}, own.outputs)
