"""The model card: everything about a model that is data, read from the ``card.json`` of its folder.

A card says what the networks take (crop, mean, deviation, tensor names), what they were trained on and
measured at, and the sha256 of every file, so that a model folder can be checked before it is believed.
Reading is strict: a missing or mistyped field raises `ModelError` with the file and the field in it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from dfdetect.errors import ModelError
from dfdetect.faces.crop import CropSpec
from dfdetect.fields import Fields
from dfdetect.results import MediaKind

CARD_FORMAT = 1
"""Version of card.json that this release reads and writes."""
CARD_FILE = "card.json"
CALIBRATION_FILE = "calibration.json"
CLASSIFIER = "classifier"
NETWORK_SUFFIX = ".onnx"
"""Engines choose the format by it, and another one could hold weights where nobody looks for them."""

FreeForm = Mapping[str, Any] | str
"""A part of a card that no code depends on."""

# A card may name files of its own folder only: one plain name, no separators, no leading dot.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class ExpertCard:
    """One network of a model: its file, its input contract and its outputs."""

    name: str
    file: str
    """Name of the ONNX file in the model folder."""
    crop: CropSpec
    mean: tuple[float, float, float]
    """Per channel (RGB), in units of 0–1 pixels."""
    std: tuple[float, float, float]
    input: str = "input"
    """Name of the input tensor, float32 ``[n, 3, size, size]``, RGB, ``(pixel / 255 - mean) / std``."""
    logit: str = "logit"
    """Name of the output with one logit per crop (positive: fake), ``[n]`` or ``[n, 1]``."""
    heatmap: str | None = None
    """Name of the output ``[n, gh, gw]`` whose mean is the logit up to a constant, if there is one."""
    quick_file: str | None = None
    """The same network with signed 8-bit weights: quicker, and right only on processors whose 8-bit kernels
    do not overflow (see `dfdetect.scoring.engines`)."""
    arch: str = ""
    sha256: str = ""
    """Of `file`; filled in by `write_card`."""


@dataclass(frozen=True, slots=True)
class Closer:
    """A second look at each face in a photo, which shows it at one moment only."""

    zoom: float
    """Of the crop of every upright expert; the others look at the same crop again."""
    weight: float
    """Share of this look in the mean of both (0–1, neither included)."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a face is cut out once."""

    crops: tuple[CropSpec, ...]
    """One per expert."""
    weight: float
    """Share in the mean of all looks at the face; together they are 1."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A sample with the score that it must get on every installation."""

    file: str
    """Name of a file in the model folder, or of one of the package's samples (``data/``)."""
    logit: float
    """The file's logit, end to end through ``Detector.scan``."""
    tolerance: float = 0.05


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What ``card.json`` says.  `data`, `recipe` and `measured` are free-form and for people."""

    name: str
    version: str
    kind: str = CLASSIFIER
    """``classifier``, or another kind such as ``face_detector``, which has no experts."""
    summary: str = ""
    licence: str = ""
    created: str = ""
    """Date of training, ``YYYY-MM-DD``."""
    experts: tuple[ExpertCard, ...] = ()
    closer: Closer | None = None
    """None: one look at each face is enough."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Every file that the card vouches for → its sha256 (the experts' and the calibration's too)."""
    data: FreeForm = field(default_factory=dict)
    recipe: FreeForm = field(default_factory=dict)
    measured: FreeForm = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    """Known failures, in plain sentences."""
    golden: tuple[Golden, ...] = ()

    def looks(self, kind: MediaKind) -> tuple[Look, ...]:
        """The looks at each face in such a medium."""
        crops = tuple(expert.crop for expert in self.experts)
        if kind is not MediaKind.PHOTO or self.closer is None:
            return (Look(crops, 1.0),)
        zoom, weight = self.closer.zoom, self.closer.weight
        again = tuple(replace(crop, zoom=zoom) if crop.align == "upright" else crop for crop in crops)
        return Look(crops, 1 - weight), Look(again, weight)


