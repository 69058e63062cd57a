"""What all commands share: ``--debug``, how much to say, in colour or not, and how to say it."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click
from click.core import ParameterSource

from dfdetect.config_values import PREFIX, split_list
from dfdetect.names import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from dfdetect.config import Config

    PairType = click.ParamType[tuple[str, str]]
else:
    PairType = click.ParamType  # generic only from click 8.5 on

COMMAND_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
RANKS = (
    ParameterSource.COMMANDLINE,
    ParameterSource.ENVIRONMENT,
    ParameterSource.DEFAULT_MAP,
    ParameterSource.DEFAULT,
)
"""Where a value can come from, the most explicit first; `ParameterSource.DEFAULT_MAP` is the file."""
_FILE = RANKS.index(ParameterSource.DEFAULT_MAP)
CONFIG = "dfdetect.config"
"""Key of the `Config` in force (or None) in a context's ``meta``."""
_TALK = "dfdetect.talk"
_STDERR = "dfdetect.stderr"
"""Key of the true standard error in a context's ``meta`` while ``--quiet`` keeps all else from it."""

Function = TypeVar("Function", bound=Callable[..., object])


class Talk(NamedTuple):
    """How much to say, and in colour or not."""

    verbosity: int = 0
    """-1 with ``--quiet``, else how often ``--verbose`` was said."""
    color: bool | None = None
    """None: the user has not chosen."""


def common_options(function: Function) -> Function:
    """``--quiet``, ``--verbose``, ``--color`` and ``--debug``, before or after the command's name.

    They reach every command alike: with ``--quiet`` standard error carries errors only, whoever writes to it.
    `dfdetect.cli.main` looks for the word ``--debug`` itself.
    """

    @functools.wraps(function)
    def command(*values: Any, **words: Any) -> object:
        talk = current_talk()
        _say_config(talk)
        if talk.verbosity < 0:
            click.get_current_context().meta[_STDERR] = sys.stderr
            # Escaping like the true standard error, which takes names that are not UTF-8.
            with (
                open(os.devnull, "w", encoding="utf-8", errors="backslashreplace") as nowhere,
                contextlib.redirect_stderr(nowhere),
            ):
                return function(*values, **words)
        return function(*values, **words)

    return _talk_options(cast("Function", command), PREFIX)


def group_options(function: Function) -> Function:
    """The same words before a command's name; variables are for the command itself to read."""
    return _talk_options(function, None)


