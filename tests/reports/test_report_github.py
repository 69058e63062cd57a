"""GitHub annotations: the worst ten, escaped as the runner unescapes; the summary of the job."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.errors import ExitCode, InputError
from dfdetect.record.summary import ACCEPTED, FailOn, outcome
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.github import GithubReport
from dfdetect.reports.markdown import MAX_ROWS
from dfdetect.reports.output import ReportSet
from dfdetect.results import Note, Reason, ScanResult
from tests.sample_results import render, samples, summary_of, unjudged

COMMAND = re.compile(r"^::(?P<kind>error|warning|notice) (?P<properties>[^:]*)::(?P<message>.*)$")


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Kind, properties and message of each line, taken apart in the way of the runner."""
    found = []
    for line in text.splitlines():
        match = COMMAND.match(line)
        assert match, line
        pairs = (pair.split("=", 1) for pair in match["properties"].split(","))
        found.append((match["kind"], {k: unescape(v) for k, v in pairs}, unescape(match["message"])))
    return found


def unescape(text: str) -> str:
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


def numbered(count: int) -> list[ScanResult]:
    fake = samples()[0]
    return [
        dataclasses.replace(fake, path=f"{n:03}.mp4", fake_probability=0.8 + n / 1000) for n in range(count)
    ]


def test_the_worst_first_and_the_counts_last(results: list[ScanResult]) -> None:
    found = commands(render("github", results))
    assert [(kind, properties.get("file")) for kind, properties, _ in found] == [
        ("error", "clips/uneven.mp4"),
        ("error", "clips/interview.mp4"),
        ("error", r"caf\xe9/clip\xff.mp4"),
        ("error", "gone.mp4"),
        ("warning", "пара 👥.jpg"),
        ("notice", None),
    ]
    assert found[1][2] == (
        "fake, 93 %: person 2 at 0:03.2–0:06.4 (93 %) (clips/interview.mp4). The file ends early."
    )
    assert found[-1][2].startswith(
        "9 files: 2 fake, 1 uncertain, 3 real, 1 not judged (1 no face), 2 unreadable ("
    )


def test_only_ten_and_a_line_that_says_so() -> None:
    found = commands(render("github", numbered(25)))
    assert [properties.get("file") for _, properties, _ in found] == [
        *(f"{n:03}.mp4" for n in range(24, 14, -1)),
        None,
    ]
    assert found[-1][2].endswith("in 4.2 s; only the 10 worst are annotated")


def test_an_empty_path_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", "/tmp")
    missing = unjudged("", Reason.MISSING, "there is no such file")
    assert "there is no such file" in render("github", [missing], ReportOptions(fail_on=FailOn.ERROR))


def test_errors_follow_fail_on(results: list[ScanResult]) -> None:
    def kinds(level: FailOn) -> list[str]:
        return [kind for kind, *_ in commands(render("github", results, ReportOptions(fail_on=level)))]

    assert kinds(FailOn.NEVER) == ["error"] * 2 + ["warning"] * 3 + ["notice"], "the exit status is 3"
    assert kinds(FailOn.FAKE) == ["error"] * 4 + ["warning", "notice"]
    assert kinds(FailOn.UNCERTAIN) == ["error"] * 5 + ["notice"]
    assert kinds(FailOn.ERROR) == ["error"] * 6 + ["notice"], "the file without a face is among them"


@pytest.mark.parametrize("level", list(FailOn))
@pytest.mark.parametrize("strict", [False, True])
def test_there_is_an_error_if_and_only_if_the_exit_status_is_not_0(
    results: list[ScanResult], level: FailOn, strict: bool
) -> None:
    for result in results:
        found = commands(render("github", [result], ReportOptions(fail_on=level, strict=strict)))
        failed = outcome(summary_of([result]), level, strict) is not ExitCode.CLEAN
        assert ("error" in [kind for kind, *_ in found]) is failed


def test_no_warning_crowds_out_the_reason_why_the_job_failed(results: list[ScanResult]) -> None:
    found = commands(render("github", [*numbered(25), results[8]], ReportOptions(fail_on=FailOn.NEVER)))
    assert [kind for kind, *_ in found] == ["error"] + ["warning"] * 9 + ["notice"]
    assert found[0][1]["file"] == "gone.mp4"


def test_a_clean_scan_says_only_its_counts(results: list[ScanResult]) -> None:
    ((kind, _, message),) = commands(render("github", results[2:3]))
    assert (kind, message) == ("notice", "1 file: 0 fake, 0 uncertain, 1 real in 4.2 s")


