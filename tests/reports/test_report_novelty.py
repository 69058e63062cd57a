"""The novelty of a file is in every form that has room for it."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

import jsonschema
import pytest
from report_samples import render, samples

from dfdetect.reports.base import ReportOptions


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


def test_it_is_empty_where_it_is_not_known(schema: dict[str, Any]) -> None:
    result = samples()[0]
    assert json.loads(render("jsonl", [result]))["novelty"] is None
    assert next(csv.DictReader(io.StringIO(render("csv", [result]), newline="")))["novelty"] == ""
    assert "nov" not in render("text", [result], ReportOptions(verbosity=1))


def test_it_is_a_share() -> None:
    with pytest.raises(ValueError, match="share between 0 and 1"):
        dataclasses.replace(samples()[0], novelty=1.2)
