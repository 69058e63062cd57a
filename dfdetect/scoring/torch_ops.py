"""ONNX operators that compute, in torch: arithmetic, layers with weights, pooling, integer quantisation.

Each function takes the node's inputs (None for one left out) and its attributes, and follows the ONNX
definition from opset 13 on.  Shape operators are in `dfdetect.scoring.torch_shapes`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Attributes = dict[str, Any]
Inputs = Sequence[Any]
Operator = Callable[[Inputs, Attributes], Any]


def option(inputs: Inputs, index: int) -> Tensor | None:
    """An input that a node may leave out."""
    return inputs[index] if index < len(inputs) else None


def meet(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Bring two tensors to one device: the one that is not the CPU."""
    if a.device == b.device:
        return a, b
    device = a.device if b.device.type == "cpu" else b.device
    return a.to(device), b.to(device)


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda inputs, _: function(inputs[0])


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda inputs, _: function(*meet(inputs[0], inputs[1]))


def _divide(a: Tensor, b: Tensor) -> Tensor:
    if a.is_floating_point() or b.is_floating_point():
        return a / b
    return torch.div(a, b, rounding_mode="trunc")


def _clip(x: Inputs, _: Attributes) -> Tensor:
    low, high = option(x, 1), option(x, 2)
    data: Tensor = x[0]
    if low is not None:
        data = torch.maximum(data, low.to(data.device))
    return data if high is None else torch.minimum(data, high.to(data.device))


# ---------------------------------------------------------------- layers with weights


