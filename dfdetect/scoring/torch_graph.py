"""Run an ONNX graph in torch: the same file, the same numbers, on the CPU or on CUDA.

Only the operators that exports of image networks use are known (convolutional and transformer backbones,
and their int8 builds); a graph with another one is refused at load, by name.  The operators live in
`dfdetect.scoring.torch_ops` and `dfdetect.scoring.torch_shapes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfdetect.errors import ModelError
from dfdetect.scoring.torch_ops import MATH, Attributes, Operator
from dfdetect.scoring.torch_shapes import SHAPES

OPERATORS = {**MATH, **SHAPES}


@dataclass(frozen=True, slots=True)
class _Node:
    operator: str
    run: Operator
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Attributes
    drop: tuple[str, ...]
    """Values that nobody reads after this node; letting go of them bounds memory."""


class TorchGraph:
    """A loaded graph.  `inputs` are the names and shapes of its tensors, `outputs` their names."""

    def __init__(
        self,
        nodes: list[_Node],
        constants: dict[str, Tensor],
        inputs: dict[str, list[int | str]],
        outputs: list[str],
        device: torch.device,
        path: Path,
    ) -> None:
        self._nodes, self._constants, self._device, self._path = nodes, constants, device, path
        self.inputs, self.outputs = inputs, outputs

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> TorchGraph:
        """Read an ONNX file; raises `ModelError` when it is none or needs an unknown operator."""
        import onnx

        try:
            graph = onnx.load(str(path)).graph
        except Exception as error:  # protobuf's DecodeError, OSError, onnx's own
            raise ModelError(f"torch cannot load {path}: {error}") from error
        unknown = sorted({n.op_type for n in graph.node if n.op_type not in OPERATORS} - {"Constant"})
        if unknown:
            raise ModelError(
                f"{path}: engine 'torch' does not know the operator {', '.join(unknown)}; "
                "use engine 'onnxruntime'"
            )
        target = torch.device(device)
        constants = {c.name: _place(onnx.numpy_helper.to_array(c), target) for c in graph.initializer}
        outputs = [o.name for o in graph.output]
        nodes = []
        for node in graph.node:
            attributes = _attributes(node, target)
            if node.op_type == "Constant":
                constants[node.output[0]] = attributes["value"]
            else:
                nodes.append((node, attributes))
        last: dict[str, int] = {name: i for i, (n, _) in enumerate(nodes) for name in n.input}
        kept = {*constants, *outputs, ""}
        built = [
            _Node(
                n.op_type,
                OPERATORS[n.op_type],
                tuple(n.input),
                tuple(n.output),
                attributes,
                tuple({name for name in n.input if last[name] == i} - kept),
            )
            for i, (n, attributes) in enumerate(nodes)
        ]
        # Old exporters list initialisers among the inputs.
        inputs = {i.name: _shape(i) for i in graph.input if i.name not in constants}
        return cls(built, constants, inputs, outputs, target, path)

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Compute `outputs` from named input arrays."""
        with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
            values: dict[str, Tensor] = dict(self._constants)
            for name, array in feeds.items():
                values[name] = torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
            for node in self._nodes:
                self._step(node, values)
            return [values[name].cpu().numpy() for name in outputs]

    def _step(self, node: _Node, values: dict[str, Tensor]) -> None:
        try:
            result = node.run([values[n] if n else None for n in node.inputs], node.attributes)
        except (RuntimeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{self._path}: engine 'torch' failed in {node.operator} ({', '.join(node.outputs)}): {error}"
            ) from error
        results = result if isinstance(result, tuple) else (result,)
        values.update(zip(node.outputs, results, strict=False))
        for name in node.drop:
            values.pop(name, None)


def _shape(tensor: Any) -> list[int | str]:
    """As the file says it; a dimension that is open is a text."""
    return [
        d.dim_value if d.HasField("dim_value") else d.dim_param for d in tensor.type.tensor_type.shape.dim
    ]


def _place(array: NDArray[Any], device: torch.device) -> Tensor:
    """Floats go to the device; integers are mostly shapes and indices, which are needed on the CPU."""
    tensor = torch.from_numpy(np.array(array))
    return tensor.to(device) if tensor.is_floating_point() else tensor


def _attributes(node: Any, device: torch.device) -> Attributes:
    import onnx

    values: Attributes = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, onnx.TensorProto):
            value = _place(onnx.numpy_helper.to_array(value), device)
        values[attribute.name] = list(value) if isinstance(value, (list, tuple)) else value
    if node.op_type == "Constant" and "value" not in values:
        key, value = next(iter(values.items()))  # value_float, value_ints …
        kind = np.float32 if "float" in key else np.int64
        values["value"] = _place(np.asarray(value, kind), device)
    return values
