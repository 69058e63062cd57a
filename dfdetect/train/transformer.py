"""The transformer expert: the first blocks of a vision transformer and a linear head for each view of the
face on the tokens after several middle blocks.

The middle blocks carry more evidence of forgery than the last ones, and the class token and the mean of
the patches different parts of it; where a view is aligned by landmarks, the patches of mouth and eyes are
pooled by themselves, since lip-sync and swaps show there.  Tuning only the norms is cheap and keeps what the
encoder learned of pictures in general ("Deepfake Detection that Generalizes Across Benchmarks",
Yermakov et al. 2025); with many forgeries tuning all blocks slowly holds better (see models/README.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfdetect.errors import InputError
from dfdetect.faces.crop import REFERENCE, CropSpec
from dfdetect.train.table import FAMILIES

MOUTH, EYES = (0.15, 0.09), (0.10, 0.30)
"""How far (down, sideways) beyond the landmarks of mouth and eyes their patches reach, in units of the
aligned face."""


class TokenNet(nn.Module):
    """Images ``[n, 3, s, s]`` and the number of the view of each ``[n]`` → logits.

    `views` are the crops that the heads are for.  The heads see standardised features: call
    `start_as_probe` with features of training faces before the first step.
    """

    def __init__(
        self,
        backbone: str,
        blocks: Sequence[int],
        views: Sequence[CropSpec],
        teacher_width: int = 0,
        dropout: float = 0.1,
        tuned: str = "norms",
    ) -> None:
        """`blocks` count from 1; blocks behind the last of them are cut off.  There is no teacher, so
        `teacher_width` must be 0.  `tuned` is what of the backbone training may change, see `Recipe`.
        """
        super().__init__()
        from dfdetect.faces.torchvision_nms import ensure_torchvision

        ensure_torchvision()
        import timm

        trunk: Any = timm.create_model(backbone, pretrained=False, num_classes=0)
        if not hasattr(trunk, "blocks") or not hasattr(trunk, "pos_embed"):
            raise InputError(
                f"'{backbone}' is not a vision transformer of timm; leave 'blocks' empty for a CNN"
            )
        if max(blocks) > len(trunk.blocks):
            raise InputError(
                f"'{backbone}' has {len(trunk.blocks)} blocks, and 'blocks' names {max(blocks)}; "
                f"name blocks from 1 to {len(trunk.blocks)}"
            )
        trunk.blocks = trunk.blocks[: max(blocks)]
        trunk.norm, trunk.head = nn.Identity(), nn.Identity()
        self.backbone: Any = trunk
        self.blocks = tuple(blocks)
        self.channels = int(trunk.embed_dim)
        self.pools = nn.ParameterList(
            nn.Parameter(torch.from_numpy(region_pools(view, trunk.patch_embed.grid_size[0])), False)
            for view in views
        )
        sizes = [len(blocks) * (1 + len(pool)) * self.channels for pool in self.pools]
        self.heads: Any = nn.ModuleList(nn.Linear(size, 1) for size in sizes)
        self.centre = nn.ParameterList(nn.Parameter(torch.zeros(size), False) for size in sizes)
        self.spread = nn.ParameterList(nn.Parameter(torch.ones(size), False) for size in sizes)
        self.family: Any = nn.ModuleList(nn.Linear(size, len(FAMILIES)) for size in sizes)
        self.drop = nn.Dropout(dropout)
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_("norm" in name or (tuned == "all" and name.startswith("blocks.")))
        for head in (*self.heads, *self.family):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        if teacher_width:
            raise InputError("the transformer recipe takes no teacher; leave teacher_weight at 0")

    def tokens(self, images: Tensor) -> list[Tensor]:
        """Token states ``[n, 1 + grid², c]`` after each of the blocks."""
        trunk = self.backbone
        x = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(images)))
        kept = []
        for number, block in enumerate(trunk.blocks, start=1):
            x = block(x)
            if number in self.blocks:
                kept.append(x)
        return kept

    def features(self, images: Tensor, view: int) -> Tensor:
        """Pooled features ``[n, blocks · (1 + pools) · c]`` of images of one view."""
        return self._pooled(self.tokens(images), view)

    def _pooled(self, tokens: Sequence[Tensor], view: int) -> Tensor:
        pools = self.pools[view]
        parts = []
        for state in tokens:
            state = state.float()
            parts += [state[:, 0], (pools @ state[:, 1:]).flatten(1)]
        return torch.cat(parts, 1)

    def forward(self, images: Tensor, view: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logit ``[n]``, family logits ``[n, f]``, None (there is no teacher)."""
        tokens = self.tokens(images)
        logit = images.new_zeros(len(images), dtype=torch.float32)
        family = images.new_zeros(len(images), len(FAMILIES), dtype=torch.float32)
        with torch.autocast(images.device.type, enabled=False):
            for number in view.unique().tolist():
                own = (view == number).nonzero()[:, 0]
                z = self._pooled([state[own] for state in tokens], number)
                z = self.drop((z - self.centre[number]) / self.spread[number])
                logit = logit.index_copy(0, own, self.heads[number](z)[:, 0])
                family = family.index_copy(0, own, self.family[number](z))
        return logit, family, None

    @torch.no_grad()
    def start_as_probe(
        self, view: int, features: NDArray[np.float32], weight: NDArray[np.float64], bias: float
    ) -> None:
        """Make head `view` the probe with these coefficients on features standardised over `features`."""
        self.centre[view].copy_(torch.from_numpy(features.mean(0)))
        self.spread[view].copy_(torch.from_numpy(features.std(0) + 1e-3))
        self.heads[view].weight.copy_(torch.from_numpy(weight[None].astype(np.float32)))
        self.heads[view].bias.fill_(bias)


