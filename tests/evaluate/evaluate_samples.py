"""Labelled results made by hand, for reports: what a scan would give, without pictures."""

from __future__ import annotations

import math

import numpy as np

from dfdetect.evaluate.columns import Pair
from dfdetect.evaluate.labelled import Labelled
from dfdetect.evaluate.report import About, Evaluation, Origin, report
from dfdetect.results import (
    Box,
    FaceQuality,
    FaceScore,
    Label,
    MediaInfo,
    MediaKind,
    ModelStamp,
    Reason,
    ScanResult,
    TrackResult,
)

BAND = (0.3, 0.7)
STAMP = ModelStamp("light", "1", {"model.onnx": "0" * 64}, "onnxruntime")


def about(draws: int = 50) -> About:
    return About("labels.csv", "light", "1", "0", Origin.SCANNED, 0.5, None, 0, draws)


def scanned(
    fake: bool,
    logit: float,
    *,
    name: str = "",
    family: str = "swap",
    method: str = "",
    source: str = "s",
    group: str = "",
    kind: MediaKind = MediaKind.PHOTO,
    sharpness: float = 50.0,
    face: float = 100.0,
    size: int | None = 1000,
    frames: int = 1,
) -> Pair:
    """A file with one person, all of whose faces have the score `logit`, which is also the calibrated one."""
    name = name or f"{fake}{logit}{family}{kind.value}"
    item = Labelled(name, fake, family if fake else "real", method, source, group or name, name)
    quality = FaceQuality(face, sharpness, 0.5, 0.2)
    faces = tuple(
        FaceScore(float(i), i, Box(0, 0, 9, face), 1.0, quality, logit, (logit,)) for i in range(frames)
    )
    probability = 1 / (1 + math.exp(-logit))
    label = Label.FAKE if probability >= BAND[1] else Label.REAL if probability < BAND[0] else Label.UNCERTAIN
    track = TrackResult(1, label, None, probability, logit, 0.0, frames - 1.0, faces, frames)
    length = None if kind is MediaKind.PHOTO else 2.0
    codec = ("jpeg", "jpeg") if kind is MediaKind.PHOTO else ("mp4", "h264")
    media = MediaInfo(kind, *codec, 100, 100, length, None if length is None else 10.0, 0, frames, size)
    return item, ScanResult(
        name, label, None, "", probability, logit, BAND, (track,), media, (), STAMP, {}, "0", 0.1
    )


def unjudged(name: str = "x", fake: bool = False) -> Pair:
    result = ScanResult.failed(name, Reason.UNREADABLE, "cannot be read", {})
    return Labelled(name, fake, "swap" if fake else "real", "", "s", name, name), result


def mixture(count: int = 40, seed: int = 0) -> list[Pair]:
    """`count` photos and as many videos, half of each fake, of two families, with overlapping scores."""
    rng = np.random.default_rng(seed)
    pairs = []
    for kind in MediaKind:
        for i in range(count):
            fake = i % 2 == 1
            pairs.append(
                scanned(
                    fake,
                    round(float(rng.normal(1.0 if fake else -1.0, 1.2)), 3),
                    name=f"{kind.value}{i:02}",
                    family=("swap", "lipsync")[i % 4 // 2],
                    method=("a<b>", "m2", "m3")[i % 3],
                    source=f"source {i % 5}",
                    group=f"{kind.value} group {i // 2}",
                    kind=kind,
                    sharpness=float(rng.uniform(5, 500)),
                    face=float(rng.uniform(40, 400)),
                    size=int(rng.integers(1000, 100_000)),
                    frames=1 if kind is MediaKind.PHOTO else 4,
                )
            )
    return pairs


def evaluation(extra: tuple[Pair, ...] = (), missing: tuple[str, ...] = ()) -> Evaluation:
    """A report that has something in every part."""
    return report([*mixture(), *extra], np.random.default_rng(0), about(), missing)
