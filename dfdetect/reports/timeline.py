"""When a person looks fake: whether the scores change over time, and where they are highest."""

from __future__ import annotations

from dfdetect.results import TrackResult
from dfdetect.verdict.messages import run_around

MIN_FACES = 4
"""With fewer scored faces a change over time cannot be told from noise."""
GAP = 2.0
"""Uneven: the upper and the lower faces differ by this much in mean logit (odds of 7 to 1)."""


def peak(track: TrackResult) -> tuple[float, float] | None:
    """First and last second of the run of high scores around the highest, None where the scores are even.

    The faces are split at the middle between the lowest and the highest logit.  This says where to
    look, not more: single faces are not calibrated.
    """
    logits = [face.logit for face in track.faces]
    if len(logits) < MIN_FACES:
        return None
    middle = (min(logits) + max(logits)) / 2
    high = [logit for logit in logits if logit > middle]
    low = [logit for logit in logits if logit <= middle]
    if not high or not low or sum(high) / len(high) - sum(low) / len(low) < GAP:
        return None
    first, last = run_around([logit > middle for logit in logits], logits.index(max(logits)))
    return track.faces[first].time, track.faces[last].time
