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
from dfdetect.scoring.models import hash_file
from dfdetect.train.table import FaceRow, read_picture, stamp

MIN_SCORE = 0.0
"""Faces that the landmark network itself does not believe in (logit below 0) are not forged."""


def compute_meshes(
    rows: Sequence[FaceRow], mesh_file: str | Path, cache: Path
) -> dict[str, NDArray[np.float32]]:
    """Name → ``[468, 2]`` in crop pixels, for real faces only; kept in one file of this network under
    `cache`.
    """
    path = cache / f"meshes-{hash_file(Path(mesh_file))[:12]}.npz"
    known: dict[str, NDArray[np.float32]] = {}
    if path.exists():
        with np.load(path) as archive:
            known = dict(zip(archive["name"].tolist(), archive["points"], strict=True))
    keys = {stamp(row): row for row in rows if not row.fake}
    missing = [(key, row) for key, row in keys.items() if key not in known]
    if missing:
        print(f"landmarks of {len(missing)} faces …", file=sys.stderr, flush=True)
        mesh = FaceMesh(mesh_file)
        for key, row in missing:
            points, score = mesh.landmarks(read_picture(row), Face(row.box, row.five, 1.0))
            known[key] = points if score >= MIN_SCORE else np.full((468, 2), np.nan, np.float32)
        cache.mkdir(parents=True, exist_ok=True)
        part = cache / "meshes.part.npz"
        np.savez(part, name=np.array(list(known)), points=np.stack(list(known.values())))
        os.replace(part, path)
    return {row.name: known[key] for key, row in keys.items() if not np.isnan(known[key]).any()}
