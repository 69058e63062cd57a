"""The HTML report in headless Chromium: it sorts, filters, shows moments, is accessible, and obeys no name.

Needs selenium, Chromium (or Chrome) and its driver; skipped where one of them is missing.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from test_report_html import ATTACKS, full_samples, named, pictured

from dfdetect.results import ScanResult
from tests.sample_results import render

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHOWN = (
    "return [...document.querySelectorAll('.file')].filter(f => !f.hidden).map(f => f.dataset[arguments[0]])"
)

# Contrast of every text with what lies behind it (WCAG 2: at least 4.5, 3 for large text), names of
# everything that can be operated, one heading of the first rank, no trap of tab order.
CHECKS = """
const problems = [], parse = (c) => c.match(/[\\d.]+/g).map(Number);
const linear = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > .99) return c;
  }
  return [255, 255, 255];
};
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let texts = 0;
for (let node; (node = walk.nextNode());) {
  const e = node.parentElement;
  if (!node.data.trim() || e.closest("script") || !e.checkVisibility()) continue;
  texts += 1;
  const style = getComputedStyle(e), size = parseFloat(style.fontSize);
  const colour = e.closest("svg") ? style.fill : style.color;
  const [a, b] = [light(parse(colour)), light(behind(e))].sort((x, y) => y - x);
  const least = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
  const ratio = (a + .05) / (b + .05);
  if (ratio < least) problems.push(`contrast ${ratio.toFixed(2)} of "${node.data.trim().slice(0, 30)}"`);
}
const show = (what, e) => problems.push(what + ": " + e.outerHTML.slice(0, 80));
for (const e of document.querySelectorAll("button, input, [role=slider], summary, a, [tabindex]")) {
  if (!e.checkVisibility()) continue;
  const label = e.labels && [...e.labels].map((l) => l.textContent).join("").trim();
  if (!(e.ariaLabel || e.textContent.trim() || label)) show("no name", e);
  if (e.tabIndex > 0) show("tab order", e);
}
const mute = "img:not([alt]), svg:not([aria-hidden]):not([aria-label]):not(svg svg)";
for (const e of document.querySelectorAll(mute)) show("no alternative", e);
if (document.querySelectorAll("h1").length !== 1) problems.push("not one h1");
if (!document.documentElement.lang || !document.title) problems.push("no language or title");
return [texts, [...new Set(problems)]];
"""
MOMENT = """
const shown = [...document.querySelectorAll(".frame")].filter((f) => !f.hidden);
const image = document.querySelector(".pair .crop"), heat = document.querySelector(".pair .heat");
return {
  frames: shown.map((f) => f.dataset.frame),
  boxes: shown.length ? shown[0].querySelectorAll(".box.on").length : 0,
  text: document.querySelector(".moment").textContent,
  time: document.querySelector(".time").getAttribute("aria-valuetext"),
  dots: document.querySelectorAll(".dot.on").length,
  sizes: [image.naturalWidth, heat.naturalWidth],
  src: image.src,
};
"""
AXE = """
const done = arguments[0];
const told = (n) => n.html.slice(0, 120) + " " + n.failureSummary;
axe.run().then((r) => done(r.violations.map((v) => v.id + ": " + v.nodes.slice(0, 3).map(told).join(" | "))));
"""
SPENT = """
const time = (act) => {
  const start = performance.now();
  act();
  document.body.offsetHeight;
  return performance.now() - start;
};
const field = document.getElementById("find");
const search = () => { field.value = "099"; field.dispatchEvent(new Event("input")); };
return [time(() => document.querySelector("[data-sort=name]").click()), time(search)];
"""

MOVES = """
const watch = new MutationObserver(() => 0);
watch.observe(document.getElementById("files"), { childList: true });
return arguments[0].map((key) => {
  document.querySelector(`[data-sort=${key}]`).click();
  return watch.takeRecords().length;
});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    binary = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium or no chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for word in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "window-size=1200,1000",
    ):
        options.add_argument("--" + word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as chrome:
        chrome.set_page_load_timeout(90)
        yield chrome


@pytest.fixture(autouse=True)
def no_complaints(browser: Any) -> Iterator[None]:
    """Whatever a test does, the console stays empty."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    emulate(browser)
    browser.get_log("browser")
    yield
    assert browser.get_log("browser") == []


def emulate(browser: Any, scheme: str = "light", media: str = "") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def visit(browser: Any, folder: Path, results: list[ScanResult]) -> None:
    page = folder / "report.html"
    page.write_text(render("html", results), "utf-8")
    # `get` has been seen to return before the page was there: on a busy machine, and without
    # script, where it cannot ask. The empty page between is for pages with the same address.
    wait = WebDriverWait(browser, 60)
    for address, last in (("about:blank", "body"), (page.as_uri(), "footer")):
        browser.get(address)
        wait.until(lambda b, to=address, tag=last: b.current_url == to and b.find_elements(By.TAG_NAME, tag))


def find(browser: Any, selector: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, selector)


def test_the_overview_sorts(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, full_samples())
    assert browser.execute_script(SHOWN, "answer")[:3] == ["fake", "fake", "uncertain"], "the worst first"
    for key, column in (("probability", "probability"), ("faces", "faces")):
        head = find(browser, f"[data-sort={key}]")
        head.click()
        falling = [float(value) for value in browser.execute_script(SHOWN, column)]
        assert falling == sorted(falling, reverse=True)
        assert find(browser, "#shown").text == f"9 of 9 files shown, sorted by {head.text.lower()}, falling"
        head.send_keys(Keys.ENTER)
        rising = [float(value) for value in browser.execute_script(SHOWN, column)]
        assert rising == sorted(falling)
    find(browser, "[data-sort=name]").click()
    names = browser.execute_script(SHOWN, "name")
    assert names.index("clips/interview.mp4") < names.index("clips/steady.mp4") < names.index("gone.mp4")
    find(browser, "[data-sort=n]").click()
    assert browser.execute_script(SHOWN, "n") == [str(n) for n in range(1, 10)]
    pressed = browser.find_elements(By.CSS_SELECTOR, ".heads [aria-pressed=true]")
    assert [head.get_attribute("data-sort") for head in pressed] == ["n"]


def test_the_overview_filters(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, full_samples())
    field = find(browser, "#find")
    field.send_keys("CLIPS st")
    assert browser.execute_script(SHOWN, "name") == ["clips/steady.mp4"]
    assert find(browser, "#shown").text == "1 of 9 files shown"
    field.clear()
    field.send_keys("no face was found")
    assert browser.execute_script(SHOWN, "name") == ["landscape.jpg"], "the message counts too"
    field.send_keys(" nowhere")
    assert find(browser, "#nothing").is_displayed()
    field.clear()
    field.send_keys(" ")
    for answer in ("real", "uncertain", "not-judged", "unreadable"):
        find(browser, f"#tools input[value={answer}]").send_keys(Keys.SPACE)
    assert browser.execute_script(SHOWN, "answer") == ["fake", "fake"]
    find(browser, "#open").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, ".row[open]")) == 2
    find(browser, "#shut").click()
    assert not browser.find_elements(By.CSS_SELECTOR, ".row[open]")


def test_a_name_is_found_however_its_letters_are_written(browser: Any, tmp_path: Path) -> None:
    base = full_samples()[0]
    paths = ("Cafe\u0301.mp4", "caf\u00e9 2.mp4", "cafe.mp4", "\uff23afe\u0301.mp4")
    visit(browser, tmp_path, [dataclasses.replace(base, path=path) for path in paths])
    for typed in ("caf\u00e9", "CAFE\u0301"):
        field = find(browser, "#find")
        field.clear()
        field.send_keys(typed)
        assert sorted(browser.execute_script(SHOWN, "n")) == ["1", "2", "4"]


def test_sorting_moves_all_at_once_or_nothing(browser: Any, tmp_path: Path) -> None:
    """One by one, 2,000 files keep the page from answering for seconds."""
    visit(browser, tmp_path, full_samples())
    assert browser.execute_script(MOVES, ["n", "probability", "n"]) == [2, 2, 2], "taken out, put in"
    visit(browser, tmp_path, full_samples()[:1] * 3)
    assert browser.execute_script(MOVES, ["n", "order", "name"]) == [0, 0, 0]


def test_a_row_opens_by_keyboard(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, full_samples())
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.execute_script("return document.activeElement.matches('.row > summary')"):
            break
    row = browser.switch_to.active_element
    row.send_keys(Keys.ENTER)
    assert find(browser, ".row[open] .message").is_displayed()
    row.send_keys(Keys.SPACE)
    assert not browser.find_elements(By.CSS_SELECTOR, ".row[open]")
    assert find(browser, "[data-answer=not-judged] .why").text == "No face was found."
    find(browser, "[data-answer=not-judged] summary").click()
    assert not find(browser, "[data-answer=not-judged] .why").is_displayed(), "said once"


def moment(browser: Any) -> dict[str, Any]:
    """What the viewer of the only file shows."""
    return dict(browser.execute_script(MOMENT))


def test_pointing_at_the_time_line_shows_the_moment(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, full_samples()[:1])
    before = moment(browser)
    assert before["text"] == "0:06.4, person 2, score +2.8", "the strongest of the suspect"
    for k in ("0", "7", "3"):
        dot = find(browser, f".dot[data-k='{k}']")
        webdriver.ActionChains(browser).move_to_element(dot).perform()
        now = moment(browser)
        row = find(browser, f".scores tr[data-k='{k}']")
        assert now["text"] == now["time"] == row.get_attribute("data-say")
        assert now["frames"] == [row.get_attribute("data-frame")]
        assert (now["boxes"], now["dots"]) == (1, 1)
        assert now["sizes"] == [144, 30], "the face and its heat map are pictures that load"
    assert now["src"] != before["src"]


def test_the_time_line_works_by_keyboard(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, full_samples()[:1])
    line = find(browser, ".time[role=slider][tabindex='0']")
    line.send_keys(Keys.HOME)
    assert (moment(browser)["time"] or "").startswith("0:00.0, person 1")
    line.send_keys(Keys.ARROW_RIGHT)
    assert line.get_attribute("aria-valuenow") == "2"
    line.send_keys(Keys.END)
    assert (moment(browser)["time"] or "").startswith("0:12.0")
    button = find(browser, ".strip button[data-k='1']")
    browser.execute_script("arguments[0].focus()", button)
    assert moment(browser)["text"] == button.get_attribute("title")
    assert button.get_attribute("aria-pressed") == "true"
    switch = find(browser, ".with-heat")
    assert not find(browser, ".strip .heat").is_displayed()
    switch.send_keys(Keys.SPACE)
    assert find(browser, ".strip .heat").is_displayed()


def test_a_link_into_a_file_opens_it(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, full_samples())
    browser.execute_script("location.hash = '#f3'")
    deadline = time.monotonic() + 10
    while not browser.find_elements(By.CSS_SELECTOR, "#f3 .row[open]") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert find(browser, "#f3 .message").is_displayed()


def test_names_do_no_harm(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, [named(attack) for attack in ATTACKS])
    find(browser, "#open").click()
    assert browser.execute_script("return window.harm") is None
    assert len(browser.find_elements(By.CSS_SELECTOR, "h1")) == 1
    assert len(browser.find_elements(By.CSS_SELECTOR, "script")) == 1
    visit(browser, tmp_path, [named(ATTACKS[0])])
    assert browser.title.startswith(ATTACKS[0])
    assert browser.execute_script("return window.harm") is None


def test_injected_script_would_not_run(browser: Any, tmp_path: Path) -> None:
    """The second wall: even markup that got through is refused by the page's own policy."""
    visit(browser, tmp_path, full_samples()[:1])
    markup = "<img src=x onerror='window.harm = 1'><svg onload='window.harm = 1'>"
    browser.execute_script("document.body.insertAdjacentHTML('beforeend', arguments[0])", markup)
    time.sleep(0.3)
    assert browser.execute_script("return window.harm") is None
    assert [entry["level"] for entry in browser.get_log("browser")], "the policy says so"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("count", [1, 9])
def test_it_is_accessible(browser: Any, tmp_path: Path, scheme: str, count: int) -> None:
    emulate(browser, scheme)
    visit(browser, tmp_path, full_samples()[:count])
    for more in ("#open", None):
        if more and count > 1:
            find(browser, more).click()
    browser.execute_script("for (const d of document.querySelectorAll('.more')) d.open = true")
    texts, problems = browser.execute_script(CHECKS)
    assert texts > 100
    assert problems == []


def axe() -> str | None:
    """The script of axe-core, from the package axe-core-python or from the file that AXE_CORE names."""
    if path := os.environ.get("AXE_CORE"):
        return Path(path).read_text("utf-8")
    spec = util.find_spec("axe_core_python")
    if spec is None or spec.origin is None:
        return None
    return (Path(spec.origin).parent / "axe.min.js").read_text("utf-8")


@pytest.mark.skipif(axe() is None, reason="axe-core-python is not installed and AXE_CORE names no axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("count", [1, 9])
def test_axe_finds_nothing(browser: Any, tmp_path: Path, scheme: str, count: int) -> None:
    emulate(browser, scheme)
    visit(browser, tmp_path, full_samples()[:count])
    if count > 1:
        find(browser, "#open").click()
    browser.execute_script(axe())
    browser.set_script_timeout(90)
    found = browser.execute_async_script(AXE)
    assert found == []


@pytest.mark.parametrize("count", [1, 9])
def test_it_fits_a_phone(browser: Any, tmp_path: Path, count: int) -> None:
    screen = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    visit(browser, tmp_path, [*full_samples()[:count]])
    if count > 1:
        find(browser, "#open").click()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    assert find(browser, ".verdict").is_displayed()


@pytest.mark.parametrize("width", [390, 500, 1400])
def test_the_probability_is_on_one_line(browser: Any, tmp_path: Path, width: int) -> None:
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 760}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    visit(browser, tmp_path, full_samples())
    heights = browser.execute_script(
        "return [...document.querySelectorAll('summary > .percent')].map(e => e.offsetHeight)"
    )
    assert max(heights) < 30
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_heading_of_an_only_file_says_what_its_figure_is(browser: Any, tmp_path: Path) -> None:
    visit(browser, tmp_path, full_samples()[:1])
    assert find(browser, "summary > .percent").text == "probability of a fake 93 %"
    visit(browser, tmp_path, full_samples()[:2])
    assert find(browser, "summary > .percent").text.endswith("% fake")


def test_a_thousand_files_are_usable(browser: Any, tmp_path: Path) -> None:
    base = [pictured(result) for result in full_samples()[:8]]
    many = [dataclasses.replace(base[i % 8], path=f"folder/{i:04}.mp4") for i in range(1_000)]
    clock = time.monotonic()
    visit(browser, tmp_path, many)
    assert time.monotonic() - clock < 80
    assert find(browser, "#shown").text == "1,000 of 1,000 files shown"
    spent = browser.execute_script(SPENT)
    assert max(spent) < 10_000, "milliseconds, on a machine that has a lot else to do"
    names = sorted(browser.execute_script(SHOWN, "name"))
    assert names == ["folder/0099.mp4", *(f"folder/{i:04}.mp4" for i in range(990, 1_000))]
