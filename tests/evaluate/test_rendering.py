"""The forms of a report: golden files, and what must hold whatever the files are called."""

from __future__ import annotations

import builtins
import dataclasses
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluate_samples import about, evaluation, scanned, unjudged

from dfdetect.errors import MissingExtraError
from dfdetect.evaluate.plots import plots
from dfdetect.evaluate.rendering import FORMS
from dfdetect.evaluate.report import report
from dfdetect.evaluate.terminal import show
from dfdetect.results import MediaKind

GOLDEN = Path(__file__).parent / "golden"
NASTY = '<script>alert(1)</script>|[x](http://e.example)"\x1b[31m`*_\u202e\n{{ 7 * 7 }}'


Golden = Callable[[str, str], None]


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with a file of the tree; ``--update-golden`` writes it."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("update_golden"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return check


def test_markdown_is_as_it_was(check_golden: Golden) -> None:
    check_golden("evaluation.md", FORMS["markdown"].render(evaluation((), ("gone_1.jpg", "gone_2.jpg"))))


def test_json_is_as_it_was(check_golden: Golden) -> None:
    whole = evaluation()
    files, faces = whole.slices[:2], whole.slices[-1:]
    short = dataclasses.replace(whole, slices=(*files, *faces), curves=(), shortcuts=whole.shortcuts[:1])
    check_golden("evaluation.json", FORMS["json"].render(short))


def test_names_that_are_not_utf8_are_valid_json() -> None:
    found = json.loads(FORMS["json"].render(evaluation((), ("caf\udce9.jpg",))))
    assert found["missing"] == ["caf\ufffd.jpg"]


def test_terminal_is_as_it_was(check_golden: Golden) -> None:
    stream = io.StringIO()
    show(evaluation(), stream, color=False)
    check_golden("evaluation.txt", stream.getvalue())


def test_a_threshold_has_no_uncertain_files_in_the_legend() -> None:
    curves = evaluation().curves[0]
    wide, none = (plots(dataclasses.replace(curves, band=band))[-1][1] for band in ((0.2, 0.8), (0.5, 0.5)))
    assert ">uncertain<" in wide
    assert ">uncertain<" not in none


def test_ece_and_chance_share_a_cell_in_all_forms() -> None:
    found = evaluation()
    figures = found.slices[0].figures
    ece, chance = (f"{figures[name].value:.3f}" for name in ("ece", "ece_by_chance"))
    stream = io.StringIO()
    show(found, stream, color=False)
    texts = {"markdown": FORMS["markdown"].render(found), "terminal": stream.getvalue()}
    for text in texts.values():
        assert f"{ece} (by chance {chance})" in text
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    assert f"{ece}<small>by chance {chance}</small>" in FORMS["html"].render(found)


def nasty() -> Any:
    """A report of files whose names, families, methods and sources mean harm."""
    pairs = tuple(
        scanned(k % 2 == 0, -2.0 + k % 2 * 4.0, name=f"{NASTY}{k}", family=NASTY, method=NASTY, source=NASTY)
        for k in range(20)
    )
    found = evaluation(pairs, (NASTY,))
    return dataclasses.replace(found, about=dataclasses.replace(found.about, labels=NASTY, model=NASTY))


class Page(HTMLParser):
    """Collects tags and checks that they are closed in order."""

    VOID = frozenset({"meta", "br", "img", "path", "use"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    return FORMS["html"].render(nasty())


def test_html_is_whole_and_stands_alone(page: str) -> None:
    parsed = Page(page)
    assert parsed.open == []
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "link", "iframe", "object", "base", "form"}
    for _, attributes in parsed.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert (value or "").startswith(("#", "data:"))
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert sum(tag == "svg" for tag, _ in parsed.tags) == 6
    assert "prefers-color-scheme: dark" in page


def test_html_shows_names_as_text(page: str) -> None:
    assert "alert(1)" in "".join(Page(page).text)
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page  # a name is no template
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", page)


def test_plots_take_their_colours_from_the_page(page: str) -> None:
    drawings = re.findall(r"<svg .*?</svg>", page, re.DOTALL)
    for drawing in drawings:
        root = ET.fromstring(drawing)
        assert root.get("role") == "img"
        assert not re.search(r"#0102\d\d", drawing)
        assert "var(--ink)" in drawing
        targets = set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", drawing))
        assert targets <= set(re.findall(r'id="([^"]+)"', drawing))
    assert page == FORMS["html"].render(nasty())


def test_markdown_and_terminal_show_names_as_text() -> None:
    text = FORMS["markdown"].render(nasty())
    assert "<script" not in text
    assert "\\[x\\](http" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    tables = [table.splitlines() for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    assert len(tables) > 8
    for rows in tables:  # no name has added a column
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    stream = io.StringIO()
    show(nasty(), stream, color=False)
    assert "\x1b" not in stream.getvalue()
    assert "<script>alert(1)</script>" in stream.getvalue().replace("\n", "")


def test_files_of_no_known_medium_are_told_where_they_count() -> None:
    pairs = [scanned(i % 2 == 1, float(i), name=str(i)) for i in range(10)]
    unread = [unjudged(f"gone {i}", True) for i in range(3)]
    said = "- **unreadable**: the medium of 3 files is not known"
    rng = np.random.default_rng(0)
    whole, read = (FORMS["markdown"].render(report(p, rng, about())) for p in ([*pairs, *unread], pairs))
    assert said in whole
    assert "- **unreadable**" not in read


def test_one_class_and_nothing_judged_can_be_rendered() -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    only_reals = [scanned(False, -0.1 * k, kind=MediaKind.VIDEO, name=str(k)) for k in range(6)]
    for pairs in (only_reals, [unjudged()]):
        found = report(pairs, np.random.default_rng(0), about())
        assert "| files, real / fake | " in FORMS["markdown"].render(found)
        assert json.loads(FORMS["json"].render(found))["files"] == len(pairs)
        show(found, io.StringIO(), color=False)
        assert Page(FORMS["html"].render(found)).open == []


@pytest.mark.parametrize(
    ("package", "remedy"),
    [("jinja2", "pip install Jinja2"), ("matplotlib", 'pip install "dfdetect[evaluate]"')],
)
def test_a_missing_package_is_named_and_spares_the_other_forms(
    package: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == package:
            raise ImportError(f"No module named '{package}'")
        return real_import(name, *rest, **more)

    found = evaluation()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=re.escape(remedy)):
        FORMS["html"].check()
    for name in ("markdown", "json"):
        FORMS[name].check()
        assert FORMS[name].render(found)
