"""The table of forms, and the pieces that reports of figures share."""

from __future__ import annotations

import math
from enum import StrEnum

import pytest

from dfdetect.errors import InputError
from dfdetect.evaluate.forms import Form
from dfdetect.evaluate.pieces import code, plain, row
from dfdetect.reports.registry import find_format

FORMS = {"html": Form[int](str), "markdown": Form[int](str), "json": Form[int](str, needs_curve=True)}


class Colour(StrEnum):
    RED = "red"


def test_a_form_is_found_by_its_name() -> None:
    assert find_format(FORMS, "json") is FORMS["json"]
    assert FORMS["json"].needs_curve
    assert not FORMS["html"].needs_curve


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("markdwon", "did you mean 'markdown'"),
        ("HTM", "'HTM': did you mean 'html'"),
        ("pdf", "'pdf': known formats are html, markdown, json"),
    ],
)
def test_an_unknown_form_is_answered_with_the_known_ones(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_format(FORMS, name)


def test_code_cannot_leave_its_span_or_its_cell() -> None:
    assert row([code("a|b`c\x1b"), "d"]) == "| `a\\|b'c\\x1b` | d |"


def test_values_for_json() -> None:
    value = {1: (0.123456, -0.00001, math.nan, -math.inf), "colour": Colour.RED, "whole": 7, "no": None}
    found = plain(value, digits=4)
    assert found == {"1": [0.1235, 0.0, None, None], "colour": "red", "whole": 7, "no": None}
    assert type(found["colour"]) is str
    assert math.copysign(1, found["1"][1]) == 1
    assert plain(0.123456, digits=5) == 0.12346


def test_names_that_are_not_utf8_are_valid_json() -> None:
    assert plain({"caf\udce9": ("\udcff.jpg", "ü")}, digits=4) == {"caf\ufffd": ["\ufffd.jpg", "ü"]}
