"""The 468 face-mesh landmarks of every training face, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfdetect.faces.mesh import FaceMesh
from dfdetect.results import Face
from dfdetect.scoring.models import hash_file
from dfdetect.train.chunks import cached
from dfdetect.train.table import FaceRow, read_picture

MIN_SCORE = 0.0
"""Faces that the landmark network itself does not believe in (logit below 0) are not forged."""


def compute_meshes(
    rows: Sequence[FaceRow], mesh_file: str | Path, cache: Path
) -> dict[str, NDArray[np.float32]]:
    """Name → ``[468, 2]`` in crop pixels, for real faces only; kept under `cache` by the network's hash."""
    mesh = FaceMesh(mesh_file)

    def compute(part: Sequence[FaceRow]) -> NDArray[np.float32]:
        found = [mesh.landmarks(read_picture(row), Face(row.box, row.five, 1.0)) for row in part]
        return np.stack([points if score >= MIN_SCORE else points * np.nan for points, score in found])

    prefix = f"meshes-{hash_file(Path(mesh_file))[:12]}"
    found = cached([row for row in rows if not row.fake], cache, prefix, compute, "landmarks")
    return {name: points for name, points in found.items() if not np.isnan(points).any()}
