"""The text report and its words."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dfdetect.detector import Detector
from dfdetect.names import printable
from dfdetect.record.summary import FailOn
from dfdetect.reports.base import ReportOptions
from dfdetect.reports.timeline import peak
from dfdetect.results import Label, MediaInfo, MediaKind, Note, Reason, ScanResult, TrackResult
from dfdetect.verdict import messages
from dfdetect.words import clock, length, moment, percent, span
from tests.sample_results import HOSTILE, NOT_UTF8, judged, media, render, samples, score, track, unjudged

DATA = Path(__file__).parents[2] / "data"


@given(st.text(st.characters(codec=None)))
def test_printable_leaves_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in shown)
    shown.encode("utf-8")
    assert printable(shown) == shown


def test_printable_keeps_names_readable() -> None:
    assert printable("día 1/пара 👨‍👩‍👧.jpg") == "día 1/пара 👨‍👩‍👧.jpg"
    assert printable(HOSTILE) == r"evil\x1b[2J\x9b31m\nfake\u202egpj.exe"
    assert printable(NOT_UTF8) == r"caf\xe9/clip\xff.mp4"
    assert printable("take ##[1].jpg, #[2], ## [3]") == r"take #\x23[1].jpg, #[2], ## [3]"


@pytest.mark.parametrize(
    "name", ["text", "markdown", "github", "csv", "html", "junit", "json", "jsonl", "sarif"]
)
def test_the_log_of_a_ci_system_obeys_no_name(name: str) -> None:
    hostile = ["##[stop-commands]x.jpg", "###[group]y.jpg", "a/##VSO[task.complete result=Succeeded;]z.jpg"]
    found = [judged(path, *rest(samples()[0])) for path in hostile]
    found += [unjudged(path, Reason.UNREADABLE, f"'{path}' cannot be read.") for path in hostile]
    text = render(name, found, ReportOptions(verbosity=1))
    assert "##[" not in text
    assert "##vso[" not in text.lower()
    if name == "jsonl":  # a reader has the names as they are
        assert [json.loads(line)["path"] for line in text.splitlines()] == hostile * 2


def rest(result: ScanResult) -> tuple[Label, float, tuple[TrackResult, ...], MediaInfo]:
    assert result.label is not None
    assert result.fake_probability is not None
    assert result.media is not None
    return result.label, result.fake_probability, result.tracks, result.media


@pytest.mark.parametrize("name", ["text", "json", "jsonl", "csv"])
def test_no_format_emits_control_characters(name: str, results: list[ScanResult]) -> None:
    assert {c for c in render(name, results) if ord(c) < 32 or 0x7F <= ord(c) < 0xA0} <= {"\n"}


@pytest.mark.parametrize(
    ("probability", "shown"),
    [
        (0.0, "<1 %"),
        (0.004, "<1 %"),
        (0.005, "1 %"),
        (0.5, "50 %"),
        (0.994, "99 %"),
        (1.0, ">99 %"),
        (None, "-"),
    ],
)
def test_percent_never_claims_certainty(probability: float | None, shown: str) -> None:
    assert percent(probability) == shown


@given(st.floats(0, 1))
def test_all_reports_round_a_probability_alike(probability: float) -> None:
    words = {"under 1 %": "<1 %", "over 99 %": ">99 %"}
    said = messages.spoken_percent(probability)
    assert words.get(said, said) == percent(probability)


def test_times() -> None:
    assert clock(2.9999999999999996) == "0:03"
    assert clock(2.99) == "0:02"
    assert span(0.0, 3.0000000000000004) == "0:00.0–0:03.0"
    assert span(58.4, 66.2) == "0:58–1:07"
    assert [messages.spoken_time(t) for t in (59.94, 59.97, 64.9999999999)] == ["59.9 s", "1:00", "1:05"]
    assert clock(3599.9) == "59:59"
    assert clock(3600) == "1:00:00"
    assert span(3.2, 6.4) == "0:03.2–0:06.4"
    assert span(3.2, 3.2) == "0:03.2"
    assert span(0.0, 0.0) == "0:00.0"
    assert [moment(t) for t in (0.25, 2.9999999999999996, 59.96, 3600.04)] == [
        "0:00.3",
        "0:03.0",
        "1:00.0",
        "1:00:00.0",
    ]


@given(st.integers(0, 59_949))
def test_the_message_and_the_pictures_name_the_same_moment(thousandths: int) -> None:
    seconds = thousandths / 1000
    said, shown = messages.spoken_time(seconds), moment(seconds)
    assert float(said.removesuffix(" s")) == float(shown.removeprefix("0:"))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0.0 s"), (0.04, "<0.1 s"), (0.05, "0.1 s"), (12.48, "12.5 s"), (85.2, "1:26")],
)
def test_every_report_tells_the_length_alike(seconds: float, said: str) -> None:
    result = samples()[0]
    assert result.media is not None
    short = dataclasses.replace(result, media=dataclasses.replace(result.media, duration=seconds))
    assert f"1920×1080, {said}, " in render("text", [short], ReportOptions(verbosity=1))
    assert f'video <span class="soft">{said.replace("<", "&lt;")}</span>' in render("html", [short])


@given(st.floats(0, 7200), st.floats(0, 1))
def test_nobody_is_there_for_longer_than_the_video(duration: float, share: float) -> None:
    """The end of a person's time in the same form, and never past the length that is told."""

    def tenths(text: str) -> int:
        parts = [float(part) for part in text.strip("<s ").split(":")]
        return round(10 * sum(part * 60**i for i, part in enumerate(reversed(parts))))

    assert tenths(span(0.0, duration * share).split("–")[-1]) <= tenths(length(duration))
    assert span(0.0, duration).split("–")[-1] == moment(duration) or duration > 59.9


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.75, "75 %, between 23 % (real below) and 80 % (fake"),
        (0.7955, "79.5 %, between 23.0 % (real below) and 80.0 % (fake"),
        (0.79998, "79.998 %, between 23.000 % (real below) and 80.000 % (fake"),
        (0.23, "23 %, between 23 % (real below) and 80 % (fake"),
    ],
)
def test_an_uncertain_share_is_told_from_its_limits(probability: float, said: str) -> None:
    person = messages.JudgedPerson(1, Label.UNCERTAIN, probability, (False,))
    assert said in messages.judged_message(MediaKind.PHOTO, [person], 1, (0.23, 0.8))


