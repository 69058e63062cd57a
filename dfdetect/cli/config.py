"""``dfdetect config``: what is in force, and where it comes from."""

from __future__ import annotations

import json
import os
from typing import Any

import click
from click.core import ParameterSource

from dfdetect.cli.common import COMMAND_SETTINGS, CONFIG, common_options
from dfdetect.cli.options import config_name, config_options, origin, settings_from
from dfdetect.config import Config, foreign_names, kinds
from dfdetect.errors import ExitCode, ModelError
from dfdetect.names import printable, without_commands
from dfdetect.record.plain import plain_value

_ORIGINS = {
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "file",
    ParameterSource.DEFAULT: "default",
}


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
One name everywhere, the first of these that has it decides:
  dfdetect scan --min-face 48          the command line
  DFDETECT_MIN_FACE=48                 the environment
  min_face = 48                        the configuration file
  Settings().min_face                  the default

The file is the first of dfdetect.toml (keys at the top), pyproject.toml ([tool.dfdetect]) and setup.cfg
([dfdetect]) that is about dfdetect, in the working directory; inside a git repository or the home directory
also in the folders above it, up to the root of that, if they belong to you, to the system or to the owner of
the working directory (on Windows: if they lie in the home directory). Relative paths in it are relative to
it. Reports of a file that is found so must lie in its folder; one named with --config writes anywhere.""",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@config_options
@common_options
@click.pass_context
def config(context: click.Context, as_json: bool) -> ExitCode:
    """Show every setting in force and where its value comes from.

    What 'dfdetect scan' would use here without further options; a mistake in a file or a variable is named.
    """
    from dfdetect.cli.scan import scan

    found: Config | None = context.meta[CONFIG]
    words = ["--no-config"] if found is None else [] if found.found else ["--config", str(found.path)]
    # Not as a child of this context: what is in force is worked out anew, as `dfdetect scan` does.
    with scan.make_context("scan", words) as inner:
        options = {config_name(option): option for option in scan.params}
        entries = {name: _entry(inner, options[name]) for name in kinds()}
        settings = settings_from({name: inner.params[name] for name in kinds(output=False)})
        _check_model(settings.model, entries["model"]["where"])
    ignored = sorted(foreign_names(os.environ))
    if as_json:
        path = None if found is None else os.path.abspath(found.path)
        document = plain_value({"config": path, "settings": entries, "ignored": ignored})
        click.echo(without_commands(json.dumps(document, indent=2)))
        return ExitCode.CLEAN
    click.echo(f"configuration file: {'none' if found is None else found.title}\n")
    width = max(map(len, entries))
    for name, entry in entries.items():
        click.echo(f"{name:<{width}}  {_words(entry['value']):<16}  {entry['where'] or entry['origin']}")
    if ignored:
        click.echo(f"\nnot dfdetect's, ignored: {printable(', '.join(ignored))}")
    return ExitCode.CLEAN


def _check_model(name: str, where: str) -> None:
    """Refuse a model that is not there, where a file or a variable asks for it."""
    from dfdetect.scoring.models import find_folder

    if not where:
        return
    try:
        find_folder(name)
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from error


def _entry(context: click.Context, option: click.Parameter) -> dict[str, Any]:
    assert option.name is not None
    source = context.get_parameter_source(option.name) or ParameterSource.DEFAULT
    value = context.params.get(option.name)
    if option.name not in context.params:  # an option that only its callback sees
        value = option.consume_value(context, {})[0]
        value = option.type_cast_value(context, value)
    if option.multiple:
        value = ["=".join(item) for item in value or ()]
    return {"value": value, "origin": _ORIGINS.get(source, "command line"), "where": origin(context, option)}


def _words(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return printable(" ".join(value) if isinstance(value, list) else f"{value}")
