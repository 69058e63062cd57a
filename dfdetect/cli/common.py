"""What all commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dfdetect.reports.words import printable

if TYPE_CHECKING:
    PairType = click.ParamType[tuple[str, str]]
else:
    PairType = click.ParamType  # generic only from click 8.5 on

COMMAND_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

Function = TypeVar("Function", bound=Callable[..., object])


def debug_option(function: Function) -> Function:
    """``--debug``, before or after the command's name; `dfdetect.cli.main` looks for the word itself."""
    return click.option(
        "--debug", is_flag=True, expose_value=False, help="Show the traceback of an internal error."
    )(function)


class FormatFile(PairType):
    """``FORMAT=FILE``; `find` raises for a format that it does not know, `example` stands in messages."""

    name = "format=file"

    def __init__(self, find: Callable[[str], object], example: str) -> None:
        self._find, self._example = find, example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Name of a known format, and a file."""
        if isinstance(value, tuple):
            return value
        name, equals, path = str(value).partition("=")
        if not name or not equals or not path:
            self.fail(f"'{printable(value)}' is not FORMAT=FILE, as in {self._example}.", param, ctx)
        self._find(name)
        return name, path


def say(message: str) -> None:
    """Talk to the user, on standard error, so that standard output carries results only."""
    click.echo(message, err=True)
