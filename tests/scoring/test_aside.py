from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from dfdetect.errors import ModelError
from dfdetect.scoring.aside import Aside
from dfdetect.scoring.models import load_model
from dfdetect.scoring.scorer import Scorer
from dfdetect.settings import Settings


def faces(count: int, seed: int) -> list[tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(seed)
    size = load_model("light").card.experts[0].crop.size
    return [(rng.integers(0, 256, (size, size, 3), dtype=np.uint8),) for _ in range(count)]


def test_scores_are_those_of_the_scorer_in_the_order_of_handing_in() -> None:
    scorer = Scorer(load_model("light"), Settings(model="light"))
    lots = [faces(count, seed) for seed, count in enumerate((1, 2, 5))]
    with Aside(scorer, lambda: None) as aside:
        waiting = [aside.hand_in(lot) for lot in lots]
        found = [aside.take(scores).fused for scores in waiting]
    for lot, scores in zip(lots, found, strict=True):
        assert scores == pytest.approx(scorer.score(lot).fused, abs=1e-5)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dfdetect-score")]


def test_networks_are_loaded_before_the_first_faces_come_and_once() -> None:
    done: list[str] = []

    class Slow(Scorer):
        def load(self) -> None:
            done.append("load")
            super().load()

    scorer = Slow(load_model("light"), Settings(model="light"))
    for _ in range(2):
        with Aside(scorer, lambda: done.append("prepare")) as aside:
            aside.take(aside.hand_in([]))
    assert done == ["prepare", "load", "prepare"]
    assert scorer.is_loaded


def test_what_goes_wrong_is_raised_where_scores_are_taken() -> None:
    class Broken(Scorer):
        def score(self, crops: Sequence[tuple[np.ndarray, ...]], heatmaps: bool | None = None) -> None:
            raise ModelError("broken")

    with Aside(Broken(load_model("light"), Settings(model="light")), lambda: None) as aside:
        scores = aside.hand_in(faces(1, 0))
        with pytest.raises(ModelError, match="broken"):
            aside.take(scores)
