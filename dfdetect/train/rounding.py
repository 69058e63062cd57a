"""Round matrices to 8 bits so that their products with real inputs change least.

Rounding every weight by itself loses what slow tuning has changed where the change is smaller than a step,
and all the more where the start lay on a grid of its own.  So the error of each weight is carried over to
those that are not yet rounded, weighed by how inputs go together ("GPTQ: Accurate Post-Training
Quantization for Generative Pre-trained Transformers", Frantar et al. 2022, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_DAMPING = 0.01
"""Share of the mean of the diagonal that is added to it, so that the matrix can be inverted."""
_BLOCK = 128
"""Rows rounded before the rest is told; only a matter of speed."""


def channel_scales(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Matrix ``[in, out]`` → the step of the 8-bit grid of each output channel ``[out]``."""
    return np.asarray(np.maximum(np.abs(weight).max(0), 1e-9) / 127.0, np.float32)


def nearest_bytes(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Matrix ``[in, out]`` → 8-bit integers, each the nearest, and the scale of each channel ``[out]``."""
    scale = channel_scales(weight)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def fitted_bytes(
    weight: NDArray[np.float32], gram: NDArray[np.float64]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The same, chosen so that ``inputs @ weight`` changes least.

    `gram` is the sum of ``x xᵀ`` over the inputs, ``[in, in]``.
    """
    scale = channel_scales(weight)
    step = torch.from_numpy(scale.astype(np.float64))
    left = torch.from_numpy(weight.astype(np.float64))
    damped = torch.from_numpy(gram + _DAMPING * np.mean(np.diag(gram)) * np.eye(len(gram)))
    spread = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    whole = torch.empty_like(left)
    for first in range(0, len(left), _BLOCK):
        last = min(first + _BLOCK, len(left))
        errors = torch.empty_like(left[first:last])
        for i in range(first, last):
            whole[i] = (left[i] / step).round().clamp(-127, 127)
            errors[i - first] = (left[i] - whole[i] * step) / spread[i, i]
            left[i + 1 : last] -= spread[i, i + 1 : last, None] * errors[i - first]
        left[last:] -= spread[first:last, last:].T @ errors
    return whole.to(torch.int8).numpy(), scale


@torch.inference_mode()
def input_grams(net: nn.Module, batches: Sequence[Tensor], prefix: str) -> dict[str, NDArray[np.float64]]:
    """Sum of ``x xᵀ`` over the inputs of every linear layer of `net` whose name begins with `prefix`.

    Keys are the names of the layers without that prefix.  `batches` are what `net` is called with.
    """
    grams: dict[str, Tensor] = {}
    layers = {
        name.removeprefix(prefix): module
        for name, module in net.named_modules()
        if name.startswith(prefix) and isinstance(module, nn.Linear)
    }
    with _listening(layers, grams):
        for batch in batches:
            net(batch)
    return {name: gram.double().numpy() for name, gram in grams.items()}


@contextmanager
def _listening(layers: Mapping[str, nn.Module], grams: dict[str, Tensor]) -> Iterator[None]:
    def listen(name: str) -> object:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            flat = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).float()
            found = flat.T @ flat
            grams[name] = grams[name] + found if name in grams else found

        return hook

    handles = [layer.register_forward_hook(listen(name)) for name, layer in layers.items()]  # type: ignore[arg-type]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
