"""When somebody looks fake: the sentence names the seconds, and no others than the reports do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_cases import calibration, judge, person, score

from dfdetect.reports.timeline import peak
from dfdetect.results import Label, MediaKind
from dfdetect.verdict.judge import TrackEvidence
from dfdetect.words import span

VIDEO = MediaKind.VIDEO


def test_video_says_when() -> None:
    calm, wild = [-4.0] * 12, [12.0] * 12
    verdict = judge(VIDEO, person(1, *calm, *wild, *calm[:3]))
    assert verdict.label is Label.FAKE
    assert "most clearly from 6.0 s to 11.5 s" in verdict.message
    assert "looks fake throughout:" in judge(VIDEO, person(1, *wild), frames=12).message


@pytest.mark.parametrize(
    ("seen", "said", "reported"),
    [
        ((3.9, 5.0), " whenever seen, from 3.9 s to 5.0 s", "0:03.9–0:05.0"),
        ((3.9, 3.92), " whenever seen, at 3.9 s", "0:03.9"),
        ((58.3, 66.2), " whenever seen, from 58.3 s to 1:07", "0:58–1:07"),
        ((3.9,), ", seen at 3.9 s", "0:03.9"),
    ],
)
def test_who_is_seen_in_a_part_only_looks_fake_at_these_seconds(
    seen: tuple[float, ...], said: str, reported: str
) -> None:
    """Beside somebody who is real, or alone; the seconds are those of the reports."""
    scores = tuple(score(9.0, time) for time in seen)
    briefly = TrackEvidence(2, scores, len(scores))
    always = person(1, *[-3.0] * 8, step=9.0)
    for persons, who in (((always, briefly), "Person 2 of 2"), ((briefly,), "The face")):
        verdict = judge(VIDEO, *persons, frames=8, min_frames=1)
        assert f"{who} looks fake{said}: " in verdict.message
        assert span(verdict.tracks[-1].start, verdict.tracks[-1].end) == reported


def test_a_closer_look_at_somebody_else_takes_nothing_off_who_is_there_all_along() -> None:
    """Eight frames count for the one, sixteen for a bystander who was looked for more closely."""
    faces = tuple(score(9.0, float(time)) for time in range(8))
    bystander = TrackEvidence(2, tuple(score(-3.0, 3.0 + time / 8) for time in range(8)), 8, frames=16)
    message = judge(VIDEO, TrackEvidence(1, faces, 8, frames=8), bystander, frames=16).message
    assert "Person 1 of 2 looks fake throughout: " in message
    half = judge(VIDEO, TrackEvidence(1, faces, 8, frames=16), bystander, frames=16).message
    assert "whenever seen, from 0.0 s to 7.0 s" in half


def test_a_face_that_was_not_judged_is_seen_all_the_same() -> None:
    """As in the line of the person: from the first face that was found to the last."""
    scores = tuple(score(9.0, time) for time in (3.0, 4.0))
    verdict = judge(VIDEO, TrackEvidence(1, scores, 4, times=(2.0, 3.0, 4.0, 6.0)), frames=8)
    assert "whenever seen, from 2.0 s to 6.0 s" in verdict.message
    assert judge(VIDEO, TrackEvidence(1, scores, 8), frames=8).message.startswith(
        "The face looks fake throug"
    )


@pytest.mark.parametrize(
    ("fakes", "frames", "said"),
    [
        (7, 10, " throughout"),
        (6, 10, ""),
        (7, 11, " throughout"),
        (7, 12, " whenever seen, from 0.0 s to 4.5 s"),
        (6, 12, ", seen from 0.0 s to 4.5 s"),
    ],
)
def test_seven_faces_of_ten_are_throughout_where_nine_frames_of_ten_have_them(
    fakes: int, frames: int, said: str
) -> None:
    """Of scores that are even, all in all."""
    values = calibration(aggregator={"kind": "mean"})
    verdict = judge(VIDEO, person(1, *[1.6] * fakes, *[0.8] * (10 - fakes)), frames=frames, values=values)
    assert f"looks fake{said}: " in verdict.message


@pytest.mark.parametrize("faces", [3, 4])
@pytest.mark.parametrize("gap", [1.999, 2.0])
def test_when_most_is_said_from_four_faces_and_a_gap_of_two_on(faces: int, gap: float) -> None:
    values = calibration(aggregator={"kind": "mean"})
    verdict = judge(VIDEO, person(1, *[5.0] * (faces - 1), 5.0 + gap), frames=faces, values=values)
    end = (faces - 1) * 0.5
    said = f", most clearly at {end} s" if (faces, gap) == (4, 2.0) else " throughout"
    assert f"looks fake{said}: " in verdict.message
    assert peak(verdict.tracks[0]) == ((end, end) if said != " throughout" else None)


@pytest.mark.parametrize(
    ("logits", "said", "reported"),
    [
        # A long run just above the limit does not hide where the scores are highest.
        ((1.3, 1.4, -1.0, -1.0, -1.0, 6.0, 6.0, -1.0), "from 5.0 s to 6.0 s", (5.0, 6.0)),
        ((1.3, 1.4, -1.0, -1.0, -1.0, 12.0, -1.0, -1.0), "at 5.0 s", (5.0, 5.0)),
        ((7.0, -3.0, -3.0, 5.0, 5.0, 5.0, -3.0, -3.0), "at 0.0 s", (0.0, 0.0)),
        # Also beyond the least and greatest probability.
        ((30.0, -20.0, -20.0, 90.0, -20.0, -20.0), "at 3.0 s", (3.0, 3.0)),
    ],
)
def test_the_times_in_sentence_and_report_hold_the_highest_score(
    logits: tuple[float, ...], said: str, reported: tuple[float, float]
) -> None:
    values = calibration(aggregator={"kind": "mean"})
    verdict = judge(VIDEO, person(1, *logits, step=1.0), values=values)
    assert f"looks fake, most clearly {said}: " in verdict.message
    assert peak(verdict.tracks[0]) == reported


@pytest.mark.parametrize(
    ("aggregator", "logits", "said"),
    [
        # Every frame is as fake as the person, whose probability is over 90 %.
        ({"weights": {"mean": 1.0}, "bias": 4.0}, [-1.0, -0.9] * 4, "looks fake throughout"),
        ({"weights": {"mean": 2.0}, "bias": -3.0}, [1.5] * 5 + [9.0] * 3, "clearly from 2.5 s to 3.5 s"),
    ],
)
def test_a_learned_aggregator_has_its_own_scale(
    aggregator: dict[str, Any], logits: list[float], said: str
) -> None:
    values = calibration(aggregator={"kind": "linear", **aggregator})
    assert said in judge(VIDEO, person(1, *logits), frames=8, values=values).message


def test_an_aggregator_that_picks_frames_leaves_the_others_as_they_are() -> None:
    values = calibration(aggregator={"kind": "top_mean", "share": 0.25})
    message = judge(VIDEO, person(1, *[-1.0] * 6, 6.0, 6.0), values=values).message
    assert "most clearly from 3.0 s to 3.5 s" in message


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=12), st.integers(0, 12))
def test_sentence_and_report_say_the_same_of_when(values: list[float], unseen: int) -> None:
    verdict = judge(VIDEO, person(1, *values), frames=len(values) + unseen)
    if verdict.label is not Label.FAKE:
        return
    top = peak(verdict.tracks[0])
    assert ("most clearly" in verdict.message) is (top is not None)
    if top is not None:
        first, last = (f"{second:.1f} s" for second in top)
        assert f"clearly {f'from {first} to {last}' if first != last else f'at {first}'}: " in verdict.message
    elif unseen > len(values):
        assert f"from 0.0 s to {(len(values) - 1) / 2:.1f} s: " in verdict.message
        assert "throughout" not in verdict.message
