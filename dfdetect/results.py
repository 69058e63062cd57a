"""What flows through dfdetect: small frozen records, from decoded frames to the result of a scan.

bytes → `Frame` → `Face` → `TrackedCrop` → `FaceScore` → `TrackResult` → `ScanResult`

Pixels are RGB ``uint8`` arrays ``[height, width, 3]``.  Boxes are ``(x0, y0, x1, y1)`` in pixels of the
upright frame and may reach beyond its border.  Times are presentation times in seconds from the
first picture.  A *logit* is the model's raw score: positive means fake, and it is a rank, not a
probability; a *probability* has been calibrated.  All probabilities are of the face being **fake**.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA_VERSION = "1.0"
"""Version of the published JSON form of `ScanResult` (``dfdetect/record/schema``)."""


class MediaKind(StrEnum):
    """What the content turned out to be; the file's name has no say in it."""

    PHOTO = "photo"
    VIDEO = "video"


class Label(StrEnum):
    """The three answers of a verdict.  A file that could not be judged has no label at all."""

    REAL = "real"
    FAKE = "fake"
    UNCERTAIN = "uncertain"


LABEL_ORDER: Mapping[Label | None, int] = {Label.FAKE: 0, Label.UNCERTAIN: 1, Label.REAL: 2, None: 3}
"""Sorts the suspicious before the others, and last what has no label."""


class Reason(StrEnum):
    """Why a file (or a person in it) has no label; `is_file_fault` tells faults of the file itself."""

    NO_FACE = "no_face"
    FACE_TOO_SMALL = "face_too_small"
    FACE_TOO_BLURRED = "face_too_blurred"
    FACE_TOO_DARK = "face_too_dark"
    TOO_FEW_FRAMES = "too_few_frames"
    MISSING = "missing"
    NOT_PERMITTED = "not_permitted"
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    NO_PICTURE = "no_picture"
    ENCRYPTED = "encrypted"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"

    @property
    def is_file_fault(self) -> bool:
        """True when the file could not be read; False when it was read and could not be judged."""
        return self not in _JUDGING


_JUDGING = frozenset(
    {
        Reason.NO_FACE,
        Reason.FACE_TOO_SMALL,
        Reason.FACE_TOO_BLURRED,
        Reason.FACE_TOO_DARK,
        Reason.TOO_FEW_FRAMES,
    }
)


class Note(NamedTuple):
    """Something that a reader of the verdict must know, e.g. that the file is truncated.

    `code` is stable and for machines (``truncated``, ``hdr``, ``interlaced``, ``faces_dropped`` …; the schema
    lists them all), `text` is a sentence for people.
    """

    code: str
    text: str


class Box(NamedTuple):
    """A face box in pixels of the upright frame, floats, possibly beyond the border."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y1 - self.y0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture, upright (rotation applied), with square pixels."""

    index: int
    """Running number among the *sampled* frames of this scan, from 0."""
    time: float
    """Presentation time in seconds from the first picture; 0 for a photo."""
    image: NDArray[np.uint8]
    """RGB, ``[height, width, 3]``."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is known of a file after reading it.  Filled from what was decoded, not from claims."""

    kind: MediaKind
    container: str
    """Container or file format in lower case, e.g. ``jpeg``, ``mp4``, ``matroska``, ``array``."""
    codec: str
    """e.g. ``h264``, ``hevc``, ``jpeg``; the empty string where there is none."""
    width: int
    """Upright display width in pixels (rotation and sample aspect ratio applied)."""
    height: int
    duration: float | None
    """Seconds, None for a photo or where it is unknown."""
    frame_rate: float | None
    """Mean pictures a second, None for a photo or where it is unknown."""
    rotation: int
    """Degrees clockwise that were applied to make the picture upright (0, 90, 180, 270)."""
    frames_sampled: int
    """Frames handed to face detection."""
    size_bytes: int | None
    """Size of the file, None for arrays and streams."""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """What decides whether a face can be judged at all."""

    size: float
    """Height of the face box in pixels of the original picture."""
    sharpness: float
    """Variance of the Laplacian of the grey crop resized to 112 px, 8-bit units²."""
    brightness: float
    """Mean luma of the crop, 0 (black) to 1 (white)."""
    contrast: float
    """Standard deviation of luma of the crop, 0 to .5."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One detected face."""

    box: Box
    landmarks: NDArray[np.float32]
    """``[5, 2]``: eye, eye, nose, mouth corner, mouth corner in frame pixels; of each two first the one that
    is on the left in the upright face."""
    probability: float
    """The detector's own confidence that this is a face, 0–1."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedCrop:
    """A face that belongs to a track, cut out as the model wants it."""

    track: int
    """Provisional track number; `Tracker.final_ids` maps it to the person."""
    frame: int
    time: float
    face: Face
    quality: FaceQuality
    looks: tuple[tuple[NDArray[np.uint8], ...], ...]
    """For each look at it one RGB crop ``[size, size, 3]`` per expert, in the order of the model card."""


@dataclass(frozen=True, slots=True)
class FaceScore:
    """The raw scores of one face at one time."""

    time: float
    frame: int
    box: Box
    detection: float
    """The face detector's confidence, 0–1."""
    quality: FaceQuality
    logit: float
    """The fused logit of all experts (positive: fake)."""
    experts: tuple[float, ...]
    """One raw logit per expert, in the order of the model card; the mean where a face was looked at twice."""
    heatmap: tuple[tuple[float, ...], ...] | None = None
    """Class-activation map over the crop, rows from top to bottom, in units of the logit; None unless
    `Settings.heatmaps` asked for it."""
    picture: bytes | None = None
    """A small JPEG of the crop that the first expert saw, which the heat map lies over; None unless
    `Settings.pictures` asked for it."""


