"""The table of commands.  Each is imported only when it is used, so that ``--help`` is there at once."""

from __future__ import annotations

import difflib
import os
from importlib import import_module

import click

from dfdetect import __version__
from dfdetect.cli.common import COMMAND_SETTINGS, group_options
from dfdetect.errors import ExitCode
from dfdetect.names import printable

COMMANDS: dict[str, tuple[str, str]] = {
    "scan": ("dfdetect.cli.scan:scan", "Judge photos and videos: real, fake or uncertain."),
    "explain": ("dfdetect.cli.explain:explain", "Draw the verdict into a photo or a video."),
    "models": ("dfdetect.cli.models:models", "List, show and verify models."),
    "verify": ("dfdetect.cli.verify:verify", "Repeat recorded scans and say whether they give the same."),
    "selftest": ("dfdetect.cli.selftest:selftest", "Check that this installation reproduces known scores."),
    "train": ("dfdetect.cli.train:train", "Train a model on labelled faces or media."),
    "calibrate": (
        "dfdetect.cli.calibrate:calibrate",
        "Fit aggregation, calibration and the uncertain band of a model.",
    ),
    "evaluate": (
        "dfdetect.cli.evaluate:evaluate",
        "Measure a model on labelled media: AUC with intervals, per medium and family, beside baselines.",
    ),
    "robustness": (
        "dfdetect.cli.robustness:robustness",
        "Measure how a model bears JPEG, H.264, shrinking, blur and noise: AUC at every level of damage.",
    ),
    "bench": (
        "dfdetect.cli.bench:bench",
        "Measure how fast this installation is, and where the time goes.",
    ),
    "config": (
        "dfdetect.cli.config:config",
        "Show every setting in force and where its value comes from.",
    ),
    "completion": ("dfdetect.cli.completion:completion", "Print a script for completion in the shell."),
}
"""Name → where the command is, and its line in the help (a test keeps it equal to the command's own)."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a word: the help, as wrong usage (versions of click differ here)."""
        if not args and not ctx.resilient_parsing:  # that is how completion asks
            click.echo(ctx.get_help(), err=True)
            ctx.exit(int(ExitCode.USAGE))
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; a path in its place is the commonest mistake and named as such."""
        word = args[0]
        if word not in COMMANDS and not word.startswith("-"):
            if os.path.lexists(word) or any(mark in word for mark in "./\\*"):
                ctx.fail(
                    f"'{printable(word)}' is not a command. Did you mean: dfdetect scan {printable(word)}"
                )
            near = difflib.get_close_matches(word, COMMANDS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Commands: {', '.join(COMMANDS)}."
            ctx.fail(f"There is no command '{printable(word)}'. {hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect scan clip.mp4
  dfdetect scan photos/ --report json=scan.json

Exit status: 0 nothing found, 1 found (a fake), 2 wrong usage or model, 3 unreadable input (or with
--strict one that could not be judged), 4 internal error, 130 interrupted.""",
)
@click.version_option(__version__, prog_name="dfdetect", message="%(prog)s %(version)s")
@group_options
def commands() -> None:
    """Tell whether a photo or a video shows a faked face, how sure that is, who and when."""
