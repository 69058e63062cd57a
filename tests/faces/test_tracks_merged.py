"""At the end tracks that turn out to be alike become one person, and never those of two people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from dfdetect.faces.appearance import Appearance, describe, likeness
from dfdetect.faces.mtcnn import Mtcnn
from dfdetect.faces.tracks import Tracker, View
from dfdetect.results import Box, Face, Frame

Picture = NDArray[np.uint8]


def looks(lightness: float) -> Appearance:
    """One face in one dress, alike but for the colour of the head: one person's up to .078 of difference."""
    face = np.zeros(512, np.float32)
    face[0] = 1.0
    patches = np.zeros((24, 3), np.float32)
    return Appearance(face, patches + np.float32(lightness), patches)


def persons(*frames: Sequence[float], times: Sequence[int] | None = None) -> list[list[int]]:
    """The persons of faces of these lightnesses, frame by frame, each frame in a scene and at a place of its
    own; `times`: of the frames, where they do not come one after the other.
    """
    tracker, numbers = Tracker(), []
    for time, frame in zip(times or range(len(frames)), frames, strict=True):
        backdrop = np.full((16, 16, 3), 0.1 * (time % 9), np.float32)
        views = [
            View(float(time), Box(500 * time + 200 * i, 0, 500 * time + 200 * i + 80, 80), looks(v), backdrop)
            for i, v in enumerate(frame)
        ]
        numbers.append(tracker.assign_views(views))
    found = tracker.final_ids()
    return [[found[number] for number in frame] for frame in numbers]


def lit(picture: Picture, strength: float) -> Picture:
    return np.asarray(np.clip(picture * strength, 0, 255), np.uint8)


@pytest.fixture(scope="module")
def face(astronaut: Picture, mtcnn: Mtcnn) -> Face:
    return mtcnn.detect(astronaut, 40)[0]


def test_a_person_in_other_light_after_a_cut_is_known_by_what_comes_between(
    astronaut: Picture, face: Face
) -> None:
    """Bright, a cut to the same face dark at another place, and then between the two."""
    dx = 60
    aside = Face(
        Box(face.box.x0 + dx, face.box.y0, face.box.x1 + dx, face.box.y1),
        face.landmarks + np.array([dx, 0], np.float32),
        face.probability,
    )
    shots = [(1.0, face), (0.7, aside), (0.84, face)]
    pictures = [np.roll(lit(astronaut, s), dx if f is aside else 0, axis=1) for s, f in shots]
    bright, dark, between = (describe(picture, f) for picture, (_, f) in zip(pictures, shots, strict=True))
    assert likeness([bright], [dark])[0, 0] < 2.8 < likeness([between], [bright, dark]).min()
    tracker = Tracker()
    for i in range(2):
        tracker.assign(Frame(i, float(i), pictures[i]), [shots[i][1]])
    assert tracker.final_ids() == {0: 1, 1: 2}
    tracker.assign(Frame(2, 2.0, pictures[2]), [shots[2][1]])
    assert tracker.final_ids() == {0: 1, 1: 1}


def test_two_who_stay_unlike_stay_two() -> None:
    assert likeness([looks(0.0)], [looks(0.07), looks(0.12)])[0] == pytest.approx([3.16, 1.06])
    assert persons([0.0], [0.12]) == [[1], [2]]
    assert persons([0.0], [0.12], [0.06]) == [[1], [1], [1]]
    assert persons([0.0], [0.16], [0.06], [0.0], [0.16]) == [[1], [2], [1], [1], [2]]


def test_who_was_seen_beside_another_is_not_the_other() -> None:
    """As alike as two that are joined, and seen together, before or after what links them."""
    assert persons([0.0], [0.12], [0.06], [0.0, 0.12]) == [[1], [2], [1], [1, 2]]
    assert persons([0.0, 0.12], [0.06]) == [[1, 2], [1]]


def test_a_person_who_joins_one_of_two_seen_together_does_not_join_both() -> None:
    """The third is like each of the two, at one step's distance; whoever it becomes, they stay two."""
    (first, second), *rest = persons([0.0, 0.24], [0.12], [0.065], [0.17], [0.0, 0.24])
    assert first != second
    assert rest[-1] == [first, second]
    assert {rest[0][0], rest[1][0], rest[2][0]} <= {first, second}


def test_a_chain_of_likeness_does_not_make_one_person_of_its_ends() -> None:
    """Each like the next one, the ends quite unlike: groups are joined by what they are on average."""
    chain = persons([0.0], [0.12], [0.25], [0.055], [0.18])
    assert chain == [[1], [1], [2], [1], [1]]


def test_persons_are_numbered_by_their_first_appearance_also_when_joined() -> None:
    """The one that is joined last was there first."""
    assert persons([0.0], [0.5], [0.12], [0.5], [0.06]) == [[1], [2], [1], [2], [1]]
    assert persons([0.5], [0.12], [0.0], [0.06]) == [[1], [2], [2], [2]]
    assert persons([0.5], [0.12], [0.0], [0.06], times=(8, 9, 1, 10)) == [[2], [1], [1], [1]]