def _same_pads(size: Sequence[int], kernel: Sequence[int], a: Attributes, upper: bool) -> list[int]:
    """Padding of ``auto_pad``: as much as makes the output ``ceil(size / stride)``."""
    rank = len(kernel)
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    begin, end = [], []
    for s, k, step, d in zip(size, kernel, strides, dilations, strict=True):
        total = max(0, (-(-s // step) - 1) * step + (k - 1) * d + 1 - s)
        small, large = total // 2, total - total // 2
        begin.append(small if upper else large)
        end.append(large if upper else small)
    return begin + end


def _padded(data: Tensor, kernel: Sequence[int], a: Attributes, value: float = 0.0) -> Tensor:
    auto = a.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same_pads(data.shape[2:], kernel, a, auto == "SAME_UPPER")
    else:
        pads = a.get("pads", [0] * (2 * len(kernel)))
    if not any(pads):
        return data
    rank = len(kernel)
    flat = [p for i in reversed(range(rank)) for p in (pads[i], pads[i + rank])]
    return F.pad(data, flat, value=value)


def _conv(x: Inputs, a: Attributes) -> Tensor:
    weight: Tensor = x[1]
    kernel = a.get("kernel_shape", list(weight.shape[2:]))
    rank = len(kernel)
    if rank not in (1, 2):
        raise NotImplementedError(f"convolution over {rank} axes")
    function: Callable[..., Tensor] = F.conv2d if rank == 2 else F.conv1d
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    return function(_padded(x[0], kernel, a), weight, option(x, 2), strides, 0, dilations, a.get("group", 1))


def _gemm(x: Inputs, a: Attributes) -> Tensor:
    left = x[0].T if a.get("transA", 0) else x[0]
    right = x[1].T if a.get("transB", 0) else x[1]
    out: Tensor = a.get("alpha", 1.0) * (left @ right)
    bias = option(x, 2)
    return out if bias is None else out + a.get("beta", 1.0) * bias


def _batch_norm(x: Inputs, a: Attributes) -> Tensor:
    return F.batch_norm(x[0], x[3], x[4], x[1], x[2], False, 0.0, a.get("epsilon", 1e-5))


def _layer_norm(x: Inputs, a: Attributes) -> Tensor:
    axis = a.get("axis", -1) % x[0].ndim
    return F.layer_norm(x[0], list(x[0].shape[axis:]), x[1], option(x, 2), a.get("epsilon", 1e-5))


# ---------------------------------------------------------------- pooling and reduction


def _flat_pool_options(a: Attributes) -> tuple[list[int], list[int], bool]:
    kernel = a["kernel_shape"]
    if len(kernel) != 2 or any(d != 1 for d in a.get("dilations", [])):
        raise NotImplementedError("pooling over other than two axes, or with dilations")
    return kernel, a.get("strides", [1, 1]), bool(a.get("ceil_mode", 0))


def _max_pool(x: Inputs, a: Attributes) -> Tensor:
    kernel, strides, ceil = _flat_pool_options(a)
    return F.max_pool2d(_padded(x[0], kernel, a, -math.inf), kernel, strides, ceil_mode=ceil)


def _average_pool(x: Inputs, a: Attributes) -> Tensor:
    kernel, strides, ceil = _flat_pool_options(a)
    if a.get("count_include_pad", 0):
        if ceil:
            raise NotImplementedError("average pooling that counts padding, with ceil_mode")
        return F.avg_pool2d(_padded(x[0], kernel, a), kernel, strides)

    def total(data: Tensor) -> Tensor:
        return F.avg_pool2d(_padded(data, kernel, a), kernel, strides, ceil_mode=ceil, divisor_override=1)

    return total(x[0]) / total(torch.ones_like(x[0][:1, :1]))


def _reduce(function: Callable[..., Tensor]) -> Operator:
    def run(x: Inputs, a: Attributes) -> Tensor:
        given = option(x, 1)  # an attribute before opset 18, an input since
        axes = [int(v) for v in given] if given is not None else a.get("axes")
        if not axes:
            if a.get("noop_with_empty_axes", 0):
                data: Tensor = x[0]
                return data
            axes = list(range(x[0].ndim))
        return function(x[0], dim=tuple(axes), keepdim=bool(a.get("keepdims", 1)))

    return run


# ---------------------------------------------------------------- 8-bit integers (dynamic quantisation)


def _dynamic_quantize(x: Inputs, _: Attributes) -> tuple[Tensor, Tensor, Tensor]:
    low = torch.clamp(x[0].min(), max=0.0)
    high = torch.clamp(x[0].max(), min=0.0)
    scale = (high - low) / 255.0
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = torch.clamp(torch.round(-low / scale), 0, 255)
    data = torch.clamp(torch.round(x[0] / scale) + zero, 0, 255).to(torch.uint8)
    return data, scale, zero.to(torch.uint8)


def _matmul_integer(x: Inputs, _: Attributes) -> Tensor:
    """Exact: sums of products of 8-bit integers stay far below 2^53, so double holds them."""
    left, right = meet(x[0].to(torch.float64), x[1].to(torch.float64))
    for index, zero in ((0, option(x, 2)), (1, option(x, 3))):
        if zero is not None:
            shift = zero.to(left.device, torch.float64)
            # A row's zero point belongs to the left matrix, a column's to the right one.
            if index == 0:
                left = left - (shift.unsqueeze(-1) if shift.ndim else shift)
            else:
                right = right - shift
    return (left @ right).to(torch.int32)


def _conv_integer(x: Inputs, a: Attributes) -> Tensor:
    """Exact in double, as `_matmul_integer`; padding is with the zero point, so after its subtraction."""
    data, weight = meet(x[0].to(torch.float64), x[1].to(torch.float64))
    zero, weight_zero = option(x, 2), option(x, 3)
    if zero is not None:
        data = data - zero.to(data.device, torch.float64)
    if weight_zero is not None:
        weight = weight - _along(weight_zero.to(weight.device, torch.float64), weight.ndim, 0)
    return _conv([data, weight], a).to(torch.int32)


def _along(scale: Tensor, ndim: int, axis: int) -> Tensor:
    """Shape a per-channel vector so that it meets axis `axis` of an array of `ndim` axes."""
    if scale.ndim == 0 or scale.numel() == 1:
        return scale.reshape(())
    return scale.reshape([-1 if i == axis % ndim else 1 for i in range(ndim)])


def _quantize(x: Inputs, a: Attributes) -> Tensor:
    data, axis = x[0], a.get("axis", 1)
    zero = option(x, 2)
    kind = torch.uint8 if zero is None else zero.dtype
    limits = torch.iinfo(kind)
    steps = torch.round(data / _along(x[1], data.ndim, axis))
    if zero is not None:
        steps = steps + _along(zero.to(data.device, data.dtype), data.ndim, axis)
    return torch.clamp(steps, limits.min, limits.max).to(kind)


def _dequantize(x: Inputs, a: Attributes) -> Tensor:
    scale: Tensor = x[1]
    data: Tensor = x[0].to(scale.device, scale.dtype)
    axis, zero = a.get("axis", 1), option(x, 2)
    if zero is not None:
        data = data - _along(zero.to(data.device, data.dtype), data.ndim, axis)
    return data * _along(scale, data.ndim, axis)


MATH: dict[str, Operator] = {
    "Relu": _unary(torch.relu),
    "Sigmoid": _unary(torch.sigmoid),
    "Tanh": _unary(torch.tanh),
    "Erf": _unary(torch.erf),
    "Sqrt": _unary(torch.sqrt),
    "Exp": _unary(torch.exp),
    "Log": _unary(torch.log),
    "Neg": _unary(torch.neg),
    "Abs": _unary(torch.abs),
    "Ceil": _unary(torch.ceil),
    "Floor": _unary(torch.floor),
    "Round": _unary(torch.round),
    "Reciprocal": _unary(torch.reciprocal),
    "Not": _unary(torch.logical_not),
    "HardSwish": _unary(F.hardswish),
    "Softplus": _unary(F.softplus),
    "Add": _binary(operator.add),
    "Sub": _binary(operator.sub),
    "Mul": _binary(operator.mul),
    "Div": _binary(_divide),
    "Pow": _binary(torch.pow),
    "MatMul": _binary(torch.matmul),
    "Equal": _binary(torch.eq),
    "Greater": _binary(torch.gt),
    "Less": _binary(torch.lt),
    "GreaterOrEqual": _binary(torch.ge),
    "LessOrEqual": _binary(torch.le),
    "And": _binary(torch.logical_and),
    "Or": _binary(torch.logical_or),
    "BitwiseXor": _binary(torch.bitwise_xor),
    "Mod": lambda x, a: (torch.fmod if a.get("fmod", 0) else torch.remainder)(*meet(x[0], x[1])),
    "Max": _binary(torch.maximum),
    "Min": _binary(torch.minimum),
    "Clip": _clip,
    "Softmax": lambda x, a: torch.softmax(x[0], a.get("axis", -1)),
    "Gelu": lambda x, a: F.gelu(x[0], approximate=a.get("approximate", "none")),
    "LeakyRelu": lambda x, a: F.leaky_relu(x[0], a.get("alpha", 0.01)),
    "PRelu": lambda x, _: torch.where(x[0] < 0, x[0] * x[1], x[0]),
    "HardSigmoid": lambda x, a: torch.clamp(x[0] * a.get("alpha", 0.2) + a.get("beta", 0.5), 0, 1),
    "Conv": _conv,
    "Gemm": _gemm,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda x, _: x[0].mean(dim=tuple(range(2, x[0].ndim)), keepdim=True),
    "GlobalMaxPool": lambda x, _: x[0].amax(dim=tuple(range(2, x[0].ndim)), keepdim=True),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin),
    "ReduceL2": _reduce(lambda x, dim, keepdim: torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim)),
    "DynamicQuantizeLinear": _dynamic_quantize,
    "MatMulInteger": _matmul_integer,
    "ConvInteger": _conv_integer,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
}
"""ONNX operator type → function."""
