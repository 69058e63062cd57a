"""The novelty of a file is in every form that has room for it."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

import jsonschema
import pytest

from dfdetect.reports.base import ReportOptions
from dfdetect.results import MediaKind, Note, ScanResult
from dfdetect.verdict.novelty import novelty_note
from tests.sample_results import render, samples


def test_every_form_shows_it(schema: dict[str, Any]) -> None:
    result = dataclasses.replace(samples()[0], novelty=0.97)
    record = json.loads(render("jsonl", [result]))
    assert record["novelty"] == 0.97
    jsonschema.Draft202012Validator({**schema, "$ref": "#/$defs/result"}).validate(record)
    row = next(csv.DictReader(io.StringIO(render("csv", [result]), newline="")))
    assert float(row["novelty"]) == 0.97
    words = "More unusual than 97 % of the media that the model was calibrated on."
    assert words in render("text", [result], ReportOptions(verbosity=1))
    assert words not in render("text", [result])


def test_what_is_usual_is_a_fact_and_no_warning() -> None:
    result = dataclasses.replace(samples()[0], novelty=0.06)
    verbose = render("text", [result], ReportOptions(verbosity=1))
    assert "novelty 6 %" in verbose
    assert "nusual" not in verbose
    assert "More unusual" not in render("html", [result])


def test_below_the_alarm_a_page_has_it_among_the_facts_and_not_among_the_notes() -> None:
    page = render("html", [dataclasses.replace(samples()[2], novelty=0.94)])
    assert "94 % of the media that the model was calibrated on are less unusual" in page
    assert "More unusual" not in page


def test_it_is_empty_where_it_is_not_known(schema: dict[str, Any]) -> None:
    result = samples()[0]
    assert json.loads(render("jsonl", [result]))["novelty"] is None
    assert next(csv.DictReader(io.StringIO(render("csv", [result]), newline="")))["novelty"] == ""
    assert "nov" not in render("text", [result], ReportOptions(verbosity=1))


def test_it_is_a_share() -> None:
    with pytest.raises(ValueError, match="share between 0 and 1"):
        dataclasses.replace(samples()[0], novelty=1.2)


def doubtful() -> tuple[ScanResult, str]:
    """A fake that is unlike the media of the calibration, and what is to be said of it."""
    note = novelty_note(MediaKind.VIDEO, "faces sharper than 98 % of them")
    return dataclasses.replace(samples()[0], notes=(Note("late", "Another note."), note)), note.text


@pytest.mark.parametrize("name", ["text", "markdown", "github", "html", "junit"])
@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_whoever_reads_an_answer_reads_that_it_is_to_be_trusted_less(name: str, verbosity: int) -> None:
    result, said = doubtful()
    page = render(name, [result], ReportOptions(verbosity=verbosity)).replace("%25", "%")
    assert said in page
    if name == "text":
        assert page.count(said) == 1
        first, before = (render(name, [r]).splitlines()[0] for r in (result, samples()[0]))
        assert first == before, "no line gets longer"


def test_a_page_tells_it_with_the_answer_and_in_a_closed_row() -> None:
    result, said = doubtful()
    page = render("html", [samples()[3], result])
    row, _, detail = page[page.index('id="f2"') :].partition("</summary>")
    assert row.count(f'class="less" role="img" title="{said} The file ends early."') == 1
    assert detail.count(said) == 1
    places = [
        detail.index(text) for text in ('class="message"', said, "The file ends early.", 'class="meaning"')
    ]
    assert places == sorted(places)
    assert "Another note." in detail
    assert 'class="less"' not in page[: page.index('id="f2"')].partition("<body>")[2]
