"""JSON Lines: a record per file, on its own line, as soon as the file is done."""

from __future__ import annotations

from dfdetect.record.plain import plain_result
from dfdetect.reports.base import Report
from dfdetect.reports.json_report import dumps
from dfdetect.results import ScanResult


class JsonlReport(Report):
    """Each line is ``$defs/result`` of the schema and stands for itself; there is no summary."""

    name = "jsonl"

    def add(self, result: ScanResult) -> None:
        """Write one line."""
        self.write(dumps(plain_result(result)) + "\n")
