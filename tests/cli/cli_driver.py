"""The real command line over a scan that needs no model: a file's *content* says what comes out.

``real``, ``fake``, ``uncertain`` are answers, a value of `Reason` is that reason, ``sleep`` never ends,
``bug`` raises.  Run as a program it is ``dfdetect``; the tests of the real scan are in ``test_cli_real.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from dfdetect.batch.sources import NotYet
from dfdetect.results import Box, FaceQuality, FaceScore, Label, ModelStamp, Reason, ScanResult, TrackResult
from dfdetect.settings import Settings

DRIVER = Path(__file__)
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
PROBABILITIES = {Label.REAL: 0.05, Label.UNCERTAIN: 0.5, Label.FAKE: 0.93}


def scan_many(
    paths: Iterable[str | NotYet],
    settings: Settings,
    *,
    jobs: int | None = None,
    ordered: bool = False,
    **rest: Any,
) -> Iterator[ScanResult]:
    """What `dfdetect.batch.pool.scan_many` gives, from the words in the files."""
    for path in paths:
        if isinstance(path, NotYet):
            path.wait()
            continue
        yield result_of(path, settings)


def result_of(path: str, settings: Settings) -> ScanResult:
    """The result that the content of a file asks for."""
    place = Path(path)
    word = place.read_text().strip() if place.exists() else Reason.MISSING.value
    if word == "sleep":
        # In pieces: a signal that comes just before the system begins to wait does not end the wait.
        for _ in range(600):
            time.sleep(0.1)
    if word == "bug":
        raise ZeroDivisionError("a bug in the scan")
    label = Label(word) if word in list(Label) else None
    probability = PROBABILITIES.get(label) if label else None
    face = FaceScore(0.0, 0, Box(0, 0, 50, 60), 0.99, FaceQuality(60, 100, 0.5, 0.2), 0.0, (0.0,))
    track = TrackResult(1, label, None, probability, 0.0, 0.0, 0.0, (face,), 1)
    return ScanResult(
        path=path,
        label=label,
        reason=None if label else Reason(word),
        message=f"{path}: {word}",
        fake_probability=probability,
        logit=0.0 if label else None,
        band=(0.2, 0.8) if label else None,
        tracks=(track,) if label else (),
        media=None,
        notes=(),
        model=ModelStamp("light", "1", {}, "onnxruntime") if label else None,
        settings=settings.as_dict(),
        tool_version="1",
        elapsed=0.1,
    )


if __name__ == "__main__":
    import dfdetect.batch.pool as pool

    pool.scan_many = scan_many  # type: ignore[assignment]
    if os.environ.get("DRIVER_REPEAT"):
        # Many results from few files, for readers that go away.
        from dfdetect.batch import sources

        once = sources.find_media
        sources.find_media = lambda *a, **k: (p for p in list(once(*a, **k)) * 5000)
    from dfdetect.cli.main import main

    sys.exit(main())
