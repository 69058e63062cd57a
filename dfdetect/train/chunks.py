"""Features of many faces, computed in chunks that are kept on disk: work that was interrupted goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfdetect.train.table import FaceRow

CHUNK = 200
"""Faces a chunk."""

Features = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Done:
    """How far the work is after a chunk."""

    faces: int
    of: int
    seconds: float
    """A face, in this chunk."""


def read_chunks(cache: Path, prefix: str) -> dict[str, Features]:
    """Stamp → features of all chunks under `cache`, which is made if need be, of this prefix."""
    cache.mkdir(parents=True, exist_ok=True)
    known: dict[str, Features] = {}
    for path in sorted(cache.glob(f"{prefix}-*.npz")):
        with np.load(path) as archive:
            known.update(zip(archive["name"].tolist(), archive["features"], strict=True))
    return known


def add_chunks(
    known: MutableMapping[str, Features],
    missing: Sequence[tuple[str, FaceRow]],
    compute: Callable[[Sequence[FaceRow]], Features],
    cache: Path,
    prefix: str,
) -> Iterator[Done]:
    """Compute the features of rows, given with their stamps, into `known` and `cache`, a chunk at a time."""
    for first in range(0, len(missing), CHUNK):
        part, clock = missing[first : first + CHUNK], time.monotonic()
        features = compute([row for _, row in part])
        names = [key for key, _ in part]
        with (cache / "part").open("wb") as stream:
            np.savez(stream, name=np.array(names), features=features)
        os.replace(cache / "part", cache / f"{prefix}-{names[0]}.npz")
        known.update(zip(names, features, strict=True))
        yield Done(first + len(part), len(missing), (time.monotonic() - clock) / len(part))
