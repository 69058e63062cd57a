"""``dfdetect models``: which models there are, what their cards say, and whether they are unaltered."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from dfdetect.cli.common import COMMAND_SETTINGS, common_options, complete_model
from dfdetect.errors import ExitCode, ModelError
from dfdetect.names import printable, without_commands
from dfdetect.words import percent

if TYPE_CHECKING:
    from pathlib import Path

    from dfdetect.scoring.card import ModelCard

_json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.group(context_settings=COMMAND_SETTINGS, invoke_without_command=True)
@common_options
@click.pass_context
def models(context: click.Context) -> ExitCode:
    """List, show and verify models.

    Without a command: list them.
    """
    if context.invoked_subcommand is None:
        return _list(as_json=False)
    return ExitCode.CLEAN


@models.command("list", context_settings=COMMAND_SETTINGS)
@_json_option
@common_options
def list_command(as_json: bool) -> ExitCode:
    """List the shipped models."""
    return _list(as_json)


@models.command(context_settings=COMMAND_SETTINGS)
@click.argument("name", metavar="NAME|FOLDER", shell_complete=complete_model)
@_json_option
@common_options
def show(name: str, as_json: bool) -> ExitCode:
    """Show a model's card: data, measured results, known limits."""
    from dfdetect.scoring.card import card_values, read_card
    from dfdetect.scoring.models import find_folder

    folder = find_folder(name)
    card = read_card(folder)
    if as_json:
        click.echo(without_commands(json.dumps(card_values(card), indent=2)))
    else:
        click.echo("\n".join(_describe(card, folder)))
    return ExitCode.CLEAN


@models.command(
    context_settings=COMMAND_SETTINGS,
    epilog="Exit status: 0 all files are those that the cards vouch for, 2 otherwise.",
)
@click.argument("name", required=False, metavar="[NAME|FOLDER]", shell_complete=complete_model)
@common_options
def verify(name: str | None) -> ExitCode:
    """Check the files of a model, or of all shipped models, against its card.

    Nothing in the folder vouches for the card itself: compare its sha256, which is printed, with that of the
    card that you trust, or in the record of a scan (model.sha256).
    """
    from dfdetect.scoring.card import CARD_FILE
    from dfdetect.scoring.models import find_folder, hash_file, shipped_folders
    from dfdetect.scoring.models import verify as verify_folder

    folders = [find_folder(name)] if name else shipped_folders()
    if not folders:
        raise ModelError("no model is shipped with this installation; install dfdetect again")
    altered = 0
    for folder in folders:
        for check in verify_folder(folder):
            altered += not check.ok
            state = "ok     " if check.ok else "ALTERED"
            line = f"{state}  {folder.name}/{check.file}"
            click.echo(printable(line if check.ok else f"{line}  {check.message}"))
        click.echo(printable(f"card     {folder.name}/{CARD_FILE}  sha256 {hash_file(folder / CARD_FILE)}"))
    return ExitCode.USAGE if altered else ExitCode.CLEAN


def _list(as_json: bool) -> ExitCode:
    from dfdetect.scoring.card import read_card
    from dfdetect.scoring.models import find_folder, list_models
    from dfdetect.settings import DEFAULT_MODEL

    cards = [(name, read_card(find_folder(name))) for name in list_models()]
    if as_json:
        records = [
            {
                "name": name,
                "version": card.version,
                "summary": card.summary,
                "licence": card.licence,
                "created": card.created,
                "default": name == DEFAULT_MODEL,
            }
            for name, card in cards
        ]
        click.echo(without_commands(json.dumps(records, indent=2)))
    elif not cards:
        raise ModelError("no model is shipped with this installation; install dfdetect again")
    else:
        width = max(len(name) for name, _ in cards)
        for name, card in cards:
            default = " (default)" if name == DEFAULT_MODEL else ""
            click.echo(printable(f"{name:<{width}}  {card.version}  {card.summary}{default}"))
    return ExitCode.CLEAN


def _describe(card: ModelCard, folder: Path) -> list[str]:
    lines = [f"{card.name} {card.version}  {card.summary}".rstrip()]
    lines += _field("kind", card.kind) + _field("licence", card.licence) + _field("trained", card.created)
    lines += _field("folder", str(folder))
    for expert in card.experts:
        crop = ", ".join(f"{key} {value}" for key, value in expert.crop.as_dict().items())
        lines += _field("network", f"{expert.name} ({expert.arch}) in {expert.file}; crop: {crop}")
    if card.closer is not None:
        lines += _field(
            "photos", f"a second look at zoom {card.closer.zoom:g}, {percent(card.closer.weight)} of the mean"
        )
    for title, value in (("data", card.data), ("recipe", card.recipe), ("measured", card.measured)):
        lines += _field(title, value)
    for limit in card.limits:
        lines += _field("limit", limit)
    for name, digest in sorted(card.files.items()):
        lines += _field("sha256", f"{digest}  {name}")
    return [printable(line) for line in lines]


def _field(title: str, value: Any, depth: int = 0) -> list[str]:
    """``title     text``, folded at the width of a terminal; the names of a mapping indented below it."""
    indent = "  " * depth
    if isinstance(value, Mapping):
        if not value:
            return []
        inner = [line for key, item in value.items() for line in _field(str(key), item, depth + 1)]
        return [f"{indent}{title}", *inner]
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if not text:
        return []
    head = f"{indent}{title:<10}" if depth == 0 else f"{indent}{title}: "
    return textwrap.wrap(
        text, 100, initial_indent=head, subsequent_indent=indent + " " * 10, break_long_words=False
    )
