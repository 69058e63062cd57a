"""The report as Markdown: tables only, no plots."""

from __future__ import annotations

import html
import re

from dfdetect.evaluate.cells import Table
from dfdetect.evaluate.pieces import row
from dfdetect.evaluate.report import Evaluation
from dfdetect.evaluate.slices import FIGURES
from dfdetect.evaluate.tables import TITLES, facts, tables

_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")


def render_markdown(evaluation: Evaluation) -> str:
    """A document in the Markdown of GitHub (tables); text from files is escaped."""
    parts = ["# Evaluation\n"]
    parts += [f"- **{fact.name}**: {_text(fact.text)}" for fact in facts(evaluation)]
    for table in tables(evaluation):
        parts.append("\n" + _table(table))
    parts.append("\n## What the figures mean\n")
    parts += [f"- **{TITLES[name]}**: {_text(meaning)}" for name, meaning in FIGURES.items()]
    return "\n".join(parts) + "\n"


def _table(table: Table) -> str:
    lines = [f"## {table.title}\n"]
    if table.note:
        lines.append(table.note + "\n")
    lines.append(row(column.title for column in table.columns))
    lines.append(row("---:" if column.right else "---" for column in table.columns))
    lines += [row(_text(str(cell)) for cell in cells) for cells in table.rows]
    return "\n".join(lines)


def _text(text: str) -> str:
    """The text with everything escaped that Markdown or the HTML in it would obey."""
    return _SPECIAL.sub(r"\\\1", html.escape(text, quote=False))
