"""A small crop folder made by the tests: one real face under many disguises, and fakes of it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

COLUMNS = ["file", "label", "family", "method", "medium", "source", "group", "x0", "y0", "x1", "y1", "pair"]
FIVE = np.array([[52, 62], [88, 62], [70, 84], [56, 102], [84, 102]], np.float32)


def require_training() -> Any:
    """torch, where everything that training needs is installed; skips the test or the module elsewhere."""
    torch = pytest.importorskip("torch", reason="training needs torch")
    from dfdetect.faces.torchvision_nms import ensure_torchvision

    try:
        ensure_torchvision()
    except ImportError as error:
        pytest.skip(f"training needs torchvision ({error})", allow_module_level=True)
    pytest.importorskip("timm", reason="training needs timm")
    return torch


def make_crop_folder(root: Path, sources: int = 4, per_source: int = 3) -> Path:
    """`sources` sources with `per_source` reals and as many blurred fakes, 140 px each."""
    from skimage.data import astronaut

    face = cv2.resize(astronaut()[20:220, 124:324], (140, 140), interpolation=cv2.INTER_AREA)
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows, names = [], []
    for source in range(sources):
        for k in range(per_source):
            tinted = np.clip(face * rng.uniform(0.6, 1.2, 3), 0, 255).astype(np.uint8)
            for label, picture in (("real", tinted), ("fake", cv2.GaussianBlur(tinted, (0, 0), 2.5))):
                name = f"{label}{source}{k}.png"
                cv2.imwrite(str(root / name), picture[..., ::-1])
                names.append(name)
                family = "real" if label == "real" else "swap"
                pair = f"real{source}{k}.png" if label == "fake" else ""
                row = [
                    name,
                    label,
                    family,
                    "m",
                    "photo",
                    f"s{source}",
                    f"g{source}{k}",
                    40,
                    35,
                    100,
                    115,
                    pair,
                ]
                rows.append(dict(zip(COLUMNS, row, strict=True)))
    with (root / "faces.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    np.savez(root / "five.npz", name=np.array(names), five=np.repeat(FIVE[None], len(names), 0))
    return root


def round_mesh(seed: int = 0) -> np.ndarray:
    """468 points spread over the face of `make_crop_folder`, enough for hulls of any part."""
    rng = np.random.default_rng(seed)
    angle, radius = rng.uniform(0, 2 * np.pi, 468), np.sqrt(rng.random(468))
    return np.stack([70 + 34 * radius * np.cos(angle), 80 + 42 * radius * np.sin(angle)], 1).astype(
        np.float32
    )