@dataclass(frozen=True, slots=True)
class FramePicture:
    """A small picture of a frame that was looked at."""

    frame: int
    """Its number, as in `FaceScore.frame`."""
    time: float
    width: int
    """Of the frame itself, in pixels; face boxes are in these."""
    height: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class TrackResult:
    """One person through the whole file: who and when."""

    id: int
    """Number of the person, from 1, in order of first appearance."""
    label: Label | None
    reason: Reason | None
    fake_probability: float | None
    """Calibrated probability (0–1) that this face is fake, None when it was not judged.  Of `logit` less the
    penalty of the file (see `ScanResult.logit`), so that the most suspicious person has the file's own."""
    logit: float | None
    """Aggregated logit of the track, None when it was not judged; without the penalty."""
    start: float
    end: float
    faces: tuple[FaceScore, ...]
    """Every scored face in order of time, also those of a track that could not be judged."""
    faces_found: int
    """Faces linked to this track, judged or not."""


@dataclass(frozen=True, slots=True)
class ModelStamp:
    """Which model took part."""

    name: str
    version: str
    sha256: Mapping[str, str] = field(default_factory=dict, hash=False)
    """File name in the model folder → its sha256."""
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a file's Content Credentials (C2PA) say of it; stands beside the verdict and never changes it."""

    present: bool
    valid: bool | None = None
    """Whether the signature and the hashes hold; None when there are none."""
    trusted: bool | None = None
    """Whether the signer's certificate is on a trust list; None when that was not checked."""
    signer: str | None = None
    generator: str | None = None
    """The program that made the claim."""
    declares_generated: bool | None = None
    """Whether the manifest says that a model generated or composed the media; None when it says nothing."""
    problems: tuple[str, ...] = ()
    """Codes of what failed, as the standard names them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What it takes to repeat a scan and to show that it was of this file."""

    started: str
    """UTC, ``2026-01-31T12:00:00Z``."""
    sha256: str | None
    """Of the file's bytes; None for what has none (arrays)."""
    versions: Mapping[str, str] = field(hash=False)
    """Name of each library and decoder that is installed → its version, whether this file needed it or not;
    ``platform`` and ``processor`` too."""
    credentials: Credentials | None
    """None when they could not be looked for (the extra ``c2pa`` is not installed)."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The outcome of scanning one file.  `label` is None exactly when `reason` says why."""

    path: str
    label: Label | None
    reason: Reason | None
    message: str
    """One sentence for people: what was found, or why nothing could be said and what to do."""
    fake_probability: float | None
    """Calibrated probability (0–1) that at least one face in the file is fake; None if not judged."""
    logit: float | None
    """The file's aggregated logit before calibration; None if not judged.

    That of its most suspicious person, less a penalty where several persons were judged, so that a crowd is
    not fake by chance: the calibration's ``track_penalty`` times the natural logarithm of their number."""
    band: tuple[float, float] | None
    """Below the first probability the answer is *real*, from the second on *fake*, between *uncertain*."""
    tracks: tuple[TrackResult, ...]
    media: MediaInfo | None
    notes: tuple[Note, ...]
    model: ModelStamp | None
    settings: Mapping[str, Any] = field(hash=False)
    """The settings that were in force."""
    tool_version: str
    elapsed: float
    """Wall seconds that this scan took."""
    novelty: float | None = None
    """How unlike the model's calibration media this file is: the share of them (0–1) that are less unusual;
    None when not judged or when the calibration does not say."""
    detector: ModelStamp | None = None
    """The face detector that took part; None when no picture was searched."""
    evidence: Evidence | None = None
    """None unless `Settings.evidence` asked for it."""
    frames: tuple[FramePicture, ...] = ()
    """Small pictures of the frames with judged faces; empty unless `Settings.pictures` asked for them."""
    schema_version: str = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if (self.label is None) != (self.reason is not None):
            raise ValueError("a result has either a label or a reason, never both and never neither")
        if (self.label is None) != (self.fake_probability is None):
            raise ValueError("a result has a probability exactly when it has a label")
        if self.fake_probability is not None and not 0.0 <= self.fake_probability <= 1.0:
            raise ValueError(f"a probability lies between 0 and 1, not at {self.fake_probability}")
        if self.novelty is not None and not 0.0 <= self.novelty <= 1.0:
            raise ValueError(f"the novelty is a share between 0 and 1, not {self.novelty}")

    @property
    def every_note(self) -> tuple[Note, ...]:
        """The notes on the result, then those on its media, each once."""
        return tuple(dict.fromkeys((*self.notes, *(self.media.notes if self.media else ()))))

    @property
    def is_video(self) -> bool:
        """False for a photo, and where nothing was read."""
        return self.media is not None and self.media.kind is MediaKind.VIDEO

    @classmethod
    def failed(
        cls,
        path: str,
        reason: Reason,
        message: str,
        settings: Mapping[str, Any],
        elapsed: float = 0.0,
        evidence: Evidence | None = None,
    ) -> ScanResult:
        """The result of a file about which nothing is known but why.

        `message` is one sentence for people that says what to do; `elapsed` is in wall seconds.
        """
        from dfdetect import __version__

        return cls(
            path=path,
            label=None,
            reason=reason,
            message=message,
            fake_probability=None,
            logit=None,
            band=None,
            tracks=(),
            media=None,
            notes=(),
            model=None,
            settings=settings,
            tool_version=__version__,
            elapsed=elapsed,
            evidence=evidence,
        )
