"""Where the time of a scan goes: the real command line in this process, with a clock around its stages.

``python -m dfdetect.evaluate.bench_stages FILE scan …`` runs ``dfdetect scan …`` and writes to FILE the
seconds of each stage and what was scanned.  The clock is put around the public calls of the stages from
outside, so that a scan itself carries none.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import json
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """The parts of a scan, in order."""

    START = "start-up"
    DECODE = "decode"
    DETECTION = "detection"
    TRACKING = "tracking"
    SCORING = "scoring"
    VERDICT = "verdict and report"
    REST = "rest"


MEANINGS = {
    Stage.START: "the interpreter, imports, loading the face detector, and the exit",
    Stage.DECODE: "opening the file and waiting for its pictures; those of a video are read while faces are "
    "looked for",
    Stage.DETECTION: "finding faces",
    Stage.TRACKING: "telling who is who",
    Stage.SCORING: "measuring and cutting out faces, and waiting for the classifier, which is loaded and "
    "works while the next faces are looked for",
    Stage.VERDICT: "aggregation, calibration, and writing the report",
    Stage.REST: "everything between the stages",
}
"""What belongs to each."""


class Stopwatch:
    """Wall and processor seconds of each stage, of the thread that made the watch.

    A stage inside another is taken off the outer one.  Processor time is that of the whole process: what
    other threads do, be it for a network or ahead of time, counts for the stage of that moment.  Calls from
    other threads pass through uncounted.
    """

    def __init__(self, stage: Stage) -> None:
        """`stage` is where the time goes that no other takes."""
        self.wall = dict.fromkeys(Stage, 0.0)
        self.cpu = dict.fromkeys(Stage, 0.0)
        self._stack = [stage]
        self._thread = threading.get_ident()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Count the block for `stage`."""
        if threading.get_ident() != self._thread:
            yield
            return
        self.lap()
        self._stack.append(stage)
        try:
            yield
        finally:
            self.lap()
            self._stack.pop()

    def lap(self) -> None:
        """Count the time up to now."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.wall[self._stack[-1]] += wall - self._wall
        self.cpu[self._stack[-1]] += cpu - self._cpu
        self._wall, self._cpu = wall, cpu

    def otherwise(self, stage: Stage) -> None:
        """From now on the time that no other stage takes is that of `stage`."""
        self.lap()
        self._stack[0] = stage

    def timed(self, stage: Stage, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, counted for `stage`."""

        @functools.wraps(function)
        def call(*values: Any, **words: Any) -> Any:
            with self.stage(stage):
                return function(*values, **words)

        return call

    def pulled(self, stage: Stage, function: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
        """`function`, the steps of whose iterator are counted for `stage`."""

        @functools.wraps(function)
        def call(*values: Any, **words: Any) -> Iterator[Any]:
            steps = iter(function(*values, **words))
            end = object()
            try:
                while True:
                    with self.stage(stage):
                        item = next(steps, end)
                    if item is end:
                        return
                    yield item
            finally:
                if isinstance(steps, Generator):
                    steps.close()

        return call


@contextlib.contextmanager
def watched(watch: Stopwatch) -> Iterator[list[dict[str, Any]]]:
    """Let all scans of the block be timed; gives the list to which each adds what it has scanned."""
    scans: list[dict[str, Any]] = []
    with contextlib.ExitStack() as restore:

        def replace(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
            before = getattr(owner, name)
            setattr(owner, name, wrap(before))
            restore.callback(setattr, owner, name, before)

        replace(builtins, "__import__", functools.partial(watch.timed, Stage.START))
        from dfdetect import detector, looks
        from dfdetect.faces.tracks import Tracker
        from dfdetect.media.ahead import Ahead
        from dfdetect.scoring.aside import Aside
        from dfdetect.verdict.judge import Judge

        replace(detector.Detector, "scan", functools.partial(_noted_scan, watch, scans))
        replace(detector, "open_media", functools.partial(_timed_media, watch))
        for owner, name, stage in (
            # Decoding goes on in a thread of its own; what counts is how long the scan waits for it.
            (Ahead, "__next__", Stage.DECODE),
            (Ahead, "close", Stage.DECODE),
            # Networks are loaded in a thread; what counts is how long the scan waits for them.
            (detector.Detector, "load_finder", Stage.START),
            (detector.Detector, "find_faces", Stage.DETECTION),
            (Tracker, "assign", Stage.TRACKING),
            (Tracker, "final_ids", Stage.TRACKING),
            (looks, "measure_quality", Stage.SCORING),
            (looks, "cut", Stage.SCORING),
            # The classifier works in a thread of its own; what counts is how long the scan waits for it.
            (Aside, "take", Stage.SCORING),
            (Judge, "judge", Stage.VERDICT),
        ):
            replace(owner, name, functools.partial(watch.timed, stage))
        yield scans


def _timed_media(watch: Stopwatch, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*values: Any, **words: Any) -> Any:
        with watch.stage(Stage.DECODE):
            media = function(*values, **words)
        for name, wrap in (("frames", watch.pulled), ("closer", watch.pulled), ("close", watch.timed)):
            setattr(media, name, wrap(Stage.DECODE, getattr(media, name)))
        return media

    return call


def _noted_scan(
    watch: Stopwatch, scans: list[dict[str, Any]], function: Callable[..., Any]
) -> Callable[..., Any]:
    def call(*values: Any, **words: Any) -> Any:
        with watch.stage(Stage.REST):
            result = function(*values, **words)
        watch.otherwise(Stage.VERDICT)
        media = result.media
        scans.append(
            {
                "kind": media.kind.value if media else None,
                "seconds": media.duration if media else None,
                "frames": media.frames_sampled if media else 0,
                "faces": sum(track.faces_found for track in result.tracks),
            }
        )
        return result

    return call


def main(words: list[str]) -> int:
    """Run the command line and write the times; its exit status."""
    target, *rest = words
    watch = Stopwatch(Stage.START)
    with watched(watch) as scans:
        from dfdetect.cli.main import main as run

        code = run(rest)
    watch.lap()
    times = {stage.value: [watch.wall[stage], watch.cpu[stage]] for stage in Stage}
    with open(target, "w", encoding="utf-8") as file:
        json.dump({"stages": times, "scans": scans}, file)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
