"""How far apart the looks at a video were, and where the reports say so."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from test_report_html import Outline

from dfdetect.reports.base import ReportOptions
from dfdetect.reports.spacing import apart
from dfdetect.results import Label, MediaKind, Reason, ScanResult
from dfdetect.settings import Settings
from tests.sample_results import judged, media, render, track, unjudged

MISSED = "a fake that lasts less can lie between them unseen"


def looked_at(
    length: float | None,
    looks: int = 8,
    rate: float | None = 25.0,
    label: Label = Label.REAL,
    **settings: Any,
) -> ScanResult:
    """A video that was looked at `looks` times, more than asked for where somebody was seen briefly."""
    info = dataclasses.replace(media(MediaKind.VIDEO), duration=length, frame_rate=rate, frames_sampled=looks)
    person = track(1, label, 0.1, (0.0, 1.0), (-2.0, -2.0))
    result = judged("a.mp4", label, 0.1, (person,), info)
    return dataclasses.replace(result, settings=Settings().replace(**settings).as_dict())


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (looked_at(60.0), "7.5 s apart"),
        (looked_at(16.0), ""),
        (looked_at(16.2), "2.0 s apart"),
        (looked_at(3600.0), "7.5 minutes apart"),
        (looked_at(60.0, 24), "up to 7.5 s apart"),
        (looked_at(60.0, 6), "10.0 s apart"),
        (looked_at(60.0, 80, frames=80), ""),
        (looked_at(60.0, start=28.0, end=34.0), ""),
        (looked_at(60.0, start=20.0), "5.0 s apart"),
        (looked_at(60.0, end=90.0), "7.5 s apart"),
        (looked_at(60.0, 120, fps=2.0), ""),
        (looked_at(60.0, 12, fps=0.2), "5.0 s apart"),
        (looked_at(60.0, 20, fps=0.2), "up to 5.0 s apart"),
        # All of its pictures were looked at.
        (looked_at(60.0, rate=8 / 60), ""),
        (looked_at(60.0, 8, rate=0.1, frames=80), ""),
        (looked_at(60.0, 1, frames=1), ""),
        (looked_at(None), ""),
        (looked_at(60.0, rate=None), "7.5 s apart"),
    ],
)
def test_the_distance_is_the_one_that_was_asked_for(result: ScanResult, said: str) -> None:
    assert apart(result) == said


@pytest.mark.parametrize("length", [10.0, 60.0])
def test_a_long_video_says_in_the_details_how_far_apart(length: float) -> None:
    result = looked_at(length)
    text = render("text", [result], ReportOptions(verbosity=1))
    assert ("8 frames looked at, 7.5 s apart\n" in text) is (length > 16)
    assert "looked at\n" in text or length > 16
    assert "apart" not in render("text", [result])
    assert ("Looked at 8 frames, 7.5 s apart" in Outline(render("html", [result])).words()) is (length > 16)


@pytest.mark.parametrize("label", list(Label))
@pytest.mark.parametrize("length", [10.0, 60.0])
def test_the_page_says_what_a_long_video_may_hide(label: Label, length: float) -> None:
    words = Outline(render("html", [looked_at(length, label=label)])).words()
    hidden = length > 16 and label is not Label.FAKE
    assert (f"Only 8 frames were looked at, 7.5 s apart: {MISSED}." in words) is hidden


def test_one_look_speaks_for_one_moment() -> None:
    words = Outline(render("html", [looked_at(60.0, 1, frames=1)])).words()
    assert "Only 1 frame was looked at: a fake can lie before or after it unseen." in words
    assert "Only 1 frame" not in Outline(render("html", [looked_at(1.0, 1, frames=1)])).words()


def test_no_answer_and_a_photo_have_no_such_words() -> None:
    info = dataclasses.replace(media(MediaKind.VIDEO), duration=60.0)
    person = track(1, Label.REAL, 0.1, (0.0,), (-2.0,))
    photo = judged("a.jpg", Label.REAL, 0.1, (person,), media(MediaKind.PHOTO))
    for result in (unjudged("a.mp4", Reason.NO_FACE, "No face.", info), photo):
        assert "unseen" not in Outline(render("html", [result])).words()
