"""Which frames of a video are searched in full, and that nobody who was there is lost in between."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfdetect.faces.detect import FaceDetector, create_detector
from dfdetect.faces.lookout import EVERY, Lookout
from dfdetect.results import Box, Face
from dfdetect.settings import Settings

WALL = np.full((360, 640, 3), 90, np.uint8)


def face(size: float) -> Face:
    return Face(Box(100, 100, 100 + size, 100 + size), np.zeros((5, 2), np.float32), 1.0)


class Finder:
    """Finds what stands in `sizes`, as far as it is asked for; remembers what it was asked."""

    def __init__(self) -> None:
        self.sizes: list[float] = []
        self.asked: list[float | None] = []

    def __call__(self, image: NDArray[np.uint8], at_least: float, tiny: bool) -> list[Face]:
        self.asked.append(None if tiny else at_least)
        return [face(size) for size in sorted(self.sizes, reverse=True) if size >= at_least]


@pytest.fixture
def finder() -> Finder:
    return Finder()


def sizes(faces: list[Face]) -> list[float]:
    return [found.box.height for found in faces]


def test_every_fourth_frame_is_searched_in_full(finder: Finder) -> None:
    lookout, finder.sizes = Lookout(finder, 40.0), [120, 80]
    for _ in range(2 * EVERY):
        assert sizes(lookout.look(WALL)) == [120, 80]
    assert finder.asked == [None, *[40.0] * (EVERY - 1)] * 2


def test_a_small_face_that_appears_is_seen_at_the_next_full_search(finder: Finder) -> None:
    lookout, finder.sizes = Lookout(finder, 40.0), [200]
    lookout.look(WALL)
    finder.sizes = [200, 45]
    seen = [sizes(lookout.look(WALL)) for _ in range(EVERY)]
    assert seen == [[200]] * (EVERY - 1) + [[200, 45]]
    assert sizes(lookout.look(WALL)) == [200, 45], "from now on it is known"


def test_a_face_of_the_known_size_is_seen_at_once(finder: Finder) -> None:
    lookout, finder.sizes = Lookout(finder, 40.0), [200]
    lookout.look(WALL)
    finder.sizes = [200, 110]
    assert sizes(lookout.look(WALL)) == [200, 110]


def test_who_is_missing_is_searched_for_in_full(finder: Finder) -> None:
    lookout, finder.sizes = Lookout(finder, 40.0), [200]
    lookout.look(WALL)
    finder.sizes = [60]  # has stepped back
    assert sizes(lookout.look(WALL)) == [60]
    assert finder.asked == [None, 100, None]


def test_another_scene_is_searched_in_full(finder: Finder) -> None:
    lookout, finder.sizes = Lookout(finder, 40.0), [200, 45]
    lookout.look(WALL)
    finder.sizes = [200, 15]
    lookout.look(np.full_like(WALL, 250))
    assert finder.asked == [None, None]


def test_where_a_coarser_search_saves_nothing_there_is_one_full_search_a_frame(finder: Finder) -> None:
    lookout, finder.sizes = Lookout(finder, 40.0), [200, 60]
    lookout.look(WALL)
    finder.sizes = [200]
    lookout.look(WALL)
    assert finder.asked == [None, None]


def test_without_a_face_every_fourth_frame_is_searched_for_tiny_ones_as_well(
    finder: Finder,
) -> None:
    lookout = Lookout(finder, 40.0)
    for brightness in range(2 * EVERY):
        assert lookout.look(np.full_like(WALL, 30 * brightness)) == []
    assert finder.asked == [None, *[0] * (EVERY - 1)] * 2
    finder.sizes = [200]
    assert sizes(lookout.look(WALL)) == [200]
    assert sizes(lookout.look(WALL)) == [200]
    assert finder.asked[2 * EVERY :] == [None, 100]


def test_who_comes_in_is_known_from_then_on(finder: Finder) -> None:
    lookout = Lookout(finder, 40.0)
    lookout.look(WALL)
    finder.sizes = [200]
    for _ in range(3):
        assert sizes(lookout.look(WALL)) == [200]
    assert finder.asked == [None, 0, 100, 100]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return create_detector(Settings(threads=1))


@pytest.mark.parametrize("at_least", [50.0, 75.0])
def test_a_coarser_search_gives_the_same_face(
    detector: FaceDetector, astronaut: NDArray[np.uint8], at_least: float
) -> None:
    (full,) = detector.detect(astronaut)
    (coarse,) = detector.detect(astronaut, at_least)
    np.testing.assert_allclose(coarse.box, full.box, atol=0.5)
    np.testing.assert_allclose(coarse.landmarks, full.landmarks, atol=0.5)


def test_a_coarser_search_leaves_out_small_faces_and_does_not_turn_the_picture(
    detector: FaceDetector, astronaut: NDArray[np.uint8]
) -> None:
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    assert detector.detect(small)
    assert detector.detect(small, 150.0) == []
    rolled = np.ascontiguousarray(np.rot90(astronaut[:, 60:]))
    assert detector.detect(rolled)
    assert detector.detect(rolled, tiny=False)
    assert detector.detect(rolled, 60.0) == []


def test_faces_that_are_too_small_to_be_judged_can_be_left_out(astronaut: NDArray[np.uint8]) -> None:
    detector = create_detector(Settings(threads=1, min_face=64))
    picture = np.full((240, 320, 3), 128, np.uint8)
    picture[100:160, 200:260] = cv2.resize(astronaut[:300, 80:380], (60, 60), interpolation=cv2.INTER_AREA)
    assert detector.detect(picture)
    assert detector.detect(picture, tiny=False) == []
