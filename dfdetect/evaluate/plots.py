"""Plots of a report as SVG that takes its colours from the page around it, light or dark.

matplotlib draws with fixed stand-in colours, which are then replaced by CSS variables: text and lines by
``--ink`` and ``--faint``, series by ``--real``, ``--fake`` and ``--accent``.  Nothing in a plot comes from
files but numbers.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dfdetect.errors import MissingExtraError
from dfdetect.evaluate.curves import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins: colours that matplotlib has no other use for.
_COLOURS: Mapping[str, str] = {
    "#010203": "var(--ink)",
    "#010204": "var(--faint)",
    "#010205": "var(--real)",
    "#010206": "var(--fake)",
    "#010207": "var(--accent)",
}
_INK, _FAINT, _REAL, _FAKE, _ACCENT = _COLOURS
_SIZE = (4.0, 3.3)
_STYLE: Mapping[str, Any] = {
    "font.family": "sans-serif",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _FAINT,
    "grid.alpha": 0.35,
    "legend.frameon": False,
    "savefig.transparent": True,
}


def check_matplotlib() -> None:
    """Raise `MissingExtraError` that says what to install when plots cannot be drawn."""
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError(
            f'plots need matplotlib ({error}); run: pip install "dfdetect[evaluate]"'
        ) from error
    del matplotlib


def plots(curves: Curves) -> tuple[tuple[str, str], ...]:
    """Caption and SVG element of each plot of one medium."""
    medium = curves.medium
    return (
        (f"ROC, {medium}s", _draw(f"roc-{medium}", lambda axes: _roc(axes, curves))),
        (f"Reliability, {medium}s", _draw(f"reliability-{medium}", lambda axes: _reliability(axes, curves))),
        (f"Probabilities, {medium}s", _draw(f"scores-{medium}", lambda axes: _distribution(axes, curves))),
    )


def _roc(axes: Axes, curves: Curves) -> None:
    roc = curves.roc
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1)
    low, high = np.array(roc.low), np.array(roc.high)
    axes.fill_between(roc.fpr, low, high, color=_ACCENT, alpha=0.18, linewidth=0, step="post")
    axes.plot(
        roc.fpr, roc.tpr, color=_ACCENT, linewidth=1.8, drawstyle="steps-post", label=f"AUC {roc.auc:.3f}"
    )
    axes.set(xlabel="reals called fake", ylabel="fakes found", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="lower right")


def _reliability(axes: Axes, curves: Curves) -> None:
    bins = curves.reliability
    predicted = [found.predicted for found in bins]
    observed = np.array([found.observed.value for found in bins])
    low = observed - np.array([found.observed.low for found in bins])
    high = np.array([found.observed.high for found in bins]) - observed
    spread = np.nan_to_num(np.clip([low, high], 0, None))
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1)
    axes.errorbar(
        predicted, observed, yerr=spread, color=_ACCENT, fmt="o-", markersize=4, linewidth=1.2, elinewidth=0.8
    )
    axes.set(xlabel="probability of a fake", ylabel="share of fakes", xlim=(0, 1), ylim=(-0.01, 1.01))


def _distribution(axes: Axes, curves: Curves) -> None:
    found = curves.distribution
    if curves.band is not None and curves.band[0] < curves.band[1]:  # a threshold leaves nothing uncertain
        axes.axvspan(*curves.band, color=_FAINT, alpha=0.15, linewidth=0, label="uncertain")
    for name, shares, colour in (("real", found.reals, _REAL), ("fake", found.fakes, _FAKE)):
        axes.stairs(shares, found.edges, fill=True, color=colour, alpha=0.25)
        axes.stairs(shares, found.edges, color=colour, linewidth=1.6, label=name)
    axes.set(xlabel="probability of a fake", ylabel="share of files", xlim=(0, 1))
    axes.set_ylim(0, 1.18 * max(*found.reals, *found.fakes))  # room for the legend
    axes.legend(loc="upper center", ncols=3)


def svg(
    name: str,
    figsize: tuple[float, float],
    draw: Callable[[Figure], None],
    style: Mapping[str, Any] | None = None,
) -> str:
    """An SVG document of a figure that `draw` fills; the same figures give the same text.

    `name` tells its ids from those of other plots, `figsize` is in inches, `style` are more settings of
    matplotlib.
    """
    check_matplotlib()
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # Their names are not typed alike in all versions of matplotlib.
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9, **(style or {})}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=figsize, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _draw(name: str, content: Callable[[Axes], None]) -> str:
    """One plot as an ``svg`` element whose ids begin with `name`."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, linewidth=0.4)
        content(axes)

    return _as_element(svg(name, _SIZE, draw, _STYLE), name)


def _as_element(document: str, name: str) -> str:
    """The ``svg`` element of a document, without declarations, with ids of its own and the page's colours."""
    text = document[document.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for attribute in (r'id="', r'href="#', r"url\(#"):
        text = re.sub(attribute, lambda match: f"{match[0]}{name}-", text)
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    # The page's own typeface instead of the one that the measures were taken with.
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 sans-serif", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)
