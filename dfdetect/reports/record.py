"""The evidence record: the JSON document, with what it takes to repeat the scan and to tie it to a file."""

from __future__ import annotations

from dfdetect.reports.json_report import JsonReport


class RecordReport(JsonReport):
    """Exactly ``--format json`` of a scan with ``--evidence``; ``dfdetect verify`` reads it.

    That document already has everything that ran (tool, settings, hashes of model and face detector) and
    every score with its time; a second form beside it could only disagree with it.
    """

    name = "record"
    needs = frozenset({"evidence"})
