"""A gate before the reports: several entries for one content, as a merge of two branches leaves them."""

from __future__ import annotations

import dataclasses

import pytest

from dfdetect.record.summary import FailOn, is_accepted
from dfdetect.reports.baseline import Entry, Gate
from dfdetect.results import Evidence, Label, Reason, ScanResult
from tests.sample_results import samples, unjudged

SHA = "ab" * 32
EVIDENCE = Evidence("2026-01-02T03:04:05Z", SHA, {}, None)
MERGED = (
    Entry("a.mp4", Label.FAKE, SHA),
    Entry("b.mp4", Label.UNCERTAIN, SHA, "satire"),
    Entry("b.mp4", Reason.TIMED_OUT, SHA, "too long"),
)
ORDERS = [MERGED, MERGED[::-1]]


def fake(evidence: Evidence = EVIDENCE) -> ScanResult:
    return dataclasses.replace(samples()[0], evidence=evidence)


@pytest.mark.parametrize("entries", ORDERS)
def test_each_entry_for_one_content_accepts_its_outcome(entries: tuple[Entry, ...]) -> None:
    gate = Gate(entries, FailOn.FAKE)
    late = dataclasses.replace(unjudged("c.mp4", Reason.TIMED_OUT, "late"), evidence=EVIDENCE)
    broken = dataclasses.replace(unjudged("c.mp4", Reason.UNREADABLE, "broken"), evidence=EVIDENCE)
    marked = [gate.mark(result) for result in (fake(), late, broken)]
    assert [is_accepted(result) for result in marked] == [True, True, False]
    assert marked[0].notes[-1].text == "This finding is accepted by the baseline."
    assert marked[1].notes[-1].text.endswith("by the baseline: too long.")
    assert gate.unmet() == [], "the content came up"


@pytest.mark.parametrize("entries", ORDERS)
def test_every_entry_that_did_not_come_up_is_named(entries: tuple[Entry, ...]) -> None:
    gate = Gate(entries, FailOn.FAKE)
    assert gate.unmet() == [
        f"the baseline's {entry.path} ({entry.outcome.value.replace('_', ' ')}) is no finding of this scan"
        for entry in entries
    ]


def test_a_new_baseline_keeps_the_reason_of_the_entry_that_accepts_or_else_the_first() -> None:
    kept = []
    for entries in (MERGED, MERGED[1:], MERGED[2:], (dataclasses.replace(MERGED[0], why="known"), *MERGED)):
        gate = Gate(entries, FailOn.FAKE, accept_all=True)
        gate.mark(fake())
        kept += [entry.why for entry in gate.found]
    assert kept == ["satire", "satire", "too long", "known"]
