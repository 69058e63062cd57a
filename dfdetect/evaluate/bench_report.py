"""A benchmark as JSON, as Markdown, and its curves as SVG."""

from __future__ import annotations

import dataclasses
import difflib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dfdetect.errors import InputError
from dfdetect.evaluate.bench import Bench, Case, Curve, Point, Runs, StageTime
from dfdetect.evaluate.bench_stages import MEANINGS, Stage
from dfdetect.evaluate.cells import NONE
from dfdetect.evaluate.plots import check_matplotlib
from dfdetect.reports.words import plural, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT_VERSION = "1.0"
"""Version of the JSON form."""
_MIB = 2**20
_BLUE, _GREY = "#0072b2", "#999999"


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the report."""

    summary: str
    """One phrase for the help."""
    render: Callable[[Bench], str]
    check: Callable[[], None] = lambda: None
    """Raises `MissingExtraError` when a package is missing, so that this is known before the runs."""
    needs_curve: bool = False


def render_json(found: Bench) -> str:
    """Every run and all medians: indented JSON, pure ASCII."""
    document = {"format": "dfdetect bench", "version": REPORT_VERSION, **_plain(found)}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def render_markdown(found: Bench) -> str:
    """Tables in the Markdown of GitHub, which can be read on a terminal as well."""
    parts = ["# Benchmark\n", *_facts(found)]
    if found.cases:
        parts += ["\n## From start to exit\n", *_scans(found)]
        if any(case.reference for case in found.cases):
            parts += ["\n## Beside the reference\n", *_ratios(found)]
        parts += ["\n## Where the time goes\n", *_stages(found)]
    if found.curve is not None:
        parts += ["\n## What the cost grows with\n", *_curves(found.curve)]
    return "\n".join(parts) + "\n"


def render_svg(found: Bench) -> str:
    """Cost over judged frames and over the length of the file, on one scale.  Needs matplotlib."""
    check_matplotlib()
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    assert found.curve is not None
    # The same figures give the same text.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9}):
        figure = Figure(figsize=(7.0, 3.0), layout="constrained")
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, found.curve.by_frames, lambda point: point.frames)
        _panel(right, found.curve.by_length, lambda point: point.seconds / 60)
        first, fixed = found.curve.by_frames[0], found.curve.by_length[0]
        left.set(xlabel="judged frames", ylabel=f"{_measure(found.curve)} in seconds")
        left.set_title(f"a file of {first.seconds:g} s", fontsize=9)
        right.set(xlabel="minutes of the file")
        right.set_title(f"{plural(fixed.frames, 'judged frame')}", fontsize=9)
        line = fit(found.curve)
        left.plot([0, left.get_xlim()[1]], [line(0), line(left.get_xlim()[1])], color=_GREY, linewidth=1)
        left.set_xlim(left=0)
        right.set_xlim(left=0)
        left.set_ylim(bottom=0)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


FORMS: Mapping[str, Form] = {
    "json": Form("all figures, for machines", render_json),
    "markdown": Form("tables", render_markdown),
    "svg": Form("curves", render_svg, check_matplotlib, needs_curve=True),
}
"""Name of the form → how it is made."""


def find_form(name: str) -> Form:
    """The form of this name; an unknown one raises `InputError` that lists the known ones."""
    if name in FORMS:
        return FORMS[name]
    near = difflib.get_close_matches(name.lower(), FORMS, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise InputError(f"unknown report format '{name}': {hint}known formats are {', '.join(FORMS)}")


def fit(curve: Curve) -> np.poly1d:
    """The straight line through the cost over the judged frames, by least squares."""
    points = curve.by_frames
    degree = min(1, len(points) - 1)
    return np.poly1d(np.polyfit([point.frames for point in points], [_cost(p.scan) for p in points], degree))


def _facts(found: Bench) -> list[str]:
    model, engine = _code(f"{found.model} {found.model_version}"), found.settings["engine"]
    load = "" if found.load is None else f", load {found.load:.1f} before"
    facts = [
        f"- **program**: dfdetect {found.tool_version}, model {model}, engine {engine}, "
        f"{plural(int(str(found.settings['frames'])), 'frame')} of a video, Python {found.python}",
        f"- **machine**: {found.system}, {plural(found.cores, 'usable core')}{load}",
        f"- **threads**: {found.threads}; of several files {found.jobs} at once",
        f"- **runs**: medians of {plural(found.repeat, 'run')} in fresh processes, from start to exit; one "
        "more before them is not counted",
        "- **memory**: peak of the largest process",
    ]
    if found.reference is not None:
        facts.append(
            f"- **reference**: {found.reference}; as many frames, models loaded each time, its runs "
            "alternate with ours"
        )
    return facts


def _scans(found: Bench) -> Iterable[str]:
    yield _row(["what", "frames", "faces", "wall, s", "lowest–highest", "CPU, s", "peak, MiB", "speed"])
    yield _row(["---", *["---:"] * 6, "---"])
    for case in found.cases:
        walls = [run.wall for run in case.scan.runs]
        yield _row(
            [
                _what(case),
                str(case.frames),
                str(case.faces),
                f"{case.scan.wall:.2f}",
                f"{min(walls):.2f}–{max(walls):.2f}",
                _number(case.scan.cpu),
                _mebibytes(case.scan.peak),
                _speed(case),
            ]
        )


def _ratios(found: Bench) -> Iterable[str]:
    yield _row(
        [
            "what",
            "wall, s",
            "CPU, s",
            "peak, MiB",
            "times our wall",
            "times our CPU",
            "our share of its peak",
        ]
    )
    yield _row(["---", *["---:"] * 6])
    for case in found.cases:
        if case.reference is not None:
            ratios = _compare(case.scan, case.reference)
            memory = ratios["peak"]
            yield _row(
                [
                    _code(case.name),
                    f"{case.reference.wall:.2f}",
                    _number(case.reference.cpu),
                    _mebibytes(case.reference.peak),
                    f"{ratios['wall']:.1f}",
                    _number(ratios["cpu"], 1),
                    NONE if memory is None else f"{100 / memory:.0f} %",
                ]
            )


def _stages(found: Bench) -> Iterable[str]:
    yield "Share of the wall time of one more run, in one process (seconds; meanwhile of all threads).\n"
    yield _row(["stage", *(_code(case.name) for case in found.cases)])
    yield _row(["---", *["---:"] * len(found.cases)])
    for number, stage in enumerate(Stage):
        times = [case.stages[number] for case in found.cases]
        yield _row([stage.value, *(_share(time) for time in times)])
    yield ""
    yield from (f"- **{stage.value}**: {MEANINGS[stage]}" for stage in Stage)


def _curves(curve: Curve) -> Iterable[str]:
    line = fit(curve)
    slope = line.coeffs[0] if line.order else 0.0
    yield f"{_measure(curve)}, seconds: {line(0):.2f} and {slope:.3f} for every judged frame.\n"
    for points, head in ((curve.by_frames, "judged frames"), (curve.by_length, "seconds of the file")):
        values = [p.frames if points is curve.by_frames else p.seconds for p in points]
        yield _row([head, *(f"{value:g}" for value in values)])
        yield _row(["---", *["---:"] * len(points)])
        yield _row(["wall, s", *(f"{p.scan.wall:.2f}" for p in points)])
        yield _row(["CPU, s", *(_number(p.scan.cpu) for p in points)])
        yield _row(["peak, MiB", *(_mebibytes(p.scan.peak) for p in points)])
        yield ""


def _panel(axes: Axes, points: Sequence[Point], place: Callable[[Point], float]) -> None:
    axes.plot([place(p) for p in points], [_cost(p.scan) for p in points], "o-", color=_BLUE, markersize=3.5)
    axes.grid(True, linewidth=0.4, alpha=0.4)
    axes.spines[["top", "right"]].set_visible(False)


def _cost(runs: Runs) -> float:
    """Processor time where it is known: on a busy machine it says more than the wall clock."""
    return runs.wall if runs.cpu is None else runs.cpu


def _measure(curve: Curve) -> str:
    return "Wall time" if curve.by_frames[0].scan.cpu is None else "Processor time"


def _compare(ours: Runs, theirs: Runs) -> dict[str, float | None]:
    """How many times as much the reference takes."""
    return {
        "wall": theirs.wall / ours.wall,
        "cpu": theirs.cpu / ours.cpu if ours.cpu and theirs.cpu else None,
        "peak": theirs.peak / ours.peak if ours.peak and theirs.peak else None,
    }


def _share(time: StageTime) -> str:
    return f"{100 * time.share:.0f} % ({time.wall:.2f}; {time.cpu:.2f})"


def _speed(case: Case) -> str:
    if case.seconds:
        return f"{100 * case.scan.wall / case.seconds:.3g} % of its length"
    return f"{case.files / case.scan.wall:.3g} files a second"


def _what(case: Case) -> str:
    return f"{_code(case.name)}, {case.summary}" if case.summary else _code(case.name)


def _number(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _mebibytes(value: float | None) -> str:
    return NONE if value is None else f"{value / _MIB:.0f}"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _code(text: str) -> str:
    """Text from outside as a span of code, which Markdown and HTML leave alone."""
    return "`" + printable(text).replace("`", "'").replace("|", "\\|") + "`"


def _plain(value: Any) -> Any:
    if isinstance(value, Runs):
        return {"wall": value.wall, "cpu": value.cpu, "peak": value.peak, "runs": _plain(value.runs)}
    if isinstance(value, Case):
        ratios = _compare(value.scan, value.reference) if value.reference else None
        return {**_fields(value), "reference_to_scan": ratios}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
