"""Results held back until it is known how they are to be reported."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator

from dfdetect.interrupts import interrupts_held
from dfdetect.reports.summary import Summary
from dfdetect.results import ScanResult

_IN_MEMORY = 1 << 20


class HeldResults:
    """Keeps results in a temporary file, in memory while they are few, and gives them back in their order."""

    def __init__(self) -> None:
        self.summary = Summary()
        """Counts of what is held, for the progress line."""
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by `pour`

    def add(self, result: ScanResult) -> None:
        """Hold one result; an interruption leaves no half of it."""
        with interrupts_held():
            self.summary.add(result)
            pickle.dump(result, self._file)

    def pour(self) -> Iterator[ScanResult]:
        """The results, once."""
        with self._file as file:
            file.seek(0)
            for _ in range(self.summary.files):
                yield pickle.load(file)
