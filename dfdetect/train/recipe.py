"""The one typed object that decides a training run; it is saved with the result."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dfdetect.errors import SettingsError
from dfdetect.faces.crop import CropSpec
from dfdetect.numbers import is_number
from dfdetect.scoring.card import Closer


class Span(NamedTuple):
    """The numbers that a setting may take."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    above: bool = False
    """Whether `low` itself is left out."""

    def holds(self, value: object) -> bool:
        """Whether `value` is a finite number of this span; a bool is no number."""
        if not is_number(value) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.low == -math.inf:
            return kind
        if self.high < MOST:
            ends = "above {:g}, and at most {:g}" if self.above else "between {:g} and {:g}"
            return f"{kind} {ends.format(self.low, self.high)}"
        low = f"above {self.low:g}" if self.above else f"of at least {self.low:g}"
        return f"{kind} {low}" if self.high > MOST else f"{kind} {low}, and less than 2^63"


MOST = 2**63 - 1
"""The largest whole number that the libraries take."""
COUNT = Span(1, MOST, whole=True)
SHARE = Span(0, 1)
WEIGHT = Span(0, 1000)  # far beyond all that is of use, and far from where 32 bits end

NUMBERS: dict[str, Span] = {
    "steps": COUNT,
    "batch": Span(4, MOST, whole=True),
    "lr": Span(0, 1000, above=True),
    "backbone_lr": WEIGHT,  # 0 leaves the backbone as it was
    "matrix_lr": WEIGHT,
    "layer_decay": SHARE,
    "weight_decay": WEIGHT,
    "warmup": Span(0, MOST, whole=True),
    "ema": SHARE,
    "self_blend": SHARE,
    "warp": SHARE,
    "swap": SHARE,
    "twin": SHARE,
    "twins": COUNT,
    "pairs": SHARE,
    "damage": SHARE,
    "clean": SHARE,
    "dropout": SHARE,
    "jitter": SHARE,
    "smoothing": Span(0, 0.5),  # beyond the half, real and fake change places
    "family_weight": WEIGHT,
    "probe_cap": COUNT,
    "way": Span(0, 1, above=True),
    "refit": SHARE,
    "teacher_weight": WEIGHT,
    "teacher_cap": COUNT,
    "frames": COUNT,
    "folds": COUNT,
    "seed": Span(0, MOST, whole=True),
}
"""What each numeric field of a recipe may be."""
LISTS: dict[str, tuple[Span, int | None]] = {
    "mean": (Span(), 3),
    "std": (Span(0, above=True), 3),
    "blocks": (COUNT, None),
    "refit_blocks": (COUNT, None),
}
"""What each item of a field with several numbers may be, and how many there must be."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a training run depends on besides the data."""

    backbone: str = "tf_efficientnet_lite0"
    """A timm model name with global pooling and a linear head."""
    blocks: tuple[int, ...] = ()
    """For a vision transformer: the blocks (from 1) whose tokens the heads see; what lies behind the last is
    cut off.  Empty for a CNN, which is tuned whole."""
    tuned: str = "norms"
    """What of a transformer is tuned besides the heads: its ``norms``, or ``all`` of its blocks and norms.
    The embeddings of patches and positions and the class token stay as they were either way."""
    crops: tuple[CropSpec, ...] = (CropSpec("five_point", 192, 0.95),)
    """The views of a face; each becomes an expert of the model, with a head of its own.  A CNN has one."""
    closer: Closer | None = None
    """How the made model looks at each face in a photo once more (`ModelCard.closer`); training is the same.
    None: one look."""
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
    """The same for the matrices of a transformer whose blocks are all tuned, in its last block."""
    layer_decay: float = 0.8
    """How much slower each block before the last one learns (matrices only)."""
    weight_decay: float = 0.02
    warmup: int = 100
    ema: float = 0.998
    """Decay of the moving average of the weights, which is what is exported."""
    self_blend: float = 0.15
    """Share of all faces of a batch that are self-blended copies, each beside its real.  The four shares of
    forgeries are no more than .5 together, since half of a batch is real."""
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
    """Frames taken of each video."""
    folds: int = 4
    fold: int | None = None
    """Hold out the sources of this fold; None trains on everything."""
    seed: int = 0

    def __post_init__(self) -> None:
        _check_values(self)
        _check_sense(self)

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
        if isinstance(plain.get("closer"), dict) and plain["closer"].keys() == {"zoom", "weight"}:
            plain["closer"] = Closer(**plain["closer"])
        for name in ("mean", "std", "blocks", "refit_blocks"):
            if isinstance(plain.get(name), list):
                plain[name] = tuple(plain[name])
        return cls(**plain)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    def save(self, path: Path) -> None:
        """Write the recipe as JSON."""
        path.write_text(json.dumps(self.as_dict(), indent=2) + "\n", encoding="utf-8")