@pytest.mark.parametrize(
    ("probability", "band", "said"),
    [
        (0.008, (0.0047, 0.031), "1 %, between 0.47 % (real below) and 3 % (fake"),
        (0.0049, (0.0047, 0.031), "0.49 %, between 0.47 % (real below) and 3.10 % (fake"),
        (0.9965, (0.3, 0.9999), "99.7 %, between 30.0 % (real below) and 99.990 % (fake"),
    ],
)
def test_limits_near_none_and_all_have_decimals(
    probability: float, band: tuple[float, float], said: str
) -> None:
    person = messages.JudgedPerson(1, Label.UNCERTAIN, probability, (False,))
    assert said in messages.judged_message(MediaKind.PHOTO, [person], 1, band)


@given(st.floats(1e-5, 1 - 1e-5), st.floats(1e-5, 1 - 1e-5))
def test_what_is_said_of_a_threshold_agrees_with_the_figures(probability: float, threshold: float) -> None:
    label = Label.FAKE if probability >= threshold else Label.REAL
    person = messages.JudgedPerson(1, label, probability, (False,))
    said = messages.judged_message(MediaKind.PHOTO, [person], 1, (threshold, threshold))
    pattern = r" is (under |over |)([\d.]+) %, (above|at|just below|below) the threshold of ([\d.]+) %\.$"
    found = re.search(pattern, said)
    assert found is not None
    about, figure, side, limit = found[1], float(found[2]), found[3], float(found[4])
    assert limit == pytest.approx(100 * threshold, rel=1e-8)
    assert (side in ("above", "at")) is (label is Label.FAKE)
    if side == "above":
        assert figure >= limit if about == "over " else figure > limit
    elif side == "below":
        assert figure <= limit if about == "under " else figure < limit


