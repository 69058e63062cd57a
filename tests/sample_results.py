"""Results built by hand: one of each kind that a report must show, with hostile names among them."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from dfdetect.record.summary import Summary
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.registry import make_report
from dfdetect.results import (
    Box,
    FaceQuality,
    FaceScore,
    Label,
    MediaInfo,
    MediaKind,
    ModelStamp,
    Note,
    Reason,
    ScanResult,
    TrackResult,
)
from dfdetect.settings import Settings

MODEL = ModelStamp("light", "1.0.0", {"model.onnx": "ab" * 32, "card.json": "0f" * 32}, "onnxruntime")
NOT_UTF8 = "caf\udce9/clip\udcff.mp4"
HOSTILE = "evil\x1b[2J\x9b31m\nfake\u202egpj.exe"
FORMULA = "=HYPERLINK(0)+cmd.png"


def score(time: float, logit: float, x: float = 100.0) -> FaceScore:
    quality = FaceQuality(size=120.0, sharpness=312.3456, brightness=0.512345, contrast=0.187654)
    return FaceScore(
        time, int(time * 2), Box(x, 80.04, x + 96, 200.06), 0.9987654321, quality, logit, (logit,)
    )


def track(
    id: int,
    label: Label | None,
    probability: float | None,
    times: tuple[float, ...],
    logits: tuple[float, ...],
) -> TrackResult:
    faces = tuple(score(t, v, 100.0 * id) for t, v in zip(times, logits, strict=True)) if label else ()
    mean = sum(logits) / len(logits) if label else None
    reason = None if label else Reason.FACE_TOO_SMALL
    return TrackResult(id, label, reason, probability, mean, times[0], times[-1], faces, len(times))


def media(kind: MediaKind, *notes: Note) -> MediaInfo:
    if kind is MediaKind.PHOTO:
        return MediaInfo(kind, "jpeg", "jpeg", 640, 480, None, None, 0, 1, 54_321, notes)
    return MediaInfo(kind, "mp4", "h264", 1920, 1080, 12.48, 29.97002997, 90, 16, 1_234_567, notes)


def judged(
    path: str, label: Label, probability: float, tracks: tuple[TrackResult, ...], info: MediaInfo
) -> ScanResult:
    return ScanResult(
        path=path,
        label=label,
        reason=None,
        message=f"{len(tracks)} face(s) judged, the file as a whole is {label}.",
        fake_probability=probability,
        logit=tracks[0].logit,
        band=(0.2, 0.8),
        tracks=tracks,
        media=info,
        notes=(),
        model=MODEL,
        settings=Settings().as_dict(),
        tool_version="9.9.9",
        elapsed=0.98765,
    )


def unjudged(path: str, reason: Reason, message: str, info: MediaInfo | None = None) -> ScanResult:
    return ScanResult(
        path=path,
        label=None,
        reason=reason,
        message=message,
        fake_probability=None,
        logit=None,
        band=None,
        tracks=(),
        media=info,
        notes=(Note("look_here", "A note on the scan."),),
        model=None,
        settings=Settings().as_dict(),
        tool_version="9.9.9",
        elapsed=0.0123,
    )


def samples() -> list[ScanResult]:
    photo, video = media(MediaKind.PHOTO), media(MediaKind.VIDEO, Note("truncated", "The file ends early."))
    two = (
        track(1, Label.REAL, 0.04, (0.0, 4.0, 8.0, 12.0), (-3.1, -2.9, -3.3, -3.0)),
        track(2, Label.FAKE, 0.931, (3.2, 4.0, 5.1, 6.4), (2.5, 2.6, 2.4, 2.8)),
        track(3, None, None, (3.0, 9.0), (0.0, 0.0)),
    )
    uneven = (
        track(1, Label.FAKE, 0.9999, (0.0, 2.0, 4.0, 6.0, 8.0, 10.0), (-2.0, -2.2, 4.1, 4.0, -1.9, 3.9)),
    )
    steady = (track(1, Label.REAL, 0.0012, (0.0, 3.0, 6.0, 9.0), (-5.0, -5.1, -5.2, -5.0)),)
    in_photo = (track(1, Label.UNCERTAIN, 0.48, (0.0,), (0.1,)), track(2, Label.REAL, 0.05, (0.0,), (-3.0,)))
    alone = (track(1, Label.REAL, 0.05, (0.0,), (-3.0,)),)
    return [
        judged("clips/interview.mp4", Label.FAKE, 0.931, two, video),
        judged("clips/uneven.mp4", Label.FAKE, 0.9999, uneven, video),
        judged("clips/steady.mp4", Label.REAL, 0.0012, steady, video),
        judged("пара 👥.jpg", Label.UNCERTAIN, 0.48, in_photo, photo),
        judged(FORMULA, Label.REAL, 0.05, alone, photo),
        judged(HOSTILE, Label.REAL, 0.05, alone, photo),
        unjudged("landscape.jpg", Reason.NO_FACE, "No face was found.", photo),
        unjudged(NOT_UTF8, Reason.UNREADABLE, f"The decoder gave up on {NOT_UTF8}.", None),
        unjudged("gone.mp4", Reason.MISSING, "There is no such file; check the path.", None),
    ]


def summary_of(results: list[ScanResult]) -> Summary:
    """A summary that does not depend on the clock."""
    summary = Summary(started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    for result in results:
        summary.add(result)
    summary.elapsed = 4.2
    return summary


def render(name: str, results: list[ScanResult], options: ReportOptions | None = None) -> str:
    """The whole report as a string that has gone through UTF-8, as it does on its way to a file."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
    report = make_report(name, stream, options)
    report.begin()
    for result in results:
        report.add(result)
    report.end(summary_of(results))
    stream.flush()
    return raw.getvalue().decode("utf-8")
