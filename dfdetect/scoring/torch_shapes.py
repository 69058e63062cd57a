"""ONNX operators that shape, pick and join tensors, in torch.

Exports with a free batch size compute shapes inside the graph; those integers stay on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dfdetect.scoring.torch_ops import Attributes, Inputs, Operator, meet, option

# ONNX TensorProto.DataType → torch
_TYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}


def _ints(value: Tensor | Sequence[int]) -> list[int]:
    return [int(v) for v in (value.flatten().tolist() if isinstance(value, Tensor) else value)]


def _axes(x: Inputs, a: Attributes) -> list[int] | None:
    """Axes as the second input (since opset 13) or as an attribute (before)."""
    given = option(x, 1)
    return _ints(given) if given is not None else a.get("axes")


def _cast(x: Inputs, a: Attributes) -> Tensor:
    try:
        kind = _TYPES[a["to"]]
    except KeyError:
        raise NotImplementedError(f"cast to ONNX data type {a['to']}") from None
    data: Tensor = x[0]
    return data.to(kind)


def _shape(x: Inputs, a: Attributes) -> Tensor:
    return torch.tensor(list(x[0].shape)[a.get("start", 0) : a.get("end")], dtype=torch.int64)


def _reshape(x: Inputs, a: Attributes) -> Tensor:
    sizes = _ints(x[1])
    if not a.get("allowzero", 0):
        sizes = [x[0].shape[i] if s == 0 else s for i, s in enumerate(sizes)]
    data: Tensor = x[0]
    return data.reshape(sizes)


def _flatten(x: Inputs, a: Attributes) -> Tensor:
    data: Tensor = x[0]
    axis = a.get("axis", 1)
    axis = axis + data.ndim if axis < 0 else axis
    return data.reshape(math.prod(data.shape[:axis]), math.prod(data.shape[axis:]))


def _transpose(x: Inputs, a: Attributes) -> Tensor:
    data: Tensor = x[0]
    return data.permute(a.get("perm") or list(range(data.ndim))[::-1])


def _squeeze(x: Inputs, a: Attributes) -> Tensor:
    data: Tensor = x[0]
    axes = _axes(x, a)
    return data.squeeze() if axes is None else data.squeeze(tuple(axes))


def _unsqueeze(x: Inputs, a: Attributes) -> Tensor:
    data: Tensor = x[0]
    axes = _axes(x, a) or []
    rank = data.ndim + len(axes)
    for axis in sorted(v % rank for v in axes):
        data = data.unsqueeze(axis)
    return data


def _concat(x: Inputs, a: Attributes) -> Tensor:
    device = next((t.device for t in x if t.device.type != "cpu"), x[0].device)
    return torch.cat([t.to(device) for t in x], dim=a["axis"])


def _split(x: Inputs, a: Attributes) -> tuple[Tensor, ...]:
    data: Tensor = x[0]
    axis, sizes = a.get("axis", 0), option(x, 1)
    if sizes is not None:
        return torch.split(data, _ints(sizes), dim=axis)
    parts = a.get("num_outputs")
    if parts is None:
        raise NotImplementedError("Split without sizes and without num_outputs")
    return torch.split(data, -(-data.shape[axis] // parts), dim=axis)


def _slice(x: Inputs, _: Attributes) -> Tensor:
    data: Tensor = x[0]
    starts, ends = _ints(x[1]), _ints(x[2])
    given, strides = option(x, 3), option(x, 4)
    axes = _ints(given) if given is not None else list(range(len(starts)))
    steps = _ints(strides) if strides is not None else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = data.shape[axis]
        if step > 0:  # Python's own rules for out-of-range bounds are those of ONNX
            first, last, step = slice(start, end, step).indices(size)
            index = [slice(None)] * data.ndim
            index[axis] = slice(first, max(first, last), step)
            data = data[tuple(index)]
        else:
            picked = torch.arange(*slice(start, end, step).indices(size), device=data.device)
            data = data.index_select(axis, picked)
    return data


def _gather(x: Inputs, a: Attributes) -> Tensor:
    data: Tensor = x[0]
    axis = a.get("axis", 0) % data.ndim
    index = x[1].to(data.device, torch.int64)
    index = torch.where(index < 0, index + data.shape[axis], index)
    picked = data.index_select(axis, index.reshape(-1))
    return picked.reshape([*data.shape[:axis], *index.shape, *data.shape[axis + 1 :]])


def _expand(x: Inputs, _: Attributes) -> Tensor:
    data: Tensor = x[0]
    return data.expand(np.broadcast_shapes(tuple(data.shape), tuple(_ints(x[1]))))


def _constant_of_shape(x: Inputs, a: Attributes) -> Tensor:
    value = a.get("value")
    value = torch.zeros(1) if value is None else value
    return torch.full(_ints(x[0]), value.flatten()[0].item(), dtype=value.dtype, device=value.device)


def _where(x: Inputs, _: Attributes) -> Tensor:
    yes, no = meet(x[1], x[2])
    return torch.where(x[0].to(yes.device), yes, no)


def _pad(x: Inputs, a: Attributes) -> Tensor:
    data: Tensor = x[0]
    if a.get("mode", "constant") != "constant":
        raise NotImplementedError(f"padding of mode {a['mode']}")
    pads, value, given = _ints(x[1]), option(x, 2), option(x, 3)
    axes = [v % data.ndim for v in _ints(given)] if given is not None else list(range(data.ndim))
    ends = {axis: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    flat = [p for axis in reversed(range(data.ndim)) for p in ends.get(axis, (0, 0))]
    return F.pad(data, flat, value=0.0 if value is None else float(value))


def _range(x: Inputs, _: Attributes) -> Tensor:
    return torch.arange(x[0].item(), x[1].item(), x[2].item(), dtype=x[0].dtype)


def _identity(x: Inputs, _: Attributes) -> Tensor:
    data: Tensor = x[0]
    return data


SHAPES: dict[str, Operator] = {
    "Identity": _identity,
    "Dropout": _identity,
    "Cast": _cast,
    "Shape": _shape,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "Expand": _expand,
    "ConstantOfShape": _constant_of_shape,
    "Where": _where,
    "Pad": _pad,
    "Range": _range,
}
"""ONNX operator type → function."""
