"""Shortages have many names: which errors mean that memory, or threads, ran out."""

from __future__ import annotations

from dfdetect.errors import MediaError
from dfdetect.results import Reason

_OF_OPENCV = "(-4:"
"""``cv::Error::StsNoMem`` in the text; the attribute `code` is that of the last error, be it another."""
_OF_LOADER = ("failed to map segment", "cannot allocate memory")
"""What the system's loader says of a library that finds no room; Python makes it an `ImportError`."""
_OF_STARTING = ("can't start new thread", "pthread_create failed")
"""What Python and ONNX Runtime say of a thread that is refused; others make it a `BlockingIOError`."""
NO_THREADS = (
    "the system allows no more threads: raise 'ulimit -u' or the container's limit of processes (pids),"
    " or scan fewer files at a time (--jobs)"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, and not that anything is wrong with a file or the program."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, ImportError):
        return any(words in str(error).lower() for words in _OF_LOADER)
    kind = type(error)
    # By name: whoever has not loaded OpenCV shall not do so now.
    return (kind.__module__, kind.__name__) == ("cv2", "error") and _OF_OPENCV in str(error)


def is_out_of_threads(error: BaseException) -> bool:
    """Whether `error` says that the system refused a thread, which `NO_THREADS` puts into words."""
    if isinstance(error, RuntimeError):
        return any(words in str(error) for words in _OF_STARTING)
    return isinstance(error, BlockingIOError)


def what_ran_out(error: BaseException) -> str | None:
    """Why a file was not scanned, and what to do, if `error` tells of a shortage."""
    if is_out_of_memory(error):
        return "memory ran out while scanning this file; scan fewer files at a time (--jobs)"
    return f"this file was not scanned, {NO_THREADS}" if is_out_of_threads(error) else None


def out_of_threads(title: str) -> MediaError:
    """The error for a file whose decoder gets no threads."""
    return MediaError(Reason.OUT_OF_MEMORY, f"{title} cannot be decoded, {NO_THREADS}")
