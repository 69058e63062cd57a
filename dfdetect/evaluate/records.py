"""Labelled results in the form that a calibration is fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfdetect.results import FaceQuality, MediaKind, Reason, ScanResult


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One labelled file."""

    label: int
    """1 fake, 0 real."""
    medium: MediaKind
    group: str
    """Files that belong together (same person, clip or picture); never split between fit and check."""
    source: str
    """Where the file comes from (a repository, a data set)."""
    tracks: tuple[NDArray[np.float64], ...]
    """For each judged person the experts' raw logits ``[frames, experts]``; empty when not judged."""

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise ValueError(f"label must be 1 (fake) or 0 (real), not {self.label!r}")
        for track in self.tracks:
            if track.ndim != 2 or not len(track) or not np.isfinite(track).all():
                raise ValueError("a track must hold finite logits [frames, experts], at least one frame")


def record_from_result(
    result: ScanResult,
    label: int,
    group: str,
    source: str,
    gate: Callable[[FaceQuality], Reason | None],
) -> Record | None:
    """The record of a scanned file; None when the file could not be read at all.

    Only faces that pass `gate` (`Judge.gate`) count, as in a verdict.
    """
    if result.media is None:
        return None
    tracks = []
    for track in result.tracks:
        logits = [face.experts for face in track.faces if gate(face.quality) is None]
        if track.label is not None and logits:
            tracks.append(np.array(logits, np.float64))
    return Record(label, result.media.kind, group, source, tuple(tracks))
