"""The page: templates filled under autoescape, with a style and a script that only their hashes let run."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any

from dfdetect import __version__
from dfdetect.errors import MissingExtraError
from dfdetect.names import plural, printable
from dfdetect.record.summary import Summary
from dfdetect.reports.html.appendix import Entry
from dfdetect.reports.html.views import FileView
from dfdetect.results import Label

if TYPE_CHECKING:
    import jinja2


def check_jinja() -> None:
    """Raise `MissingExtraError` that says what to install when there is no template engine."""
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError(f"an HTML report needs Jinja2 ({error}); run: pip install Jinja2") from error
    del jinja2


def render_head() -> str:
    """Everything before the first file."""
    style, script = _asset("style.css"), _asset("script.js")
    return _render("head.html.j2", style=_trusted(style), style_hash=_csp(style), script_hash=_csp(script))


def render_file(file: FileView) -> str:
    """The section of one file."""
    return _render("file.html.j2", file=file)


def render_end(summary: Summary, entries: tuple[Entry, ...]) -> str:
    """Counts, tools, explanations, and the closing tags."""
    counts = [
        ("fake", "fake", summary.labels[Label.FAKE]),
        ("uncertain", "uncertain", summary.labels[Label.UNCERTAIN]),
        ("real", "real", summary.labels[Label.REAL]),
        ("not-judged", "not judged", summary.unjudged),
        ("unreadable", "unreadable", summary.unreadable),
    ]
    return _render(
        "end.html.j2",
        counts=counts,
        files=summary.files,
        files_words=plural(summary.files, "file"),
        complete=summary.complete,
        started=summary.started.strftime("%Y-%m-%d %H:%M UTC"),
        elapsed=f"{summary.elapsed:.1f} s",
        entries=entries,
        version=__version__,
        script=_trusted(_asset("script.js")),
    )


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@functools.cache
def _environment() -> jinja2.Environment:
    check_jinja()
    import jinja2
    import markupsafe

    def shown(value: Any) -> Any:
        """Controls, marks of writing direction and broken bytes are shown and never obeyed."""
        plain = isinstance(value, str) and not isinstance(value, markupsafe.Markup)
        return printable(value) if plain else value

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@functools.cache
def _asset(name: str) -> str:
    return resources.files("dfdetect.reports.html").joinpath(name).read_text("utf-8")


def _trusted(text: str) -> Any:
    """Our own style or script, which stands in the page as it is."""
    import markupsafe

    return markupsafe.Markup(text)


def _csp(text: str) -> str:
    """Its hash for the Content-Security-Policy: nothing else runs, even if escaping failed."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
