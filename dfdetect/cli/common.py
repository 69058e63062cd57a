"""What all commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

COMMAND_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

Function = TypeVar("Function", bound=Callable[..., object])


def debug_option(function: Function) -> Function:
    """``--debug``, before or after the command's name; `dfdetect.cli.main` looks for the word itself."""
    return click.option(
        "--debug", is_flag=True, expose_value=False, help="Show the traceback of an internal error."
    )(function)


def say(message: str) -> None:
    """Talk to the user, on standard error, so that standard output carries results only."""
    click.echo(message, err=True)
