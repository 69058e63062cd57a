"""Robustness curves: how a model's answers change when files are compressed, shrunk, blurred or noisy.

Every level of damage is done to whole files (`dfdetect.evaluate.degrade`), which then go through the same
scan as any other, face detection included.  All levels are measured on the same files, those that get an
answer untouched, and with the same bootstrap draws, so that the change of the AUC has an interval of its own.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfdetect import __version__
from dfdetect.batch.pool import scan_many
from dfdetect.errors import InputError, MediaError
from dfdetect.evaluate.copies import Copy, cut_short, scan_copies
from dfdetect.evaluate.degrade import LEVELS, Level
from dfdetect.evaluate.labelled import Labelled, read_labels
from dfdetect.evaluate.weighted import Bools, Draws, Floats, Interval, Roc
from dfdetect.media.reader import open_media
from dfdetect.results import Label, MediaKind, ScanResult
from dfdetect.scoring.models import load_model
from dfdetect.settings import Settings

LIMIT = 200
"""Files that are drawn from the labelled ones."""
DRAWS = 500
"""Bootstrap draws behind an interval."""


@dataclass(frozen=True, slots=True)
class Point:
    """The figures of one medium at one level."""

    medium: MediaKind
    level: Level | None
    """None: the files as they are."""
    files: int
    """Files of this medium that get an answer untouched: what every level is measured on."""
    reals: int
    """Of these, reals with an answer at this level."""
    fakes: int
    auc: Interval
    """Over the files with an answer; NaN without both classes."""
    change: Interval
    """This AUC less that of the same files untouched."""
    reals_called_fake: float
    """Share, 0–1, of the reals with an answer; NaN without any."""
    fakes_called_fake: float

    @property
    def judged(self) -> int:
        """Files with an answer at this level."""
        return self.reals + self.fakes


@dataclass(frozen=True, slots=True)
class Robustness:
    """All curves of one model, and how they were measured."""

    labels: str
    """Name of the labels' file or folder."""
    model: str
    model_version: str
    tool_version: str
    seed: int
    draws: int
    """Bootstrap draws of whole groups behind each interval."""
    drawn: int
    """Files drawn, as many of each class and medium as there are enough of."""
    not_judged: int
    """Of these, files without an answer even untouched; they are in no figure."""
    unreadable: int
    """Labelled files that could not be opened; they were not drawn from."""
    points: tuple[Point, ...]
    """The untouched files of each medium first, then level by level."""


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """The files of one medium at one level, ``[n]`` each."""

    fake: Bools
    """The label, not the verdict."""
    groups: tuple[str, ...]
    before: Floats
    """Probability of a fake untouched, finite."""
    after: Floats
    """The same at this level; NaN for a file without an answer."""
    called_fake: Bools
    """Verdict at this level."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """A drawn file and what is said of it untouched."""

    item: Labelled
    kind: MediaKind
    result: ScanResult


def measure_robustness(
    labels: str | Path,
    settings: Settings,
    *,
    limit: int = LIMIT,
    jobs: int | None = None,
    levels: Sequence[Level] = LEVELS,
) -> Robustness:
    """Draw at most `limit` labelled files, scan them untouched and at every level, and measure.

    Which files are drawn and the noise depend on `settings.seed` alone.  Copies live in the system's
    temporary folder, those of one level at a time.  Tells its progress on standard error.

    Raises `InputError` for labels that cannot be used, or when no drawn file gets an answer, and
    `ModelError` for a model that cannot be used, before anything is scanned.
    """
    labelled = read_labels(labels)
    card = load_model(settings.model).card
    settings = cut_short(settings)
    # Without a threshold a prior changes no answer, but files would tie at the ends of its scale.
    if settings.threshold is None:
        settings = settings.replace(prior=None)
    readable = list(_with_kinds(labelled, settings))
    if not readable:
        raise InputError(
            f"none of the {len(labelled)} files of {labels} can be opened (the first is {labelled[0].path}); "
            "check the names in the labels"
        )
    chosen = choose_files(readable, limit, np.random.default_rng(settings.seed))
    subjects = _judged_untouched(chosen, settings, jobs)
    if not subjects:
        raise InputError(
            f"none of the {len(chosen)} files drawn from {labels} gets an answer even untouched; "
            "check one with: dfdetect scan FILE"
        )
    points = _points(subjects, [subject.result for subject in subjects], None, settings.seed)
    for number, level in enumerate(levels, start=1):
        own = [subject for subject in subjects if subject.kind in level.media]
        if own:
            found = scan_copies([Copy(subject.item.path, level) for subject in own], settings, jobs)
            points += _points(own, found, level, settings.seed)
            _tell(f"level {number}/{len(levels)}, {level}: {_in_words(points, level)}")
    return Robustness(
        labels=Path(labels).resolve().name,
        model=card.name,
        model_version=card.version,
        tool_version=__version__,
        seed=settings.seed,
        draws=DRAWS,
        drawn=len(chosen),
        not_judged=len(chosen) - len(subjects),
        unreadable=len(labelled) - len(readable),
        points=tuple(points),
    )


def choose_files(
    readable: Sequence[tuple[Labelled, MediaKind]], limit: int, rng: np.random.Generator
) -> list[tuple[Labelled, MediaKind]]:
    """At most `limit` files, in turn from real photos, fake photos, real videos and fake videos.

    Where one of these runs out, the others give more.  Within each, files of groups that have not been drawn
    come first: they say more than a second file of the same clip.
    """
    strata: dict[tuple[MediaKind, bool], list[tuple[Labelled, MediaKind]]] = {}
    for item, kind in readable:
        strata.setdefault((kind, item.fake), []).append((item, kind))
    queues = [deque(_new_groups_first(strata[key], rng)) for key in sorted(strata)]
    chosen: list[tuple[Labelled, MediaKind]] = []
    while len(chosen) < limit and any(queues):
        for queue in queues:
            if queue and len(chosen) < limit:
                chosen.append(queue.popleft())
    return chosen


def _new_groups_first(
    files: Sequence[tuple[Labelled, MediaKind]], rng: np.random.Generator
) -> list[tuple[Labelled, MediaKind]]:
    shuffled = [files[i] for i in rng.permutation(len(files))]
    seen: Counter[str] = Counter()
    ranks = []
    for item, _ in shuffled:
        ranks.append(seen[item.group])
        seen[item.group] += 1
    return [shuffled[i] for i in sorted(range(len(shuffled)), key=ranks.__getitem__)]


def _with_kinds(labelled: Sequence[Labelled], settings: Settings) -> Iterator[tuple[Labelled, MediaKind]]:
    """The files that can be opened, with what they are by their content."""
    for item in labelled:
        with contextlib.suppress(MediaError), open_media(item.path, settings) as media:
            yield item, media.kind


def _judged_untouched(
    chosen: Sequence[tuple[Labelled, MediaKind]], settings: Settings, jobs: int | None
) -> list[_Subject]:
    _tell(f"scanning {len(chosen)} files untouched")
    paths = [item.path for item, _ in chosen]
    with contextlib.closing(scan_many(paths, settings, jobs=jobs, ordered=True)) as results:
        return [
            _Subject(item, kind, result)
            for (item, kind), result in zip(chosen, results, strict=True)
            if result.label is not None
        ]


def _points(
    subjects: Sequence[_Subject], results: Sequence[ScanResult | None], level: Level | None, seed: int
) -> list[Point]:
    """A point for each medium among `subjects`."""
    points = []
    for medium in MediaKind:
        pairs = [(s, r) for s, r in zip(subjects, results, strict=True) if s.kind is medium]
        if pairs:
            files = Files(
                fake=np.array([s.item.fake for s, _ in pairs], bool),
                groups=tuple(s.item.group for s, _ in pairs),
                before=_probabilities([s.result for s, _ in pairs]),
                after=_probabilities([r for _, r in pairs]),
                called_fake=np.array([r is not None and r.label is Label.FAKE for _, r in pairs], bool),
            )
            points.append(measure_point(medium, level, files, seed))
    return points


def measure_point(medium: MediaKind, level: Level | None, files: Files, seed: int) -> Point:
    """The figures of one medium at one level; equal seeds give all levels the same bootstrap draws."""
    judged = np.isfinite(files.after)

    def statistic(weights: Floats) -> dict[str, Floats]:
        after, before = (Roc.of(files.fake, s, weights * judged).auc() for s in (files.after, files.before))
        return {"auc": after, "change": after - before}

    # Drawn from are all files, also those without an answer: else the draws would differ between levels.
    drawn = Draws.of(files.groups, np.random.default_rng(seed), DRAWS)
    found = drawn.intervals(np.arange(len(judged)), statistic, files.fake)
    real, fake = judged & ~files.fake, judged & files.fake
    return Point(
        medium=medium,
        level=level,
        files=len(judged),
        reals=int(real.sum()),
        fakes=int(fake.sum()),
        auc=found["auc"],
        change=found["change"],
        reals_called_fake=float(files.called_fake[real].mean()) if real.any() else math.nan,
        fakes_called_fake=float(files.called_fake[fake].mean()) if fake.any() else math.nan,
    )


def _probabilities(results: Sequence[ScanResult | None]) -> Floats:
    """``[n]``, NaN for a file without an answer."""
    values = [None if result is None else result.fake_probability for result in results]
    return np.array([math.nan if value is None else value for value in values], np.float64)


def _in_words(points: Sequence[Point], level: Level) -> str:
    own = [point for point in points if point.level == level]
    return ", ".join(f"{point.medium.value}s AUC {point.auc.value:.3f}" for point in own)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
