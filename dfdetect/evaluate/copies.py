"""Scans of degraded copies: each copy is made, scanned as any other file, and deleted again."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfdetect.batch.pool import scan_many
from dfdetect.errors import InputError, MediaError
from dfdetect.evaluate.degrade import Damage, Level, write_copy
from dfdetect.results import MediaKind, ScanResult
from dfdetect.settings import Settings

SECONDS = 10.0
"""Of a longer video only so much is copied, unless `Settings.end` says otherwise."""

USUAL: tuple[Level, ...] = (
    *(Level(Damage.JPEG, quality) for quality in (80, 60, 40)),
    *(Level(Damage.H264, crf) for crf in (23, 28, 35)),
    *(Level(Damage.SCALE, factor) for factor in (0.75, 0.5)),
)
"""What a file usually goes through where people pass it on: encoded anew, made smaller."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy to be made."""

    path: str
    """The file as it is."""
    level: Level


def cut_short(settings: Settings) -> Settings:
    """The same settings, for the first `SECONDS` of a video unless they name an end."""
    if settings.end is not None:
        return settings
    return settings.replace(end=(settings.start or 0.0) + SECONDS)


def usual_level(medium: MediaKind, rng: np.random.Generator) -> Level:
    """One of the `USUAL` levels that this medium can suffer, each as likely."""
    fitting = [level for level in USUAL if medium in level.media]
    return fitting[int(rng.integers(len(fitting)))]


def scan_copies(copies: Sequence[Copy], settings: Settings, jobs: int | None) -> list[ScanResult | None]:
    """Results of degraded copies, in order; None where no copy could be made.

    Copies are made while others are scanned, by a generator that the scan draws from.  The noise of each
    depends on `settings.seed` and its place in the list alone.  Raises `InputError` when the system's
    temporary folder takes no copy.
    """
    whole = settings.replace(start=None, end=None)  # a copy holds just this part
    made: list[tuple[int, Path]] = []
    found: list[ScanResult | None] = [None] * len(copies)
    with _named_when_full():
        temporary = tempfile.TemporaryDirectory(prefix="dfdetect-")
    with temporary as folder:

        def written() -> Iterator[Path]:
            for number, copy in enumerate(copies):
                rng = np.random.default_rng([settings.seed, number])
                target = Path(folder) / f"{number:06d}"
                with contextlib.suppress(MediaError):
                    with _named_when_full():
                        place = write_copy(copy.path, target, copy.level, settings, rng)
                    made.append((number, place))
                    yield place

        with contextlib.closing(scan_many(written(), whole, jobs=jobs, ordered=True)) as results:
            for result, (number, place) in zip(results, made, strict=False):  # `made` grows on the way
                found[number] = result
                place.unlink()
    return found


@contextlib.contextmanager
def _named_when_full() -> Iterator[None]:
    """Say where the room is wanting: nobody asked for a file there."""
    try:
        yield
    except OSError as error:
        place = f" {tempfile.tempdir}" if tempfile.tempdir is not None else ""
        raise InputError(
            f"degraded copies cannot be written to the temporary folder{place}: {error.strerror or error}; "
            "make room there, or name another folder by the environment variable TMPDIR"
        ) from error
