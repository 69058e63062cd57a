"""CSV: a row per file with stable columns, for spreadsheets and data frames.

Numbers have a decimal point and are empty where there is none.  Control characters in names are escaped
as in the text report (``\\n``, ``\\x1b``).  A text cell that a spreadsheet would take for a formula (it
begins with ``=``, ``+``, ``-`` or ``@``) gets an apostrophe in front, so a hostile file name runs nothing;
so does what would begin one after a semicolon, at which some spreadsheets end a cell.  For the exact name
use JSON.

``model_version`` is text, also where it looks like a number (``2``, ``1.10``); a data frame has to be told:
``pandas.read_csv(path, dtype={"model_version": "string"})``.
"""

from __future__ import annotations

import csv
import io
import re

from dfdetect.names import printable
from dfdetect.record.plain import plain_result
from dfdetect.reports.base import Report
from dfdetect.results import Label, ScanResult, TrackResult
from dfdetect.words import label_words

COLUMNS = (
    "path",
    "label",
    "reason",
    "fake_probability",
    "logit",
    "kind",
    "width",
    "height",
    "duration",
    "persons",
    "persons_fake",
    "who_when",
    "notes",
    "message",
    "model",
    "model_version",
    "tool_version",
    "elapsed",
    "novelty",
)
"""The columns, in this order; new ones are only ever added at the end."""

_FORMULA = "=+-@＝＋－＠"
_AFTER_SEMICOLON = re.compile(rf"(;[\s\"]*)(?=[{re.escape(_FORMULA)}])")


class CsvReport(Report):
    """One header line, then one row per file."""

    name = "csv"

    def begin(self) -> None:
        """Write the header."""
        self.write(_row(COLUMNS))

    def add(self, result: ScanResult) -> None:
        """Write one row."""
        self.write(_row(_cells(result)))


def safe_cell(text: str) -> str:
    """Text that a spreadsheet shows and does not calculate, without control characters."""
    text = printable(text)
    # Quotes do not help here: such a reader sees only those at the start of its own cells.
    text = _AFTER_SEMICOLON.sub(r"\1'", text)
    start = text.lstrip()
    # A dash alone is the name of standard input, and no formula.
    return "'" + text if len(start) > 1 and start[0] in _FORMULA else text


def who_when(tracks: tuple[TrackResult, ...]) -> str:
    """The persons in brief: ``1 0-12.5 real 0.0400; 2 3.1-7 fake 0.9310`` (number, seconds, answer)."""
    return "; ".join(_person(track) for track in tracks)


def _person(track: TrackResult) -> str:
    answer = label_words(track.label, track.reason).replace(" ", "_")
    if track.fake_probability is not None:
        answer += f" {track.fake_probability:.4f}"
    elif track.reason is not None:
        answer += f" {track.reason.value}"
    return f"{track.id} {round(track.start, 2):g}-{round(track.end, 2):g} {answer}"


def _cells(result: ScanResult) -> tuple[object, ...]:
    record = plain_result(result)
    media = record["media"] or {}
    model = record["model"] or {}
    notes = dict.fromkeys(note.code for note in result.every_note)
    return (
        safe_cell(result.path),
        record["label"],
        record["reason"],
        record["fake_probability"],
        record["logit"],
        media.get("kind"),
        media.get("width"),
        media.get("height"),
        media.get("duration"),
        len(result.tracks),
        sum(track.label is Label.FAKE for track in result.tracks),
        who_when(result.tracks),
        safe_cell(" ".join(notes)),
        safe_cell(result.message),
        safe_cell(model.get("name", "")),
        safe_cell(model.get("version", "")),
        record["tool_version"],
        record["elapsed"],
        record["novelty"],
    )


def _row(cells: tuple[object, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
