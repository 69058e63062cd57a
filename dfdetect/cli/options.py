"""Options made from `Settings`, so that names, defaults and descriptions never differ from it.

Each can also be set in the environment and in a configuration file (`dfdetect.config`), as can every other
option whose environment variable begins with ``DFDETECT_``: click finds the variable, and the file's values
become click's defaults (``default_map``).
"""

from __future__ import annotations

import ast
import inspect
import itertools
import os
import re
import shlex
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dfdetect import settings as settings_module
from dfdetect.cli.common import CONFIG, Function, HomePath, complete_model, together
from dfdetect.config import Config, environment, find_config, kinds, read_config
from dfdetect.config_values import PREFIX, Kind, seconds, variable
from dfdetect.errors import DfdetectError, SettingsError
from dfdetect.names import printable
from dfdetect.settings import DETECTORS, ENGINES, Settings

_METAVARS = {"model": "NAME|FOLDER", "device": "DEVICE", "trust_list": "FILE"}
_METAVARS |= dict.fromkeys(("start", "end"), "[[H:]M:]S")


if TYPE_CHECKING:
    FloatType = click.ParamType[float]
else:
    FloatType = click.ParamType  # generic only from click 8.5 on


class Whole(click.IntRange):
    """A whole number within limits, refused in the words that `Settings` has."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            limits, given = _limits(self.min, self.max), printable(str(value))
            self.fail(f"must be a whole number {limits}, not '{given}'", param, ctx)


class Number(click.FloatRange):
    """Any number within limits, refused alike."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        try:
            return float(super().convert(value, param, ctx))
        except click.BadParameter:
            limits, given = _limits(self.min, self.max), printable(str(value))
            self.fail(f"must be a number {limits}, not '{given}'", param, ctx)


def _limits(low: float | None, high: float | None) -> str:
    return f"of at least {low}" if high is None else f"between {low} and {high}"


class Seconds(FloatType):
    """A time in a video: ``90``, ``90.5``, ``1:30`` or ``1:02:03``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds as a float."""
        if isinstance(value, float):
            return value
        try:
            return seconds(str(value))
        except ValueError:
            given = printable(str(value))
            self.fail(
                f"'{given}' is not a time; write seconds (90.5) or minutes and seconds (1:30).", param, ctx
            )


_OF_NAME = {"engine": click.Choice(ENGINES), "detector": click.Choice(DETECTORS), "trust_list": HomePath()}
_OF_KIND = {Kind.TEXT: str, Kind.WHOLE: int, Kind.NUMBER: float, Kind.TIME: Seconds()}
"""Types of the options of settings; that of the name, if there is one, outranks that of the kind."""


def settings_options(function: Function) -> Function:
    """One option per setting, with its name, default and description, and where to find configuration."""
    return settings_subset(*kinds(output=False))(function)


def settings_subset(*names: str) -> Callable[[Function], Function]:
    """The same, for some of the settings only."""
    texts = setting_texts()
    return together(*(_option(name, texts.get(name, "")) for name in names), config_options)


def config_options(function: Function) -> Function:
    """``--config`` and ``--no-config``; the configuration in force is ``context.meta[CONFIG]``."""
    return together(
        click.option(
            "--no-config",
            is_flag=True,
            envvar=variable("no_config"),
            is_eager=True,
            expose_value=False,
            callback=_isolate,
            help="Read no configuration file.",
        ),
        click.option(
            "--config",
            type=HomePath(),
            envvar=variable("config"),
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_configure,
            help="Configuration file; default: dfdetect.toml, pyproject.toml ([tool.dfdetect]) or setup.cfg "
            "([dfdetect]), in the working directory; inside a git repository or the home directory also in "
            "the folders above it, up to the root of that.",
        ),
    )(function)


def jobs_option(function: Function) -> Function:
    """``--jobs``, which means the same wherever files are scanned."""
    return click.option(
        "-j",
        "--jobs",
        type=Whole(min=0),
        envvar=variable("jobs"),
        metavar="N",
        help="Worker processes; default: as many as cores and memory allow. 0 scans in this process, without "
        "time limit.",
    )(function)


def config_name(option: click.Parameter) -> str | None:
    """How the environment and configuration files call an option; None if it cannot be set there."""
    name = option.envvar
    if not isinstance(name, str) or not name.startswith(PREFIX) or option.is_eager:
        return None
    return name.removeprefix(PREFIX).lower()


def origin(context: click.Context, option: click.Parameter) -> str:
    """Where an option's value comes from, in words; empty for the command line and for defaults."""
    assert option.name is not None
    name, source = config_name(option), context.get_parameter_source(option.name)
    config: Config | None = context.meta.get(CONFIG)
    if source is ParameterSource.ENVIRONMENT:
        return str(option.envvar)
    if source is ParameterSource.DEFAULT_MAP and config is not None and name is not None:
        return config.where(name)
    return ""


def settings_from(values: Mapping[str, Any]) -> Settings:
    """The settings from the values of the options.

    `SettingsError` names the option as the user wrote it, or the variable or file that it came from.
    """
    try:
        return Settings.from_mapping(values)
    except SettingsError as error:
        if error.setting is None:
            raise
        raise SettingsError(_in_words_of_user(error.setting, str(error))) from error


def option_name(setting: str) -> str:
    """``min_face`` → ``--min-face``."""
    return "--" + setting.replace("_", "-")


