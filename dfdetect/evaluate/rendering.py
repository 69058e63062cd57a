"""The one table of forms that a report can take."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dfdetect.evaluate.forms import Form
from dfdetect.evaluate.html import check_html, render_html
from dfdetect.evaluate.markdown import render_markdown
from dfdetect.evaluate.report import Evaluation, as_json
from dfdetect.reports.json_report import without_commands


def render_json(evaluation: Evaluation) -> str:
    """Indented JSON, pure ASCII, without NaN."""
    return without_commands(json.dumps(as_json(evaluation), indent=1, allow_nan=False)) + "\n"


FORMS: Mapping[str, Form[Evaluation]] = {
    "html": Form(render_html, check_html),
    "markdown": Form(render_markdown),
    "json": Form(render_json),
}
"""Name of the form → how it is made."""
