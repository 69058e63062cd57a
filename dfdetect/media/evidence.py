"""What it takes to repeat a scan: the hash of the file, its credentials, the versions of what took part."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dfdetect import __version__
from dfdetect.media.credentials import TraceFinder, read_credentials
from dfdetect.results import Evidence

if TYPE_CHECKING:
    from dfdetect.media.source import Source

_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "opencv-python",
    "Pillow",
    "pillow-heif",
    "av",
    "onnxruntime",
    "openvino",
    "torch",
    "torchvision",
    "facenet-pytorch",
    "c2pa-python",
)
# Models, each with hashes of its own, and samples: they lie beside the package in its source folder.
_BUNDLED = ("_models", "_samples")
# Pillow's name of each decoder that it is built with, and the decoder's own.
_PILLOW_DECODERS = {
    "jpg": "libjpeg",
    "libjpeg_turbo": "libjpeg-turbo",
    "jpg_2000": "openjpeg",
    "libtiff": "libtiff",
    "webp": "libwebp",
    "avif": "libavif",
    "zlib": "zlib",
}


def gather_evidence(source: Source | None, trust_list: str | None = None) -> Evidence:
    """Hash the bytes of `source`, read its Content Credentials, and name the versions.

    Reads the whole file, once.  `source` None stands for pixels in memory, which have neither hash nor
    credentials.  `trust_list`: certificates (PEM) whose credentials are trusted.  Raises `MediaError` when
    the file cannot be read; `source` is closed then.
    """
    started = _now()
    if source is None:
        return Evidence(started, None, versions(), None)
    digest, finder = hashlib.sha256(), TraceFinder()
    try:
        for chunk in source.chunks():
            digest.update(chunk)
            finder.feed(chunk)
        credentials = read_credentials(source, finder.trace, trust_list)
    except BaseException:
        source.close()
        raise
    return Evidence(started, digest.hexdigest(), versions(), credentials)


def bare_evidence(source: Source) -> Evidence:
    """The same for a file whose scan failed: without credentials, whose reader may be what failed."""
    return Evidence(_now(), hash_source(source), versions(), None)


def hash_source(source: Source) -> str:
    """The sha256 of all bytes, in hexadecimal; `MediaError` when they cannot be read."""
    digest = hashlib.sha256()
    for chunk in source.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.cache
def versions() -> Mapping[str, str]:
    """The tool and a hash of its code, Python, the machine, and every library that reads or judges pictures.

    Libraries are those that are installed: which of them ran follows from the file and the settings.
    """
    found = {
        "dfdetect": __version__,
        **_code_hash(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
    }
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | _decoders()


def _code_hash() -> dict[str, str]:
    """Of the package's Python files: their names and contents, in the order of the names.

    Without `_BUNDLED`, which an installed package holds and a source folder does not.
    """
    root = Path(__file__).resolve().parents[1]
    paths = (path.relative_to(root) for path in root.rglob("*.py"))
    names = sorted(path.as_posix() for path in paths if path.parts[0] not in _BUNDLED)
    if not names:  # an installation without sources
        return {}
    digest = hashlib.sha256()
    for name in names:
        content = (root / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return {"dfdetect-sha256": digest.hexdigest()}


def _decoders() -> dict[str, str]:
    """The libraries inside PyAV and Pillow, which decode."""
    import av
    from PIL import features

    found = {library: ".".join(map(str, number)) for library, number in av.library_versions.items()}
    for feature, name in _PILLOW_DECODERS.items():
        version = features.version(feature)
        if version is not None:
            found[name] = version
    return found


def _processor() -> str:
    """The model of the processor where the system tells it; its architecture elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
            return next(names, platform.machine())
    except OSError:
        return platform.machine()