class ExportTokens(nn.Module):
    """What is shipped: image → for each view logit ``[n]`` and activation map ``[n, g, g]``.

    The map's mean is the logit up to what the class tokens say.
    """

    def __init__(self, net: TokenNet) -> None:
        super().__init__()
        self.net, self.grid = net, int(net.backbone.patch_embed.grid_size[0])
        self.weights, self.biases = [], []
        for view, head in enumerate(net.heads):
            scaled = head.weight[0] / net.spread[view]
            self.biases.append(float((head.bias - scaled @ net.centre[view]).detach()))
            parts = scaled.detach().reshape(len(net.blocks), 1 + len(net.pools[view]), net.channels)
            self.weights.append(parts)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """``logit_0, heatmap_0, logit_1, heatmap_1, …``, one pair a view."""
        tokens = self.net.tokens(images)
        out = []
        for view, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            pools = self.net.pools[view] * self.grid**2
            own = images.new_full((1,), bias)
            heat = images.new_zeros((1, self.grid**2))
            for state, weight in zip(tokens, weights, strict=True):
                own = own + state[:, 0] @ weight[0]
                heat = heat + ((state[:, 1:] @ weight[1:].T) * pools.T).sum(2)
            out += [heat.mean(1) + own, heat.reshape(-1, self.grid, self.grid)]
        return tuple(out)


def region_pools(view: CropSpec, grid: int) -> NDArray[np.float32]:
    """Weights ``[pools, grid²]`` that average patches, each row of sum 1: all of them, and for an aligned
    view those of the mouth and those of the eyes.
    """
    pools = [np.ones((grid, grid))]
    if view.align == "five_point":
        ys, xs = ((np.mgrid[0:grid, 0:grid] + 0.5) / grid - 0.5) / view.zoom + 0.5
        for points, (down, aside) in ((REFERENCE[3:], MOUTH), (REFERENCE[:2], EYES)):
            left, right = points[:, 0].min() - aside, points[:, 0].max() + aside
            pools.append((abs(ys - points[:, 1].mean()) <= down) & (xs >= left) & (xs <= right))
    table = np.stack([pool.ravel() for pool in pools]).astype(np.float32)
    return np.asarray(table / table.sum(1, keepdims=True), np.float32)


def load_clip_onnx(net: TokenNet, path: str | Path) -> None:
    """Take the weights out of the 8-bit ONNX file of CLIP's ViT-B/16 image tower (see `encoder`).

    The 8-bit integers are kept exactly, as floats.  Raises `InputError` for another file or network.
    """
    try:
        state = _clip_state(path, len(net.backbone.blocks))
        net.backbone.load_state_dict(state)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} does not hold CLIP ViT-B/16 for this backbone: {error!r}") from error


def _clip_state(path: str | Path, blocks: int) -> dict[str, Tensor]:
    import onnx
    from onnx import numpy_helper

    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's DecodeError, whose module has no types
        raise ValueError(f"no ONNX file: {error}") from error
    value = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    linear = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            name = node.input[1].removesuffix("_quantized")
            whole = value[name + "_quantized"].astype(np.float32) - value[name + "_zero_point"].astype(
                np.float32
            )
            linear[node.name.split("/MatMul")[0]] = (whole * value[name + "_scale"]).T
    front = "vision_model.embeddings."
    state = {
        "cls_token": value[front + "class_embedding"][None, None],
        "pos_embed": value[front + "position_embedding.weight"][None],
        "patch_embed.proj.weight": value[front + "patch_embedding.weight"],
        "norm_pre.weight": value["vision_model.pre_layrnorm.weight"],
        "norm_pre.bias": value["vision_model.pre_layrnorm.bias"],
    }
    for i in range(blocks):
        flat, tree, to = (
            f"vision_model.encoder.layers.{i}.",
            f"/vision_model/encoder/layers.{i}/",
            f"blocks.{i}.",
        )
        parts = ("q_proj", "k_proj", "v_proj")
        state[to + "attn.qkv.weight"] = np.concatenate([linear[tree + "self_attn/" + p] for p in parts])
        state[to + "attn.qkv.bias"] = np.concatenate([value[flat + f"self_attn.{p}.bias"] for p in parts])
        pairs = {"self_attn.out_proj": "attn.proj", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
        for theirs, ours in pairs.items():
            state[to + ours + ".weight"] = linear[tree + theirs.replace(".", "/")]
            state[to + ours + ".bias"] = value[flat + theirs + ".bias"]
        for theirs, ours in {"layer_norm1": "norm1", "layer_norm2": "norm2"}.items():
            for kind in ("weight", "bias"):
                state[f"{to}{ours}.{kind}"] = value[f"{flat}{theirs}.{kind}"]
    return {key: torch.from_numpy(np.array(array, np.float32)) for key, array in state.items()}
