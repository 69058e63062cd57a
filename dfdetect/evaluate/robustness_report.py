"""Robustness curves as JSON, Markdown or SVG."""

from __future__ import annotations

import difflib
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dfdetect.errors import InputError
from dfdetect.evaluate.degrade import UNITS, Damage, Level
from dfdetect.evaluate.plots import check_matplotlib
from dfdetect.evaluate.robustness import Point, Robustness
from dfdetect.evaluate.weighted import Interval
from dfdetect.reports.words import plural, printable
from dfdetect.results import MediaKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT_VERSION = "1.0"
"""Version of the JSON form."""
_NONE = "–"
_COLUMNS = ("damage", "judged", "AUC", "change of AUC", "reals called fake", "fakes called fake")
_COLOURS: Mapping[MediaKind, str] = {MediaKind.PHOTO: "#0072b2", MediaKind.VIDEO: "#d55e00"}  # Okabe and Ito


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the report."""

    summary: str
    """One phrase for the help."""
    render: Callable[[Robustness], str]
    check: Callable[[], None] = lambda: None
    """Raises `MissingExtraError` when a package is missing, so that this is known before a scan."""


def as_json(found: Robustness) -> dict[str, Any]:
    """Plain dicts and lists with figures of four decimals and null for what is not known.

    The untouched files have ``"level": null``.
    """
    plain = _plain(asdict(found))
    assert isinstance(plain, dict)
    return {"format": "dfdetect robustness", "version": REPORT_VERSION, "units": _plain(UNITS), **plain}


def render_json(found: Robustness) -> str:
    """Indented JSON, pure ASCII, without NaN."""
    return json.dumps(as_json(found), indent=1, allow_nan=False) + "\n"


def render_markdown(found: Robustness) -> str:
    """A table for each medium, in the Markdown of GitHub."""
    facts = [
        f"- **labels**: {_code(found.labels)}, {plural(found.drawn, 'file')} drawn with seed {found.seed}",
        f"- **model**: {_code(f'{found.model} {found.model_version}')}, dfdetect {found.tool_version}",
        f"- **left out**: {found.not_judged} drawn without an answer even untouched, {found.unreadable} "
        "that could not be opened",
        f"- **intervals**: 95 %, {found.draws} draws of whole groups, the same for all levels",
    ]
    parts = ["# Robustness\n", *facts]
    for medium in MediaKind:
        own = [point for point in found.points if point.medium is medium]
        if own:
            parts.append(f"\n## {medium.value.capitalize()}s\n")
            parts += [_row(_COLUMNS), _row(["---", *["---:"] * (len(_COLUMNS) - 1)])]
            parts += [_row(_cells(point)) for point in own]
    parts.append("\n## What the levels mean\n")
    used = {point.level.damage for point in found.points if point.level is not None}
    parts += [f"- **{damage.value}**: {meaning}" for damage, meaning in UNITS.items() if damage in used]
    return "\n".join(parts) + "\n"


def render_svg(found: Robustness) -> str:
    """AUC over the levels with its intervals, a panel for each kind of damage.  Needs matplotlib."""
    check_matplotlib()
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    used = [damage for damage in Damage if _levels(found, damage)]
    # The same figures give the same text.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "robustness", "font.size": 9}):
        figure = Figure(figsize=(2.6 * max(len(used), 1) + 0.6, 3.0), layout="constrained")
        FigureCanvasSVG(figure)
        panels = figure.subplots(1, max(len(used), 1), sharey=True, squeeze=False)[0]
        for axes, damage in zip(panels, used, strict=False):
            _panel(axes, found, damage)
        panels[0].set_ylabel("AUC")
        panels[0].set_ylim(_lowest(found), 1.02)
        if used:
            handles = {h.get_label(): h for axes in panels for h in axes.get_legend_handles_labels()[0]}
            figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=2, frameon=False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


FORMS: Mapping[str, Form] = {
    "json": Form("all figures, for machines", render_json),
    "markdown": Form("tables", render_markdown),
    "svg": Form("curves", render_svg, check_matplotlib),
}
"""Name of the form → how it is made."""


def find_form(name: str) -> Form:
    """The form of this name; an unknown one raises `InputError` that lists the known ones."""
    if name in FORMS:
        return FORMS[name]
    near = difflib.get_close_matches(name.lower(), FORMS, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise InputError(f"unknown report format '{name}': {hint}known formats are {', '.join(FORMS)}")


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
        return _NONE
    # Adding 0 makes a plain zero of minus zero.
    value, low, high = (f"{round(v, 3) + 0.0:{sign}.3f}" for v in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})" if math.isfinite(found.low) else value


def _share(share: float, files: int) -> str:
    return f"{100 * share:.0f} % of {files}" if math.isfinite(share) else _NONE


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _code(text: str) -> str:
    """Text from outside as a span of code, which Markdown and HTML leave alone."""
    return "`" + printable(text).replace("`", "'") + "`"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 4) + 0.0 if math.isfinite(value) else None
    return value
