"""What waits: results until it is known how they are to be reported, parts of a report until its end."""

from __future__ import annotations

import io
import pickle
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from dfdetect.interrupts import interrupts_held
from dfdetect.record.summary import Summary
from dfdetect.results import ScanResult

_IN_MEMORY = 1 << 20
_LENGTH = 8
"""Bytes before each record that say how long it is."""


class Waiting:
    """Keeps records in a temporary file, in memory while they are few, and gives them back in their order.

    Without room for the file they stay in memory: they must not be lost for want of a place to wait.
    """

    def __init__(self) -> None:
        self.count = 0
        self._latest = io.BytesIO()
        self._file: io.FileIO | None = None
        self._filed = 0
        """So many records are whole in the file; what lies behind them there, if it got full, is void."""
        self._has_room = True

    def add(self, record: bytes) -> None:
        """Hold one record."""
        self._latest.write(len(record).to_bytes(_LENGTH, "little") + record)
        self.count += 1
        if self._has_room and self._latest.tell() > _IN_MEMORY:
            self._to_file()

    def _to_file(self) -> None:
        """Move what is in memory to the file, or leave it all there, and what comes later too."""
        try:
            if self._file is None:
                # Without a buffer: that would keep what the disk did not take, and fail again later.
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `pour`
            rest = memoryview(self._latest.getvalue())
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._has_room = False
            return
        self._latest = io.BytesIO()
        self._filed = self.count

    def pour(self) -> Iterator[bytes]:
        """The records, once."""
        if self._file is not None:
            with io.BufferedReader(self._file) as file:
                file.seek(0)
                yield from _records(file, self._filed)
        self._latest.seek(0)
        yield from _records(self._latest, self.count - self._filed)


def _records(file: BinaryIO, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield file.read(int.from_bytes(file.read(_LENGTH), "little"))


class HeldResults:
    """Keeps results, and gives them back in their order."""

    def __init__(self) -> None:
        self.summary = Summary()
        """Counts of what is held, for the progress line."""
        self._waiting = Waiting()

    def add(self, result: ScanResult) -> None:
        """Hold one result; an interruption leaves no half of it."""
        with interrupts_held():
            self.summary.add(result)
            self._waiting.add(pickle.dumps(result))

    def pour(self) -> Iterator[ScanResult]:
        """The results, once."""
        for record in self._waiting.pour():
            yield pickle.loads(record)
