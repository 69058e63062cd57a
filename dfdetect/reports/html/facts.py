"""What is known of a file beside its answer, in words."""

from __future__ import annotations

from dfdetect.names import plural
from dfdetect.reports.spacing import apart
from dfdetect.results import MediaInfo, MediaKind, ScanResult
from dfdetect.verdict.messages import (
    decimals_apart,
    given_percent,
    limit_percents,
    spoken_percent,
)
from dfdetect.words import length


def media_words(media: MediaInfo | None) -> str:
    """``photo``, ``video``, or nothing where that is not known."""
    return "" if media is None else media.kind.value


def length_words(media: MediaInfo | None) -> str:
    """The length of a video, the size of a photo."""
    if media is None:
        return ""
    if media.kind is MediaKind.VIDEO:
        return "" if media.duration is None else length(media.duration)
    return f"{media.width} × {media.height}"


def file_facts(result: ScanResult) -> tuple[tuple[str, str], ...]:
    """Names and values, the whole path first."""
    facts = [("Path", result.path)]
    if result.media is not None:
        facts += _media(result.media, apart(result))
    if result.evidence is not None:
        facts.append(("sha256", result.evidence.sha256 or "none: pixels in memory"))
        facts.append(("Scanned", result.evidence.started))
    if result.fake_probability is not None and result.logit is not None:
        score = f"{result.logit:+.3f}{_penalty(result, result.logit)}"
        facts.append(("Probability", _exact(result.fake_probability, score, result.band)))
    if result.novelty is not None:
        share = spoken_percent(result.novelty)
        facts.append(("Novelty", f"{share} of the media that the model was calibrated on are less unusual"))
    facts.append(("Took", f"{result.elapsed:.1f} s"))
    return tuple(facts)


def _penalty(result: ScanResult, logit: float) -> str:
    """How the file's score came from that of its most suspicious person, where there are several."""
    scores = [t.logit for t in result.tracks if t.label is not None and t.logit is not None]
    own = max(scores, default=logit)
    if len(scores) < 2 or own - logit < 0.0005:
        return ""
    return f", lowered from {own:+.3f} for {len(scores)} judged persons"


def _exact(probability: float, score: str, band: tuple[float, float] | None) -> str:
    text = f"{probability:.4f} (raw score {score})"
    if band is None:
        return text
    if band[0] == band[1]:
        return f"{text}, threshold {given_percent(band[0])}"
    return f"{text}, limits {' and '.join(limit_percents(band, decimals_apart(probability, band)))}"


def _media(media: MediaInfo, distance: str) -> list[tuple[str, str]]:
    form = "/".join(filter(None, (media.container, media.codec)))
    facts = [("Format", f"{media.kind.value}, {form}"), ("Size", f"{media.width} × {media.height} pixels")]
    if media.size_bytes is not None:
        facts[-1] = ("Size", f"{facts[-1][1]}, {media.size_bytes:,} bytes")
    if media.rotation:
        facts.append(("Rotation", f"turned by {media.rotation}° to stand upright"))
    if media.kind is MediaKind.VIDEO:
        length = "unknown" if media.duration is None else f"{media.duration:.2f} s"
        rate = "" if media.frame_rate is None else f", {media.frame_rate:.4g} frames a second"
        facts.append(("Length", length + rate))
        looks = plural(media.frames_sampled, "frame")
        facts.append(("Looked at", ", ".join(filter(None, (looks, distance)))))
    return facts