@pytest.mark.parametrize(
    ("label", "probability", "threshold", "prior", "said"),
    [
        (Label.REAL, 0.75, 0.9, None, "75 %, below the threshold of 90 %."),
        (Label.FAKE, 0.75, 0.5, None, "75 %, above the threshold of 50 %."),
        (Label.REAL, 0.8996, 0.9, None, "89.96 %, below the threshold of 90 %."),
        (Label.FAKE, 0.0138, 0.0135, None, "1.38 %, above the threshold of 1.35 %."),
        (Label.FAKE, 0.5, 0.5, None, "50 %, at the threshold of 50 %."),
        (Label.REAL, 0.4999999, 0.5, None, "50 %, just below the threshold of 50 %."),
        (Label.REAL, 0.003, 0.006, None, "0.3 %, below the threshold of 0.6 %."),
        (
            Label.FAKE,
            0.02,
            0.01,
            0.005,
            "2 %, if 0.5 % of such files are fake; that is above the threshold of 1 %.",
        ),
    ],
)
def test_an_answer_by_a_threshold_names_it(
    label: Label, probability: float, threshold: float, prior: float | None, said: str
) -> None:
    person = messages.JudgedPerson(1, label, probability, (True,))
    message = messages.judged_message(MediaKind.PHOTO, [person], 1, (threshold, threshold), prior)
    assert message.endswith(f"the probability of a fake is {said}")


@pytest.mark.parametrize(
    ("prior", "said"),
    [(0.005, "0.5 %"), (0.001, "0.1 %"), (0.015, "1.5 %"), (0.07, "7 %"), (1e-7, "0.00001 %"), (0.5, "50 %")],
)
def test_a_prior_is_named_as_it_was_given(prior: float, said: str) -> None:
    person = messages.JudgedPerson(1, Label.REAL, 0.001, (False,))
    message = messages.judged_message(MediaKind.PHOTO, [person], 1, (0.2, 0.8), prior)
    assert message.endswith(f"the probability of a fake is under 1 %, if {said} of such files are fake.")


@pytest.mark.parametrize("name", ["text", "markdown", "github", "sarif", "junit"])
def test_that_a_file_ends_early_is_told_with_the_reason_and_once(name: str) -> None:
    ends = Note("truncated", "The picture ends early.")
    result = unjudged("a.jpg", Reason.NO_FACE, "No face was found.", media(MediaKind.PHOTO, ends))
    text = render(name, [result], ReportOptions(verbosity=1, fail_on=FailOn.UNJUDGED))
    assert "No face was found. The picture ends early." in text
    assert f"note: {ends.text}" not in text


def test_pages_that_were_not_looked_at_are_told_beside_the_answer() -> None:
    note = Note("pages", "Only the first of 3 pictures in this file was looked at.")
    people = (track(1, Label.REAL, 0.1, (0.0,), (-2.0,)),)
    result = judged("scans.tiff", Label.REAL, 0.1, people, media(MediaKind.PHOTO, note))
    for verbosity in (0, 1):
        text = render("text", [result], ReportOptions(verbosity=verbosity))
        assert text.count(note.text) == 1
        assert text.splitlines()[0].endswith(f"scans.tiff  {note.text}")


def test_a_note_beside_the_answer_is_not_told_again_below() -> None:
    people = (track(1, Label.REAL, 0.1, (0.0,), (-2.0,)),)
    result = judged("a.mp4", Label.REAL, 0.1, people, media(MediaKind.VIDEO))
    # An older result has the note without a capital and a full stop.
    for note in ("up to 10 more were not looked at", "Up to 10 more were not looked at."):
        noted = dataclasses.replace(result, notes=(Note("faces_dropped", note),))
        text = render("text", [noted], ReportOptions(verbosity=1))
        assert text.lower().count("up to 10 more") == 1


def test_faces_that_were_not_looked_at_are_told_once_and_counted_right() -> None:
    picture = np.asarray(Image.open(DATA / "astronaut.jpg").convert("RGB"))[:300, 60:400]
    for copies, limit, note in (
        (2, 1, "Up to 1 more face in a frame was not looked at, only the largest one; raise --max-faces."),
        (4, 2, "Up to 2 more faces in a frame were not looked at, only the 2 largest; raise --max-faces."),
    ):
        result = Detector(max_faces=limit, model="light").scan(np.concatenate([picture] * copies, axis=1))
        text = render("text", [result], ReportOptions(verbosity=1))
        assert text.count(note) == text.count("not looked at") == 1