def together(*decorators: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several decorators as one; the help lists their options in the given order."""

    def decorate(function: Function) -> Function:
        for decorator in reversed(decorators):  # they apply from the inside out
            function = decorator(function)
        return function

    return decorate


def _talk_options(function: Function, prefix: str | None) -> Function:
    def variable(name: str) -> str | None:
        return None if prefix is None else prefix + name

    return together(
        click.option(
            "-q",
            "--quiet/--no-quiet",
            envvar=variable("QUIET"),
            expose_value=False,
            callback=_remember,
            help="No progress, no talk; of a scan as text only findings and what could not be read.",
        ),
        click.option(
            "-v",
            "--verbose",
            count=True,
            envvar=variable("VERBOSE"),
            expose_value=False,
            callback=_remember,
            help="Say more: of a scan as text the particulars of each file and every person.",
        ),
        click.option(
            "--color/--no-color",
            default=None,
            envvar=variable("COLOR"),
            expose_value=False,
            callback=_remember,
            help="Colour or none; default: on a terminal, unless NO_COLOR is set.",
        ),
        click.option(
            "--debug", is_flag=True, expose_value=False, help="Show the traceback of an internal error."
        ),
    )(function)


def current_talk() -> Talk:
    """What the user chose, here or before the command's name; `click.UsageError` for a contradiction."""
    context = click.get_current_context(silent=True)
    said = context.meta.get(_TALK, {}) if context is not None else {}
    lowest = len(RANKS)
    quiet_rank, quiet = said.get("quiet", (lowest, False))
    verbose_rank, verbose = said.get("verbose", (lowest, 0))
    color_rank, color = said.get("color", (lowest, None))
    if quiet and verbose:
        if quiet_rank == verbose_rank:
            raise click.UsageError("--quiet and --verbose contradict each other")
        quiet = quiet_rank < verbose_rank
    # A project's file must not outrank what is set for the whole environment.
    if color_rank >= _FILE and environment_on_color() is not None:
        color = None
    return Talk(-1 if quiet else verbose, color)


def environment_on_color() -> bool | None:
    """What NO_COLOR (no-color.org) and FORCE_COLOR (force-color.org) say; None if neither is set."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


class HomePath(click.Path):
    """A path in which ``~`` is the home directory also where no shell replaces it: behind a ``=``, in the
    environment and in configuration files.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as text."""
        return super().convert(os.path.expanduser(value), param, ctx)


def complete_model(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: the shipped models whose names begin so (those that can judge, for ``--model``), or else
    folders.
    """
    from click.shell_completion import CompletionItem

    from dfdetect.scoring.card import CALIBRATION_FILE
    from dfdetect.scoring.models import shipped_folders

    folders = [folder for folder in shipped_folders() if folder.name.startswith(incomplete)]
    if param.name == "model":
        folders = [folder for folder in folders if (folder / CALIBRATION_FILE).is_file()]
    return [CompletionItem(folder.name) for folder in folders] or [CompletionItem(incomplete, type="dir")]


class FormatFile(PairType):
    """``FORMAT=FILE``; `find` raises for a format that it does not know, `example` stands in messages."""

    name = "format=file"

    def __init__(self, find: Callable[[str], object], example: str) -> None:
        self._find, self._example = find, example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Name of a known format, and a file; ``~``, which no shell replaces behind a ``=``, is the home
        directory.
        """
        if isinstance(value, tuple):
            return value
        name, equals, path = str(value).partition("=")
        if not name or not equals or not path:
            self.fail(f"'{printable(value)}' is not FORMAT=FILE, as in {self._example}.", param, ctx)
        self._find(name)
        return name, os.path.expanduser(path)

    def split_envvar_value(self, rv: str) -> list[str]:
        """Several in one variable: ``json=a.json junit=b.xml``."""
        return split_list(rv)


def say(message: str) -> None:
    """Talk to the user, on standard error, so that standard output carries results only.

    That it cannot be heard is no fault of the results, and must not change the exit status.
    """
    with contextlib.suppress(OSError):
        click.echo(message, err=True)


def insist(message: str) -> None:
    """Like `say`, also with ``--quiet``: for why the exit status is not 0 where no report need show it."""
    context = click.get_current_context(silent=True)
    with contextlib.suppress(OSError):
        click.echo(message, file=context.meta.get(_STDERR) if context is not None else None, err=True)


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep what was said most explicitly; of two words as explicit, the later one."""
    assert option.name is not None
    source = context.get_parameter_source(option.name)
    if source is None or source is ParameterSource.DEFAULT or source not in RANKS:
        return
    said = context.meta.setdefault(_TALK, {})
    rank = RANKS.index(source)
    if option.name not in said or rank <= said[option.name][0]:
        said[option.name] = (rank, value)


def _say_config(talk: Talk) -> None:
    """With ``--verbose`` what the file holds; else what one that nobody has named changes here."""
    context = click.get_current_context()
    config: Config | None = context.meta.get(CONFIG)
    if config is None:
        return
    if talk.verbosity > 0:
        say(f"dfdetect: {config.title} sets {', '.join(config.values) or 'nothing'}")
        return
    # A file that came with what is to be scanned must not steer the scan unseen: it cannot silence this.
    silenced = talk.verbosity < 0 and context.meta[_TALK]["quiet"][0] < _FILE
    changed = [
        str(option.envvar).removeprefix(PREFIX).lower()
        for option in context.command.params
        if context.get_parameter_source(str(option.name)) is ParameterSource.DEFAULT_MAP
    ]
    if config.found and changed and not silenced:
        say(f"dfdetect: {config.title} sets {', '.join(name for name in config.values if name in changed)}")
