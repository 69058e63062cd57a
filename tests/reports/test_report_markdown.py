"""Markdown, read back by a parser that nobody here wrote: tables stay tables, names stay names."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.names import printable
from dfdetect.record.summary import ACCEPTED, FailOn
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.markdown import MAX_NAME, MAX_ROWS, MarkdownReport
from dfdetect.results import Note, Reason, ScanResult
from tests.sample_results import render, samples, summary_of, unjudged

markdown_it = pytest.importorskip("markdown_it")


def tables(text: str) -> list[list[list[Any]]]:
    """Tables of rows of cells; a cell is the list of its inline parts."""
    found: list[list[list[Any]]] = []
    for token in markdown_it.MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and token.level > 2:
            found[-1][-1].append(token.children)
    return found


def plain(cell: Any) -> str:
    return "".join(part.content for part in cell)


def test_tables_hold_the_worst_first(results: list[ScanResult]) -> None:
    counts, findings, rest = tables(render("markdown", results))
    assert [plain(cell) for cell in counts[1]] == ["9", "2", "1", "3", "1", "2"]
    assert [[plain(cell) for cell in row] for row in findings] == [
        ["Answer", "Fake", "File", "Suspicious"],
        [
            "fake",
            ">99 %",
            "clips/uneven.mp4",
            "person 1 at 0:00.0–0:10.0 (strongest at 0:04.0–0:06.0). The file ends early.",
        ],
        ["fake", "93 %", "clips/interview.mp4", "person 2 at 0:03.2–0:06.4 (93 %). The file ends early."],
        ["uncertain", "48 %", "пара 👥.jpg", "person 1 at 100,80 px (uncertain 48 %)"],
    ]
    assert [plain(row[0]) for row in rest[1:]] == ["unreadable", "unreadable", "not judged"]


def test_a_clean_scan_has_only_its_counts(results: list[ScanResult]) -> None:
    text = render("markdown", results[2:3])
    assert text.startswith("## dfdetect: no fake in 1 file\n")
    assert len(tables(text)) == 1
    assert "0 files reach `--fail-on fake`." in text


def test_what_reaches_fail_on_is_bold_and_what_is_accepted_is_marked(results: list[ScanResult]) -> None:
    note = Note(ACCEPTED, "This finding is accepted by the baseline.")
    chosen = [dataclasses.replace(results[1], notes=(note,)), results[0], results[3]]
    text = render("markdown", chosen, ReportOptions(fail_on=FailOn.UNCERTAIN))
    assert "\n| fake (accepted) | >99 % |" in text
    assert "\n| **fake** | 93 % |" in text
    assert "\n| **uncertain** | 48 % |" in text
    assert "2 files reach `--fail-on uncertain`" in text


def test_many_findings_are_cut_and_counted(results: list[ScanResult]) -> None:
    many = [dataclasses.replace(results[0], path=f"{n}.mp4") for n in range(MAX_ROWS + 1)]
    text = render("markdown", many)
    assert len(tables(text)[1]) == 1 + MAX_ROWS
    assert "… and 1 other; the other formats have them all." in text


def test_an_interrupted_scan_says_so(results: list[ScanResult]) -> None:
    stream = io.StringIO()
    report = MarkdownReport(stream)
    report.begin()
    summary = summary_of([])
    summary.complete = False
    report.end(summary)
    assert "**Interrupted: the rest was not looked at.**" in stream.getvalue()


NASTY = st.text(st.characters(codec=None) | st.sampled_from("`|\\*_[]<>#~& \n"), max_size=30)


@given(NASTY, NASTY)
def test_any_name_is_one_code_span_and_any_message_is_text(path: str, message: str) -> None:
    fake = dataclasses.replace(samples()[0], path=path)
    text = render("markdown", [fake, unjudged(path, Reason.UNREADABLE, message)])
    _, findings, rest = tables(text)
    (row,) = findings[1:]
    assert len(row) == 4
    assert [part.type for part in row[2]] == ["code_inline"]
    assert row[2][0].content == (printable(path) or "(no name)")
    (row,) = rest[1:]
    assert len(row) == 3
    assert {part.type for part in row[2]} <= {"text", "text_special"}, "no markup, no link, no HTML"
    if message and printable(message).strip():
        assert plain(row[2]) == printable(message).strip()


@pytest.mark.parametrize("name", ["@someone #1 www.evil.example.jpg", "a|b`c'd.jpg", "\n.jpg"])
def test_a_name_in_a_message_is_a_code_span_too(name: str) -> None:
    message = f"'{printable(name)}' is text, not a photo or video: check *the* file"
    (row,) = tables(render("markdown", [unjudged(name, Reason.NOT_MEDIA, message)]))[1][1:]
    span, *rest = [part for part in row[2] if part.content]
    assert (span.type, span.content) == ("code_inline", printable(name))
    assert plain(rest) == " is text, not a photo or video: check *the* file"


def test_long_names_keep_their_end() -> None:
    text = render("markdown", [unjudged("x" * 1000 + "/clip.mp4", Reason.MISSING, "y" * 1000)])
    name, why = (plain(cell) for cell in tables(text)[1][1][1:])
    assert len(name) == len(why) == MAX_NAME
    assert name.endswith("xx/clip.mp4")
    assert why.endswith("y…")


def test_with_strict_it_says_how_many_could_not_be_judged() -> None:
    text = render("markdown", samples(), ReportOptions(strict=True))
    assert "2 files reach `--fail-on fake`; 1 file could not be judged (`--strict`). Scanned" in text
    assert "--strict" not in render("markdown", samples())


def test_accepted_findings_do_not_hide_what_failed_the_build() -> None:
    note = Note(ACCEPTED, "This finding is accepted by the baseline.")
    fake, broken = samples()[0], unjudged("z.mp4", Reason.UNREADABLE, "broken")
    old = [dataclasses.replace(fake, path=f"{n}.mp4", fake_probability=0.99) for n in range(MAX_ROWS + 20)]
    old += [dataclasses.replace(broken, path=f"a/{n}.mp4") for n in range(MAX_ROWS + 20)]
    accepted = [dataclasses.replace(result, notes=(note,)) for result in old]
    text = render("markdown", [*accepted, dataclasses.replace(fake, path="new.mp4"), broken])
    _, findings, rest = tables(text)
    assert [plain(cell) for cell in findings[1][:3]] == ["fake", "93 %", "new.mp4"]
    assert [plain(cell) for cell in rest[1][:2]] == ["unreadable", "z.mp4"]
    assert "1 file reaches `--fail-on fake`; 240 accepted by the baseline. Scanned" in text
    assert "accepted" not in render("markdown", samples())