def refuse_settings(context: click.Context, what: str, obeyed: Collection[str]) -> None:
    """`click.UsageError` for settings on the command line that a call without a scan cannot obey.

    Set for all scans, in the environment or a file, they are no word about this call.
    """
    given = [
        option_name(name)
        for name in (*kinds(output=False), "jobs")
        if name not in obeyed and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{what}: leave out {', '.join(given)}, or scan anew")


def setting_texts() -> dict[str, str]:
    """Name of each setting → its description, read from the docstrings below the fields."""
    try:
        tree = ast.parse(inspect.getsource(settings_module))
    except (OSError, SyntaxError):
        return {}  # an installation without sources still works, with barer help
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Settings").body
    return {
        field.target.id: _plain(text.value.value)
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _option(name: str, text: str) -> Callable[[Function], Function]:
    kind, default = kinds()[name], getattr(Settings(), name)
    if kind is Kind.TRUTH:
        both = f"{option_name(name)}/{option_name('no_' + name)}"
        return click.option(both, name, envvar=variable(name), default=default, help=text)
    return click.option(
        option_name(name),
        name,
        envvar=variable(name),
        type=_OF_NAME.get(name) or _OF_KIND[kind],
        default=default,
        show_default=default is not None,
        metavar=_METAVARS.get(name),
        shell_complete=complete_model if name == "model" else None,
        help=text,
    )


def _plain(text: str) -> str:
    """A docstring as help: without markup, on one line, other settings named as options."""
    text = re.sub(r"``(.+?)``", r"\1", " ".join(text.split())).replace(" None: ", " default: ")
    return re.sub(r"`(\w+)`", lambda match: option_name(match[1]), text)


def _in_words_of_user(name: str, message: str) -> str:
    context = click.get_current_context(silent=True)
    options = context.command.params if context is not None else []
    for option in options:
        if context is not None and option.name == name and (place := origin(context, option)):
            return f"{place}: {message}"
    return option_name(name) + message.removeprefix(name)


def _isolate(context: click.Context, option: click.Parameter, value: bool) -> None:
    if not value:
        return
    if CONFIG in context.meta and not _weaker(context, "no_config", "config"):
        _contradiction(context)
    elif CONFIG not in context.meta:
        context.meta[CONFIG] = None
        _check_environment(context)


def _configure(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Called once, before any option that is no such word is looked at."""
    if context.resilient_parsing:  # completion
        return
    if CONFIG in context.meta:  # isolated
        if value and not _weaker(context, "config", "no_config"):
            _contradiction(context)
        return
    config = read_config(value) if value else find_config()
    context.meta[CONFIG] = config
    if config is not None:
        options = {name: option for option in context.command.params if (name := config_name(option))}
        chosen = {name: value for name, value in config.values.items() if name in options}
        for name, content in chosen.items():
            _check(context, options[name], content, f"{config.where(name)}: {name}")
        defaults = {str(options[name].name): content for name, content in chosen.items()}
        context.default_map = {**(context.default_map or {}), **defaults}
    _check_environment(context)


def check_report_places(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Callback of ``--report``: where its value comes from a file that was found, `_check_places`."""
    config: Config | None = context.meta.get(CONFIG)
    source = context.get_parameter_source(str(option.name))
    if config is not None and config.found and source is ParameterSource.DEFAULT_MAP:
        _check_places(config)
    return value


def _check_places(config: Config) -> None:
    """Refuse reports that a file which nobody has named, and which may be somebody else's, must not write:
    beyond its folder, in hidden places (``.git/hooks``), over what is no file.
    """
    folder = os.path.realpath(config.path.parent)
    for item in config.values["report"]:
        path = item.partition("=")[2]
        place = Path(os.path.realpath(os.path.expanduser(path)))
        if not place.is_relative_to(folder):
            wrong = "lies outside the folder of this file"
        elif any(part.startswith(".") for part in place.relative_to(folder).parts):
            wrong = "lies in a hidden place"
        elif os.path.lexists(place) and not place.is_dir() and not place.is_file():
            wrong = "is no ordinary file"
        else:
            continue
        raise SettingsError(
            f"{config.where('report')}: the report '{printable(path)}' {wrong}, and nobody has named this "
            "file; to have it written name the file, with --config "
            f"{printable(_word(str(config.path)))}, or leave it out of account with --no-config"
        )


def _word(path: str) -> str:
    """As one word for the shell; cmd.exe knows double quotes alone."""
    if sys.platform == "win32":
        import subprocess

        return subprocess.list2cmdline([path])
    return shlex.quote(path)


def _weaker(context: click.Context, one: str, other: str) -> bool:
    """Whether a variable says one thing and the command line the other."""
    sources = context.get_parameter_source(one), context.get_parameter_source(other)
    return sources == (ParameterSource.ENVIRONMENT, ParameterSource.COMMANDLINE)


def _contradiction(context: click.Context) -> None:
    raise click.UsageError("--config and --no-config contradict each other", context)


def _check_environment(context: click.Context) -> None:
    """Type errors name the variable, which click's own message leaves out."""
    values = environment(os.environ)
    for option in context.command.params:
        name = config_name(option)
        if name in values:
            _check(context, option, values[name], str(option.envvar))


def _check(context: click.Context, option: click.Parameter, value: Any, place: str) -> None:
    """Let click and the option's type look at a value now; `SettingsError` says where it stands."""
    try:
        option.type_cast_value(context, value)
    except (click.BadParameter, DfdetectError) as error:
        raise SettingsError(f"{place}: {error}") from error
