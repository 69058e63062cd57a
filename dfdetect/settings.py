"""The one typed settings object, with the same names in Python, on the command line and in reports."""

from __future__ import annotations

import dataclasses
import numbers
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfdetect.errors import SettingsError
from dfdetect.names import near
from dfdetect.numbers import is_number

DEFAULT_MODEL = "standard"
DEFAULT_ENGINE = "onnxruntime"
ENGINES = ("onnxruntime", "openvino", "torch")
DEFAULT_DETECTOR = "mtcnn"
DETECTORS = (DEFAULT_DETECTOR, "facenet-pytorch")
DEFAULT_FRAMES = 8
LEAST_PRIOR = 1e-5
"""Nearer to 0 (or, from above, to 1) a prior would move a band beyond where probabilities end."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a user can choose about a scan.  Invalid values raise `SettingsError`."""

    model: str = DEFAULT_MODEL
    """Name of a shipped model, or the path of a model folder."""
    engine: str = DEFAULT_ENGINE
    """What runs the networks: ``onnxruntime``, ``openvino`` or ``torch``."""
    device: str = "cpu"
    """``cpu``, or ``cuda`` (``cuda:1`` …) with the engine ``torch``."""
    threads: int = 0
    """Threads of the engine and of the decoder; 0 chooses from the cores of the machine."""
    detector: str = DEFAULT_DETECTOR
    """Face detector: ``mtcnn`` (ONNX) or ``facenet-pytorch`` (the reference, needs torch)."""
    min_face: int = 40
    """Smallest face height in pixels that is judged, 16 or more."""
    max_faces: int = 32
    """At most this many faces of a frame are judged, the largest first."""
    frames: int = DEFAULT_FRAMES
    """Frames sampled over the whole length of a video, and more where somebody was seen too briefly."""
    fps: float | None = None
    """Sample this many frames a second (at most 1000) instead of a fixed number; None: use `frames`."""
    start: float | None = None
    """Look only at the video from this second on."""
    end: float | None = None
    """Look only at the video up to this second."""
    min_frames: int = 2
    """A person is judged in a video only from this many frames on (fewer if fewer are looked at)."""
    threshold: float | None = None
    """Call a file fake from this probability (0–1) on; None: the model's own calibrated band."""
    prior: float | None = None
    """Share of fakes expected among the scanned files (0.00001–0.99999); None: as calibrated."""
    heatmaps: bool = False
    """Keep the class-activation map of every face."""
    pictures: bool = False
    """Keep small pictures of judged faces and of their frames, for reports that people look at."""
    evidence: bool = False
    """Record what it takes to repeat the scan: hash of the file, versions, Content Credentials."""
    trust_list: str | None = None
    """PEM file of certificates whose Content Credentials are trusted; None: trust is not checked."""
    timeout: float = 300.0
    """Seconds that one file may take."""
    max_pixels: int = 268_435_456
    """Pictures with more pixels are refused as a decompression bomb."""
    seed: int = 0
    """Seed of whatever is random; a scan itself is deterministic."""

    def __post_init__(self) -> None:
        for name in (*_TEXTS, *_WHOLE, *_REAL, *_FLAGS):
            value = getattr(self, name)
            if (plain := _plain(value)) is not value:
                object.__setattr__(self, name, plain)
        _check(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Settings:
        """Build settings from a plain mapping; an unknown key is named with its nearest relative."""
        names = [f.name for f in dataclasses.fields(cls)]
        for key in values:
            if key not in names:
                hint = near(key, names)
                raise SettingsError(f"unknown setting '{key}'" + (hint and f"; {hint}"))
        return cls(**values)

    def replace(self, **changes: Any) -> Settings:
        """A copy with some values changed; an unknown name raises as in `from_mapping`."""
        return Settings.from_mapping({**self.as_dict(), **changes})

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for reports and for worker processes."""
        return dataclasses.asdict(self)


def require_settings(value: object, made_by: str = "Settings") -> None:
    """Raise `SettingsError` for what is no `Settings`, e.g. a mapping or a model's name.

    `made_by` is what takes single settings by name in its place.
    """
    if not isinstance(value, Settings):
        raise SettingsError(
            f"settings must be a Settings, not {type(value).__name__}; "
            f"single ones are given by name: {made_by}(model='light', frames=32)"
        )


_TEXTS = ("model", "engine", "device", "detector", "trust_list")
# Names of whole numbers with the least value of each, and of all other numbers.
_WHOLE = {
    "threads": 0,
    "min_face": 16,
    "max_faces": 1,
    "frames": 1,
    "min_frames": 1,
    "max_pixels": 1,
    "seed": 0,
}
_REAL = ("fps", "start", "end", "threshold", "prior", "timeout")
_FLAGS = ("heatmaps", "pictures", "evidence")
_DEVICE = re.compile(r"cpu|cuda(:\d{1,3})?")


def _plain(value: object) -> object:
    """Paths as text; texts, numbers and booleans of numpy and the like as Python's own; else as it is.

    Worker processes may not have the class of, say, a `StrEnum` of the program.
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return str.__str__(value)
    if (numpy := sys.modules.get("numpy")) and isinstance(value, numpy.bool_):  # else it is none of numpy's
        return bool(value)
    if type(value) in (int, float, bool) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _is_possible_path(value: object) -> bool:
    """Whether the system could have a file of this name."""
    try:
        return isinstance(value, str) and bool(value) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


MOST_THREADS = 256
"""More help no engine; thousands would take all memory."""


def _check(s: Settings) -> None:
    def refuse(name: str, why: str) -> None:
        raise SettingsError(f"{name} {why}", name)

    def fail(name: str, want: str) -> None:
        refuse(name, f"must be {want}, not {getattr(s, name)!r}")

    if s.engine not in ENGINES:
        fail("engine", "one of " + ", ".join(ENGINES))
    if s.detector not in DETECTORS:
        fail("detector", "one of " + ", ".join(DETECTORS))
    for name in _FLAGS:
        if not isinstance(getattr(s, name), bool):
            fail(name, "True or False")
    for name in ("model", "device"):
        if not isinstance(getattr(s, name), str) or not getattr(s, name):
            fail(name, "a text")
    if s.trust_list is not None and not _is_possible_path(s.trust_list):
        fail("trust_list", "the path of a PEM file")
    if not _DEVICE.fullmatch(s.device):
        fail("device", "'cpu', 'cuda' or, for one of several, 'cuda:1'")
    if s.device != "cpu" and s.engine != "torch":
        refuse("device", f"'{s.device}' needs engine 'torch' (add --engine torch)")
    for name, low in _WHOLE.items():
        value = getattr(s, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            fail(name, f"a whole number of at least {low}")
        if value >= 2**63:
            refuse(name, "must be less than 2^63")
    if s.threads > MOST_THREADS:
        fail("threads", f"at most {MOST_THREADS}")
    if s.threshold is not None and not (is_number(s.threshold) and 0.0 < s.threshold < 1.0):
        fail("threshold", "between 0 and 1 (both excluded)")
    if s.prior is not None and not (is_number(s.prior) and LEAST_PRIOR <= s.prior <= 1 - LEAST_PRIOR):
        fail("prior", "between 0.00001 and 0.99999")
    if s.fps is not None and not (is_number(s.fps) and 0 < s.fps <= 1000):
        fail("fps", "a number of frames a second above 0 and at most 1000")
    if s.start is not None and not (is_number(s.start) and s.start >= 0):
        fail("start", "a number of seconds, 0 or more")
    if s.end is not None and not (is_number(s.end) and s.end > 0):
        fail("end", "a number of seconds, more than 0")
    if s.start is not None and s.end is not None and s.end <= s.start:
        refuse("end", f"({s.end:g} s) must lie after start ({s.start:g} s)")
    if not (is_number(s.timeout) and s.timeout > 0):
        fail("timeout", "a positive number of seconds")
