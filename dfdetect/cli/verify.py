"""``dfdetect verify``: does a scan come out again as it was recorded?"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from dfdetect.cli.common import COMMAND_SETTINGS, common_options, say
from dfdetect.errors import ExitCode
from dfdetect.names import plural, printable, without_commands
from dfdetect.record.plain import plain_value

if TYPE_CHECKING:
    from dfdetect.record.compare import Difference
    from dfdetect.verify import Change, Verification

_SHOWN = 10
_HASH = re.compile("[0-9a-f]{64}")


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect scan clips/ --report record=record.json
  dfdetect verify record.json clips/interview.mp4

\b
Exit status:
  0  every file gives the recorded result again
  1  a file does not: other bytes, other model, or another result
  2  wrong usage, or the record cannot be used on this installation
  3  a file cannot be read""",
)
@click.argument("record", type=click.Path())
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(readable=False))
@click.option(
    "--model-folder", metavar="FOLDER", help="Where the recorded model lies, if not where the record says."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every figure that differs.")
@common_options
def verify(record: str, files: tuple[str, ...], model_folder: str | None, as_json: bool) -> ExitCode:
    """Repeat recorded scans and say whether they give the same.

    RECORD is a report of the format record. A FILE is found in it by its bytes, not by its name, and judged
    again with the recorded settings. Scores may differ by what other processors and engines allow.
    """
    from dfdetect.verify import Verifier

    verifier = Verifier(record, model_folder)
    outcomes = []
    for path in files:
        outcome = verifier.verify(path)
        outcomes.append(outcome)
        if not as_json:
            click.echo("\n".join(_lines(outcome)))
    if as_json:
        shown = json.dumps([_record(outcome) for outcome in outcomes], indent=2, allow_nan=False)
        click.echo(without_commands(shown))
    elif changes := _all_changes(outcomes):
        click.echo("\n".join(["Not as it was when recorded:", *map(_change_line, changes)]))
    return _exit_code(outcomes)


def _record(outcome: Verification) -> dict[str, Any]:
    # A name that is not UTF-8, wherever it stands, would be no valid JSON.
    values: dict[str, Any] = plain_value(dataclasses.asdict(outcome))
    return values


def _lines(outcome: Verification) -> list[str]:
    """A line for the file, and one for each of the worst differences."""
    known = outcome.recorded_path
    name = outcome.path if known in (None, outcome.path) else f"{outcome.path} (recorded as {known})"
    word = "ok    " if outcome.reproduces else "FAILED" if outcome.reason is None else "UNREAD"
    word = "UNKNOWN" if outcome.model_missing else word
    shown = sorted(outcome.differences, key=lambda difference: difference.within)[:_SHOWN]
    lines = [f"{word}  {name}: {outcome.message}", *map(_difference_line, shown)]
    rest = len(outcome.differences) - len(shown)
    if rest:
        lines.append(f"          … and {plural(rest, 'more figure')}; --json shows all")
    return [printable(line) for line in lines]


def _difference_line(difference: Difference) -> str:
    allowed = difference.allowed
    limit = "" if allowed is None else f", allowed {allowed:g}"
    mark = "within" if difference.within else "beyond"
    values = f"recorded {_value(difference.recorded)}, here {_value(difference.found)}"
    return f"  {mark}  {difference.what}: {values}{limit}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"{value[:12]}…" if _HASH.fullmatch(value) else value
    return json.dumps(value)


def _all_changes(outcomes: Iterable[Verification]) -> list[Change]:
    return list(dict.fromkeys(change for outcome in outcomes for change in outcome.changes))


def _change_line(change: Change) -> str:
    return printable(f"  {change.name}: {_value(change.recorded)}, here {_value(change.here)}")


def _exit_code(outcomes: list[Verification]) -> ExitCode:
    """A result that differs outranks an unreadable file, as in a scan."""
    if any(not (outcome.reproduces or outcome.reason or outcome.model_missing) for outcome in outcomes):
        return ExitCode.FOUND
    if any(outcome.model_missing for outcome in outcomes):
        return ExitCode.USAGE
    unread = sum(outcome.reason is not None for outcome in outcomes)
    if unread:
        say(f"dfdetect: {plural(unread, 'file')} of {len(outcomes)} could not be read")
        return ExitCode.UNJUDGED
    return ExitCode.CLEAN
