"""Results that are made outside a scan: the worker died, hung, or a stage raised."""

from __future__ import annotations

import dataclasses
import os
import signal
import traceback

from dfdetect.errors import MediaError
from dfdetect.results import Reason, ScanResult
from dfdetect.settings import Settings
from dfdetect.shortage import what_ran_out

_TIME_USED_UP = "the processor time that 'ulimit -t' allows was used up (raise it)"


def failed_result(
    path: str, reason: Reason, message: str, settings: Settings, elapsed: float = 0.0
) -> ScanResult:
    """`ScanResult.failed` with the settings in force."""
    return ScanResult.failed(path, reason, message, settings.as_dict(), elapsed)


def raised_result(path: str, error: Exception, settings: Settings, elapsed: float) -> ScanResult:
    """The result of a file whose scan raised `error`, which a scan should not do."""
    if isinstance(error, MediaError):
        return failed_result(path, error.reason, error.message, settings, elapsed)
    if (shortage := what_ran_out(error)) is not None:
        return failed_result(path, Reason.OUT_OF_MEMORY, shortage, settings, elapsed)
    text = f"a fault of dfdetect stopped this scan: {describe(error)}; please report it with the file"
    return failed_result(path, Reason.CRASHED, text, settings, elapsed)


def timed_out_result(path: str, settings: Settings, elapsed: float) -> ScanResult:
    """The result of a file that took longer than `Settings.timeout` seconds."""
    text = f"stopped after the time limit of {settings.timeout:g} s; raise --timeout or sample fewer --frames"
    return failed_result(path, Reason.TIMED_OUT, text, settings, elapsed)


def died_result(path: str, exit_code: int | None, settings: Settings, elapsed: float) -> ScanResult:
    """The result of a file whose worker process died with `exit_code` (negative: a signal)."""
    if exit_code == -getattr(signal, "SIGKILL", 9):
        # Nobody but the kernel's out-of-memory killer ends a worker this way (and people with `kill -9`).
        time = f" or {_TIME_USED_UP}" if _limits_time() else ""
        text = f"the system killed this scan, most likely because memory ran out{time}; use fewer --jobs"
        return failed_result(path, Reason.OUT_OF_MEMORY, text, settings, elapsed)
    if exit_code == -getattr(signal, "SIGXCPU", 24):
        text = f"the system ended this scan because {_TIME_USED_UP}; sample fewer --frames"
        return failed_result(path, Reason.TIMED_OUT, text, settings, elapsed)
    text = f"the decoder or a network crashed on this file ({describe_exit(exit_code)}); it may be damaged"
    return failed_result(path, Reason.CRASHED, text, settings, elapsed)


def _limits_time() -> bool:
    """Whether the system ends this process and its workers after some processor time."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    return resource.getrlimit(resource.RLIMIT_CPU)[0] != resource.RLIM_INFINITY


def with_evidence(result: ScanResult) -> ScanResult:
    """The failed `result` with the hash of its file; as it is when the file cannot be read."""
    from dfdetect.media.evidence import bare_evidence
    from dfdetect.media.source import make_source

    try:
        source = make_source(result.path)
        try:
            return dataclasses.replace(result, evidence=bare_evidence(source))
        finally:
            source.close()
    except (MediaError, MemoryError):
        return result


def describe(error: BaseException) -> str:
    """An exception in half a line: its type, its text and the line of code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())[:300]
    return type(error).__name__ + (f": {text}" if text else "") + where


def describe_exit(exit_code: int | None) -> str:
    """How a process ended, in words: ``SIGSEGV`` or ``exit status 3``."""
    if exit_code is None:
        return "no exit status"
    if exit_code >= 0:
        # Windows: the number of an exception, which people know and search for like this.
        return f"exit status 0x{exit_code:08X}" if exit_code >= 1 << 31 else f"exit status {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
