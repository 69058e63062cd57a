"""The 468 face-mesh landmarks of every training face, computed once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfdetect.faces.mesh import FaceMesh
from dfdetect.results import Face
from dfdetect.train.table import FaceRow, read_picture

MIN_SCORE = 0.0
"""Faces that the landmark network itself does not believe in (logit below 0) are not forged."""


def compute_meshes(
    rows: Sequence[FaceRow], mesh_file: str | Path, cache: Path
) -> dict[str, NDArray[np.float32]]:
    """Name → ``[468, 2]`` in crop pixels, for real faces only; kept in one file under `cache`."""
    path = cache / "meshes.npz"
    known: dict[str, NDArray[np.float32]] = {}
    if path.exists():
        with np.load(path) as archive:
            known = dict(zip(archive["name"].tolist(), archive["points"], strict=True))
    missing = [row for row in rows if not row.fake and row.name not in known]
    if missing:
        print(f"landmarks of {len(missing)} faces …", file=sys.stderr, flush=True)
        mesh = FaceMesh(mesh_file)
        for row in missing:
            points, score = mesh.landmarks(read_picture(row), Face(row.box, row.five, 1.0))
            known[row.name] = points if score >= MIN_SCORE else np.full((468, 2), np.nan, np.float32)
        cache.mkdir(parents=True, exist_ok=True)
        part = cache / "meshes.part.npz"
        np.savez(part, name=np.array(list(known)), points=np.stack(list(known.values())))
        os.replace(part, path)
    return {name: points for name, points in known.items() if not np.isnan(points).any()}
