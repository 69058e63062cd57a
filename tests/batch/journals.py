"""Results, files and scans for the tests of the journal."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from dfdetect.batch.journal import Journal
from dfdetect.batch.resume import scan_with
from dfdetect.results import (
    Box,
    Credentials,
    Evidence,
    FaceQuality,
    FaceScore,
    FramePicture,
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

ROOT = Path(__file__).resolve().parents[2]
KEY = {"frames": 8, "code": ["ab"]}
NOT_UTF8 = "caf\udce9.jpg"
TWO_THIRDS = 2 / 3


NESTED = b"[" * 100_000 + b"]" * 100_000


def crc_of(body: bytes) -> bytes:
    """A line with a checksum that is right."""
    return b'{"crc32": "%08x", ' % zlib.crc32(body) + body[1:] + b"\n"


def result(path: str = "a.jpg", reason: Reason | None = None, probability: float = 0.25) -> ScanResult:
    return ScanResult(
        path=path,
        label=None if reason else Label.REAL,
        reason=reason,
        message=f"{path} was looked at",
        fake_probability=None if reason else probability,
        logit=None if reason else -1.0,
        band=None if reason else (0.2, 0.8),
        tracks=(),
        media=None,
        notes=(),
        model=None,
        settings=Settings().as_dict(),
        tool_version="test",
        elapsed=0.1,
    )


def rich(value: float, picture: bytes | None = b"\xff\xd8\0") -> ScanResult:
    """A result in which everything is there; `value` is 0 to 1."""
    face = FaceScore(
        time=value * 9,
        frame=3,
        box=Box(-value, value / 3, 50.0 + value, 60.0),
        detection=value,
        quality=FaceQuality(60 + value, 100 * value, value, value / 7),
        logit=-value,
        experts=(value / 3, -0.0),
        heatmap=((value / 7, -value), (1e-9, 3.0)),
        picture=picture,
    )
    person = TrackResult(1, Label.REAL, None, value, value - 1, value, 9 + value, (face, face), 2)
    media = MediaInfo(
        MediaKind.VIDEO,
        "mp4",
        "h264",
        640,
        480,
        9 + value,
        25 + value,
        90,
        8,
        1234,
        (Note("hdr", "a\udcff"),),
    )
    stamp = ModelStamp("light", "1", {"z.onnx": "ab", "card.json": "cd"}, "onnxruntime")
    credentials = Credentials(True, True, None, "signer", "generator", False, ("one", "two"))
    return dataclasses.replace(
        result(NOT_UTF8, probability=value),
        logit=value,
        band=(value / 2, value),
        tracks=(person, dataclasses.replace(person, id=2, faces=())),
        media=media,
        notes=(Note("partly", "β\udce9"),),
        model=stamp,
        detector=stamp,
        novelty=value,
        elapsed=value,
        evidence=Evidence("2026-01-31T12:00:00Z", "ab", {"zlib": "1", "av": "2"}, credentials),
        frames=(FramePicture(3, value, 640, 480, b"\xff\xd8\1"),),
    )


def files(*names: str) -> list[str]:
    for name in names:
        Path(name).write_text(name.encode(errors="surrogateescape").hex())
    return list(names)


class Scan:
    """A scan that remembers what it was given."""

    def __init__(self, make: Callable[[str], ScanResult] = result) -> None:
        self.seen: list[str] = []
        self._make = make

    def __call__(self, paths: Iterator[Any]) -> Generator[ScanResult, None, None]:
        for path in paths:
            self.seen.append(path)
            yield self._make(path)


def run(paths: list[str], scan: Any = None, **rest: Any) -> tuple[list[str], list[str], int]:
    """Paths of the results in their order, paths that were scanned, and how many results were taken over."""
    scan = scan or Scan()
    with Journal("j", KEY) as journal:
        got = [each.path for each in scan_with(journal, paths, scan, **rest)]
        return got, scan.seen, journal.taken
