"""Labelled results in the form that a calibration is fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dfdetect.results import FaceQuality, MediaKind, Reason, ScanResult
from dfdetect.verdict.track import TrackScores


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
    tracks: tuple[TrackScores, ...]
    """The judged faces of each judged person; empty when not judged."""
    copy: bool = False
    """A degraded copy of a labelled file; its `group` is that of the file."""

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise ValueError(f"label must be 1 (fake) or 0 (real), not {self.label!r}")
        for track in self.tracks:
            if not np.isfinite(track.experts).all():
                raise ValueError("a track must hold finite logits")

    @property
    def main_track(self) -> TrackScores:
        """The person seen most often: the one that the file's label most probably speaks of."""
        return max(self.tracks, key=len)


def record_from_result(
    result: ScanResult,
    label: int,
    group: str,
    source: str,
    gate: Callable[[FaceQuality], Reason | None],
    copy: bool = False,
) -> Record | None:
    """The record of a scanned file; None when the file could not be read at all.

    Only faces that pass `gate` (`Judge.gate`) count, as in a verdict, and of these only those whose scores
    are finite numbers (a stored one may be null).
    """
    if result.media is None:
        return None
    tracks = []
    for track in result.tracks:
        faces = [f for f in track.faces if gate(f.quality) is None and np.isfinite(f.experts).all()]
        if track.label is not None and faces:
            tracks.append(TrackScores.from_faces(faces))
    return Record(label, result.media.kind, group, source, tuple(tracks), copy)
