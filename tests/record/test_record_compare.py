"""Comparing two results of a file: nothing that a record says can be changed unnoticed."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.record.compare import FACE_FACTOR, PROBABILITY_FACTOR, accepted_note, compare_results
from dfdetect.record.parse import parse_result
from dfdetect.record.plain import plain_result
from dfdetect.record.summary import ACCEPTED, FailOn
from dfdetect.reports.baseline import Entry, Gate
from dfdetect.results import Evidence, Label, Note, ScanResult
from tests.sample_results import samples

TOLERANCE = 0.05
FREE = {
    "path",
    "path_base64",
    "elapsed",
    "settings",
    "tool_version",
    "schema_version",
    "model",
    "detector",
    "evidence",
}
Place = tuple[str | int, ...]


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*place, index))
    else:
        yield place


def changed(record: dict[str, Any], place: Place, value: object) -> ScanResult:
    copied = copy.deepcopy(record)
    inner: Any = copied
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return parse_result(copied)


def at(record: dict[str, Any], place: Place) -> Any:
    inner: Any = record
    for step in place:
        inner = inner[step]
    return inner


@pytest.mark.parametrize("index", range(len(samples())))
def test_a_result_is_equal_to_itself(index: int) -> None:
    result = samples()[index]
    assert compare_results(result, parse_result(plain_result(result)), TOLERANCE) == ()


def test_limits_next_to_0_are_held_to_the_digits_that_are_written() -> None:
    limits = (4.938e-6, 2.486e-5)
    result = dataclasses.replace(samples()[0], fake_probability=3e-5, band=limits)
    record = plain_result(result)
    assert compare_results(result, parse_result(record), TOLERANCE) == ()
    (found,) = compare_results(parse_result({**record, "band": [3.1e-6, limits[1]]}), result, TOLERANCE)
    assert (found.what, found.within) == ("band", False)


def test_no_figure_can_be_changed_unnoticed() -> None:
    """Every number and word of a video's record in turn, by more than anything allows."""
    result = samples()[0]
    record = plain_result(result)
    tried = 0
    for place in leaves(record):
        value = at(record, place)
        if place[0] in FREE or value is None or "label" in place or "reason" in place or "kind" in place:
            continue
        if isinstance(value, str):
            other: Any = value + "x"
        elif "probability" in str(place[-1]) or place[-1] in ("detection",) or place[0] == "band":
            other = 1.0 - value if abs(value - 0.5) > 0.1 else 0.01
        else:
            other = value + 90
        differences = compare_results(changed(record, place, other), result, TOLERANCE)
        assert any(not d.within for d in differences), place
        tried += 1
    assert tried > 100


def test_a_label_may_never_differ() -> None:
    result = samples()[0]
    other = parse_result({**plain_result(result), "label": "uncertain"})
    (difference,) = compare_results(other, result, 1e9)
    assert (difference.what, difference.recorded, difference.found) == ("label", "uncertain", "fake")
    assert not difference.within


def test_paths_times_and_versions_may_differ() -> None:
    result = samples()[0]
    other = dataclasses.replace(result, path="elsewhere.mp4", elapsed=99.0, model=None)
    assert compare_results(other, result, TOLERANCE) == ()


@given(shift=st.floats(-0.4, 0.4))
def test_a_faces_logit_may_move_by_its_tolerance(shift: float) -> None:
    result = samples()[0]
    record = plain_result(result)
    place: Place = ("tracks", 1, "faces", 0, "logit")
    moved = changed(record, place, at(record, place) + shift)
    found = compare_results(moved, result, TOLERANCE)
    assert all(d.within == (abs(d.found - d.recorded) <= FACE_FACTOR * TOLERANCE) for d in found)
    assert [d.what for d in found] in ([], ["person 2, face at 3.2 s: logit"])


def test_derived_figures_may_move_only_with_the_scores() -> None:
    said = "Person 2 of 3 looks fake: the probability of a fake is 93 %."
    result = dataclasses.replace(samples()[0], message=said)
    record = plain_result(result)
    logit: Place = ("tracks", 1, "faces", 0, "logit")
    nearby = {
        **record,
        "message": "Person 2 of 3 looks fake: the probability of a fake is 92 %.",
        "fake_probability": record["fake_probability"] - 0.9 * PROBABILITY_FACTOR * TOLERANCE,
        "logit": record["logit"] + 0.9 * TOLERANCE,
    }
    alone = compare_results(parse_result(nearby), result, TOLERANCE)
    assert [d.what for d in alone] == ["message", "fake probability", "logit"]
    assert not any(d.within for d in alone)
    for place in (("tracks", 1, "faces", 0, "quality", "brightness"), ("media", "duration")):
        beside = compare_results(changed(nearby, place, at(record, place) + 0.001), result, TOLERANCE)
        assert [d.within for d in beside].count(True) == 1, "no score has moved"
    with_scores = compare_results(changed(nearby, logit, at(record, logit) + 0.01), result, TOLERANCE)
    assert len(with_scores) == 4
    assert all(d.within for d in with_scores)
    newer = dataclasses.replace(result, tool_version="10.0.0")
    assert all(d.within for d in compare_results(parse_result(nearby), newer, TOLERANCE))


def test_faces_are_matched_by_frame_and_missing_ones_named() -> None:
    result = samples()[0]
    record = plain_result(result)
    del record["tracks"][1]["faces"][0]
    found = compare_results(parse_result(record), result, TOLERANCE)
    assert [(d.what, d.recorded, d.found) for d in found] == [("person 2, face at 3.2 s", None, "present")]
    found = compare_results(result, parse_result(record), TOLERANCE)
    assert [(d.recorded, d.found, d.within) for d in found] == [("present", None, False)]


