"""``dfdetect explain``: write a photo or a video with what was found drawn into it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from dfdetect.cli.common import COMMAND_SETTINGS, common_options, current_talk, say
from dfdetect.cli.options import settings_from, settings_subset
from dfdetect.cli.progress import is_terminal, wants_color
from dfdetect.errors import ExitCode
from dfdetect.names import printable

if TYPE_CHECKING:
    from dfdetect.cli.common import Talk
    from dfdetect.explain import Progress

_AUDIBLE = 0.1
"""Seconds of sound whose absence is told: less is how sound and pictures lie in many files."""


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect explain photo.jpg
  dfdetect explain clip.mp4 --out clip.annotated.mp4 --start 0:10 --end 0:20

Exit status: 0 not called fake, 1 called fake, 2 wrong usage, 3 the file could not be read, 4 internal
error, 130 interrupted; fail_on, strict and baseline do not count. Whatever the verdict, a file that can be
read is drawn.""",
)
@click.argument("file", metavar="FILE", type=click.Path(readable=False))
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    metavar="FILE",
    help="Where to write: .png or .jpg for a photo, .mp4 for a video; default: NAME.explained.png or .mp4 "
    "in the current folder.",
)
@click.option("--force", is_flag=True, help="Replace the output if it exists; never the input.")
@settings_subset(
    "model",
    "engine",
    "device",
    "threads",
    "detector",
    "min_face",
    "max_faces",
    "frames",
    "fps",
    "start",
    "end",
    "min_frames",
    "threshold",
    "prior",
    "max_pixels",
)
@common_options
def explain(file: str, out: str | None, force: bool, **words: Any) -> ExitCode:
    """Draw the verdict into a photo or a video.

    Boxes, heat maps over the faces, scores over time, legend and verdict; the sound of a video stays.
    """
    from dfdetect.explain import explain as explain_file
    from dfdetect.record.summary import Summary, outcome
    from dfdetect.reports.base import ReportOptions
    from dfdetect.reports.registry import make_report

    settings, talk = settings_from(words), current_talk()
    with _progress(talk) as progress:
        done = explain_file(file, out, settings, force=force, progress=progress)
    options = ReportOptions(color=wants_color(talk.color, sys.stdout), verbosity=talk.verbosity)
    make_report("text", sys.stdout, options).add(done.result)
    if done.path is not None:
        say(f"dfdetect: wrote {printable(str(done.path))}")
    if done.sound_left_out >= _AUDIBLE:
        say(f"dfdetect: {done.sound_left_out:.1f} s of sound before the first picture left out")
    summary = Summary()
    summary.add(done.result)
    return outcome(summary)


@contextlib.contextmanager
def _progress(talk: Talk) -> Iterator[Progress | None]:
    """A line on standard error while a person is watching."""
    if talk.verbosity < 0 or not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, no_color=not wants_color(talk.color, sys.stderr))
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, share: float) -> None:
            if what not in tasks:
                for task in tasks.values():
                    bar.remove_task(task)
                tasks.clear()
                tasks[what] = bar.add_task(what, total=1.0)
            bar.update(tasks[what], completed=min(max(share, 0.0), 1.0))

        yield tell
