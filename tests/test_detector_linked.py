"""One person who changes between two frames is shown as one, and two who are cut together as two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dfdetect import Detector
from dfdetect.results import ScanResult
from tests.test_detector import DATA, write_video

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def face() -> Picture:
    return np.asarray(Image.open(DATA / "astronaut.jpg").convert("RGB").resize((320, 320)))


def lit(face: Picture, light: float) -> Picture:
    """`face`, its hair and clothes in other light: the backdrop stays."""
    rows, columns = np.mgrid[0:320, 0:320]
    person = np.clip(1.2 - np.hypot((rows - 150) / 150, (columns - 145) / 75), 0, 1)[..., None]
    share = 1 + (light - 1) * np.minimum(1, 4 * person)
    return np.asarray(np.clip(face * share, 0, 255), np.uint8)


def scan(path: Path, pictures: list[Picture]) -> ScanResult:
    return Detector(model="light", frames=4).scan(write_video(path, pictures))


@pytest.fixture
def fading(face: Picture) -> list[Picture]:
    """Four seconds: samples at 1.5 and 2.5 s show both kinds of light, and .6 s between them the change."""
    return [lit(face, light) for light in [1.0] * 17 + np.linspace(1.0, 0.35, 6).tolist() + [0.35] * 17]


def test_who_walks_out_of_the_light_between_two_frames_is_one_person(
    tmp_path: Path, fading: list[Picture]
) -> None:
    result = scan(tmp_path / "fading.mp4", fading)
    (person,) = result.tracks
    assert result.media is not None
    # What links them is not judged: it lies where the face changes, and would outweigh the rest.
    assert result.media.frames_sampled == person.faces_found == len(person.faces) == 4
    assert [item.time for item in person.faces] == pytest.approx([0.5, 1.5, 2.5, 3.5])


def test_at_a_cut_they_stay_two(tmp_path: Path, fading: list[Picture]) -> None:
    result = scan(tmp_path / "cut.mp4", [fading[0]] * 20 + [fading[-1]] * 20)
    assert [(track.id, track.faces_found) for track in result.tracks] == [(1, 2), (2, 2)]


def test_nobody_is_counted_who_is_there_between_alone(tmp_path: Path, fading: list[Picture]) -> None:
    blue = np.ascontiguousarray(fading[0][..., ::-1])
    shown = scan(tmp_path / "shown.mp4", [fading[0]] * 15 + [blue] * 10 + [fading[-1]] * 15)
    assert len(shown.tracks) == 3
    between = scan(tmp_path / "between.mp4", [fading[0]] * 19 + [blue] * 2 + [fading[-1]] * 19)
    assert [(track.id, track.faces_found) for track in between.tracks] == [(1, 2), (2, 2)]


def test_the_same_every_time(tmp_path: Path, fading: list[Picture]) -> None:
    path = tmp_path / "fading.mp4"
    assert scan(path, fading).tracks == Detector(model="light", frames=4).scan(path.read_bytes()).tracks


@pytest.mark.parametrize("place", [3, 4, 5])
def test_frames_that_link_nobody_are_there_for_a_closer_look(
    tmp_path: Path, fading: list[Picture], place: int
) -> None:
    """Somebody in two of twelve pictures: the samples show one, and only one more is left to judge by."""
    pictures = [fading[-1] if number in (place, place + 1) else fading[0] for number in range(12)]
    path = write_video(tmp_path / "few.mp4", pictures)
    first, second = Detector(model="light", frames=8).scan(path).tracks
    assert second.faces_found == len(second.faces) == 2
    assert first.label is not None
    assert second.label is not None


def test_frames_that_link_nobody_are_there_in_an_animation_too(tmp_path: Path, fading: list[Picture]) -> None:
    pictures = [Image.fromarray(fading[-1] if number in (3, 4) else fading[0]) for number in range(12)]
    for number, picture in enumerate(pictures):
        picture.putpixel((0, 0), (20 * number, 0, 0))  # like ones would become one
    pictures[0].save(tmp_path / "few.png", save_all=True, append_images=pictures[1:], duration=100)
    _, second = Detector(model="light", frames=8).scan(tmp_path / "few.png").tracks
    assert second.faces_found == len(second.faces) == 2
