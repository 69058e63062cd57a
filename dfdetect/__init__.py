"""dfdetect: tells whether a photo or a video shows a faked face, how sure it is, who, when and why.

>>> from dfdetect import Detector            # doctest: +SKIP
>>> Detector().scan("clip.mp4").label        # doctest: +SKIP
<Label.REAL: 'real'>
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Detector", "Label", "Reason", "ScanResult", "Settings", "__version__"]

if TYPE_CHECKING:
    from dfdetect.detector import Detector
    from dfdetect.results import Label, Reason, ScanResult
    from dfdetect.settings import Settings

# ONNX Runtime's own builds can report their use to its makers, and prepare to at import.  Nothing leaves the
# machine from here, unless somebody has set this otherwise on purpose.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Detector": "dfdetect.detector",
    "Label": "dfdetect.results",
    "Reason": "dfdetect.results",
    "ScanResult": "dfdetect.results",
    "Settings": "dfdetect.settings",
}


if not TYPE_CHECKING:  # where type checkers saw it, any misspelt name would pass as one of the package

    def __getattr__(name: str) -> Any:
        # Names are imported when first used, so that `import dfdetect` costs next to nothing.
        if name in _HOMES:
            from importlib import import_module

            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'dfdetect' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
