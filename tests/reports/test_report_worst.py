"""Which results a list that is cut off keeps: what a baseline accepts makes room for what is new."""

from __future__ import annotations

import dataclasses

import pytest

from dfdetect.record.summary import ACCEPTED, FailOn
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.markdown import MAX_ROWS
from dfdetect.results import Note, Reason, ScanResult
from tests.sample_results import render, samples, unjudged

MARK = Note(ACCEPTED, "This finding is accepted by the baseline.")
FAKE, UNCERTAIN = samples()[0], samples()[3]


def accepted(result: ScanResult) -> list[ScanResult]:
    """More than a list holds, named like other names: a worse answer, a name that comes before."""
    return [
        dataclasses.replace(result, path=f"a/{n:03}", notes=(*result.notes, MARK))
        for n in range(MAX_ROWS + 1)
    ]


def rows(text: str, title: str) -> list[str]:
    """The rows of a table of the page, without its head."""
    _, _, part = text.partition(f"### {title}\n")
    return [line for line in part.partition("\n###")[0].splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("level", [FailOn.FAKE, FailOn.UNCERTAIN, FailOn.NEVER])
def test_what_is_accepted_crowds_out_no_new_finding(level: FailOn, last: bool) -> None:
    old = accepted(FAKE)
    results = [*old, UNCERTAIN] if last else [UNCERTAIN, *old]
    text = render("markdown", results, ReportOptions(fail_on=level))
    shown = rows(text, "Findings")
    assert len(shown) == MAX_ROWS
    assert UNCERTAIN.path in shown[0]
    assert all("| fake (accepted) |" in row for row in shown[1:])
    assert "… and 2 others; the other formats have them all." in text


@pytest.mark.parametrize("last", [True, False])
def test_nor_any_file_without_an_answer(last: bool) -> None:
    """One without a face, that decides nothing, among those that could not be read."""
    new = unjudged("z/landscape.jpg", Reason.NO_FACE, "No face was found.")
    old = accepted(unjudged("", Reason.UNREADABLE, "The decoder gave up."))
    text = render("markdown", [*old, new] if last else [new, *old])
    shown = rows(text, "No answer")
    assert len(shown) == MAX_ROWS
    assert "z/landscape.jpg" in shown[0]
    assert all("(accepted)" in row for row in shown[1:])
