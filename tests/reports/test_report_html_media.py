"""The HTML report on paper, in forced colours, and where its script or its style is blocked.

Needs what the tests of the page in the browser need.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from test_report_html import full_samples
from test_report_html_browser import By, WebDriverWait, emulate, find, visit
from test_report_html_browser import browser as browser
from test_report_html_browser import no_complaints as no_complaints

from dfdetect.results import Note, Reason
from tests.sample_results import unjudged

STYLE = "const [e, name] = arguments; return getComputedStyle(e)[name]"


def test_paper_has_the_answer_and_no_tools(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, full_samples())
    find(browser, "#f1 summary").click()
    emulate(browser, media="print")
    for selector in (".filters", ".heads", ".blocked"):
        assert not find(browser, selector).is_displayed()
    for selector in ("#f1 .message", "#f1 .frame:not([hidden]) img", "#f2 .verdict", "#reading"):
        assert find(browser, selector).is_displayed()
    screen = {"width": 720, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    frame, face = find(browser, "#f1 .frames").rect, find(browser, "#f1 .close").rect
    assert face["x"] >= frame["x"] + frame["width"], "narrow paper is no phone"
    assert face["width"] <= 300


def test_paper_has_the_pictures_of_all_open_files(browser: Any, tmp_path: Path) -> None:
    """Also those that nobody has scrolled to."""
    visit(browser, tmp_path, full_samples())
    find(browser, "#open").click()
    missing = "return [...document.querySelectorAll('.detail img')].filter(i => !i.naturalWidth).length"
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(missing) == 0)


def test_paper_says_how_many_files_it_lacks(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, full_samples())
    find(browser, "#tools input[value=fake]").click()
    emulate(browser, media="print")
    assert find(browser, "#shown").text == "7 of 9 files shown"


def test_paper_has_the_caveats_of_closed_rows(browser: Any, tmp_path: Path) -> None:
    """On a screen a mark stands for them: the row can be opened there."""
    cut = dataclasses.replace(
        unjudged("a.jpg", Reason.NO_FACE, "No face.", None), notes=(Note("truncated", "It ends early."),)
    )
    visit(browser, tmp_path, [*full_samples()[:2], cut])
    find(browser, "#f2 summary").click()
    assert not find(browser, "#f1 .why").is_displayed()
    assert find(browser, "#f1 .less").is_displayed()
    assert find(browser, "#f3 .why").text == "No face."
    emulate(browser, media="print")
    assert find(browser, "#f1 .why").text == "The file ends early."
    assert not find(browser, "#f1 .less").is_displayed()
    assert find(browser, "#f3 .why").text == "No face. It ends early."
    assert not find(browser, "#f2 .why").is_displayed(), "an open row has them below"


def test_forced_colours_keep_what_colour_says(browser: Any, tmp_path: Path) -> None:
    features = [{"name": "forced-colors", "value": "active"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    visit(browser, tmp_path, full_samples()[:1])
    dots = browser.find_elements(By.CSS_SELECTOR, ".swatch")
    assert len({browser.execute_script(STYLE, dot, "backgroundColor") for dot in dots}) == len(dots) > 1
    edges = {
        pressed: browser.execute_script(
            STYLE, find(browser, f".strip [aria-pressed={pressed}]"), "borderWidth"
        )
        for pressed in ("true", "false")
    }
    assert edges == {"true": "3px", "false": "1px"}


def test_without_script_all_is_there(browser: Any, tmp_path: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        visit(browser, tmp_path, full_samples())
        totals, first = find(browser, "#totals"), find(browser, ".file")
        assert totals.location["y"] < first.location["y"], "the counts, written last, stand first"
        assert find(browser, "#f1 .message").is_displayed()
        assert not find(browser, "#tools").is_displayed()
        find(browser, "#f2 summary").click()
        assert find(browser, "#f2 .frame:not([hidden]) img").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("count", [1, 9])
def test_without_its_style_the_page_says_so_and_has_no_black_shapes(
    browser: Any, tmp_path: Path, count: int
) -> None:
    """As behind a server that lets no page bring its own."""
    visit(browser, tmp_path, full_samples()[:count])
    assert not find(browser, ".blocked").is_displayed()
    browser.execute_script("document.querySelector('style').remove()")
    assert find(browser, ".blocked").is_displayed()
    for shape in browser.find_elements(By.CSS_SELECTOR, "article .line, article .box, .zone"):
        assert browser.execute_script(STYLE, shape, "fill") in ("none", "rgb(192, 192, 192)")
    for line in browser.find_elements(By.CSS_SELECTOR, "article .line, article .box, .edge, .mark"):
        assert browser.execute_script(STYLE, line, "stroke") != "none"
