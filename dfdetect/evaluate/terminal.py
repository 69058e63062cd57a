"""The report on a terminal: the tables that matter most, with fewer columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from dfdetect.evaluate.cells import Table, brief
from dfdetect.evaluate.report import Evaluation
from dfdetect.evaluate.tables import facts, tables

if TYPE_CHECKING:
    from rich.table import Table as RichTable

_SHOWN = ("overall_file", "answers", "overall_face", "family_file", "baselines", "shortcuts")
_WIDTH = 120  # where the output is no terminal, so that a log has no broken lines


def show(evaluation: Evaluation, stream: TextIO, color: bool) -> None:
    """Write the main tables to a text stream."""
    from rich.console import Console
    from rich.text import Text

    width = None if stream.isatty() else _WIDTH
    # Both said, since rich would ask the environment again, and would not know of --color.
    console = Console(
        file=stream,
        force_terminal=color,
        color_system="standard" if color else None,
        width=width,
        highlight=False,
        soft_wrap=False,
    )
    for fact in facts(evaluation):
        console.print(Text.assemble((f"{fact.name:<11}", "dim"), fact.text))
    for table in tables(evaluation):
        if table.key in _SHOWN:
            console.print()
            console.print(Text(table.title, "bold"))
            console.print(Text(table.note, "dim"))
            console.print(_rich(brief(table)))
    console.print(
        Text("\nBy method, source, face size and compression, with plots: --report html=FILE", "dim")
    )


def _rich(table: Table) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    # Text objects: square brackets from a file's name must not be read as markup.
    out = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in table.columns:
        out.add_column(Text(column.title), justify="right" if column.right else "left")
    for row in table.rows:
        out.add_row(*(Text.assemble(c.text, (f" ({c.interval})" if c.interval else "", "dim")) for c in row))
    return out
