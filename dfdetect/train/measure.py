"""What a network is worth on faces that it has not seen, and which shortcuts it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dfdetect.train.build import Net
from dfdetect.train.network import to_input
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import FaceRow, aligned


@torch.inference_mode()
def predict(net: Net, rows: Sequence[FaceRow], recipe: Recipe, device: str = "cpu") -> NDArray[np.float64]:
    """The logit of every row in every view, ``[n, views]``."""
    net.eval()
    table = np.zeros((len(rows), len(recipe.crops)))
    for view, spec in enumerate(recipe.crops):
        for first in range(0, len(rows), 32):
            crops = np.stack([aligned(row, spec) for row in rows[first : first + 32]])
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=recipe.bf16):
                which = torch.full((len(crops),), view, device=device)
                logit = net(to_input(crops, recipe, device), which)[0]
            table[first : first + 32, view] = logit.double().cpu().numpy()
    return table


def sharpness(rows: Sequence[FaceRow], recipe: Recipe) -> NDArray[np.float64]:
    """Variance of the Laplacian of the grey crop, ``[n]``: the commonest shortcut."""
    values = []
    for row in rows:
        crop = aligned(row, recipe.crops[0])
        grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (112, 112), interpolation=cv2.INTER_AREA)
        values.append(float(cv2.Laplacian(grey, cv2.CV_64F).var()))
    return np.array(values)


def face_report(
    rows: Sequence[FaceRow], logit: NDArray[np.float64], sharp: NDArray[np.float64]
) -> dict[str, Any]:
    """AUC over faces: all, per medium, per family (against the reals of the same medium), and the rank
    correlation of the score on reals with sharpness.
    """
    from dfdetect.evaluate import metrics

    fake = np.array([row.fake for row in rows])
    medium = np.array([row.medium for row in rows])
    family = np.array([row.family for row in rows])

    def auc(chosen: NDArray[np.bool_]) -> float | None:
        both = 0 < fake[chosen].sum() < chosen.sum()
        return round(metrics.auc(fake[chosen].astype(np.int64), logit[chosen]), 3) if both else None

    report: dict[str, Any] = {"faces": len(rows), "auc": auc(np.ones(len(rows), bool))}
    for kind in sorted(set(medium)):
        report[f"auc_{kind}"] = auc(medium == kind)
        for name in sorted(set(family[fake & (medium == kind)])):
            report[f"auc_{kind}_{name}"] = auc((medium == kind) & (~fake | (family == name)))
    if (~fake).sum() > 2:
        report["sharpness_correlation_on_reals"] = round(metrics.spearman(logit[~fake], sharp[~fake]), 3)
    return report
