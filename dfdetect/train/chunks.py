"""What networks say of faces, computed in chunks that are kept on disk: work that was interrupted goes on."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.files import WholeFile
from dfdetect.train.table import FaceRow, stamp

CHUNK = 200
"""Faces a chunk."""


def cached(
    rows: Sequence[FaceRow],
    cache: Path,
    prefix: str,
    compute: Callable[[Sequence[FaceRow]], NDArray[Any]],
    what: str,
    *,
    most: int | None = None,
) -> dict[str, NDArray[Any]]:
    """Name → what `compute` gives for the row, computed once and kept under `cache`, in files that begin with
    `prefix`.

    With `most`, new ones are computed for at most so many rows of each source and label; what the cache holds
    beyond that is returned too.  Progress is told as of `what`.
    """
    cache.mkdir(parents=True, exist_ok=True)
    known: dict[str, NDArray[Any]] = {}
    for path in sorted(cache.glob(f"{prefix}-*.npz")):
        with np.load(path) as archive:
            known.update(zip(archive["name"].tolist(), archive["features"], strict=True))
    keys = {row.name: stamp(row) for row in rows}
    wanted = rows if most is None else capped(rows, most)
    missing = [row for row in wanted if keys[row.name] not in known]
    for first in range(0, len(missing), CHUNK):
        part, clock = missing[first : first + CHUNK], time.monotonic()
        found, names = compute(part), [keys[row.name] for row in part]
        with WholeFile(cache / f"{prefix}-{names[0]}.npz") as file:
            with file.part.open("wb") as stream:
                np.savez(stream, name=np.array(names), features=found)
            file.commit()
        known.update(zip(names, found, strict=True))
        left = len(missing) - first - len(part)
        minutes = left * (time.monotonic() - clock) / len(part) / 60
        text = f"{what}: {len(missing) - left}/{len(missing)} faces, {minutes:.0f} min left"
        print(text, file=sys.stderr, flush=True)
    return {name: known[key] for name, key in keys.items() if key in known}


def capped(rows: Sequence[FaceRow], most: int) -> list[FaceRow]:
    """At most so many rows of each source and label, in turns: the network is the slow part, and what it has
    done when time runs out should cover every source.
    """
    count: Counter[tuple[str, bool]] = Counter()
    ranked = []
    for row in rows:
        ranked.append((count[row.source, row.fake], row))
        count[row.source, row.fake] += 1
    return [row for rank, row in sorted(ranked, key=lambda item: item[0]) if rank < most]
