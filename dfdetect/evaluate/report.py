"""The report of an evaluation: everything that can be said of scanned, labelled files, as typed figures.

`report` computes it, the renderers (`dfdetect.evaluate.rendering`) only format it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from dfdetect.evaluate.columns import Files, Pair, columns
from dfdetect.evaluate.curves import Curves, curves
from dfdetect.evaluate.pieces import plain
from dfdetect.evaluate.shortcuts import Baseline, Shortcut, baselines, shortcuts
from dfdetect.evaluate.slices import FIGURES, Slice, face_slices, file_slices
from dfdetect.evaluate.weighted import Draws
from dfdetect.results import Label

REPORT_VERSION = "1.0"
"""Version of the JSON form."""
_MISTAKES = 8


class Origin(StrEnum):
    """Where the verdicts come from."""

    SCANNED = "scanned"
    RESCORED = "rescored"
    """Stored scores, judged by the present calibration."""
    STORED = "stored"
    """As the results had them."""


@dataclass(frozen=True, slots=True)
class About:
    """What was measured, and how."""

    labels: str
    """Name of the labels' file or folder."""
    model: str
    model_version: str
    tool_version: str
    origin: Origin
    threshold: float
    """Probability from which on balanced accuracy counts a file as called fake."""
    prior: float | None
    """Share of fakes that the verdicts' probabilities assume; None: as calibrated."""
    seed: int
    draws: int
    """Bootstrap draws behind each interval."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A real with a high or a fake with a low probability."""

    file: str
    fake: bool
    """The label."""
    medium: str
    family: str
    source: str
    probability: float
    answer: Label


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of one evaluation."""

    about: About
    files: int
    """Labelled files that have a result."""
    fakes: int
    reals: int
    groups: int
    judged: int
    not_judged: Mapping[str, int]
    """Reason → number of files without an answer."""
    missing: tuple[str, ...]
    """Labelled files of which there is no stored result; they are in no figure."""
    slices: tuple[Slice, ...]
    """Over files first, then over faces."""
    baselines: tuple[Baseline, ...]
    shortcuts: tuple[Shortcut, ...]
    curves: tuple[Curves, ...]
    mistakes: tuple[Mistake, ...]
    """The reals called fake, and the fakes called real, with the most certainty; worst first."""


def report(
    pairs: Sequence[Pair],
    rng: np.random.Generator,
    about: About,
    missing: Sequence[str] = (),
    neutral: Sequence[float | None] | None = None,
) -> Evaluation:
    """Measure labelled results.  Raises `ValueError` without any.

    `neutral` are their probabilities at the calibration's own prior (None: they are so already).  At another
    one the ends of the scale would tie, and ECE and Brier, which weigh reals and fakes alike, mean nothing.
    Intervals are 95 %, from `about.draws` draws of whole groups by `rng`; the same draws serve all figures.
    There is none where the draws do not differ, and none of the ECE, which has the figure ``ece_by_chance``
    beside it.
    """
    if not pairs:
        raise ValueError("there is nothing to measure")
    files = columns(pairs, neutral)
    draws = Draws.of(files.group, rng, about.draws)
    reasons = Counter(result.reason.value for _, result in pairs if result.reason is not None)
    return Evaluation(
        about=about,
        files=len(pairs),
        fakes=int(files.fake.sum()),
        reals=int((~files.fake).sum()),
        groups=len(set(files.group)),
        judged=int(files.judged.sum()),
        not_judged=dict(reasons.most_common()),
        missing=tuple(missing),
        slices=(*file_slices(files, draws, about.threshold, about.seed), *face_slices(files, draws)),
        baselines=baselines(files, draws),
        shortcuts=shortcuts(files, draws),
        curves=curves(files, [result.band for _, result in pairs], draws),
        mistakes=_mistakes(pairs, files),
    )


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain dicts and lists with figures of four decimals and null for what is not known."""
    whole = dataclasses.asdict(evaluation)
    # A prior may be a millionth.
    figures = {**plain(whole, digits=4), "about": plain(whole["about"], digits=6)}
    return {"format": "dfdetect evaluation", "version": REPORT_VERSION, "figures": dict(FIGURES), **figures}


def _mistakes(pairs: Sequence[Pair], files: Files) -> tuple[Mistake, ...]:
    out: list[Mistake] = []
    for fake, wrong in ((False, Label.FAKE), (True, Label.REAL)):
        own = np.flatnonzero((files.fake == fake) & (files.answer == wrong.value))
        distance = files.neutral[own] if fake else -files.neutral[own]
        for i in own[np.argsort(distance, kind="stable")][:_MISTAKES]:
            item = pairs[i][0]
            out.append(
                Mistake(
                    file=item.name or item.path,
                    fake=fake,
                    medium=str(files.medium[i]),
                    family=item.family,
                    source=item.source,
                    probability=float(files.probability[i]),
                    answer=wrong,
                )
            )
    return tuple(out)
