"""Score the faces that were found while the next ones are looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from dfdetect.ending import is_at_the_end
from dfdetect.scoring.scorer import Scorer, Scores

P = ParamSpec("P")
R = TypeVar("R")


class Aside:
    """A scorer in a thread of its own, which takes faces in order.

    Its networks are loaded there as soon as it is entered, while the first picture is decoded; before them
    `prepare` is called, for what is needed even earlier.  A context manager: leaving it waits for what is
    being done and drops what is not.  Where Python refuses the thread, for the main one has ended, the
    caller's does everything.
    """

    def __init__(self, scorer: Scorer, prepare: Callable[[], object]) -> None:
        self._scorer, self._prepare = scorer, prepare
        self._pool = ThreadPoolExecutor(1, "dfdetect-score")
        self._loading: Future[None] | None = None
        self._last: Future[Any] | None = None

    def hand_in(self, crops: Sequence[tuple[NDArray[np.uint8], ...]]) -> Future[Scores]:
        """Let `crops` be scored, as `Scorer.score` takes them."""
        return self._submit(self._scorer.score, crops)

    def take(self, scores: Future[Scores]) -> Scores:
        """Wait for scores; raises what scoring raised."""
        return scores.result()

    def __enter__(self) -> Aside:
        # What goes wrong here goes wrong again where it is needed, and is raised there.
        self._submit(self._prepare)
        if not self._scorer.is_loaded:
            self._loading = self._submit(self._scorer.load)
        return self

    def wait_for_networks(self) -> None:
        """Return when the networks are loaded; what went wrong is raised where they are needed."""
        if self._loading is not None:
            self._loading.exception()

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        try:
            self._last = future = self._pool.submit(work, *args, **kwargs)
            return future
        except RuntimeError as error:
            if not is_at_the_end(error):
                raise
        if self._last is not None:
            wait([self._last])  # a scorer does one thing at a time
        done: Future[R] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done
