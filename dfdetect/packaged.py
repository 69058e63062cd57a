"""Where the data that comes with dfdetect lies: models and samples, each a package of its own."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from dfdetect.errors import ModelError

MODELS = "dfdetect._models"
SAMPLES = "dfdetect._samples"

_SOURCE_FOLDERS = {MODELS: "models", SAMPLES: "data"}
"""Where they lie in the source folder, beside the code (``package_dir`` in setup.cfg)."""


def packaged(package: str) -> Path | None:
    """The folder of a package of data that comes with dfdetect; None where there is none.

    Raises `ModelError` when the package is in a zip archive.
    """
    own = _in_source_folder(package)
    if own is not None:
        return own
    try:
        root = resources.files(package)
    except ModuleNotFoundError:
        return None
    if not isinstance(root, Path):
        raise ModelError(
            "dfdetect cannot run from a zip archive, its models must be files: install it unpacked"
        )
    return root if root.is_dir() else None


def required(package: str) -> Path:
    """The same, but raises `ModelError` where there is none, too."""
    folder = packaged(package)
    if folder is None:
        raise ModelError(f"{package} is missing, which comes with dfdetect: reinstall dfdetect")
    return folder


def _in_source_folder(package: str) -> Path | None:
    """The source folder's own data, if this code is run from there.

    If Python is started in it, it hides an installed dfdetect, whose packages of data, or those of another
    source folder that is installed to be edited, would be found nevertheless.
    """
    code = Path(__file__).resolve().parent
    source = code.parent
    # In an installed copy a stranger's folders lie there, even with a setup.cfg if it was put into a project.
    if package not in _SOURCE_FOLDERS or (code / "_models").exists() or not (source / "setup.cfg").is_file():
        return None
    folder = source / _SOURCE_FOLDERS[package]
    return folder if (folder / "__init__.py").is_file() else None
