"""A face that is where it was, as large as it was, in the same scene needs less likeness to be linked."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dfdetect.faces.appearance import Appearance, likeness
from dfdetect.faces.tracks import Tracker, View
from dfdetect.results import Box

HERE = np.full((16, 16, 3), 0.5, np.float32)
THERE = Box(100, 100, 180, 180)


def looks(lightness: float) -> Appearance:
    """One face in one dress, alike but for the colour of the head."""
    face = np.zeros(512, np.float32)
    face[0] = 1.0
    patches = np.zeros((24, 3), np.float32)
    return Appearance(face, patches + np.float32(lightness), patches)


ONE, SIMILAR, OTHER = looks(0.0), looks(0.12), looks(0.2)


def joins(box: Box, scene: NDArray[np.float32], seen: Appearance = SIMILAR) -> bool:
    """Whether a face is linked to that of `ONE` a second before."""
    tracker = Tracker()
    first = tracker.assign_views([View(0.0, THERE, ONE, HERE)])
    return first == tracker.assign_views([View(1.0, box, seen, scene)])


def test_the_likeness_of_these_is_enough_in_place_only() -> None:
    similar, other = likeness([ONE], [SIMILAR, OTHER])[0]
    assert -0.3 < similar < 2.8, "else choose other looks above"
    assert other < -0.3
    assert joins(Box(400, 400, 480, 480), HERE + 0.3, seen=ONE)
    assert joins(THERE, HERE)
    assert not joins(THERE, HERE, seen=OTHER)


@pytest.mark.parametrize(("change", "joined"), [(0.04, True), (0.06, False), (-0.06, False)])
def test_only_in_the_same_scene(change: float, joined: bool) -> None:
    assert joins(THERE, HERE + np.float32(change)) is joined


@pytest.mark.parametrize(
    ("side", "joined"), [(58.0, True), (54.0, False), (112.0, True), (116.0, False)]
)  # of 80: from .7 times as large
def test_only_at_about_the_same_size(side: float, joined: bool) -> None:
    half = side / 2
    assert joins(Box(140 - half, 140 - half, 140 + half, 140 + half), HERE) is joined


@pytest.mark.parametrize(("shift", "joined"), [(46.0, True), (50.0, False)])  # of 80: .6 of the height
def test_only_at_about_the_same_place(shift: float, joined: bool) -> None:
    for dx, dy in ((shift, 0.0), (0.0, shift), (-0.6 * shift, 0.8 * shift)):
        assert joins(Box(100 + dx, 100 + dy, 180 + dx, 180 + dy), HERE) is joined