@pytest.mark.parametrize(("shift", "within"), [(1.5, True), (4.0, False)])
def test_a_box_may_move_a_little(shift: float, within: bool) -> None:
    result = samples()[0]
    record = plain_result(result)
    place: Place = ("tracks", 0, "faces", 0, "box", 2)
    (difference,) = compare_results(changed(record, place, at(record, place) + shift), result, TOLERANCE)
    assert difference.what == "person 1, face at 0 s: box"
    assert difference.within is within
    assert difference.allowed == pytest.approx(3.6, abs=0.01)  # 3 % of 120 px


def test_the_mark_of_a_baseline_is_no_difference() -> None:
    found = samples()[0]
    digest = "0" * 64
    evidence = Evidence("2026-01-31T12:00:00Z", digest, {}, None)
    entry = Entry("clip.mp4", Label.FAKE, digest, "satire")
    for gate in (Gate([entry], FailOn.FAKE), Gate([], FailOn.FAKE, accept_all=True)):
        marked = gate.mark(dataclasses.replace(found, evidence=evidence))
        assert marked.notes[:-1] == found.notes
        assert compare_results(marked, found, 0.05) == ()
        assert accepted_note(marked) == marked.notes[-1]


def test_no_other_text_passes_as_the_mark_of_a_baseline() -> None:
    found = samples()[0]
    mark = Note(ACCEPTED, "This finding is accepted by the baseline.")
    real = dataclasses.replace(found, label=Label.REAL)
    for notes, of in (
        ((Note(ACCEPTED, "Examined in the laboratory: authentic."),), found),
        ((mark, mark), found),
        ((mark,), real),
    ):
        marked = dataclasses.replace(of, notes=(*of.notes, *notes))
        (difference,) = compare_results(marked, of, 0.05)
        assert (difference.what, difference.within) == ("note 'accepted'", False)


@pytest.mark.parametrize(
    ("old", "new", "within"),
    [
        ("", "", True),
        ("97 %", "96 %", True),
        ("97 %", "90 %", False),
        ("Person 2", "Person 1", False),
        ("of 3", "of 4", False),
        ("looks fake", "looks genuine", False),
        ("looks fake", "may look fake", False),
        (", most clearly at 3.2 s", " throughout", True),
        (", most clearly at 3.2 s", ", most clearly from 0.0 s to 1:05", True),
        (", most clearly at 3.2 s", " whenever seen, from 0.0 s to 1:05", True),
        (", most clearly at 3.2 s", " whenever seen, at 3.2 s", True),
        (", most clearly at 3.2 s", ", seen from 3.2 s to 4.0 s", True),
        (", most clearly at 3.2 s", "", True),
        (", most clearly at 3.2 s", ", most clearly to nobody", False),
        (", most clearly at 3.2 s", " whenever seen, by nobody", False),
    ],
)
def test_sentences_move_only_in_their_numbers(old: str, new: str, within: bool) -> None:
    said = "Person 2 of 3 looks fake, most clearly at 3.2 s: the probability of a fake is 97 %."
    assert old in said
    result = dataclasses.replace(samples()[0], message=said)
    record = {**plain_result(result), "message": said.replace(old, new)}
    place: Place = ("tracks", 0, "faces", 0, "logit")
    moved = changed(record, place, at(record, place) + 0.001)
    differences = {d.what: d.within for d in compare_results(moved, result, TOLERANCE)}
    assert differences.get("message", True) is within


def test_a_sentence_on_a_size_may_move_with_what_was_measured() -> None:
    """Nothing was scored; the engine of the face detector may be another."""
    said = "The face is too small to be judged (37 pixels high at most): at least 40 pixels are needed."
    result = dataclasses.replace(samples()[0], message=said)
    place: Place = ("tracks", 0, "faces", 0, "quality", "size")
    record = {**plain_result(result), "message": said.replace("37", "36")}
    assert [d.within for d in compare_results(parse_result(record), result, TOLERANCE)] == [False]
    moved = changed(record, place, at(record, place) - 0.1)
    assert [d.within for d in compare_results(moved, result, TOLERANCE)] == [True, True]


def test_a_size_that_the_record_does_not_have_is_no_difference() -> None:
    result = samples()[0]
    record = plain_result(result)
    assert compare_results(changed(record, ("media", "size_bytes"), None), result, TOLERANCE) == ()
    (difference,) = compare_results(changed(record, ("media", "size_bytes"), 1), result, TOLERANCE)
    assert (difference.what, difference.within) == ("media: size bytes", False)


@pytest.mark.parametrize(
    ("heat", "within"),
    [
        (((0.5, -1.0), (2.0, 0.15)), True),
        (((0.5, -1.0), (2.0, 0.5)), False),
        (((0.5, -1.0),), False),
        (None, False),
    ],
)
def test_heat_maps_are_compared(heat: tuple[tuple[float, ...], ...] | None, within: bool) -> None:
    result = with_heat(((0.5, -1.0), (2.0, 0.0)))
    for recorded, found in ((with_heat(heat), result), (result, with_heat(heat))):
        (difference,) = compare_results(recorded, found, TOLERANCE)
        assert difference.what == "person 1, face at 0 s: heat map"
        assert difference.within is within
    assert compare_results(result, result, TOLERANCE) == ()


def with_heat(heat: tuple[tuple[float, ...], ...] | None) -> ScanResult:
    result = samples()[0]
    track = result.tracks[0]
    faces = (dataclasses.replace(track.faces[0], heatmap=heat), *track.faces[1:])
    return dataclasses.replace(result, tracks=(dataclasses.replace(track, faces=faces), *result.tracks[1:]))
