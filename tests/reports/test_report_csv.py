"""CSV: stable columns, one row per file, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from dfdetect.reports.csv_report import COLUMNS, safe_cell
from dfdetect.results import Reason, ScanResult
from tests.sample_results import render, unjudged


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_one_row_per_file(results: list[ScanResult]) -> None:
    table = rows(render("csv", results))
    assert len(table) == len(results)
    assert all(tuple(row) == COLUMNS for row in table)
    first = table[0]
    assert (first["label"], float(first["fake_probability"])) == ("fake", 0.931)
    assert (first["persons"], first["persons_fake"]) == ("3", "1")
    assert first["who_when"] == "1 0-12 real 0.0400; 2 3.2-6.4 fake 0.9310; 3 3-9 not_judged face_too_small"
    assert float(first["logit"]) < 0, "a negative number is not a formula and stays a number"
    last = table[-1]
    assert (last["label"], last["reason"], last["fake_probability"]) == ("", "missing", "")


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_name_is_one_harmless_row(path: str) -> None:
    text = render("csv", [unjudged(path, Reason.MISSING, path)])
    assert text.count("\n") == 2
    row = rows(text)[0]
    assert not [cell for cell in text.split(";")[1:] if cell.lstrip(' "').startswith(("=", "+", "-", "@"))]
    for cell in (row["path"], row["message"]):
        assert cell == "-" or not cell.lstrip().startswith(("=", "+", "-", "@")) or len(cell.strip()) == 1


def test_formulas_get_an_apostrophe() -> None:
    for name in ("=1+1.png", "+1.png", "-rf.png", "@SUM.png", " =1.png", "＝1.png"):
        assert safe_cell(name) == "'" + name
    assert safe_cell("a=b.png") == "a=b.png"
    # Where a semicolon ends a cell, quotes in the middle of a line protect nothing.
    assert safe_cell("x;=1+1.jpg") == "x;'=1+1.jpg"
    assert safe_cell('x; "@a;-b') == "x; \"'@a;'-b"
    assert safe_cell("a; b=c;") == "a; b=c;"
    assert safe_cell("-") == "-"
