"""What all sessions of ONNX Runtime have in common, those of the face detector and those of the classifiers.

They take memory for activations from one pool of the process: detection and scoring seldom need theirs at the
same moment, and a pool for each of four networks holds twice what is needed at any time.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any


def session_options(threads: int) -> Any:
    """``onnxruntime.SessionOptions`` for a session on so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait by spinning take the cores from the decoder and from other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _has_pool():
        options.add_session_config_entry("session.use_env_allocators", "1")
    return options


@functools.cache
def _has_pool() -> bool:
    """Register the pool, once a process; False where somebody else has, or this ONNX Runtime cannot."""
    import onnxruntime

    try:
        where = onnxruntime.OrtMemoryInfo(
            "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
        )
        onnxruntime.create_and_register_allocator(where, None)
    except Exception:  # a class of its own per status code, without a common base
        return False
    return True


def give_back_memory() -> None:
    """Return to the system what loading a network has freed: some 30 MiB for `light`, in 3 ms.

    glibc keeps it otherwise, and the frames and activations that come later lie beside it.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, TypeError, AttributeError):  # another C library
        return
