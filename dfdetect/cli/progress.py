"""Progress with time left on standard error, only when a person is watching."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from dfdetect.cli.common import current_talk, environment_on_color
from dfdetect.record.summary import Summary
from dfdetect.results import Label

if TYPE_CHECKING:
    from rich.progress import Progress


class ProgressLine:
    """A line at the bottom of the terminal: how far, how many fakes, how long it will still take.

    Without `shown` it is silent and costs nothing; `total` None means unknown.  A context manager; leaving
    it leaves no trace on the terminal.
    """

    def __init__(self, shown: bool, total: int | None, color: bool = False) -> None:
        self._progress = _progress(color) if shown else None
        if self._progress is not None:
            self._task = self._progress.add_task("scanning", total=total)
        # Results on the same terminal would be written through the line.
        self._shares_terminal = is_terminal(sys.stdout)

    def __enter__(self) -> ProgressLine:
        if self._progress is not None:
            self._progress.start()
            self._progress.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            with contextlib.suppress(OSError):  # the terminal was closed
                self._progress.stop()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Out of the way while a result is written."""
        if self._progress is None or not self._shares_terminal:
            yield
            return
        self._progress.stop()
        yield
        self._progress.start()

    def update(self, summary: Summary) -> None:
        """A file is finished."""
        if self._progress is not None:
            found = f"scanning, {summary.labels[Label.FAKE]} fake"
            self._progress.update(self._task, completed=summary.files, description=found)
            self._progress.refresh()


def is_terminal(stream: object) -> bool:
    """Whether a person sees at once what is written there."""
    try:
        return bool(stream is not None and stream.isatty())  # type: ignore[attr-defined]
    except ValueError:  # closed
        return False


def wants_color(choice: bool | None, stream: object) -> bool:
    """Whether to write colour to `stream`.

    The first that says anything decides: `choice`, ``--color`` or ``--no-color`` (or DFDETECT_COLOR),
    NO_COLOR, FORCE_COLOR, a configuration file; without any a terminal that is not dumb gets colour.
    """
    for decision in (choice, current_talk().color, environment_on_color()):
        if decision is not None:
            return decision
    return is_terminal(stream) and os.environ.get("TERM") != "dumb" and not _shows_codes_as_text()


def _shows_codes_as_text() -> bool:
    """Whether this is the classic console of Windows, where nobody has switched on that it obeys colours."""
    on_windows = sys.platform == "win32"
    if on_windows:
        from rich.console import detect_legacy_windows

        return detect_legacy_windows()
    return False


def _progress(color: bool) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True, no_color=not color),
        transient=True,
        # A thread that repaints would forbid starting workers by fork, which is ten times as quick.
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        speed_estimate_period=600,
    )
