"""JUnit XML: what counts as what, read back by parsers and a schema that nobody here wrote."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.record.summary import ACCEPTED, FailOn
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.junit import JunitReport, legal
from dfdetect.reports.output import ReportSet
from dfdetect.reports.registry import REPORTS
from dfdetect.results import Note, Reason, ScanResult
from tests.sample_results import HOSTILE, MODEL, render, samples, summary_of, unjudged

# Elements and attributes of junit-10.xsd (Jenkins' xUnit plugin), so far as they are used here.
ALLOWED = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "time", "tests", "failures", "errors", "skipped", "timestamp"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "time", "classname"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "system-out": set(),
}


def outcomes(text: str) -> dict[str, str]:
    """Name of each case → the element that says what became of it."""
    return {case.attrib["name"]: case[0].tag for case in ET.fromstring(text.encode()).iter("testcase")}


def test_another_parser_finds_every_case(results: list[ScanResult]) -> None:
    parser = pytest.importorskip("junitparser")
    document = parser.JUnitXml.fromstring(render("junit", results).encode())
    (suite,) = list(document)
    counts = (suite.tests, suite.failures, suite.errors, suite.skipped)
    assert counts == (9, 2, 2, 2) == (document.tests, document.failures, document.errors, 2)
    suite.update_statistics()  # counts the cases anew
    assert counts == (suite.tests, suite.failures, suite.errors, suite.skipped)
    cases = {case.name: case for case in suite}
    assert cases["clips/steady.mp4"].is_passed
    (failure,) = cases["clips/interview.mp4"].result
    assert (failure.type, failure.message) == ("fake", "fake, 93 %: person 2 at 0:03.2–0:06.4 (93 %)")
    assert failure.text.startswith(failure.message + "\n"), "one CI system shows the one, one the other"
    assert cases["landscape.jpg"].is_skipped
    assert cases["gone.mp4"].is_error
    assert {prop.name: prop.value for prop in suite.properties()}["model"] == "light 1.0.0 (onnxruntime)"


def test_a_schema_accepts_it(results: list[ScanResult]) -> None:
    etree = pytest.importorskip("lxml.etree")
    try:
        package = importlib.metadata.distribution("pyEDAA.Reports")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the schema is in the package pyEDAA.Reports, which is not installed")
    schema = etree.XMLSchema(etree.parse(str(package.locate_file("pyEDAA/Reports/Resources/Any-JUnit.xsd"))))
    for chosen in (results, [], results[-1:]):
        schema.assertValid(etree.fromstring(render("junit", chosen).encode()))
    broken = render("junit", results).replace('tests="9"', 'tests="many"')
    assert not schema.validate(etree.fromstring(broken.encode())), "the schema checks something"


def test_only_what_jenkins_knows(results: list[ScanResult]) -> None:
    for element in ET.fromstring(render("junit", results).encode()).iter():
        assert set(element.attrib) <= ALLOWED[element.tag]


@pytest.mark.parametrize(
    ("fail_on", "fake", "uncertain", "no_face", "unreadable"),
    [
        ("fake", "failure", "skipped", "skipped", "error"),
        ("uncertain", "failure", "failure", "skipped", "error"),
        ("unjudged", "failure", "failure", "failure", "error"),
        ("error", "failure", "failure", "failure", "error"),
        ("never", "skipped", "skipped", "skipped", "error"),
    ],
)
def test_failures_follow_fail_on(
    results: list[ScanResult], fail_on: str, fake: str, uncertain: str, no_face: str, unreadable: str
) -> None:
    found = outcomes(render("junit", results, ReportOptions(fail_on=FailOn(fail_on))))
    assert found["clips/interview.mp4"] == fake
    assert found["пара 👥.jpg"] == uncertain
    assert found["landscape.jpg"] == no_face
    assert found["gone.mp4"] == unreadable
    assert found["clips/steady.mp4"] == "system-out", "passed"


def test_what_a_baseline_accepts_is_skipped(results: list[ScanResult]) -> None:
    note = Note(ACCEPTED, "This finding is accepted by the baseline.")
    accepted = [dataclasses.replace(result, notes=(note,)) for result in (results[0], results[7])]
    text = render("junit", accepted)
    assert set(outcomes(text).values()) == {"skipped"}
    assert note.text in text


def test_an_interrupted_scan_does_not_look_clean(results: list[ScanResult]) -> None:
    stream = io.StringIO()
    report = JunitReport(stream)
    report.begin()
    report.add(results[2])
    summary = summary_of(results[2:3])
    summary.complete = False
    report.end(summary)
    root = ET.fromstring(stream.getvalue())
    assert (root.attrib["tests"], root.attrib["errors"]) == ("2", "1")
    assert root[0][-1][0].attrib["type"] == "interrupted"


@pytest.mark.parametrize("name", ["junit", "sarif"])
def test_the_engine_does_not_depend_on_the_order_of_the_files(name: str, results: list[ScanResult]) -> None:
    one, other = (
        dataclasses.replace(results[0], model=dataclasses.replace(MODEL, engine=engine))
        for engine in ("onnxruntime", "onnxruntime 1.32.0 cpu")
    )
    for chosen in ([one, other], [other, one]):
        assert "onnxruntime 1.32.0 cpu" in render(name, chosen)
    another = dataclasses.replace(results[0], model=dataclasses.replace(MODEL, version="2", engine="x" * 40))
    assert "x" * 40 not in render(name, [one, another])


def test_controls_are_shown_and_not_obeyed(results: list[ScanResult]) -> None:
    assert r"evil\x1b[2J\x9b31m\nfake\u202egpj.exe" in outcomes(render("junit", results))
    assert legal(HOSTILE + "\ufffe\uffff").endswith(r"\ufffe\uffff")


@given(st.text(st.characters(codec=None), max_size=30), st.text(st.characters(codec=None), max_size=30))
def test_any_name_and_message_make_a_document(path: str, message: str) -> None:
    text = render("junit", [unjudged(path, Reason.UNREADABLE, message)])
    (case,) = ET.fromstring(text.encode()).iter("testcase")
    assert case.attrib["name"] == (legal(path) or "(no name)")
    assert message == "" or legal(message) in str(case[0].text)


def test_many_cases_wait_outside_memory(results: list[ScanResult]) -> None:
    stream = io.StringIO()
    report = JunitReport(stream)
    report.begin()
    for number in range(5000):
        report.add(dataclasses.replace(results[0], path=f"{number}.mp4"))
    assert stream.getvalue() == ""
    report.end(summary_of(results))
    assert ET.fromstring(stream.getvalue()).attrib["failures"] == "5000"


def test_all_formats_at_once(tmp_path: Path, results: list[ScanResult]) -> None:
    pytest.importorskip("pyarrow")
    reports = ReportSet()
    for name in REPORTS:
        reports.to_file(name, str(tmp_path / f"report.{name}"))
    with reports:
        for result in samples():
            reports.add(result)
    assert {path.suffix[1:] for path in tmp_path.iterdir()} == set(REPORTS)
    assert all(path.stat().st_size for path in tmp_path.iterdir())
    assert set(outcomes((tmp_path / "report.junit").read_text("utf-8"))) == {legal(r.path) for r in results}


def test_with_strict_what_could_not_be_judged_is_an_error(results: list[ScanResult]) -> None:
    text = render("junit", results, ReportOptions(strict=True))
    assert outcomes(text)["landscape.jpg"] == "error"
    assert outcomes(text)["clips/interview.mp4"] == "failure"
    assert ET.fromstring(text.encode()).attrib["errors"] == "3"
    assert '<property name="strict" value="true">' in text
    accepted = dataclasses.replace(results[6], notes=(Note(ACCEPTED, "Known."),))
    assert outcomes(render("junit", [accepted], ReportOptions(strict=True))) == {"landscape.jpg": "skipped"}
    reached = render("junit", results[6:7], ReportOptions(strict=True, fail_on=FailOn.UNJUDGED))
    assert outcomes(reached) == {"landscape.jpg": "failure"}
