"""``dfdetect bench``: how fast this installation is, and where the time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dfdetect.cli.common import COMMAND_SETTINGS, FormatFile, common_options
from dfdetect.cli.options import Whole, settings_from, settings_options
from dfdetect.cli.outputs import Outputs
from dfdetect.reports.registry import find_format

if TYPE_CHECKING:
    from dfdetect.evaluate.bench import Bench
    from dfdetect.evaluate.forms import Form

# As in `dfdetect.evaluate.bench_media.KINDS` (a test keeps them equal), whose import would delay the help.
KINDS = ("photo", "clip", "clip-4k", "hour", "crowd", "folder")
USUAL = ("photo", "clip")


def _find_form(name: str) -> Form[Bench]:
    from dfdetect.evaluate.bench_report import FORMS

    return find_format(FORMS, name)


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
Examples:
  dfdetect bench
  dfdetect bench clip.mp4 photos/ --model light
  dfdetect bench --reference --frames 16
  dfdetect bench --all --curve --report json=bench.json --report svg=curve.svg""",
)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(readable=False))
@click.option(
    "--only",
    type=click.Choice(KINDS),
    multiple=True,
    help="Without a PATH: make and measure this; may be given several times. Default: photo and clip (10 s "
    "of 1080p).",
)
@click.option("--all", "everything", is_flag=True, help="Without a PATH: make and measure all of them.")
@click.option(
    "--repeat",
    type=Whole(min=1),
    default=5,
    show_default=True,
    metavar="N",
    help="Runs of each, after one that is not counted.",
)
@click.option(
    "--reference",
    is_flag=True,
    help="Also run what peers are built of, in turn with each scan: cv2, facenet-pytorch's MTCNN and "
    "EfficientNet-Lite0 in torch. Needs the extra train.",
)
@click.option(
    "--curve",
    is_flag=True,
    help="Also measure how the cost grows with the judged frames and with the length of a file, up to an "
    "hour.",
)
@click.option(
    "--report",
    "reports",
    type=FormatFile(_find_form, "json=bench.json"),
    multiple=True,
    metavar="FORMAT=FILE",
    help="Write the figures to FILE ('-': standard output); json: every run, markdown: tables, svg: the "
    "curves (needs matplotlib). May be given several times. Default: the tables on standard output.",
)
@settings_options
@common_options
def bench(
    paths: tuple[str, ...],
    only: tuple[str, ...],
    everything: bool,
    repeat: int,
    reference: bool,
    curve: bool,
    reports: tuple[tuple[str, str], ...],
    **words: Any,
) -> None:
    """Measure how fast this installation is, and where the time goes.

    PATH is a file or a folder. Without any, media are made of dfdetect's samples and deleted again. Each is
    scanned in fresh processes, from start to exit: time, processor time, peak memory, and the share of each
    stage. Needs no network.
    """
    if paths and (only or everything):
        raise click.UsageError("--only and --all choose among made media; leave them out, or every PATH")
    for name, _ in reports:
        if _find_form(name).needs_curve and not curve:
            raise click.UsageError(f"--report {name} draws the curves: add --curve")
    settings = settings_from(words)
    from dfdetect.evaluate.bench import Wanted, run_bench
    from dfdetect.evaluate.bench_report import render_markdown

    kinds = () if paths else KINDS if everything else only or USUAL
    wanted = Wanted(paths, tuple(dict.fromkeys(kinds)), reference, curve, repeat)
    with Outputs(reports, _find_form, paths) as outputs:
        outputs.write(run_bench(wanted, settings), lambda found: click.echo(render_markdown(found), nl=False))
