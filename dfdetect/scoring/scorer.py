"""Score crops: RGB crops in, one fused logit per face out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import ModelError
from dfdetect.numbers import LARGEST, is_number
from dfdetect.scoring.card import CALIBRATION_FILE, ExpertCard
from dfdetect.scoring.engines import Engine, check_engine, create_engine
from dfdetect.scoring.models import ModelFolder, check_unchanged
from dfdetect.settings import Settings

BATCH = 4
"""Crops that go through a network at once; more gain little on a CPU and cost memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Raw scores of `n` faces."""

    experts: NDArray[np.float64]
    """``[n, experts]``, in the order of the model card."""
    fused: NDArray[np.float64]
    """``[n]``: weights · experts + bias; positive means fake."""
    heatmaps: NDArray[np.float32] | None
    """``[n, gh, gw]``: which part of the crop speaks for a fake (positive); None unless asked for."""

    def averaged(self, weights: Sequence[float]) -> Scores:
        """The mean of as many rows as there are `weights`, which are looks at one face, for each face.

        The heat map is that of the first look, moved as a whole so that it still adds up to the logit.
        """
        looks, shares = len(weights), np.asarray(weights)
        if looks == 1:
            return self
        experts = np.tensordot(self.experts.reshape(-1, looks, self.experts.shape[1]), shares, (1, 0))
        fused = self.fused.reshape(-1, looks) @ shares
        if self.heatmaps is None:
            return Scores(experts, fused, None)
        moved = (fused - self.fused[::looks]).astype(np.float32)
        return Scores(experts, fused, self.heatmaps[::looks] + moved[:, None, None])


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the logits of several experts become one: the part ``fusion`` of the calibration."""

    weights: tuple[float, ...]
    bias: float = 0.0

    @classmethod
    def from_calibration(cls, calibration: Mapping[str, Any], experts: int, path: Path) -> Fusion:
        """Read it; without the part, a single expert is taken as it is.  Raises `ModelError`."""
        part = calibration.get("fusion")
        if part is None and experts == 1:
            return cls((1.0,))
        values = part if isinstance(part, Mapping) else {}
        weights, bias = values.get("weights"), values.get("bias", 0.0)
        if (
            not isinstance(weights, list)
            or len(weights) != experts
            or not all(is_number(w) for w in [*weights, bias])
        ):
            raise ModelError(f"{path}: 'fusion' must hold one finite weight for each of {experts} experts")
        for name, value in (*(("weights", w) for w in weights), ("bias", bias)):
            if abs(value) > LARGEST:
                raise ModelError(
                    f"{path}: 'fusion.{name}' must stay within {LARGEST:g}, not {value:g}; calibrate again"
                )
        return cls(tuple(float(w) for w in weights), float(bias))

    def apply(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """``[n, experts]`` → ``[n]``."""
        fused: NDArray[np.float64] = logits @ np.asarray(self.weights) + self.bias
        return fused


class Scorer:
    """Runs all experts of a model.  Networks are loaded by `load` or at the first call of `score`."""

    def __init__(self, folder: ModelFolder, settings: Settings) -> None:
        """Raises what `check_engine` does, and `ModelError` for a calibration that does not fit the card."""
        check_engine(settings)
        # They are opened later, when the program may be in another folder.
        self._folder = dataclasses.replace(folder, path=folder.path.absolute())
        self._settings = settings
        self._experts = folder.card.experts
        self._fusion = Fusion.from_calibration(
            folder.calibration, len(self._experts), folder.path / CALIBRATION_FILE
        )
        self._engines: list[Engine] | None = None

    @property
    def engine(self) -> str:
        """What runs the networks, e.g. ``onnxruntime 1.32.0 cpu``; loads them if need be."""
        return self._loaded()[0].label

    @property
    def is_loaded(self) -> bool:
        """Whether the networks are in memory."""
        return self._engines is not None

    def load(self) -> None:
        """Load the networks.  Raises `ModelError` or `MissingExtraError` when that is impossible."""
        self._loaded()

    def score(self, crops: Sequence[tuple[NDArray[np.uint8], ...]], heatmaps: bool | None = None) -> Scores:
        """Score faces, each given as one RGB crop ``[size, size, 3]`` per expert.

        `heatmaps` None: as set in the settings.  An empty list gives empty scores and loads nothing.
        Raises `ValueError` for crops of another number, size or type than the card asks for.
        """
        wanted = self._settings.heatmaps if heatmaps is None else heatmaps
        for views in crops:
            _check_views(views, self._experts)
        logits = np.zeros((len(crops), len(self._experts)))
        maps: list[NDArray[np.float32] | None] = [None] * len(self._experts)
        if crops:
            for index, engine in enumerate(self._loaded()):
                own = [views[index] for views in crops]
                logits[:, index], maps[index] = _run(engine, self._experts[index], own, wanted)
        heat = fuse_heatmaps(maps, self._fusion.weights) if wanted else None
        return Scores(experts=logits, fused=self._fusion.apply(logits), heatmaps=heat)

    def _loaded(self) -> list[Engine]:
        if self._engines is None:
            engines: list[Engine] = []
            by_file: dict[str, Engine] = {}
            for expert in self._experts:
                if expert.file in by_file:
                    engine = by_file[expert.file].view(expert)
                else:
                    engine = create_engine(self._folder.path / expert.file, expert, self._settings)
                by_file[expert.file] = engine
                engines.append(engine)
            check_unchanged(self._folder)
            self._engines = engines
        return self._engines


def preprocess(crops: Sequence[NDArray[np.uint8]], expert: ExpertCard) -> NDArray[np.float32]:
    """RGB crops ``[size, size, 3]`` → float32 ``[n, 3, size, size]``, ``(pixel / 255 - mean) / std``."""
    size = expert.crop.size
    batch = np.empty((len(crops), 3, size, size), np.float32)
    for channel in range(3):
        scale = 1.0 / (255.0 * expert.std[channel])
        shift = expert.mean[channel] / expert.std[channel]
        # All 256 values once in float64; looking them up is also quicker than arithmetic on bytes.
        table = (np.arange(256) * scale - shift).astype(np.float32)
        for row, crop in enumerate(crops):
            np.take(table, crop[:, :, channel], out=batch[row, channel], mode="clip")
    return batch


def fuse_heatmaps(
    maps: Sequence[NDArray[np.float32] | None], weights: Sequence[float]
) -> NDArray[np.float32] | None:
    """Weighted sum of the experts' heat maps on the finest of their grids; None where no expert has one."""
    there = [(m, w) for m, w in zip(maps, weights, strict=True) if m is not None]
    if not there:
        return None
    height, width = max((m.shape[1:] for m, _ in there), key=math.prod)
    total = np.zeros((len(there[0][0]), height, width), np.float32)
    for own, weight in there:
        total += np.float32(weight) * _on_grid(own, height, width)
    return total


def _on_grid(maps: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    if maps.shape[1:] == (height, width):
        return maps
    import cv2

    return np.stack([cv2.resize(m, (width, height), interpolation=cv2.INTER_LINEAR) for m in maps])


def _run(
    engine: Engine, expert: ExpertCard, crops: Sequence[NDArray[np.uint8]], heatmap: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    parts = [
        engine.run(preprocess(crops[i : i + BATCH], expert), heatmap) for i in range(0, len(crops), BATCH)
    ]
    maps = [m for _, m in parts if m is not None]
    return np.concatenate([logits for logits, _ in parts]), np.concatenate(maps) if maps else None


def _check_views(views: tuple[NDArray[np.uint8], ...], experts: Sequence[ExpertCard]) -> None:
    if len(views) != len(experts):
        raise ValueError(f"a face needs one crop for each of {len(experts)} experts, not {len(views)}")
    for crop, expert in zip(views, experts, strict=True):
        size = expert.crop.size
        if crop.dtype != np.uint8 or crop.shape != (size, size, 3):
            raise ValueError(
                f"expert '{expert.name}' takes uint8 crops [{size}, {size}, 3], "
                f"not {crop.dtype} {list(crop.shape)}"
            )