def _check_values(recipe: Recipe) -> None:
    """Raise `SettingsError` for the first field whose value is of the wrong type or out of range."""
    for name, span in NUMBERS.items():
        _refuse(recipe, name, span.holds(getattr(recipe, name)), str(span))
    for name, (span, length) in LISTS.items():
        values = getattr(recipe, name)
        fits = isinstance(values, tuple) and length in (None, len(values)) and all(map(span.holds, values))
        wanted = f"{length} numbers" if length else "numbers"
        _refuse(recipe, name, fits, f"a tuple (in JSON a list) of {wanted}, each {span}")
    fold = recipe.fold
    held = Span(0, recipe.folds - 1, whole=True)
    _refuse(recipe, "fold", fold is None or held.holds(fold), f"None, or {held} (folds less 1)")
    wanted = (
        "None, or an object with a zoom between 0.2 and 4 and a weight between 0 and 1 (neither included)"
    )
    _refuse(recipe, "closer", recipe.closer is None or _is_look(recipe.closer), wanted)
    _refuse(recipe, "bf16", isinstance(recipe.bf16, bool), "true or false")
    backbone: object = recipe.backbone
    _refuse(recipe, "backbone", isinstance(backbone, str) and backbone != "", "the name of a timm model")
    _refuse(recipe, "tuned", recipe.tuned in ("norms", "all"), "norms or all")
    crops: object = recipe.crops
    views = isinstance(crops, tuple) and all(isinstance(view, CropSpec) for view in crops)
    _refuse(recipe, "crops", views, "a tuple (in JSON a list) of views, each with align, size and zoom")


def _is_look(value: object) -> bool:
    if not isinstance(value, Closer):
        return False
    return Span(0.2, 4).holds(value.zoom) and Span(0, 1, above=True).holds(value.weight) and value.weight < 1


def _refuse(recipe: Recipe, name: str, fits: bool, wanted: str) -> None:
    if not fits:
        raise SettingsError(f"{name} must be {wanted}; it is {getattr(recipe, name)!r}")


def _check_sense(recipe: Recipe) -> None:
    """Raise `SettingsError` for values that are each in range and make no sense together."""
    if recipe.batch % 2:
        raise SettingsError("batch must be an even number: half of the faces are real")
    if recipe.self_blend + recipe.warp + recipe.swap + recipe.twin > 0.5 + 1e-9:
        raise SettingsError(
            "self_blend, warp, swap and twin must be no more than 0.5 together: half of the faces are real"
        )
    if not recipe.crops or len({crop.size for crop in recipe.crops}) != 1:
        raise SettingsError("crops must hold at least one view, and all views the same size")
    if not recipe.blocks and len(recipe.crops) != 1:
        raise SettingsError("a CNN takes one view; name blocks of a transformer for several")
    if recipe.closer is not None and all(crop.align != "upright" for crop in recipe.crops):
        raise SettingsError("closer needs an upright view, and crops has none; leave closer away")
    if list(recipe.blocks) != sorted(set(recipe.blocks)):
        raise SettingsError("blocks must be rising numbers from 1")
    if not set(recipe.refit_blocks) <= set(recipe.blocks):
        raise SettingsError("refit_blocks must be among blocks")
