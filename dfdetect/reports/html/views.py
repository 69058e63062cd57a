"""What the template shows of one file: text, figures and data URIs; no markup."""

from __future__ import annotations

from dataclasses import dataclass

from dfdetect.reports.html.appendix import Entry
from dfdetect.reports.html.chart import Chart


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in a word, and how it is painted."""

    word: str
    key: str
    """``fake``, ``uncertain``, ``real``, ``not-judged`` or ``unreadable``: class in the style sheet."""
    percent: str
    """Empty without a probability."""


@dataclass(frozen=True, slots=True)
class FaceRow:
    """One judged face: a row of the table of scores, and a dot of the time line."""

    k: int
    frame: int
    time: str
    person: int
    score: str
    size: str
    sharpness: str
    brightness: str


@dataclass(frozen=True, slots=True)
class FacePicture:
    """A face in the strip of a person."""

    k: int
    frame: int
    caption: str
    title: str
    """All about it in a phrase."""
    picture: str
    heat: str | None


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Where a face is in a frame, in pixels of the frame."""

    k: int
    person: int
    colour: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class FrameView:
    """A frame with the boxes of the faces judged in it."""

    frame: int
    time: str
    width: int
    height: int
    letter: float
    """Height of the numbers at the boxes, in pixels of the frame."""
    picture: str
    boxes: tuple[FaceBox, ...]


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person and the strip of faces."""

    id: int
    colour: int
    answer: Answer
    details: str
    flags: tuple[str, ...]
    quality: str
    quality_of: int
    """Judged faces."""
    shown: str
    """How many of them the strip has, in words; empty where it has all, and where no pictures were kept."""
    faces: tuple[FacePicture, ...]


@dataclass(frozen=True, slots=True)
class FileView:
    """Everything that is shown of one file."""

    number: int
    name: str
    folder: str
    answer: Answer
    order: int
    """Position of its answer among the answers, the worst first."""
    probability: float
    """For sorting; -1 without one."""
    kind: str
    seconds: float
    """For sorting; 0 for a photo."""
    length: str
    faces: int
    """Persons found."""
    thumbnail: str | None
    message: str
    caveats: tuple[str, ...]
    """Notes that stand beside the answer, since they say that it is worth less than it seems."""
    meaning: str
    limits: str
    band: tuple[float, float] | None
    persons: tuple[PersonView, ...]
    persons_left_out: int
    chart: Chart | None
    frames: tuple[FrameView, ...]
    top: FacePicture | None
    heat_reach: str
    """Logit of full colour in the heat maps; empty when there are none."""
    heat_grid: str
    pictures_left_out: int
    """Those that did not fit, beside what a strip and the frames have at most."""
    more_alone: bool
    """Whether a report on this file alone has room for more."""
    rows: tuple[FaceRow, ...]
    rows_left_out: int
    notes: tuple[str, ...]
    seal: str
    seal_rows: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    common: tuple[Entry, ...]
    own: tuple[Entry, ...]
