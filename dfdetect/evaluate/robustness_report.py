"""Robustness curves as JSON, Markdown or SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dfdetect.evaluate.cells import NONE
from dfdetect.evaluate.degrade import UNITS, Damage, Level
from dfdetect.evaluate.forms import Form
from dfdetect.evaluate.pieces import code, json_document, plain, row
from dfdetect.evaluate.plots import check_matplotlib, svg
from dfdetect.evaluate.robustness import Point, Robustness
from dfdetect.evaluate.weighted import Interval
from dfdetect.names import plural
from dfdetect.results import MediaKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REPORT_VERSION = "1.0"
"""Version of the JSON form."""
_CHANGE = (
    "The change is over the files that were judged both untouched and damaged: where fewer were judged it is "
    "not the difference of the two figures."
)
_COLUMNS = ("damage", "judged", "AUC", "change of AUC", "reals called fake", "fakes called fake")
_COLOURS: Mapping[MediaKind, str] = {MediaKind.PHOTO: "#0072b2", MediaKind.VIDEO: "#d55e00"}  # Okabe and Ito


def as_json(found: Robustness) -> dict[str, Any]:
    """Plain dicts and lists with figures of four decimals and null for what is not known.

    The untouched files have ``"level": null``.
    """
    figures = plain({"units": UNITS, **asdict(found)}, digits=4)
    return {"format": "dfdetect robustness", "version": REPORT_VERSION, **figures}


def render_json(found: Robustness) -> str:
    """Indented JSON, pure ASCII, without NaN."""
    return json_document(as_json(found))


def render_markdown(found: Robustness) -> str:
    """A table for each medium, in the Markdown of GitHub."""
    facts = [
        f"- **labels**: {code(found.labels)}, {plural(found.drawn, 'file')} drawn with seed {found.seed}",
        f"- **model**: {code(f'{found.model} {found.model_version}')}, dfdetect {found.tool_version}",
        f"- **left out**: {found.not_judged} drawn without an answer even untouched, {found.unreadable} "
        "that could not be opened",
        f"- **intervals**: 95 %, {found.draws} draws of whole groups, the same for all levels; none "
        "where draws agree",
    ]
    parts = ["# Robustness\n", *facts]
    for medium in MediaKind:
        own = [point for point in found.points if point.medium is medium]
        if own:
            parts.append(f"\n## {medium.value.capitalize()}s\n")
            parts += [row(_COLUMNS), row(["---", *["---:"] * (len(_COLUMNS) - 1)])]
            parts += [row(_cells(point)) for point in own]
    parts.append(f"\n{_CHANGE}\n\n## What the levels mean\n")
    used = {point.level.damage for point in found.points if point.level is not None}
    parts += [f"- **{damage.value}**: {meaning}" for damage, meaning in UNITS.items() if damage in used]
    return "\n".join(parts) + "\n"


def render_svg(found: Robustness) -> str:
    """AUC over the levels with its intervals, a panel for each kind of damage.  Needs matplotlib."""
    used = [damage for damage in Damage if _levels(found, damage)]

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, max(len(used), 1), sharey=True, squeeze=False)[0]
        for axes, damage in zip(panels, used, strict=False):
            _panel(axes, found, damage)
        panels[0].set_ylabel("AUC")
        panels[0].set_ylim(_lowest(found), 1.02)
        if used:
            handles = {h.get_label(): h for axes in panels for h in axes.get_legend_handles_labels()[0]}
            figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=2, frameon=False)

    return svg("robustness", (2.6 * max(len(used), 1) + 0.6, 3.0), draw)


FORMS: Mapping[str, Form[Robustness]] = {
    "json": Form(render_json),
    "markdown": Form(render_markdown),
    "svg": Form(render_svg, check_matplotlib),
}
"""Name of the form → how it is made."""


def _panel(axes: Axes, found: Robustness, damage: Damage) -> None:
    levels = [None, *_levels(found, damage)]
    axes.axhline(0.5, color="#999999", linewidth=1)
    for medium, colour in _COLOURS.items():
        at = {point.level: point.auc for point in found.points if point.medium is medium}
        known = [(x, at[v]) for x, v in enumerate(levels) if v in at and math.isfinite(at[v].value)]
        if not any(x for x, _ in known):
            continue  # this medium cannot suffer this damage
        values = [interval.value for _, interval in known]
        below = [_length(interval.value - interval.low) for _, interval in known]
        above = [_length(interval.high - interval.value) for _, interval in known]
        # Beside each other, so that the intervals of both media can be told apart.
        shift = 0.06 if medium is MediaKind.VIDEO else -0.06
        axes.errorbar(
            [x + shift for x, _ in known],
            values,
            yerr=[below, above],
            color=colour,
            fmt="o-",
            markersize=3.5,
            linewidth=1.4,
            elinewidth=0.9,
            label=f"{medium.value}s",
        )
    axes.set_xticks(range(len(levels)), ["none", *(f"{v.amount:g}" for v in levels if v is not None)])
    axes.set_xlabel(UNITS[damage].replace(", ", ",\n"))
    axes.set_title(damage.value, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _lowest(found: Robustness) -> float:
    """Where the axis begins: at chance or below all intervals."""
    ends = (end for point in found.points for end in (point.auc.value, point.auc.low) if math.isfinite(end))
    return min(0.45, min(ends, default=0.5) - 0.02)


def _length(value: float) -> float:
    """Length of half an error bar; none where the interval is not known."""
    return max(value, 0.0) if math.isfinite(value) else 0.0


def _levels(found: Robustness, damage: Damage) -> list[Level]:
    levels = (point.level for point in found.points)
    return list(dict.fromkeys(level for level in levels if level is not None and level.damage is damage))


def _cells(point: Point) -> list[str]:
    untouched = point.level is None
    return [
        "none" if untouched else str(point.level),
        f"{point.judged} of {point.files}",
        _interval(point.auc),
        "" if untouched else _interval(point.change, sign="+"),
        _share(point.reals_called_fake, point.reals),
        _share(point.fakes_called_fake, point.fakes),
    ]


def _interval(found: Interval, sign: str = "") -> str:
    if not math.isfinite(found.value):
        return NONE
    # Adding 0 makes a plain zero of minus zero.
    value, low, high = (f"{round(v, 3) + 0.0:{sign}.3f}" for v in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})" if math.isfinite(found.low) else value


def _share(share: float, files: int) -> str:
    return f"{100 * share:.0f} % of {files}" if math.isfinite(share) else NONE
