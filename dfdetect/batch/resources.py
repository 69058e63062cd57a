"""What this machine (or container) gives us: cores, memory, and how many workers fit into them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

WORKER_BYTES = 400 * 2**20
"""Memory that one worker needs at its peak on ordinary files."""

_MOST_ON_WINDOWS = 60
"""Workers there: a process can wait for 63 of them at once, and some are left for other things."""

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that this process may use: its affinity and, in a container, its share of processor time."""
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
        quota = _words(_CGROUP / "cpu.max")
        if len(quota) == 2 and all(word.isdigit() for word in quota) and int(quota[1]) > 0:
            cores = min(cores, int(quota[0]) // int(quota[1]))
    else:
        cores = os.cpu_count() or 1
    return max(1, cores)


def usable_memory() -> int | None:
    """Bytes of memory that may still be taken, or None where the system does not say."""
    if sys.platform != "linux":
        return _physical_memory()
    free = [_available_memory(), _container_memory()]
    return min((value for value in free if value is not None), default=None)


def default_jobs() -> int:
    """Workers to start when nobody said how many: one per core, fewer if memory is short; at least 1."""
    memory, cores = usable_memory(), usable_cores()
    return allowed_jobs(cores if memory is None else max(1, min(cores, memory // WORKER_BYTES)))


def allowed_jobs(jobs: int) -> int:
    """`jobs`, or as many workers as one process can have on this system."""
    return min(jobs, _MOST_ON_WINDOWS) if sys.platform == "win32" else jobs


def threads_per_worker(jobs: int) -> int:
    """Threads for the engine of each of `jobs` workers, so that together they fill the cores."""
    return max(1, usable_cores() // max(1, jobs))


def spare_algebra_threads() -> None:
    """Keep numpy's algebra library, where it is not loaded yet, from starting a thread for every core.

    A scan needs no algebra; starting them costs a tenth of a second of processor time in every process.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except (OSError, UnicodeDecodeError):
        return []


def _available_memory() -> int | None:
    words = _words(Path("/proc/meminfo"))
    try:
        return int(words[words.index("MemAvailable:") + 1]) * 1024
    except (ValueError, IndexError):
        return None


def _container_memory() -> int | None:
    limit, used = _words(_CGROUP / "memory.max"), _words(_CGROUP / "memory.current")
    if not limit or not limit[0].isdigit() or not used:
        return None
    # Page cache counts as used although it would make room: half the limit is a fair floor.
    return max(int(limit[0]) - int(used[0]), int(limit[0]) // 2)


def _free_memory_of_windows() -> int | None:
    """``ullAvailPhys`` of GlobalMemoryStatusEx: a structure of two 4-byte numbers and seven 8-byte ones."""
    import ctypes
    import struct

    layout = struct.Struct("<II7Q")
    status = ctypes.create_string_buffer(layout.pack(layout.size, *[0] * 8), layout.size)
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009  (not on other systems)
    return layout.unpack(status.raw)[3] if kernel.GlobalMemoryStatusEx(status) else None


def _physical_memory() -> int | None:
    if sys.platform == "win32":
        return _free_memory_of_windows()
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
