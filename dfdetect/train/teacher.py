"""What the teacher says of each training face: principal components of its features, and the logit of a
linear probe that never saw the face's source.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dfdetect.faces.crop import CropSpec
from dfdetect.scoring.models import hash_file
from dfdetect.train.chunks import cached
from dfdetect.train.encoder import Encoder
from dfdetect.train.table import FaceRow, aligned, fold_of

if TYPE_CHECKING:
    from dfdetect.scoring.models import ModelFolder

CROP = CropSpec("five_point", 224, 0.95)
_COMPONENTS = 96
_FOLDS = 5  # of the probe


def compute_features(
    rows: Sequence[FaceRow], encoder_file: str | Path, cache: Path, most: int
) -> dict[str, NDArray[np.float16]]:
    """Name → features ``[6, 768]``, computed once in chunks that are kept under `cache` by the hash of the
    encoder.

    New ones are computed for at most so many rows (`most`) of each source and label; what the cache
    holds beyond that is returned too.
    """
    # Loaded when the first face needs it: it takes its time, and all faces may be known.
    encoder = functools.cache(lambda: Encoder(encoder_file))

    def compute(part: Sequence[FaceRow]) -> NDArray[np.float16]:
        lots = [part[first : first + 16] for first in range(0, len(part), 16)]
        return np.concatenate([encoder().features([aligned(row, CROP) for row in lot]) for lot in lots])

    prefix = f"features-{hash_file(Path(encoder_file))[:12]}"
    return cached(rows, cache, prefix, compute, "teacher", most=most)


def model_targets(
    rows: Sequence[FaceRow], folder: str | Path, cache: Path, most: int
) -> dict[str, NDArray[np.float32]]:
    """Name → what a trained model says of a face: the logit of each of its experts, ``[experts]``.

    Distillation (Hinton et al. 2015): a small network learns from a large one what labels do not tell, on
    labelled faces and others alike.  At most `most` rows of each source and label are looked at; logits are
    kept under `cache` by the model's hash, divided by their common deviation and clipped at 4.
    """
    from dfdetect.scoring.models import load_model
    from dfdetect.scoring.scorer import Scorer
    from dfdetect.settings import Settings

    model = load_model(folder)
    scorer = Scorer(model, Settings(model=str(folder)))

    def compute(part: Sequence[FaceRow]) -> NDArray[np.float32]:
        crops = [tuple(aligned(row, expert.crop) for expert in model.card.experts) for row in part]
        return scorer.score(crops, heatmaps=False).experts.astype(np.float32)

    found = cached(rows, cache, f"logits-{model_hash(model)[:12]}", compute, "teacher", most=most)
    if not found:
        return {}
    spread = np.stack(list(found.values())).std(0) + 1e-6
    return {key: np.clip(value / spread, -4.0, 4.0) for key, value in found.items()}


def model_hash(model: ModelFolder) -> str:
    """Sha256 of the hashes of a model's files, in hexadecimal."""
    return hashlib.sha256(json.dumps(dict(model.hashes), sort_keys=True).encode()).hexdigest()


def targets(
    rows: Sequence[FaceRow], features: Mapping[str, NDArray[np.float16]]
) -> dict[str, NDArray[np.float32]]:
    """Name → target vector ``[_COMPONENTS + 1]``: whitened principal components, then the probe's logit.

    Of fewer faces there are fewer components.

    The probe is a logistic regression (C = .001 on standardised features, weighted by `probe_weights`),
    fitted with the sources of the face's fold left out.
    """
    from sklearn.decomposition import PCA

    flat = np.stack([features[row.name].ravel() for row in rows]).astype(np.float32)
    flat = (flat - flat.mean(0)) / (flat.std(0) + 1e-3)
    pca = PCA(min(_COMPONENTS, max(1, len(flat) - 1)), whiten=True, random_state=0).fit(flat)
    parts = pca.transform(flat) * np.sqrt(pca.explained_variance_ / pca.explained_variance_[0]) ** 0.5
    parts /= parts.std() + 1e-6
    logit = probe_logits(rows, flat)
    vectors = np.concatenate([parts, np.clip(logit, -5, 5)[:, None]], 1).astype(np.float32)
    return {row.name: vector for row, vector in zip(rows, vectors, strict=True)}


def probe_weights(rows: Sequence[FaceRow]) -> NDArray[np.float64]:
    """Weight of each row in a probe: 1/√(size of its source), the classes balanced."""
    fake = np.array([row.fake for row in rows])
    names = np.array([row.source for row in rows])
    _, inverse, counts = np.unique(names, return_inverse=True, return_counts=True)
    weight = 1.0 / np.sqrt(counts[inverse])
    for side in (False, True):
        weight[fake == side] *= len(rows) / 2 / max(weight[fake == side].sum(), 1e-9)
    return np.asarray(weight)


def probe_logits(rows: Sequence[FaceRow], flat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logit of each row from probes that did not see its source; 0 where the other sources are not of both
    classes.
    """
    from sklearn.linear_model import LogisticRegression

    fake = np.array([row.fake for row in rows])
    fold = np.array([fold_of(row.source, _FOLDS) for row in rows])
    weight = probe_weights(rows)
    logit = np.zeros(len(rows))
    for held in range(_FOLDS):
        inside, outside = fold != held, fold == held
        if not outside.any():
            continue
        if len(set(fake[inside])) < 2:
            print(
                f"teacher: no probe for {outside.sum()} faces; the other sources are not of both classes",
                file=sys.stderr,
                flush=True,
            )
            continue
        model = LogisticRegression(C=0.001, max_iter=200)
        model.fit(flat[inside], fake[inside], sample_weight=weight[inside])
        logit[outside] = model.decision_function(flat[outside])
    return logit
