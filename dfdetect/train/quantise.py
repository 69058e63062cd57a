"""8-bit weights for the transformer's matrix products.

Two things decide whether 8 bits are right.  A scale over a whole batch would make a face's score depend on
its neighbours, and one over a whole picture drowns small values in the encoder's few huge ones; so every
token gets a middle and a scale of its own.  And kernels for processors without VNNI add two products in 16
bits, which overflows with signed weights; so the network is written twice over the same weights: with
signed ones, which are quick where they are right, and with the same numbers as unsigned ones, which
are right everywhere (`dfdetect.scoring.engines` finds out which to take).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.train.rounding import fitted_bytes, nearest_bytes

LEAST = 2**16
"""Matrices with fewer elements stay as they are: they cost nothing and the heads need their precision."""
LARGE = "encoder.bin"
"""File beside the graphs that holds the large tensors."""


def quantise(
    source: Path, safe: Path, quick: Path, grams: Mapping[str, NDArray[np.float64]] | None = None
) -> None:
    """Write the ONNX graph `source` (opset 18) with every large constant matrix product in 8-bit integers,
    twice.

    Large tensors go into `LARGE` beside `quick` and `safe`, which must lie in one folder.  Where only norms
    and heads were tuned that file stays the same from one trained model to the next.  `grams`, by the name
    of the layer (see `rounding.input_grams`), decide how weights are rounded; without them, to the nearest.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(source))
    graph = model.graph
    weights = {item.name: item for item in graph.initializer}
    nodes = []
    for node in graph.node:
        weight = weights.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or len(weight.dims) != 2 or np.prod(weight.dims) < LEAST:
            nodes.append(node)
            continue
        if weight in graph.initializer:
            graph.initializer.remove(weight)
        array = numpy_helper.to_array(weight)
        found = fitted_bytes(array, grams[_layer(node.name)]) if grams else nearest_bytes(array)
        nodes += _integer_product(graph, node, *found)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    (quick.parent / LARGE).unlink(missing_ok=True)  # it would be appended to
    onnx.save_model(model, str(quick), save_as_external_data=True, location=LARGE, size_threshold=LEAST)
    model = onnx.load(str(quick), load_external_data=False)
    _make_unsigned(model.graph)
    onnx.save_model(model, str(safe))


def _layer(node: str) -> str:
    """``/blocks.0/attn/qkv/MatMul`` → ``blocks.0.attn.qkv``, as the backbone calls it."""
    return node.rpartition("/")[0].strip("/").replace("/", ".")


def _integer_product(graph: Any, node: Any, whole: NDArray[np.int8], scale: NDArray[np.float32]) -> list[Any]:
    """``x @ w``, where each row of x is ``middle + step * (byte - 128)``:
    ``step * scale * (bytes - 128) @ integers + middle * (sums of the columns of w)``.
    """
    from onnx import TensorProto, helper, numpy_helper

    x, out, name = node.input[0], node.output[0], node.input[1]
    columns = whole.astype(np.float32).sum(0) * scale
    constants = {
        f"{name}_integers": whole,
        f"{name}_scale": scale,
        f"{name}_columns": columns[None].astype(np.float32),
        f"{name}_shape": np.array([-1, whole.shape[0]], np.int64),
        f"{name}_channels": np.array([whole.shape[1]], np.int64),
        "quantise_half": np.array(0.5, np.float32),
        "quantise_127": np.array(1 / 127.0, np.float32),
        "quantise_tiny": np.array(1e-9, np.float32),
        "quantise_one": np.array([1], np.int64),
        "quantise_zeros": np.array(0.0, np.float32),
        "quantise_128": np.array(128.0, np.float32),
        "quantise_middle": np.array(128, np.uint8),
        "quantise_front": np.array([0], np.int64),
        "quantise_last": np.array([-1], np.int64),
    }
    there = {item.name for item in graph.initializer}
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items() if k not in there
    )

    def made(part: str) -> str:
        return f"{out}_{part}"

    def op(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
        return helper.make_node(kind, inputs, [made(output) if output else out], **attributes)

    return [
        op("Shape", [x], "shape"),
        op("Slice", [made("shape"), "quantise_front", "quantise_last"], "lead"),
        op("Concat", [made("lead"), f"{name}_channels"], "back", axis=0),
        op("Reshape", [x, f"{name}_shape"], "flat"),
        op("ReduceMax", [made("flat"), "quantise_one"], "high", keepdims=1),
        op("ReduceMin", [made("flat"), "quantise_one"], "low", keepdims=1),
        op("Add", [made("high"), made("low")], "both"),
        op("Mul", [made("both"), "quantise_half"], "middle"),
        op("Sub", [made("high"), made("middle")], "reach"),
        op("Mul", [made("reach"), "quantise_127"], "narrow"),
        op("Max", [made("narrow"), "quantise_tiny"], "step"),
        op("Sub", [made("flat"), made("middle")], "centred"),
        op("Squeeze", [made("step"), "quantise_one"], "steps"),
        op("Mul", [made("steps"), "quantise_zeros"], "nothing"),
        op("Add", [made("nothing"), "quantise_128"], "offset"),
        op("Cast", [made("offset")], "zero", to=TensorProto.UINT8),
        op("QuantizeLinear", [made("centred"), made("steps"), made("zero")], "bytes", axis=0),
        op("MatMulInteger", [made("bytes"), f"{name}_integers", "quantise_middle"], "sum"),
        op("Cast", [made("sum")], "whole", to=TensorProto.FLOAT),
        op("Mul", [made("whole"), made("step")], "rows"),
        op("Mul", [made("rows"), f"{name}_scale"], "scaled"),
        op("Gemm", [made("middle"), f"{name}_columns", made("scaled")], "product"),
        op("Reshape", [made("product"), made("back")], ""),
    ]


def _make_unsigned(graph: Any) -> None:
    """Turn the signed weights into unsigned ones inside the graph, and quantise by plain arithmetic, since
    not every engine takes scales that are computed.

    A signed byte read as an unsigned one, its highest bit flipped, is 128 more.  Engines do that once, at
    loading, byte by byte; by way of wider integers it would take them four times the memory of the weights.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.array(128, np.uint8), "quantise_flip"))
    weights = {item.name: item for item in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            x, out = node.input[0], node.output[0]
            units, whole, moved = (f"{out}_{part}" for part in ("units", "whole", "moved"))
            nodes += [
                helper.make_node("Div", [x, node.input[1].removesuffix("s")], [units]),
                helper.make_node("Round", [units], [whole]),
                helper.make_node("Add", [whole, "quantise_128"], [moved]),
                helper.make_node("Cast", [moved], [out], to=TensorProto.UINT8),
            ]
            continue
        if node.op_type == "MatMulInteger":
            weights[node.input[1]].data_type = TensorProto.UINT8
            unsigned = f"{node.input[1]}_unsigned"
            nodes.append(helper.make_node("BitwiseXor", [node.input[1], "quantise_flip"], [unsigned]))
            node.input[1] = unsigned
            node.input.append("quantise_middle")
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
