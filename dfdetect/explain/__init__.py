"""Explain: a photo or a video → its `ScanResult`, and a copy with what was found drawn into it."""

from dfdetect.explain.file import Explained, Progress, explain

__all__ = ["Explained", "Progress", "explain"]
