"""JSON: one document for the whole scan, written as the results come."""

from __future__ import annotations

import json

from dfdetect import __version__
from dfdetect.names import without_commands
from dfdetect.record.plain import plain_result
from dfdetect.record.summary import Summary
from dfdetect.reports.base import Report
from dfdetect.results import SCHEMA_VERSION, ScanResult


def dumps(value: object) -> str:
    """JSON on one line, pure ASCII.

    ASCII, because a terminal that shows the raw text would otherwise obey the controls of a hostile
    file name (U+009B, U+202E …), and because it survives every encoding on its way.
    """
    return without_commands(json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(", ", ": ")))


class JsonReport(Report):
    """``{"schema_version", "tool", "results": [...], "summary"}``, a result per line.

    The summary comes last: it is known last, and nothing is held back for it.
    """

    name = "json"

    def begin(self) -> None:
        """Open the document."""
        tool = {"name": "dfdetect", "version": __version__}
        head = f'{{"schema_version": {dumps(SCHEMA_VERSION)},\n "tool": {dumps(tool)},\n "results": ['
        self._separator = "\n  "
        self.write(head)

    def add(self, result: ScanResult) -> None:
        """Write one member of ``results``."""
        self.write(self._separator + dumps(plain_result(result)))
        self._separator = ",\n  "

    def end(self, summary: Summary) -> None:
        """Write the summary and close the document."""
        self.write(f'\n ],\n "summary": {dumps(summary.as_dict())}}}\n')
