"""Novelty: how unlike the calibration media a file is, and the sentence that says why."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_cases import GOOD, calibration, judge, person, track

from dfdetect.errors import ModelError
from dfdetect.results import FaceQuality, MediaKind
from dfdetect.settings import Settings
from dfdetect.verdict.calibration import Calibration
from dfdetect.verdict.judge import Judge
from dfdetect.verdict.novelty import novelty_figures

PHOTO, VIDEO = MediaKind.PHOTO, MediaKind.VIDEO
# Faces of 120 pixels more or less, of which one in a hundred is below 60 or above 240.
SIZE_AND_BRIGHTNESS: dict[str, Any] = {
    "figures": ["log_size", "brightness"],
    "centre": [math.log(120), 0.5],
    "scale": [0.3, 0.1],
    "precision": [1.0, 0.0, 0.0, 1.0],
    "low": [math.log(60), 0.27],
    "high": [math.log(240), 0.73],
    "distances": [0.0, 1.0, 2.0, 4.0],
}
# The usual person is seen in 8 frames.
COUNTS: dict[str, Any] = {
    "centre": [math.log(8), 0.5],
    "scale": [0.3, 0.1],
    "low": [math.log(3), 0.27],
    "high": [math.log(16), 0.73],
}
VALUES = calibration(novelty={"alarm": 0.99, "photo": SIZE_AND_BRIGHTNESS})


def face(**changes: float) -> FaceQuality:
    return dataclasses.replace(GOOD, **changes)


def test_usual_file_is_not_novel_and_gets_no_note() -> None:
    verdict = judge(PHOTO, person(1, 3.0, quality=face(size=120.0)), values=VALUES)
    assert verdict.novelty == 0.0
    assert verdict.notes == ()


def test_share_of_the_calibration_media_is_interpolated() -> None:
    brighter = judge(PHOTO, person(1, 3.0, quality=face(brightness=0.65)), values=VALUES)  # 1.5 scales
    assert brighter.novelty == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (face(size=41.0), "the face is smaller than in 99 % of them"),
        (face(size=900.0), "the face is larger than in 99 % of them"),
        (face(brightness=0.97), "the face is brighter than in 99 % of them"),
        (face(size=235.0, brightness=0.13), "the face is darker than in 99 % of them"),
    ],
)
def test_unusual_file_says_what_is_unusual(quality: FaceQuality, words: str) -> None:
    values = copy.deepcopy(VALUES)
    values["novelty"]["photo"]["distances"] = [0.0, 1.0, 2.0, 3.0]
    verdict = judge(PHOTO, person(1, 3.0, quality=quality), values=values)
    assert verdict.novelty == 1.0
    (note,) = verdict.notes
    assert note.code == "unlike_calibration"
    assert words in note.text
    assert note.text.startswith("This picture is unlike")


def test_figures_may_be_unusual_together_only() -> None:
    values = copy.deepcopy(VALUES)
    values["novelty"]["photo"] |= {"precision": [10.0, -9.0, -9.0, 10.0]}  # large faces are bright ones here
    verdict = judge(PHOTO, person(1, 3.0, quality=face(size=190.0, brightness=0.35)), values=values)
    assert verdict.novelty == 1.0
    assert "not all of them together" in verdict.notes[0].text


def test_it_is_about_the_person_who_speaks_for_the_file() -> None:
    tiny, usual = face(size=41.0), face(size=120.0)
    fake_is_tiny = judge(PHOTO, person(1, 5.0, quality=tiny), person(2, -5.0, quality=usual), values=VALUES)
    real_is_tiny = judge(PHOTO, person(1, -5.0, quality=tiny), person(2, 5.0, quality=usual), values=VALUES)
    assert fake_is_tiny.novelty is not None
    assert fake_is_tiny.novelty > 0.8
    assert real_is_tiny.novelty == 0.0


def test_unknown_where_the_calibration_does_not_say() -> None:
    assert judge(VIDEO, person(1, 3.0, 3.0), values=VALUES).novelty is None
    assert judge(PHOTO, person(1, 3.0)).novelty is None
    assert judge(PHOTO, values=VALUES).novelty is None, "nobody judged"


@pytest.mark.parametrize(
    ("settings", "unusual"),
    [({}, True), ({"frames": 9}, False), ({"fps": 2.0}, False), ({"frames": 4}, True)],
)
def test_more_frames_are_unusual_only_where_nobody_asked_for_them(
    settings: dict[str, float], unusual: bool
) -> None:
    values = calibration(
        novelty={"video": {**SIZE_AND_BRIGHTNESS, "figures": ["log_count", "brightness"], **COUNTS}}
    )
    own = Judge(values, Settings.from_mapping(settings))
    eight, many, few = (own.judge(VIDEO, [person(1, *[3.0] * n)], n) for n in (8, 48, 2))
    assert eight.novelty == 0.0
    assert many.novelty == (1.0 if unusual else 0.0)
    assert [note.code for note in many.notes] == ["unlike_calibration"] * unusual
    assert "fewer frames than in 99 % of them" in few.notes[0].text


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=9), st.floats(40, 4000), st.floats(0, 1))
def test_novelty_is_a_share(logits: list[float], size: float, brightness: float) -> None:
    values = copy.deepcopy(VALUES)
    values["novelty"]["photo"] |= {
        "figures": ["log_size", "expert_1"],
        "centre": [5.0, 0.0],
        "low": [4.0, -9.0],
        "high": [6.0, 9.0],
    }
    verdict = judge(
        PHOTO, person(1, *logits, quality=face(size=size, brightness=max(brightness, 0.06))), values=values
    )
    assert verdict.novelty is not None
    assert 0.0 <= verdict.novelty <= 1.0
    assert bool(verdict.notes) == (verdict.novelty >= 0.99)


def test_figures_of_a_track() -> None:
    found = novelty_figures(track([1.0, 3.0], face(size=100.0, sharpness=19.0)))
    wanted = {
        "log_size": math.log(100),
        "log_sharpness": math.log(20),
        "brightness": 0.5,
        "contrast": 0.2,
        "log_count": math.log(2),
        "spread": 1.0,
        "disagreement": 0.0,
        "expert_1": 2.0,
    }
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"figures": ["log_size", "beauty"]}, "novelty.photo.figures"),
        ({"figures": ["log_size", "expert_2"]}, "novelty.photo.figures"),
        ({"centre": [1.0]}, "novelty.photo.centre"),
        ({"scale": [1.0, 0.0]}, "novelty.photo.scale"),
        ({"precision": [1.0, 1.0]}, "novelty.photo.precision"),
        ({"distances": [2.0, 1.0]}, "novelty.photo.distances"),
        ({"high": ["x", 1]}, "novelty.photo.high"),
        ({"precision": [1e308, 0.0, 0.0, 1e308]}, "novelty.photo.precision"),
        ({"centre": [-1e308, 0.0]}, "novelty.photo.centre"),
    ],
)
def test_wrong_field_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ModelError) as error:
        Calibration.from_mapping(calibration(novelty={"photo": {**SIZE_AND_BRIGHTNESS, **change}}))
    assert named in str(error.value)


def test_absurd_figures_stay_finite() -> None:
    usual = Calibration.from_mapping(VALUES).novelty[PHOTO]
    assert np.isfinite(usual.distance({"log_size": 1e300, "brightness": -1e300}))
