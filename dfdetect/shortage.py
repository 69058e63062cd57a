"""Short memory has many names: which errors mean that it ran out."""

from __future__ import annotations

_OF_OPENCV = "(-4:"
"""``cv::Error::StsNoMem`` in the text; the attribute `code` is that of the last error, be it another."""
_OF_LOADER = ("failed to map segment", "cannot allocate memory")
"""What the system's loader says of a library that finds no room; Python makes it an `ImportError`."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, and not that anything is wrong with a file or the program."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, ImportError):
        return any(words in str(error).lower() for words in _OF_LOADER)
    kind = type(error)
    # By name: whoever has not loaded OpenCV shall not do so now.
    return (kind.__module__, kind.__name__) == ("cv2", "error") and _OF_OPENCV in str(error)
