"""What the HTML report says: the sentences on an answer, the times, the model, the quality of the faces."""

from __future__ import annotations

import dataclasses

import pytest
from test_report_html import Outline

from dfdetect.results import Label, MediaKind, Note, Reason
from tests.sample_results import MODEL, judged, media, render, samples, track, unjudged


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "93 are expected to be fakes, if they are like those that the model was calibrated on, half of"),
        ({"fake_probability": 0.0012, "label": Label.REAL}, "hardly any is expected to be a fake"),
        ({"fake_probability": 0.999}, "nearly all are expected to be fakes"),
        ({"fake_probability": 0.011, "label": Label.REAL}, "about 1 is expected to be a fake"),
        ({"label": Label.UNCERTAIN, "fake_probability": 0.5}, "That settles nothing either way"),
        ({"notes": (Note("uncalibrated", "x"),)}, "rank files and are no probabilities"),
        ({"settings": {"prior": 0.1}}, "if 10 % of all files are fake, as was assumed."),
        ({"settings": {"prior": 0.005}}, "if 0.5 % of all files are fake, as was assumed."),
        ({"settings": {"threshold": 0.5}, "band": (0.5, 0.5)}, "Fake from 50 % on, by the threshold"),
        ({"settings": {"threshold": 0.015}, "band": (0.015, 0.015)}, "Fake from 1.5 % on, by the threshold"),
        ({"settings": {"threshold": 0.015}, "band": (0.015, 0.015)}, "), threshold 1.5 %"),
        ({"band": (0.5, 0.5)}, "Fake from 50 % on, real below."),
        ({"band": (0.0047, 0.0312)}, "Real below 0.47 %, fake from 3 % on, uncertain between them."),
        ({"band": (0.0312, 0.0341)}, "Real below 3.1 %, fake from 3.4 % on"),
        ({"band": (0.0047, 0.0312)}, ", limits 0.47 % and 3 %"),
        (
            {"label": Label.REAL, "fake_probability": 0.0031, "band": (0.0047, 0.0312)},
            "Real below 0.47 %, fake from 3.1 % on, uncertain between them. This file is at 0.3 %.",
        ),
        (
            {"label": Label.REAL, "fake_probability": 0.36},
            "too little of the traces that it knows to call it",
        ),
        (
            {"label": Label.UNCERTAIN, "fake_probability": 0.7512, "band": (0.2, 0.7549)},
            "Real below 20.0 %, fake from 75.5 % on, uncertain between them. This file is at 75.1 %.",
        ),
        ({"label": Label.UNCERTAIN, "fake_probability": 0.2, "band": (0.2, 0.8)}, "Real below 20 %, fake"),
        ({"novelty": 0.98}, "Novelty 98 % of the media that the model was calibrated on are less unusual"),
        ({"novelty": 0.999}, "Novelty over 99 % of the media"),
        ({"novelty": 0.06}, "Novelty 6 % of the media that the model was calibrated on are less unusual"),
    ],
)
def test_meanings(change: dict[str, object], said: str) -> None:
    assert said in Outline(render("html", [dataclasses.replace(samples()[0], **change)])).words()


@pytest.mark.parametrize(
    ("label", "probability", "settings", "said"),
    [
        (Label.FAKE, 0.02, {"prior": 0.01}, "the evidence of the face alone: a reason to check"),
        (Label.REAL, 0.6, {"prior": 0.99}, "the evidence of the face alone: the file is not cleared"),
        (Label.FAKE, 0.02, {"prior": 0.01, "threshold": 0.01}, "the threshold that was set for this scan: a"),
    ],
)
def test_a_probability_on_the_other_side_is_explained(
    label: Label, probability: float, settings: dict[str, object], said: str
) -> None:
    change = {"label": label, "fake_probability": probability, "settings": settings}
    words = Outline(render("html", [dataclasses.replace(samples()[0], **change)])).words()
    assert f"The answer itself goes by {said}" in words
    assert "good reason to doubt" not in words
    assert "traces that it knows" not in words