def is_plain_name(name: object) -> bool:
    """True for a single file name without separators, drive, leading dot or odd characters."""
    return isinstance(name, str) and _PLAIN_NAME.fullmatch(name) is not None


def read_card(folder: str | os.PathLike[str]) -> ModelCard:
    """Read and check ``folder/card.json``; raises `ModelError` naming the file and the field."""
    path = Path(folder) / CARD_FILE
    return parse_card(read_json(path), path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raises `ModelError` where the file is missing or not one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # also bad UTF-8, endless digits, absurd nesting
        raise ModelError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} must hold a JSON object, not {type(value).__name__}")
    return value


def parse_card(values: Mapping[str, Any], path: Path) -> ModelCard:
    """Turn the content of a card into a `ModelCard`; `path` is for messages."""
    root = Fields(values, str(path), ModelError)
    version = root.whole("format")
    if version != CARD_FORMAT:
        raise ModelError(
            f"{path}: format {version} is not known to this version of dfdetect, which reads format "
            f"{CARD_FORMAT}; update dfdetect, or take a model made for this version"
        )
    kind = root.text("kind", CLASSIFIER)
    experts = tuple(_expert(item) for item in root.parts("experts", []))
    if kind == CLASSIFIER and not experts:
        raise root.wrong("experts", "name at least one network of a classifier")
    if len({e.name for e in experts}) != len(experts):
        raise root.wrong("experts", "give every network a name of its own")
    closer = root.part_or_none("closer")
    return ModelCard(
        name=_filled(root, "name"),
        version=_filled(root, "version"),
        kind=kind,
        summary=root.text("summary", ""),
        licence=root.text("licence", ""),
        created=root.text("created", ""),
        experts=experts,
        closer=None if closer is None else _closer(closer, experts),
        files=_hashes(root, experts),
        data=_free(root, "data"),
        recipe=_free(root, "recipe"),
        measured=_free(root, "measured"),
        limits=root.texts("limits", []),
        golden=tuple(_golden(item) for item in root.parts("golden", [])),
    )


def card_values(card: ModelCard) -> dict[str, Any]:
    """The JSON form of a card; `parse_card` reads it back to an equal card."""
    return {
        "format": CARD_FORMAT,
        "kind": card.kind,
        "name": card.name,
        "version": card.version,
        "summary": card.summary,
        "licence": card.licence,
        "created": card.created,
        "experts": [_expert_values(e) for e in card.experts],
        **({} if card.closer is None else {"closer": asdict(card.closer)}),
        "files": dict(card.files),
        "data": card.data if isinstance(card.data, str) else dict(card.data),
        "recipe": card.recipe if isinstance(card.recipe, str) else dict(card.recipe),
        "measured": card.measured if isinstance(card.measured, str) else dict(card.measured),
        "limits": list(card.limits),
        "golden": [{"file": g.file, "logit": g.logit, "tolerance": g.tolerance} for g in card.golden],
    }


def _expert_values(expert: ExpertCard) -> dict[str, Any]:
    return {
        "name": expert.name,
        "file": expert.file,
        **({} if expert.quick_file is None else {"quick_file": expert.quick_file}),
        "sha256": expert.sha256,
        "arch": expert.arch,
        "crop": expert.crop.as_dict(),
        "layout": "NCHW",
        "colour": "RGB",
        "mean": list(expert.mean),
        "std": list(expert.std),
        "input": expert.input,
        "logit": expert.logit,
        "heatmap": expert.heatmap,
    }