@pytest.mark.parametrize(
    "code",
    ["part", "video_follows", "late_start", "truncated", "damaged", "wrong_header", "faces_dropped"],
)
def test_what_an_answer_does_not_speak_for_is_told_beside_it(code: str) -> None:
    people = (track(1, Label.REAL, 0.1, (0.0,), (-2.0,)),)
    result = judged("a.mp4", Label.REAL, 0.1, people, media(MediaKind.VIDEO))
    result = dataclasses.replace(result, notes=(Note(code, "up to 10 more were not looked at"),))
    first = render("text", [result]).splitlines()[0]
    assert first.endswith("a.mp4  Up to 10 more were not looked at.")


def test_of_many_persons_those_with_the_highest_probability_are_shown() -> None:
    people = tuple(track(i, Label.REAL, i / 100, (0.0,), (-2.0,)) for i in range(1, 21))
    lines = render("text", [judged("a.jpg", Label.REAL, 0.2, people, media(MediaKind.PHOTO))]).splitlines()
    assert [line.split()[1] for line in lines if "person" in line] == [str(i) for i in range(13, 21)]


def test_counts_tell_the_unreadable_from_the_unjudged(results: list[ScanResult]) -> None:
    text = render("text", results)
    assert ", 1 not judged (1 no face), 2 unreadable (1 missing, 1 damaged) in 4.2 s" in text
    assert "0 real, 1 unreadable (1 damaged) in 4.2 s" in render("text", results[7:8])


def test_one_frame_is_no_frames() -> None:
    info = dataclasses.replace(media(MediaKind.VIDEO), frames_sampled=1)
    result = unjudged("a.mp4", Reason.NO_FACE, "No face was found.", info)
    assert "1 frame looked at" in render("text", [result], ReportOptions(verbosity=1))


def test_one_steady_person_needs_no_line_of_its_own(results: list[ScanResult]) -> None:
    text = render("text", results)
    lines = text.splitlines()
    steady = next(i for i, line in enumerate(lines) if "steady.mp4" in line)
    assert not lines[steady + 1].lstrip().startswith("person")
    assert "person 2  0:03.2–0:06.4  fake 93 %" in text
    assert "person 1  0:00.0–0:12.0  real (fake 4 %)" in text, "not misread as real to 4 %"


def test_a_crowd_shows_the_suspicious_and_says_how_many_more() -> None:
    reals = [track(i, Label.REAL, 0.1, (0.0, 1.0), (-2.0, -2.0)) for i in range(1, 21)]
    crowd = (*reals, track(21, Label.FAKE, 0.9, (0.0, 1.0), (2.0, 2.0)))
    result = judged("party.mp4", Label.FAKE, 0.9, crowd, media(MediaKind.VIDEO))
    text = render("text", [result])
    assert text.count("person") == 8
    assert "person 21  0:00.0–0:01.0  fake 90 %" in text
    assert "… and 13 more" in text
    assert render("text", [result], ReportOptions(verbosity=1)).count("person ") == 21


def test_quiet_shows_what_counts_as_a_finding(results: list[ScanResult]) -> None:
    fake = render("text", results, ReportOptions(verbosity=-1))
    uncertain = render("text", results, ReportOptions(verbosity=-1, fail_on=FailOn.UNCERTAIN))
    assert "uncertain" not in fake
    assert "uncertain" in uncertain
    assert "real " not in "".join(line for line in uncertain.splitlines() if "person" not in line)
    assert "gone.mp4" in fake
    assert "files:" not in fake
    assert render("text", results[2:3], ReportOptions(verbosity=-1)) == ""


def test_peak_finds_the_stretch_around_the_highest_score() -> None:
    logits = [2.5, 2.5, 2.5, 2.5, -2.0, 2.0, 3.0, 2.0, -2.0]
    faces = tuple(score(float(i), logit) for i, logit in enumerate(logits))
    person = dataclasses.replace(track(1, Label.FAKE, 0.9, (0.0,), (1.0,)), faces=faces)
    assert peak(person) == (5.0, 7.0)


@given(st.lists(st.floats(-20, 20), max_size=30))
def test_peak_lies_within_the_track(logits: list[float]) -> None:
    faces = tuple(score(float(i), logit) for i, logit in enumerate(logits))
    person = dataclasses.replace(track(1, Label.FAKE, 0.9, (0.0,), (1.0,)), faces=faces)
    found = peak(person)
    if found is not None:
        assert faces[0].time <= found[0] <= found[1] <= faces[-1].time
        assert max(logits) - min(logits) >= 2.0
        assert all(face.logit > min(logits) for face in faces if found[0] <= face.time <= found[1])