def test_what_a_baseline_accepts_is_not_annotated(results: list[ScanResult]) -> None:
    note = Note(ACCEPTED, "This finding is accepted by the baseline.")
    accepted = [dataclasses.replace(result, notes=(note,)) for result in (results[0], results[8])]
    ((kind, _, message),) = commands(render("github", accepted))
    assert kind == "notice"
    assert message.endswith("; 2 accepted by the baseline")


def test_an_interrupted_scan_is_an_error(results: list[ScanResult]) -> None:
    stream = io.StringIO()
    report = GithubReport(stream)
    summary = summary_of([])
    summary.complete = False
    report.begin()
    report.end(summary)
    assert [kind for kind, *_ in commands(stream.getvalue())] == ["error", "notice"]


def test_that_a_scan_was_interrupted_is_the_first_of_ten_errors() -> None:
    stream = io.StringIO()
    report = GithubReport(stream)
    report.begin()
    found = numbered(10)
    for result in found:
        report.add(result)
    summary = summary_of(found)
    summary.complete = False
    report.end(summary)
    (_, _, first), *rest, (_, _, last) = commands(stream.getvalue())
    assert first == "the scan was interrupted; the rest was not looked at"
    assert [properties["file"] for _, properties, _ in rest] == [f"{n:03}.mp4" for n in range(9, 0, -1)]
    assert last.endswith("; only the 9 worst are annotated")


@given(st.text(st.characters(codec=None), max_size=30))
def test_no_name_makes_another_command(path: str) -> None:
    found = commands(render("github", [unjudged(path, Reason.UNREADABLE, path)]))
    assert [kind for kind, *_ in found] == ["error", "notice"]


def test_percent_colon_and_comma_arrive() -> None:
    text = render("github", [unjudged("a%3A,b:c.jpg", Reason.MISSING, "100 %0A, really: gone")])
    assert "file=a%253A%2Cb%3Ac.jpg,title" in text
    assert "::unreadable: 100 %250A, really: gone (a%253A,b:c.jpg)" in text


def test_paths_are_relative_to_the_repository(
    tmp_path: Path, results: list[ScanResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repository" / "media").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repository" / "media")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "repository"))
    outside = dataclasses.replace(results[1], path=str(tmp_path / "b.mp4"))
    files = [properties.get("file") for _, properties, _ in commands(render("github", [results[0], outside]))]
    assert files == [str(tmp_path / "b.mp4"), "media/clips/interview.mp4", None]


def test_the_summary_of_the_job_is_appended_to(
    tmp_path: Path, results: list[ScanResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "summary.md"
    page.write_text("earlier\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    render("github", results)
    assert page.read_text("utf-8") == "earlier\n" + render("markdown", results) + "\n"


def test_the_summary_of_the_job_is_written_once_a_scan(
    tmp_path: Path, results: list[ScanResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    for scans in (1, 2):
        reports = ReportSet()
        reports.to_stream("github", io.StringIO())
        reports.to_file("github", str(tmp_path / "g.txt"))
        with reports:
            reports.add(results[0])
        assert page.read_text("utf-8").count("## dfdetect") == scans


def test_the_summary_of_the_job_stays_below_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    long = "|👥" * 2000
    bad = [unjudged(f"{long}{n}", Reason.UNREADABLE, long) for n in range(MAX_ROWS + 5)]
    fakes = [dataclasses.replace(result, path=long + result.path) for result in numbered(MAX_ROWS + 5)]
    render("github", bad + fakes)
    assert MAX_ROWS * 1000 < page.stat().st_size < 1 << 20
    assert page.read_text("utf-8").count("… and 5 others") == 2


def test_a_summary_that_cannot_be_written_is_known_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "summary.md"))
    with pytest.raises(InputError, match="GITHUB_STEP_SUMMARY"):
        ReportSet().to_file("github", str(tmp_path / "out.txt"))
    assert list(tmp_path.iterdir()) == []


def test_with_strict_what_has_no_answer_is_an_error(results: list[ScanResult]) -> None:
    found = commands(render("github", results[6:], ReportOptions(strict=True)))
    assert [kind for kind, *_ in found] == ["error", "error", "error", "notice"]
    assert "landscape.jpg" in {properties.get("file") for _, properties, _ in found}
    accepted = dataclasses.replace(results[6], notes=(Note(ACCEPTED, "Known."),))
    assert [kind for kind, *_ in commands(render("github", [accepted], ReportOptions(strict=True)))] == [
        "notice"
    ]
