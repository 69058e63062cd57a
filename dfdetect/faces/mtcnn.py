"""MTCNN on ONNX Runtime: face boxes, five landmarks and probabilities, as facenet-pytorch finds them.

Three networks in turn: *pnet* looks at every 12 px window of a pyramid of the picture, *rnet* and *onet*
at the windows that are left.  The numbers agree with ``facenet_pytorch.MTCNN(keep_all=True)`` of the same
thresholds and smallest face; where to look, and for how small faces, is decided in `dfdetect.faces.detect`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import ModelError
from dfdetect.faces.pooling import Pooler
from dfdetect.results import Box, Face, ModelStamp

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

Array = NDArray[np.float32]

_FACTOR = 0.709  # between the levels of the pyramid: half the area
_CELL, _STRIDE = 12, 2  # window and step of pnet in pixels of a level
_STRIP = 262_144  # pixels of a level that pnet sees at once: bounds memory, and stays in the cache
_MOST_WINDOWS = 2048  # the best so many go on to rnet; only noise has more
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probability from which a window passes each of the three stages."""

    pnet: float = 0.6
    rnet: float = 0.7
    onet: float = 0.7


class Mtcnn:
    """The three networks, loaded once.  Not safe for use by several threads at a time.

    `threads` 0 takes two, or one where there is one core.  `folder` defaults to the model that ships with
    dfdetect.  Raises `ModelError` when the folder is incomplete or altered.
    """

    def __init__(
        self, threads: int = 0, thresholds: Thresholds | None = None, folder: Traversable | None = None
    ) -> None:
        self.thresholds = thresholds or Thresholds()
        contents, self.stamp = _read_model(folder or resources.files("dfdetect._models") / "mtcnn")
        options = _session_options(threads or min(2, _cores()))
        self._nets = {name: _session(data, options) for name, data in contents.items()}

    def detect(self, image: NDArray[np.uint8], min_size: float) -> list[Face]:
        """All faces of an RGB picture ``[h, w, 3]``, largest first.

        `min_size` is the side in pixels of the smallest face searched for.  Time and memory go with
        ``(12 / min_size)**2`` times the number of pixels.
        """
        pooler = Pooler(image)
        boxes = self._propose(pooler, min_size)
        if len(boxes):
            boxes = self._refine(pooler, boxes)
        if not len(boxes):
            return []
        boxes, scores, points = self._finish(pooler, boxes)
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return [
            Face(Box(*(float(v) for v in boxes[i])), points[i], float(scores[i]))
            for i in np.argsort(-areas, kind="stable")
        ]

    def _propose(self, pooler: Pooler, min_size: float) -> Array:
        """Windows ``[n, 4]`` that pnet takes for faces, on all levels of the pyramid."""
        found = [self._scan(pooler, scale) for scale in pyramid(pooler.height, pooler.width, min_size)]
        if not found:
            return np.zeros((0, 4), np.float32)
        boxes, scores, shifts = (np.concatenate(parts) for parts in zip(*found, strict=True))
        keep = suppress(boxes, scores, 0.7)[:_MOST_WINDOWS]
        boxes, shifts = boxes[keep], shifts[keep]
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        return _squared(boxes + shifts * sides)

    def _scan(self, pooler: Pooler, scale: float) -> tuple[Array, Array, Array]:
        """Boxes ``[n, 4]``, scores ``[n]`` and shifts ``[n, 4]`` on one level, overlaps already removed."""
        height, width = int(pooler.height * scale + 1), int(pooler.width * scale + 1)
        # Rows of windows on this level (convolutions take off 2 + 8, pooling rounds up), cut into strips.
        rows = -(-(height - 2) // _STRIDE) - 4
        step = max(1, _STRIP // (_STRIDE * width))
        parts = []
        for first in range(0, rows, step):
            last = min(first + step, rows)
            end = height if last == rows else _STRIDE * last + _CELL - _STRIDE
            face, shift = self._run("pnet", pooler.rows(_STRIDE * first, end, height, width), "face", "shift")
            i, j = np.nonzero(face[0, 0] >= _logit(self.thresholds.pnet))
            cells = np.stack([j, i + first, j, i + first], axis=1).astype(np.float32) * _STRIDE
            cells += np.array([1, 1, _CELL, _CELL], np.float32)
            parts.append((np.floor(cells / np.float32(scale)), _sigmoid(face[0, 0, i, j]), shift[0, :, i, j]))
        boxes, scores, shifts = (np.concatenate(part) for part in zip(*parts, strict=True))
        keep = suppress(boxes, scores, 0.5)
        return boxes[keep], scores[keep], shifts[keep]

    def _refine(self, pooler: Pooler, boxes: Array) -> Array:
        """The windows ``[n, 4]`` that rnet lets pass, moved and squared."""
        boxes, corners = _inside(boxes, pooler)
        logits, shifts = self._crops("rnet", pooler, corners, 24, "face", "shift")
        scores = _sigmoid(logits[:, 0])
        passed = scores > self.thresholds.rnet
        boxes, scores, shifts = boxes[passed], scores[passed], shifts[passed]
        keep = suppress(boxes, scores, 0.7)
        return _squared(_moved(boxes[keep], shifts[keep]))

    def _finish(self, pooler: Pooler, boxes: Array) -> tuple[Array, Array, Array]:
        """Boxes ``[n, 4]``, scores ``[n]`` and landmarks ``[n, 5, 2]`` by onet."""
        boxes, corners = _inside(boxes, pooler)
        logits, shifts, points = self._crops("onet", pooler, corners, 48, "face", "shift", "points")
        scores = _sigmoid(logits[:, 0])
        passed = scores > self.thresholds.onet
        boxes, scores, shifts, points = boxes[passed], scores[passed], shifts[passed], points[passed]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, shifts)
        keep = suppress(boxes, scores, 0.7, of_smaller=True)
        return boxes[keep], scores[keep], landmarks[keep]

    def _crops(
        self, net: str, pooler: Pooler, corners: NDArray[np.int64], size: int, *outputs: str
    ) -> list[Array]:
        starts = range(0, max(1, len(corners)), _BATCH)
        batches = [self._run(net, pooler.windows(corners[i : i + _BATCH], size), *outputs) for i in starts]
        return [np.concatenate(parts) for parts in zip(*batches, strict=True)]

    def _run(self, net: str, pixels: Array, *outputs: str) -> list[Array]:
        results: list[Array] = self._nets[net].run(list(outputs), {"image": np.ascontiguousarray(pixels)})
        return results


def pyramid(height: int, width: int, min_size: float) -> list[float]:
    """Scales at which pnet looks for faces of at least `min_size` pixels."""
    scales = []
    scale = _CELL / min_size
    side = min(height, width) * scale
    while side >= _CELL:
        scales.append(scale)
        scale *= _FACTOR
        side *= _FACTOR
    return scales


def suppress(boxes: Array, scores: Array, limit: float, of_smaller: bool = False) -> NDArray[np.int64]:
    """Indices of the boxes ``[n, 4]`` that no better one overlaps by more than `limit`, best first.

    Overlap is intersection over union; with `of_smaller` it is intersection over the smaller of both,
    and sides count a pixel more (MTCNN's last stage does it so).
    """
    # Many scores round to exactly 1: which of equals wins is part of the agreement with facenet-pytorch.
    order = np.argsort(scores, kind="stable")[::-1] if of_smaller else np.argsort(-scores, kind="stable")
    plus = 1.0 if of_smaller else 0.0
    kept: NDArray[np.int64] = np.zeros(0, np.int64)
    # In blocks: thousands of windows cost a few large comparisons, not thousands of small ones.
    for start in range(0, len(order), _BATCH):
        block = order[start : start + _BATCH]
        if len(kept):
            block = block[~(_overlaps(boxes[kept], boxes[block], plus, of_smaller) > limit).any(axis=0)]
        covered = _overlaps(boxes[block], boxes[block], plus, of_smaller) > limit
        alive = np.ones(len(block), bool)
        for i in range(len(block)):
            if alive[i]:
                alive[i + 1 :] &= ~covered[i, i + 1 :]
        kept = np.concatenate([kept, block[alive]])
    return kept


def _overlaps(a: Array, b: Array, plus: float, of_smaller: bool) -> Array:
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low + plus, 0, None).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2] + plus).prod(axis=1)[:, None]
    area_b = (b[:, 2:] - b[:, :2] + plus).prod(axis=1)[None]
    whole = np.minimum(area_a, area_b) if of_smaller else area_a + area_b - shared
    result: Array = shared / np.maximum(whole, np.float32(1e-9))
    return result


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _squared(boxes: Array) -> Array:
    """Squares of the longer side around the same centres."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    low = boxes[:, :2] + sides * np.float32(0.5) - longer * np.float32(0.5)
    return np.concatenate([low, low + longer], axis=1)


def _moved(boxes: Array, shifts: Array) -> Array:
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + shifts * np.tile(sides, 2)


def _inside(boxes: Array, pooler: Pooler) -> tuple[Array, NDArray[np.int64]]:
    """The boxes that meet the picture, and their pixels: x0, y0 (from 0), x1, y1 (past the end)."""
    whole = np.trunc(boxes).astype(np.int64)
    low = np.maximum(whole[:, :2], 1) - 1
    high = np.minimum(whole[:, 2:], [pooler.width, pooler.height])
    meets = (high > low).all(axis=1)
    return boxes[meets], np.concatenate([low, high], axis=1)[meets]


def _read_model(folder: Traversable) -> tuple[dict[str, bytes], ModelStamp]:
    """The files of the model folder by name of the network, checked against its card, and who they are."""
    try:
        card = json.loads((folder / "card.json").read_text("utf-8"))
        files = card["files"]
        expected = {name: (files[name]["file"], files[name]["sha256"]) for name in ("pnet", "rnet", "onet")}
        stamp = ModelStamp(card["name"], card["version"], dict(expected.values()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the face detector's card ({folder}/card.json) cannot be read: {error!r}"
        ) from error
    contents = {}
    for name, (file, sha256) in expected.items():
        try:
            contents[name] = (folder / file).read_bytes()
        except OSError as error:
            raise ModelError(f"the face detector's {file} cannot be read: {error}") from error
        if hashlib.sha256(contents[name]).hexdigest() != sha256:
            raise ModelError(
                f"{folder}/{file} is not the file its card names (sha256 differs): reinstall dfdetect"
            )
    return contents, stamp


def _session_options(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Every level of the pyramid has another shape: a remembered plan of memory for each only costs.
    options.enable_mem_pattern = False
    return options


def _session(data: bytes, options: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
