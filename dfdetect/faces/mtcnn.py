"""MTCNN on ONNX Runtime: face boxes, five landmarks and probabilities, as facenet-pytorch finds them.

Three networks in turn: *pnet* looks at every 12 px window of a pyramid of the picture, *rnet* and *onet*
at the windows that are left.  The numbers agree with ``facenet_pytorch.MTCNN(keep_all=True)`` of the same
thresholds and smallest face; where to look, and for how small faces, is decided in `dfdetect.faces.detect`.

The networks are so small that threads inside of them wait for each other most of the time.  So each runs on
one thread, and several strips of the picture, or lots of windows, are looked at at a time.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dfdetect.ending import is_at_the_end
from dfdetect.errors import ModelError
from dfdetect.faces.levels import CELL, STRIDE, Level, Part, pyramid, warm
from dfdetect.faces.pooling import Pooler
from dfdetect.faces.turns import turn_back
from dfdetect.packaged import MODELS, required
from dfdetect.results import Box, Face, ModelStamp
from dfdetect.sessions import session_options

Array = NDArray[np.float32]

# Probability from which a window passes each of the three stages.
_PNET, _RNET, _ONET = 0.6, 0.7, 0.7
_FINEST = 2  # levels that are searched only where the one before them gives a hint
# What pnet must give for a hint.  Around 281 faces of the development photos, shrunk to 28 to 56 pixels, it
# gave at least .11.
_GLANCE = 0.018
_MOST_WINDOWS = 2048  # the best so many go on to rnet; only noise has more
_BATCH = {"rnet": 32, "onet": 8}  # windows that a network sees at once; likewise
_BLOCK = 256

T = TypeVar("T")
R = TypeVar("R")


class Mtcnn:
    """The three networks, loaded once.  Not safe for use by several threads at a time.

    `threads` 0 takes two, or one where there is one core.  `folder` defaults to the model that ships with
    dfdetect.  Raises `ModelError` when the folder is incomplete or altered.
    """

    def __init__(self, threads: int = 0, folder: Path | None = None) -> None:
        contents, self.stamp = _read_model(folder or required(MODELS) / "mtcnn")
        self._nets = {name: _session(data) for name, data in contents.items()}
        threads = threads or min(2, _cores())
        self._workers = ThreadPoolExecutor(threads, "mtcnn") if threads > 1 else None

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

    def in_every_turn(self, image: NDArray[np.uint8], face: Face) -> list[Face]:
        """What the last network makes of the window of one face, turned by ``numpy.rot90`` 0 to 3 times.

        All in pixels of `image`, RGB ``[h, w, 3]``; none where the window lies beyond it.
        """
        x0, y0, x1, y1 = _squared(np.array([face.box], np.float32))[0]
        left, top = max(0, int(x0)), max(0, int(y0))
        part = image[top : max(0, math.ceil(y1)), left : max(0, math.ceil(x1))]
        if not part.size:
            return []
        pixels = Pooler(part).windows(np.array([[0, 0, part.shape[1], part.shape[0]]]), 48)
        turned = np.concatenate([np.rot90(pixels, turns, (2, 3)) for turns in range(4)])
        logits, shifts, points = self._nets["onet"].run(["face", "shift", "points"], {"image": turned})
        side = float(x1 - x0)
        boxes = _moved(np.tile(np.array([0, 0, side, side], np.float32), (4, 1)), shifts)
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * (side + 1) - 1
        found = []
        for turns in range(4):
            one = Face(Box(*map(float, boxes[turns])), landmarks[turns], float(_sigmoid(logits[turns, 0])))
            found.append(_shifted(turn_back(one, turns, side, side), float(x0), float(y0)))
        return found

    def _propose(self, pooler: Pooler, min_size: float) -> Array:
        """Windows ``[n, 4]`` that pnet takes for faces, on all levels of the pyramid."""
        levels = [
            Level.of(pooler.height, pooler.width, s) for s in pyramid(pooler.height, pooler.width, min_size)
        ]
        if not levels:
            return np.zeros((0, 4), np.float32)
        # The coarse ones at a time, for each alone is too small to be shared between threads.
        cells = self._scan(pooler, [(level, level.strips()) for level in levels[_FINEST:]])
        for level in reversed(levels[:_FINEST]):
            parts = level.strips()
            if cells:
                parts = level.parts_with(warm(level, levels[-len(cells)], cells[0][0], _logit(_GLANCE)))
            cells = self._scan(pooler, [(level, parts)]) + cells
        found = []
        for level, seen in zip(levels, cells, strict=True):
            boxes, scores, shifts = self._candidates(level, seen)
            keep = suppress(boxes, scores, 0.5)
            found.append([boxes[keep], scores[keep], shifts[keep]])
        boxes, scores, shifts = _joined(found)
        keep = suppress(boxes, scores, 0.7)[:_MOST_WINDOWS]
        boxes, shifts = boxes[keep], shifts[keep]
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        return _squared(boxes + shifts * sides)

    def _scan(self, pooler: Pooler, wanted: Sequence[tuple[Level, Sequence[Part]]]) -> list[Array]:
        """What pnet gives for parts of levels, each ``[5, rows, columns]``: logits and shifts.

        Beyond the parts the logits are minus infinity.
        """

        def look(task: tuple[Level, Part]) -> Array:
            level, part = task
            pixels = pooler.part(*level.pixels(part), level.height, level.width)
            cells: Array = self._nets["pnet"].run(["cells"], {"image": pixels})[0][0]
            return cells

        looks = self._map(look, [(level, part) for level, parts in wanted for part in parts])
        scanned = []
        for level, parts in wanted:
            whole = np.full((5, level.rows, level.columns), -np.inf, np.float32)
            for part in parts:
                whole[:, part.top : part.bottom, part.left : part.right] = next(looks)
            scanned.append(whole)
        return scanned

    def _candidates(self, level: Level, cells: Array) -> tuple[Array, Array, Array]:
        """Boxes ``[n, 4]``, scores ``[n]`` and shifts ``[n, 4]`` of the windows that may be faces."""
        cells = cells.reshape(5, -1)
        at = np.flatnonzero(cells[0] >= _logit(_PNET))
        i, j = np.divmod(at, level.columns)
        boxes = np.stack([j, i, j, i], axis=1).astype(np.float32) * STRIDE
        boxes += np.array([1, 1, CELL, CELL], np.float32)
        return np.floor(boxes / np.float32(level.scale)), _sigmoid(cells[0, at]), cells[1:, at].T

    def _refine(self, pooler: Pooler, boxes: Array) -> Array:
        """The windows ``[n, 4]`` that rnet lets pass, moved and squared."""
        boxes, corners = _inside(boxes, pooler)
        logits, shifts = self._crops("rnet", pooler, corners, 24, "face", "shift")
        scores = _sigmoid(logits[:, 0])
        passed = scores > _RNET
        boxes, scores, shifts = boxes[passed], scores[passed], shifts[passed]
        keep = suppress(boxes, scores, 0.7)
        return _squared(_moved(boxes[keep], shifts[keep]))

    def _finish(self, pooler: Pooler, boxes: Array) -> tuple[Array, Array, Array]:
        """Boxes ``[n, 4]``, scores ``[n]`` and landmarks ``[n, 5, 2]`` by onet."""
        boxes, corners = _inside(boxes, pooler)
        logits, shifts, points = self._crops("onet", pooler, corners, 48, "face", "shift", "points")
        scores = _sigmoid(logits[:, 0])
        passed = scores > _ONET
        boxes, scores, shifts, points = boxes[passed], scores[passed], shifts[passed], points[passed]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, shifts)
        keep = suppress(boxes, scores, 0.7, of_smaller=True)
        return boxes[keep], scores[keep], landmarks[keep]

    def _crops(
        self, net: str, pooler: Pooler, corners: NDArray[np.int64], size: int, *outputs: str
    ) -> list[Array]:
        lot = _BATCH[net]

        def run(first: int) -> list[Array]:
            pixels = pooler.windows(corners[first : first + lot], size)
            results: list[Array] = self._nets[net].run(list(outputs), {"image": pixels})
            return results

        return _joined(self._map(run, range(0, max(1, len(corners)), lot)))

    def _map(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        if self._workers is not None and len(items) > 1:
            try:
                return self._workers.map(work, items)
            except RuntimeError as error:
                if not is_at_the_end(error):
                    raise
        return map(work, items)


def _joined(parts: Iterable[Sequence[Array]]) -> list[Array]:
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def suppress(boxes: Array, scores: Array, limit: float, of_smaller: bool = False) -> NDArray[np.int64]:
    """Indices of the boxes ``[n, 4]`` that no better one overlaps by more than `limit`, best first.

    Overlap is intersection over union; with `of_smaller` it is intersection over the smaller of both,
    and sides count a pixel more (MTCNN's last stage does it so).
    """
    # Many scores round to exactly 1: which of equals wins is part of the agreement with facenet-pytorch.
    order = np.argsort(scores, kind="stable")[::-1] if of_smaller else np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    plus = 1.0 if of_smaller else 0.0
    kept: NDArray[np.int64] = np.zeros(0, np.int64)
    # In blocks: thousands of windows cost a few large comparisons, not thousands of small ones.
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        if len(kept):
            block = block[~(_overlaps(boxes[kept], boxes[block], plus, of_smaller) > limit).any(axis=0)]
        covers = np.triu(_overlaps(boxes[block], boxes[block], plus, of_smaller) > limit, 1)
        alive = np.ones(len(block), bool)
        for i in np.flatnonzero(covers.any(axis=1)):
            if alive[i]:
                alive &= ~covers[i]
        kept = np.concatenate([kept, block[alive]])
    return kept


def _overlaps(a: Array, b: Array, plus: float, of_smaller: bool) -> Array:
    ax0, ay0, ax1, ay1 = a.T[:, :, None]
    bx0, by0, bx1, by1 = b.T[:, None]
    width = np.minimum(ax1, bx1) - np.maximum(ax0, bx0) + np.float32(plus)
    height = np.minimum(ay1, by1) - np.maximum(ay0, by0) + np.float32(plus)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    area_a = (ax1 - ax0 + np.float32(plus)) * (ay1 - ay0 + np.float32(plus))
    area_b = (bx1 - bx0 + np.float32(plus)) * (by1 - by0 + np.float32(plus))
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


def _shifted(face: Face, x: float, y: float) -> Face:
    x0, y0, x1, y1 = face.box
    landmarks = face.landmarks + np.array([x, y], np.float32)
    return Face(Box(x0 + x, y0 + y, x1 + x, y1 + y), landmarks, face.probability)


def _inside(boxes: Array, pooler: Pooler) -> tuple[Array, NDArray[np.int64]]:
    """The boxes that meet the picture, and their pixels: x0, y0 (from 0), x1, y1 (past the end)."""
    whole = np.trunc(boxes).astype(np.int64)
    low = np.maximum(whole[:, :2], 1) - 1
    high = np.minimum(whole[:, 2:], [pooler.width, pooler.height])
    meets = (high > low).all(axis=1)
    return boxes[meets], np.concatenate([low, high], axis=1)[meets]


def _read_model(folder: Path) -> tuple[dict[str, bytes], ModelStamp]:
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


def _session(data: bytes) -> Any:
    import onnxruntime

    options = session_options(1)
    # Every level of the pyramid has another shape: a remembered plan of memory for each only costs.
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
