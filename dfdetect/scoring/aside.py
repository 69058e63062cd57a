"""Score the faces that were found while the next ones are looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from dfdetect.scoring.scorer import Scorer, Scores


class Aside:
    """A scorer in a thread of its own, which takes faces in order.

    Its networks are loaded there as soon as it is entered, while the first picture is decoded; before them
    `prepare` is called, for what is needed even earlier.  A context manager: leaving it waits for what is
    being done and drops what is not.
    """

    def __init__(self, scorer: Scorer, prepare: Callable[[], object]) -> None:
        self._scorer, self._prepare = scorer, prepare
        self._pool = ThreadPoolExecutor(1, "dfdetect-score")
        self._loading: Future[None] | None = None

    def hand_in(self, crops: Sequence[tuple[NDArray[np.uint8], ...]]) -> Future[Scores]:
        """Let `crops` be scored, as `Scorer.score` takes them."""
        return self._pool.submit(self._scorer.score, crops)

    def take(self, scores: Future[Scores]) -> Scores:
        """Wait for scores; raises what scoring raised."""
        return scores.result()

    def __enter__(self) -> Aside:
        # What goes wrong here goes wrong again where it is needed, and is raised there.
        self._pool.submit(self._prepare)
        if not self._scorer.is_loaded:
            self._loading = self._pool.submit(self._scorer.load)
        return self

    def wait_for_networks(self) -> None:
        """Return when the networks are loaded; what went wrong is raised where they are needed."""
        if self._loading is not None:
            self._loading.exception()

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
