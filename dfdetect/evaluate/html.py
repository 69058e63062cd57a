"""The report as one HTML file that needs nothing else: tables, and plots as inline SVG."""

from __future__ import annotations

from importlib import resources

from dfdetect.evaluate.plots import check_matplotlib, plots
from dfdetect.evaluate.report import Evaluation
from dfdetect.evaluate.slices import FIGURES
from dfdetect.evaluate.tables import TITLES, facts, tables
from dfdetect.names import printable
from dfdetect.reports.html.page import check_jinja

_BESIDE = ("overall_file", "overall_face", "answers")  # narrow, and read together
_TEMPLATE = "templates/evaluation.html.j2"


def check_html() -> None:
    """Raise `MissingExtraError` that says what to install when HTML cannot be written."""
    check_jinja()
    check_matplotlib()


def render_html(evaluation: Evaluation) -> str:
    """A self-contained page, light or dark as the reader's system; all text is escaped."""
    check_html()
    import jinja2
    import markupsafe

    source = resources.files("dfdetect.evaluate").joinpath(_TEMPLATE).read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    shown = tables(evaluation)
    drawn = [plot for own in evaluation.curves for plot in plots(own)]
    page = environment.from_string(source).render(
        model=printable(evaluation.about.model),
        labels=printable(evaluation.about.labels),
        facts=facts(evaluation),
        first=[table for table in shown if table.key in _BESIDE],
        tables=[table for table in shown if table.key not in _BESIDE],
        plots=[(caption, markupsafe.Markup(svg)) for caption, svg in drawn],
        figures=[(TITLES[name], meaning) for name, meaning in FIGURES.items()],
    )
    return page + "\n"
