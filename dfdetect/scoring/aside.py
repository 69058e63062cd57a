"""Score the faces that were found while the next ones are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from dfdetect.scoring.scorer import Scorer, Scores


class Aside:
    """A scorer in a thread of its own, which it starts with the first faces; it takes them in order.

    A context manager: leaving it waits for what is being scored and drops what is not.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._pool = ThreadPoolExecutor(1, "dfdetect-score")

    def hand_in(self, crops: Sequence[tuple[NDArray[np.uint8], ...]]) -> Future[Scores]:
        """Let `crops` be scored, as `Scorer.score` takes them; the first call also loads the networks."""
        return self._pool.submit(self._scorer.score, crops)

    def take(self, scores: Future[Scores]) -> Scores:
        """Wait for scores; raises what scoring raised."""
        return scores.result()

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