@pytest.mark.parametrize(("persons", "told"), [(1, False), (2, True)])
def test_what_several_persons_take_off_the_score_is_told(persons: int, told: bool) -> None:
    tracks = [track(i, Label.FAKE, 0.8, (0.0,), (3.0 - i,)) for i in range(1, persons + 1)]
    tracks.append(track(9, None, None, (0.0,), (0.0,)))
    result = judged("a.jpg", Label.FAKE, 0.8, tuple(tracks), media(MediaKind.PHOTO))
    words = Outline(render("html", [dataclasses.replace(result, logit=2.0 - 0.6 * told)])).words()
    lowered = "(raw score +1.400, lowered from +2.000 for 2 judged persons)"
    assert (lowered if told else "(raw score +2.000)") in words
    assert "so that a crowd is not fake by chance" in words


def test_the_share_of_fakes_that_was_set_is_the_only_one_named() -> None:
    result = dataclasses.replace(samples()[0], settings={"prior": 0.1})
    assert "half of which" not in Outline(render("html", [result])).words()


def test_how_to_read_it_makes_nobody_feel_safe() -> None:
    words = Outline(render("html", samples())).words()
    for said in (
        "It assumes that half of such files are fakes, unless --prior set another share",
        "on others there are more: see Known limits",
        "Real is no reason to stop checking.",
    ):
        assert said in " ".join(words.split())


def test_a_closed_row_says_why_there_is_no_answer() -> None:
    page = render("html", [samples()[0], unjudged("a.jpg", Reason.NO_FACE, "No face; give another.", None)])
    answered, without = (page[page.index(f'id="f{n}"') :].partition("</summary>")[0] for n in (1, 2))
    assert '<span class="why">No face; give another.</span>' in without
    assert 'class="why"' not in answered


@pytest.mark.parametrize("reason", list(Reason))
def test_no_answer_is_never_a_clean_bill(reason: Reason) -> None:
    words = Outline(render("html", [unjudged("a.jpg", reason, "Do this.", None)])).words()
    assert "Do this." in words
    assert "nothing is known about what" in words or "No answer is not a clean bill" in words
    assert "100 files" not in words


def test_a_model_is_told_once_with_all_that_is_known_of_its_engine() -> None:
    full, bare = (
        dataclasses.replace(MODEL, engine=engine) for engine in ("onnxruntime 1.32.0 cpu", "onnxruntime")
    )
    for stamps in ((full, bare), (bare, full)):
        results = [dataclasses.replace(samples()[0], path=f"{s.engine}.mp4", model=s) for s in stamps]
        outline = Outline(render("html", results))
        assert [a["id"] for _, a in outline.tags if a.get("class") == "entry"] == ["model-1", "settings-1"]
        assert "Engine onnxruntime 1.32.0 cpu" in outline.words()


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (1.0, "0.00 s 0.25 s 0.50 s 0.75 s 1.00 s"),
        (4.0, "0.0 s 1.0 s 2.0 s 3.0 s 4.0 s"),
        (0.1, "0.000 s 0.025 s 0.050 s 0.075 s 0.100 s"),
        (12.0, "0:00 0:03 0:06 0:09 0:12"),
        (10.0, "0:00.0 0:02.5 0:05.0 0:07.5 0:10.0"),
        (90.0, "0:00.0 0:22.5 0:45.0 1:07.5 1:30.0"),
        (3599.9, "0:00 15:00 30:00 45:00 1:00:00"),
    ],
)
def test_times_below_the_time_line_are_right(length: float, shown: str) -> None:
    person = track(1, Label.FAKE, 0.9, (0.0, length), (1.0, 2.0))
    info = dataclasses.replace(media(MediaKind.VIDEO), duration=length, frames_sampled=1)
    words = Outline(render("html", [judged("a", Label.FAKE, 0.9, (person,), info)])).words()
    assert shown in words
    assert "Looked at 1 frame " in words


def test_quality_is_named() -> None:
    person = track(1, Label.REAL, 0.1, (0.0, 1.0, 2.0), (-1.0, -1.0, -1.0))
    poor = dataclasses.replace(person.faces[0].quality, size=60.0, sharpness=9.0, brightness=0.1)
    faces = (dataclasses.replace(person.faces[0], quality=poor), *person.faces[1:])
    video = media(MediaKind.VIDEO)
    result = judged("a", Label.REAL, 0.1, (dataclasses.replace(person, faces=faces),), video)
    words = Outline(render("html", [result])).words()
    for flag in (
        "1 of 3 faces is small (under 80 pixels high)",
        "1 of 3 faces is blurred",
        "1 of 3 faces is dark",
    ):
        assert flag in words
    assert "60–120 pixels high" in words
