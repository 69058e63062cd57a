"""The one typed object that decides a training run; it is saved with the result."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfdetect.errors import SettingsError
from dfdetect.faces.crop import CropSpec


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a training run depends on besides the data."""

    backbone: str = "tf_efficientnet_lite0"
    """A timm model name with global pooling and a linear head."""
    blocks: tuple[int, ...] = ()
    """For a vision transformer: the blocks (from 1) whose tokens the heads see; what lies behind the last is
    cut off.  Empty for a CNN, which is tuned whole."""
    tuned: str = "norms"
    """What of a transformer is tuned besides the heads: its ``norms``, or ``all`` of its blocks."""
    crops: tuple[CropSpec, ...] = (CropSpec("five_point", 192, 0.95),)
    """The views of a face; each becomes an expert of the model, with a head of its own.  A CNN has one."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    steps: int = 2000
    """Optimiser steps in all."""
    batch: int = 32
    """Faces a step: half real, half fake."""
    lr: float = 1e-3
    """Peak learning rate of the heads; the backbone takes `backbone_lr` times as much."""
    backbone_lr: float = 0.4
    matrix_lr: float = 0.2
    """The same for the matrices of a transformer that is tuned whole, in its last block."""
    layer_decay: float = 0.8
    """How much slower each block before the last one learns (matrices only)."""
    weight_decay: float = 0.02
    warmup: int = 100
    ema: float = 0.998
    """Decay of the moving average of the weights, which is what is exported."""
    self_blend: float = 0.15
    """Share of all faces of a batch that are self-blended copies, each beside its real."""
    warp: float = 0.10
    """The same with a local warp (mouth, lower face, eyes)."""
    swap: float = 0.08
    """The same with another person's face."""
    twin: float = 0.0
    """The same with a decoder twin, for reals that have one (see `dfdetect.train.forge.decoder`)."""
    twins: int = 3000
    """Decoder twins made before training, of as many reals."""
    pairs: float = 0.5
    """Chance that a fake whose real crop of the same frame is known brings it into the batch."""
    damage: float = 1.0
    """Strength of the degradations, 0 to 1."""
    clean: float = 0.25
    """Share of faces that are not degraded at all."""
    dropout: float = 0.2
    """Before the heads."""
    jitter: float = 0.06
    """Random shift, scale and rotation of the crop, as a share of its side."""
    smoothing: float = 0.03
    """Label smoothing."""
    family_weight: float = 0.2
    """Weight of the auxiliary task: which family of forgery."""
    bf16: bool = False
    """Forward pass in bfloat16 where it pays; the heads stay in 32 bits."""
    probe_cap: int = 60
    """A transformer starts as a linear probe on no more faces than this of one source and label."""
    way: float = 1.0
    """Share of the way from the start to what was tuned that a transformer's blocks go in the end (see
    `dfdetect.train.average`); less than 1 keeps some of what the encoder knew."""
    refit_blocks: tuple[int, ...] = ()
    """Blocks, among those of a transformer, whose class tokens another probe is fitted on after tuning (see
    `dfdetect.train.refit`); empty: the heads stay as tuned."""
    refit: float = 0.5
    """Share of that probe in the final heads; the rest are the tuned ones."""
    teacher_weight: float = 0.0
    """Weight of the distance to the teacher's targets (see `dfdetect.train.teacher`)."""
    teacher_cap: int = 100
    """The teacher looks at no more faces than this of one source and label."""
    frames: int = 4
    """Frames taken of each video; a file whose faces the cache holds is not looked at again."""
    folds: int = 4
    fold: int | None = None
    """Hold out the sources of this fold; None trains on everything."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 4 or self.batch % 2:
            raise SettingsError("batch must be an even number of at least 4")
        if self.tuned not in ("norms", "all"):
            raise SettingsError(f"tuned must be norms or all, not {self.tuned!r}")
        if not self.crops or len({crop.size for crop in self.crops}) != 1:
            raise SettingsError("crops must hold at least one view, and all views the same size")
        if not self.blocks and len(self.crops) != 1:
            raise SettingsError("a CNN takes one view; name blocks of a transformer for several")
        if any(block < 1 for block in self.blocks) or list(self.blocks) != sorted(set(self.blocks)):
            raise SettingsError("blocks must be rising numbers from 1")
        if not set(self.refit_blocks) <= set(self.blocks):
            raise SettingsError("refit_blocks must be among blocks")
        if not 0 <= self.refit <= 1:
            raise SettingsError("refit must lie between 0 and 1")
        if not 0 < self.way <= 1:
            raise SettingsError("way must be above 0, and at most 1")
        if self.steps < 1 or self.warmup < 0:
            raise SettingsError("steps must be at least 1 and warmup at least 0")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from plain values, e.g. a JSON file; unknown names raise `SettingsError`."""
        known = {f.name for f in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise SettingsError(
                    f"unknown training setting '{name}'; known are: {', '.join(sorted(known))}"
                )
        plain = dict(values)
        if "crops" in plain:
            views = plain["crops"]
            if not isinstance(views, list | tuple):
                raise SettingsError("crops must be a list of views, each with align, size and zoom")
            plain["crops"] = tuple(
                view if isinstance(view, CropSpec) else CropSpec.from_mapping(view) for view in views
            )
        for name in ("mean", "std", "blocks", "refit_blocks"):
            if name in plain:
                plain[name] = tuple(plain[name])
        return cls(**plain)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    def save(self, path: Path) -> None:
        """Write the recipe as JSON."""
        path.write_text(json.dumps(self.as_dict(), indent=2) + "\n", encoding="utf-8")
