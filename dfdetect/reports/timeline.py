"""When a person looks fake: whether the scores change over time, and where they are highest."""

from __future__ import annotations

from dfdetect.results import TrackResult
from dfdetect.verdict.messages import clearest


def peak(track: TrackResult) -> tuple[float, float] | None:
    """First and last second of the run of high scores around the highest, None where the scores are even.

    By the rule of the sentence on the file (`clearest`), so that a report names no other times than it.
    """
    return clearest(track.faces)
