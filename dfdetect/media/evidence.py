"""What it takes to repeat a scan: the hash of the file and the versions of everything that took part."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dfdetect.results import Evidence

if TYPE_CHECKING:
    from dfdetect.media.source import Source

_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "opencv-python",
    "Pillow",
    "av",
    "onnxruntime",
    "openvino",
    "torch",
)
_CHUNK = 1 << 20


def gather_evidence(source: Source | None) -> Evidence:
    """Hash the bytes of `source` (None: pixels in memory) and name the versions; reads the whole file."""
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Evidence(started, None if source is None else hash_source(source), versions(), None)


def hash_source(source: Source) -> str:
    """The sha256 of all bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with source.open() as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@functools.cache
def versions() -> Mapping[str, str]:
    """Python, platform, processor, and every installed library that reads pictures or runs networks."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "processor": _processor()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "av" in found:
        import av

        found |= {library: ".".join(map(str, number)) for library, number in av.library_versions.items()}
    return found


def _processor() -> str:
    """The model of the processor where the system tells it; its architecture elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
            return next(names, platform.machine())
    except OSError:
        return platform.machine()
