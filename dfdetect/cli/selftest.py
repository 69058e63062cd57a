"""``dfdetect selftest``: does this installation reproduce the scores that the model was shipped with?"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from dfdetect.cli.common import COMMAND_SETTINGS, common_options, say
from dfdetect.cli.options import settings_from, settings_subset
from dfdetect.errors import ExitCode
from dfdetect.names import plural, printable, without_commands


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="Exit status: 0 all scores are reproduced, 4 some are not, 2 the model cannot be used.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@settings_subset("model", "engine", "device", "threads")
@common_options
def selftest(as_json: bool, **words: Any) -> ExitCode:
    """Check that this installation reproduces known scores.

    The model names samples and their scores. Another processor, decoder or engine may move a score a
    little; more than the tolerance means that its probabilities do not hold on this machine.
    """
    from dfdetect.evaluate.selftest import run_selftest

    outcomes = run_selftest(settings_from(words))
    failed = sum(not outcome.passed for outcome in outcomes)
    if as_json:
        click.echo(
            without_commands(json.dumps([dataclasses.asdict(outcome) for outcome in outcomes], indent=2))
        )
    else:
        for outcome in outcomes:
            click.echo(printable(f"{'ok    ' if outcome.passed else 'FAILED'}  {outcome.message}"))
    if failed:
        say(
            f"dfdetect: {failed} of {plural(len(outcomes), 'score')} not reproduced: do not trust the "
            "probabilities of this installation; try another --engine, or install dfdetect again"
        )
        return ExitCode.INTERNAL
    return ExitCode.CLEAN