def _expert(values: Fields) -> ExpertCard:
    for name, known in (("layout", "NCHW"), ("colour", "RGB")):
        if values.text(name, known) != known:
            raise values.wrong(name, f"be '{known}', the only one known to this version")
    std = _colours(values, "std")
    if min(std) <= 0:
        raise values.wrong("std", "hold three positive numbers")
    own = values.part("crop", {}).values
    try:
        crop = CropSpec.from_mapping(own)
    except ModelError as error:
        raise ModelError(f"{values.where}: {values.inside}crop: {error}") from error
    return ExpertCard(
        name=_filled(values, "name"),
        file=_network(values, "file"),
        quick_file=_network(values, "quick_file") if values.has("quick_file") else None,
        crop=crop,
        mean=_colours(values, "mean"),
        std=std,
        input=values.text("input", "input"),
        logit=values.text("logit", "logit"),
        heatmap=_filled(values, "heatmap") if values.has("heatmap") else None,
        arch=values.text("arch", ""),
        sha256=values.sha256("sha256"),
    )


def _closer(values: Fields, experts: tuple[ExpertCard, ...]) -> Closer:
    found = Closer(values.number("zoom"), values.number("weight"))
    if not 0 < found.weight < 1:
        raise values.wrong("weight", "lie between 0 and 1, neither included")
    try:
        for expert in experts:
            replace(expert.crop, zoom=found.zoom)  # refuses what is out of range
    except ModelError as error:
        raise ModelError(f"{values.where}: closer: {error}") from error
    return found


def _golden(values: Fields) -> Golden:
    tolerance = values.number("tolerance", 0.05)
    if tolerance <= 0:
        raise values.wrong("tolerance", "be a positive number")
    return Golden(file=_file(values, "file"), logit=values.number("logit"), tolerance=tolerance)


def _hashes(root: Fields, experts: tuple[ExpertCard, ...]) -> dict[str, str]:
    """All hashes of a card: ``files`` (name → sha256, or role → {file, sha256}) and the experts'."""
    found = {e.file: e.sha256 for e in experts}
    inner = root.part("files", {})
    for key, value in inner.values.items():
        if isinstance(value, Mapping):
            entry = inner.part(key)
            name, digest = _file(entry, "file"), entry.sha256("sha256")
        else:
            name, digest = key, inner.sha256(key)
            if not is_plain_name(name):
                raise inner.wrong(key, "name a file of the model folder itself")
        if found.setdefault(name, digest) != digest:
            raise inner.wrong(key, "have the same sha256 as elsewhere in the card")
    for expert in experts:
        if expert.quick_file is not None and expert.quick_file not in found:
            raise root.wrong("files", f"vouch for {expert.quick_file}")
    return found


def _filled(values: Fields, name: str) -> str:
    text = values.text(name)
    if not text:
        raise values.wrong(name, "be a text that says something")
    return text


def _file(values: Fields, name: str) -> str:
    found = values.text(name)
    if not is_plain_name(found):
        raise values.wrong(name, "name a file of the model folder itself, without a path")
    return found


def _network(values: Fields, name: str) -> str:
    found = _file(values, name)
    if not found.endswith(NETWORK_SUFFIX):
        raise values.wrong(name, f"name an ONNX file, which ends in {NETWORK_SUFFIX}")
    return found


def _colours(values: Fields, name: str) -> tuple[float, float, float]:
    """A number for red, green and blue each."""
    red, green, blue = values.numbers(name, 3)
    return red, green, blue


def _free(values: Fields, name: str) -> FreeForm:
    """A part for people; it must be JSON all the same, which knows neither NaN nor infinity."""
    if isinstance(found := values.values.get(name), str):
        return found
    found = dict(values.part(name, {}).values)
    left: list[tuple[str, Any]] = [(name, found)]
    while left:  # no recursion: it may be nested deeply
        place, value = left.pop()
        if isinstance(value, Mapping):
            left += [(f"{place}.{key}", inner) for key, inner in value.items()]
        elif isinstance(value, list):
            left += [(f"{place}[{i}]", inner) for i, inner in enumerate(value)]
        elif isinstance(value, float):
            values.as_number(place, value)
    return found
