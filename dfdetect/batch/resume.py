"""Go on with a scan: results that a journal holds are taken over, the others are scanned and kept."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from dfdetect.batch.journal import Journal, Stamp, stamp_of
from dfdetect.batch.sources import NotYet
from dfdetect.results import ScanResult


def scan_with(
    journal: Journal,
    paths: Iterable[str | NotYet],
    scan: Callable[[Iterator[str | NotYet]], Generator[ScanResult, None, None]],
    *,
    ordered: bool = False,
    apart: Iterable[str | None] = (),
) -> Generator[ScanResult, None, None]:
    """One result per path: what `journal` holds, and of the rest what `scan` makes of it, which is then kept.

    `scan` is called at once.  It may take paths ahead and give results in any order, each under its path.
    With `ordered` results come in the order of `paths`, otherwise those that are there already come as they
    are met.  The paths `apart` are neither looked up nor kept.
    """
    flow = _Flow(journal, iter(paths), ordered, frozenset(apart))
    return flow.run(scan(flow.rest()))


@dataclass(slots=True)
class _Slot:
    """A place in the order of results; filled once it has one of the two."""

    offset: int | None = None
    result: ScanResult | None = None

    @property
    def filled(self) -> bool:
        return self.offset is not None or self.result is not None


class _Flow:
    """Parts the paths in two, and brings the results together again."""

    def __init__(
        self, journal: Journal, paths: Iterator[str | NotYet], ordered: bool, apart: frozenset[str | None]
    ) -> None:
        self._journal = journal
        self._paths = paths
        self._ordered = ordered
        self._apart = apart
        self._line: deque[_Slot] = deque()
        self._begun: dict[str, deque[tuple[Stamp | None, _Slot]]] = {}

    def rest(self) -> Iterator[str | NotYet]:
        """What `scan` has to do."""
        for path in self._paths:
            if isinstance(path, NotYet):
                yield path
                continue
            if (offset := self._find(path)) is not None:
                self._line.append(_Slot(offset))
                continue
            slot = _Slot()
            stamp = None if path in self._apart else stamp_of(path)
            self._begun.setdefault(path, deque()).append((stamp, slot))
            if self._ordered:
                self._line.append(slot)
            yield path

    def run(self, results: Generator[ScanResult, None, None]) -> Generator[ScanResult, None, None]:
        """All results."""
        with contextlib.closing(results):
            # Those at the beginning at once: `scan` would take paths until one is left for it.
            for path in self._paths:
                if isinstance(path, NotYet):
                    path.wait()
                    continue
                if (offset := self._find(path)) is None:
                    self._paths = itertools.chain([path], self._paths)
                    break
                yield self._journal.read(offset)
            for result in results:
                yield from self._arrived(result)
            self._line = deque(slot for slot in self._line if slot.filled)
            yield from self._ready()

    def _find(self, path: str) -> int | None:
        offset = None if path in self._apart else self._journal.find(path)
        self._journal.taken += offset is not None
        return offset

    def _arrived(self, result: ScanResult) -> Iterator[ScanResult]:
        stamp, slot = self._begun[result.path].popleft()
        if not self._begun[result.path]:
            del self._begun[result.path]
        offset = self._journal.keep(result, stamp) if stamp is not None else None
        if not self._ordered:
            self._line.append(_Slot(result=result))
        elif offset is None or self._line[0] is slot:
            slot.result = result
        else:
            slot.offset = offset  # until its turn the disk has it
        yield from self._ready()

    def _ready(self) -> Iterator[ScanResult]:
        """What is next in line, as far as it is there."""
        while self._line and self._line[0].filled:
            slot = self._line.popleft()
            if slot.result is not None:
                yield slot.result
            elif slot.offset is not None:
                yield self._journal.read(slot.offset)
