"""HTML: one file for people, with pictures, time lines and heat maps, that needs nothing else."""

from __future__ import annotations

from typing import TextIO

from dfdetect.record.summary import Summary
from dfdetect.reports.base import Report, ReportOptions
from dfdetect.results import ScanResult


class HtmlReport(Report):
    """A section per file, written as it comes; counts, tools and explanations at the end move to the top.

    Held in memory are counts and what the files have in common (settings, models).  Pictures are bounded for
    a file and fall with the number of files, so that the report of 1,000 files stays one that opens.
    """

    name = "html"
    needs = frozenset({"pictures", "heatmaps", "evidence"})

    def __init__(self, stream: TextIO, options: ReportOptions | None = None) -> None:
        """Raises `MissingExtraError` at once when the template engine is missing."""
        from dfdetect.reports.html.page import check_jinja

        check_jinja()
        super().__init__(stream, options)

    def begin(self) -> None:
        """Write the head of the page."""
        from dfdetect.reports.html.appendix import Appendix
        from dfdetect.reports.html.page import render_head
        from dfdetect.reports.html.pictures import Budget

        self._budget, self._appendix, self._files = Budget(), Appendix(), 0
        self.write(render_head())

    def add(self, result: ScanResult) -> None:
        """Write the section of one file."""
        from dfdetect.reports.html.build import view_file
        from dfdetect.reports.html.page import render_file

        self._files += 1
        self.write(render_file(view_file(result, self._files, self._budget, self._appendix)))

    def end(self, summary: Summary) -> None:
        """Write counts and explanations, and close the page."""
        from dfdetect.reports.html.page import render_end

        self.write(render_end(summary, self._appendix.entries))
