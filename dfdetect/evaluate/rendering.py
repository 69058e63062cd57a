"""The one table of forms that a report can take."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dfdetect.errors import InputError
from dfdetect.evaluate.html import check_html, render_html
from dfdetect.evaluate.markdown import render_markdown
from dfdetect.evaluate.report import Evaluation, as_json


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the report."""

    summary: str
    """One phrase for the help."""
    render: Callable[[Evaluation], str]
    check: Callable[[], None] = lambda: None
    """Raises `MissingExtraError` when a package is missing, so that this is known before a scan."""


def render_json(evaluation: Evaluation) -> str:
    """Indented JSON, pure ASCII, without NaN."""
    return json.dumps(as_json(evaluation), indent=1, allow_nan=False) + "\n"


FORMS: Mapping[str, Form] = {
    "html": Form("one page with plots", render_html, check_html),
    "markdown": Form("tables", render_markdown),
    "json": Form("all figures, for machines", render_json),
}
"""Name of the form → how it is made."""


def find_form(name: str) -> Form:
    """The form of this name; an unknown one raises `InputError` that lists the known ones."""
    if name in FORMS:
        return FORMS[name]
    near = difflib.get_close_matches(name.lower(), FORMS, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise InputError(f"unknown report format '{name}': {hint}known formats are {', '.join(FORMS)}")
