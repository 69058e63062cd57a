"""A benchmark as JSON, as Markdown, and its curves as SVG."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dfdetect.evaluate.bench import Bench, Case, Curve, Point, Runs, StageTime
from dfdetect.evaluate.bench_stages import MEANINGS, Stage
from dfdetect.evaluate.cells import NONE
from dfdetect.evaluate.forms import Form
from dfdetect.evaluate.pieces import code, json_document, plain, row
from dfdetect.evaluate.plots import check_matplotlib, svg
from dfdetect.names import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REPORT_VERSION = "1.0"
"""Version of the JSON form."""
_MIB = 2**20
_BLUE, _GREY = "#0072b2", "#999999"


def render_json(found: Bench) -> str:
    """Every run and all medians: indented JSON, pure ASCII."""
    figures = plain(_tree(found), digits=5)
    return json_document({"format": "dfdetect bench", "version": REPORT_VERSION, **figures})


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
    assert found.curve is not None
    curve = found.curve

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, curve.by_frames, lambda point: point.frames)
        _panel(right, curve.by_length, lambda point: point.seconds / 60)
        first, fixed = curve.by_frames[0], curve.by_length[0]
        left.set(xlabel="judged frames", ylabel=f"{_measure(curve)} in seconds")
        left.set_title(f"a file of {first.seconds:g} s", fontsize=9)
        right.set(xlabel="minutes of the file")
        right.set_title(f"{plural(fixed.frames, 'judged frame')}", fontsize=9)
        line = fit(curve)
        left.plot([0, left.get_xlim()[1]], [line(0), line(left.get_xlim()[1])], color=_GREY, linewidth=1)
        left.set_xlim(left=0)
        right.set_xlim(left=0)
        left.set_ylim(bottom=0)

    return svg("bench", (7.0, 3.0), draw)


FORMS: Mapping[str, Form[Bench]] = {
    "json": Form(render_json),
    "markdown": Form(render_markdown),
    "svg": Form(render_svg, check_matplotlib, needs_curve=True),
}
"""Name of the form → how it is made."""


def fit(curve: Curve) -> np.poly1d:
    """The straight line through the cost over the judged frames, by least squares."""
    points = curve.by_frames
    degree = min(1, len(points) - 1)
    return np.poly1d(np.polyfit([point.frames for point in points], [_cost(p.scan) for p in points], degree))


def _facts(found: Bench) -> list[str]:
    model, engine = code(f"{found.model} {found.model_version}"), found.settings["engine"]
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
    yield row(["what", "frames", "faces", "wall, s", "lowest–highest", "CPU, s", "peak, MiB", "speed"])
    yield row(["---", *["---:"] * 6, "---"])
    for case in found.cases:
        walls = [run.wall for run in case.scan.runs]
        yield row(
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
    yield row(
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
    yield row(["---", *["---:"] * 6])
    for case in found.cases:
        if case.reference is not None:
            ratios = _compare(case.scan, case.reference)
            memory = ratios["peak"]
            yield row(
                [
                    code(case.name),
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
    yield row(["stage", *(code(case.name) for case in found.cases)])
    yield row(["---", *["---:"] * len(found.cases)])
    for number, stage in enumerate(Stage):
        times = [case.stages[number] for case in found.cases]
        yield row([stage.value, *(_share(time) for time in times)])
    yield ""
    yield from (f"- **{stage.value}**: {MEANINGS[stage]}" for stage in Stage)


def _curves(curve: Curve) -> Iterable[str]:
    line = fit(curve)
    slope = line.coeffs[0] if line.order else 0.0
    yield f"{_measure(curve)}, seconds: {line(0):.2f} and {slope:.3f} for every judged frame.\n"
    for points, head in ((curve.by_frames, "judged frames"), (curve.by_length, "seconds of the file")):
        values = [p.frames if points is curve.by_frames else p.seconds for p in points]
        yield row([head, *(f"{value:g}" for value in values)])
        yield row(["---", *["---:"] * len(points)])
        yield row(["wall, s", *(f"{p.scan.wall:.2f}" for p in points)])
        yield row(["CPU, s", *(_number(p.scan.cpu) for p in points)])
        yield row(["peak, MiB", *(_mebibytes(p.scan.peak) for p in points)])
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
    return f"{code(case.name)}, {case.summary}" if case.summary else code(case.name)


def _number(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _mebibytes(value: float | None) -> str:
    return NONE if value is None else f"{value / _MIB:.0f}"


def _tree(value: object) -> object:
    """Dataclasses as dicts, with the figures that are worked out from theirs."""
    if isinstance(value, Runs):
        return {"wall": value.wall, "cpu": value.cpu, "peak": value.peak, "runs": _tree(value.runs)}
    if isinstance(value, Case):
        ratios = _compare(value.scan, value.reference) if value.reference else None
        return {**_fields(value), "reference_to_scan": ratios}
    if isinstance(value, tuple):
        return [_tree(item) for item in value]
    return _fields(value) if dataclasses.is_dataclass(value) else value


def _fields(value: Any) -> dict[str, object]:
    return {field.name: _tree(getattr(value, field.name)) for field in dataclasses.fields(value)}
