"""How far apart the looks at a video were: what is shorter can lie between them unseen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfdetect.names import plural
from dfdetect.results import MediaInfo, MediaKind, ScanResult

SPARSE = 2.0
"""Seconds; looks that lie no farther apart get no word."""
_ALL = 0.75
"""Who has looked at this share of the pictures has looked at all: rates are means, some pictures broken."""


def looked_at(result: ScanResult) -> str:
    """``8 frames looked at``, and at a long video how far apart: ``8 frames looked at, 7.5 s apart``."""
    if result.media is None:
        return ""
    distance = apart(result)
    return f"{plural(result.media.frames_sampled, 'frame')} looked at" + (f", {distance}" if distance else "")


def apart(result: ScanResult) -> str:
    """``7.5 s apart``, or ``up to 7.5 s apart`` where somebody was looked at more closely.

    Empty for a photo, for looks no farther apart than `SPARSE`, and where it is not known.
    """
    media = result.media
    length = _unseen_between(result)
    if media is None or length is None or media.frames_sampled < 2:
        return ""
    asked = _asked(result.settings, length)
    if asked is None or asked < 2:  # the others came closer to somebody who may be anywhere
        return ""
    gap = length / min(asked, media.frames_sampled)
    if gap <= SPARSE:
        return ""
    words = f"{gap:.1f} s" if gap < 59.95 else f"{gap / 60:.1f} minutes"
    return f"{'up to ' if media.frames_sampled > asked else ''}{words} apart"


def sparse_words(result: ScanResult) -> str:
    """A sentence or two on what the looks may have missed; empty where they lie close together."""
    if distance := apart(result):
        count = result.media.frames_sampled if result.media is not None else 0
        seen = f"Only {count} frames were looked at, {distance}: a fake that lasts less can lie between them"
    elif result.media is not None and result.media.frames_sampled == 1 and _unseen_between(result):
        seen = "Only 1 frame was looked at: a fake can lie before or after it"
    else:
        return ""
    return f"{seen} unseen. More are looked at with --frames or --fps."


def _unseen_between(result: ScanResult) -> float | None:
    """The seconds that the looks are spread over, if these are more than `SPARSE` and hold other pictures."""
    media = result.media
    if media is None or media.kind is not MediaKind.VIDEO or not media.duration or not media.frames_sampled:
        return None
    start, end = _number(result.settings, "start"), _number(result.settings, "end")
    length = min(media.duration, media.duration if end is None else end) - (start or 0.0)
    if length <= SPARSE or _holds_no_more(media, length):
        return None
    return length


def _holds_no_more(media: MediaInfo, length: float) -> bool:
    return media.frame_rate is not None and media.frames_sampled >= _ALL * media.frame_rate * length


def _asked(settings: Mapping[str, Any], length: float) -> int | None:
    """How many looks the settings ask for, spread evenly over `length` seconds."""
    fps, frames = _number(settings, "fps"), _number(settings, "frames")
    if fps is not None:
        return max(1, round(length * fps))
    return None if frames is None else int(frames)


def _number(settings: Mapping[str, Any], name: str) -> float | None:
    value = settings.get(name)
    return float(value) if isinstance(value, (int, float)) else None
