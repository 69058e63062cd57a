"""The one table of forms that a report can take."""

from __future__ import annotations

from collections.abc import Mapping

from dfdetect.evaluate.forms import Form
from dfdetect.evaluate.html import check_html, render_html
from dfdetect.evaluate.markdown import render_markdown
from dfdetect.evaluate.pieces import json_document
from dfdetect.evaluate.report import Evaluation, as_json

FORMS: Mapping[str, Form[Evaluation]] = {
    "html": Form(render_html, check_html),
    "markdown": Form(render_markdown),
    "json": Form(lambda evaluation: json_document(as_json(evaluation))),
}
"""Name of the form → how it is made."""
