"""The small family of errors, and the one table from outcomes to exit codes.

A *file* that cannot be judged never raises out of a scan: what went wrong becomes the
:class:`~dfdetect.results.Reason` and the message of its result.  Inside a scan the stages
raise :class:`MediaError`, which `Detector.scan` turns into that result.  Wrong use by a
programmer or a user (settings, models, command lines) does raise.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfdetect.results import Reason


class ExitCode(IntEnum):
    """What the command line's exit status means; the only place that says so."""

    CLEAN = 0
    """Everything was looked at and nothing reached ``--fail-on``."""
    FOUND = 1
    """At least one file reached ``--fail-on`` (by default: a fake), or does not reproduce its record."""
    USAGE = 2
    """Wrong usage: options, settings, a model folder, nothing to scan, or output that cannot be written."""
    UNJUDGED = 3
    """An input could not be read, or, with ``--strict``, could not be judged."""
    INTERNAL = 4
    """A fault of dfdetect itself."""
    INTERRUPTED = 130
    """Ctrl-C; what was finished before has been reported."""


class DfdetectError(Exception):
    """Base of everything that dfdetect raises on purpose.  The message says what to do."""

    exit_code: ExitCode = ExitCode.INTERNAL


class SettingsError(DfdetectError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, setting: str | None = None) -> None:
        super().__init__(message)
        self.setting = setting
        """Name of the one that `Settings` refuses, with which the message then begins."""


class InputError(DfdetectError):
    """The request itself cannot be met: no such path, an empty list, an unusable output file."""

    exit_code = ExitCode.USAGE


class ModelError(DfdetectError):
    """A model folder is missing, incomplete, altered, or not made for this version."""

    exit_code = ExitCode.USAGE


class MissingExtraError(DfdetectError):
    """An optional package is needed for what was asked; the message names the install command."""

    exit_code = ExitCode.USAGE


class MediaError(DfdetectError):
    """A media file cannot be read or judged.  Becomes `reason` and `message` of its result."""

    exit_code = ExitCode.UNJUDGED

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def __reduce__(self) -> tuple[type[MediaError], tuple[Reason, str]]:
        return type(self), (self.reason, self.message)  # it travels between processes
