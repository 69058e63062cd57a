"""Let torchvision be imported where its compiled part does not load.

The registry's torchvision is linked against CUDA.  Beside a CPU build of torch its compiled part cannot be
loaded, and ``import torchvision`` stops with *operator torchvision::nms does not exist*.  Everything that
imports torchvision (facenet-pytorch, timm) stops with it, although none of them needs more of the
compiled part than `nms`.

`ensure_torchvision` declares the missing operators with a plain implementation.  Call it before the first
import of torchvision, timm or facenet-pytorch.  Where the compiled part loads, it does nothing.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept: list[Any] = []  # torch forgets an operator when its Library object is collected


def ensure_torchvision() -> bool:
    """Make ``import torchvision`` work; True when the plain operators had to be put in place.

    Raises `ImportError` when torch or torchvision is not installed.  May be called any number of times.
    """
    import torch

    if _kept:
        return True
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("torchvision is not installed", name="torchvision")
    if _compiled_part_loads(Path(spec.submodule_search_locations[0])):
        return False
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms" + _SCHEMA)
    library.define("qnms" + _SCHEMA)
    library.impl("nms", nms, "CPU")
    _kept.append(library)
    # torchvision's own wrapper refuses to call an operator that did not come from its compiled part.
    import torchvision

    torchvision.ops.boxes.nms = nms
    torchvision.ops.nms = nms
    return True


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices (int64) of the boxes ``[n, 4]`` that survive, best first, as `torchvision.ops.nms` has it."""
    import torch

    corners = boxes.detach().cpu().numpy()
    order = np.argsort(-scores.detach().cpu().numpy(), kind="stable")
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    keep = []
    while order.size:
        best, rest = order[0], order[1:]
        keep.append(int(best))
        low = np.maximum(corners[best, :2], corners[rest, :2])
        high = np.minimum(corners[best, 2:], corners[rest, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        order = rest[shared <= iou_threshold * (areas[best] + areas[rest] - shared)]
    return torch.tensor(keep, dtype=torch.int64, device=boxes.device)


def _compiled_part_loads(folder: Path) -> bool:
    import torch

    for library in [*folder.glob("_C.so"), *folder.glob("_C*.pyd"), *folder.glob("_C.*.so")]:
        try:
            torch.ops.load_library(str(library))
        except (OSError, RuntimeError):
            continue
        return hasattr(torch.ops.torchvision, "nms")
    return hasattr(torch.ops.torchvision, "nms")
