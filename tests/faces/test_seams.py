"""Where the tracker may have taken one person for two, and what frames between the two tell."""

from __future__ import annotations

import numpy as np
import pytest

from dfdetect.faces.appearance import Appearance, likeness
from dfdetect.faces.tracks import Seam, Tracker, View
from dfdetect.results import Box

HERE = np.full((16, 16, 3), 0.5, np.float32)
THERE = Box(100, 100, 180, 190)


def looks(lightness: float) -> Appearance:
    """One face in one dress, alike but for the colour of the head."""
    face = np.zeros(512, np.float32)
    face[0] = 1.0
    patches = np.zeros((24, 3), np.float32)
    return Appearance(face, patches + np.float32(lightness), patches)


def view(time: float, lightness: float = 0.0, box: Box = THERE, scene: float = 0.0) -> View:
    return View(time, box, looks(lightness), HERE + np.float32(scene))


def shifted(by: float, size: float = 1.0) -> Box:
    return Box(100 + by, 100, 100 + by + 80 * size, 100 + 90 * size)


def seams(*frames: list[View]) -> list[Seam]:
    tracker = Tracker()
    for frame in frames:
        tracker.assign_views(frame)
    return tracker.seams()


def test_the_other_looks_are_not_linked_in_place() -> None:
    assert likeness([looks(0.0)], [looks(0.2)])[0, 0] < -0.3, "else choose others below"
    assert likeness([looks(0.0)], [looks(0.1)])[0, 0] > -0.3


def test_between_who_ends_and_who_begins_there() -> None:
    assert seams([view(0.0)], [view(1.0)], [view(2.0, 0.2)], [view(3.0, 0.2)]) == [Seam(1.0, 2.0, 90.0)]
    assert seams([view(0.0)], [view(1.0)]) == []
    assert seams([view(0.0)]) == []
    assert seams() == []


def test_in_order_of_time_whatever_the_order_of_frames() -> None:
    found = seams([view(4.0, 0.4)], [view(2.0, 0.2, shifted(0, 0.6))], [view(3.0)])
    assert found == [Seam(2.0, 3.0, pytest.approx(54.0)), Seam(3.0, 4.0, 90.0)]


@pytest.mark.parametrize(
    "after",
    [
        view(2.1, 0.2),
        view(1.0, 0.2, shifted(95)),
        view(1.0, 0.2, shifted(20, 0.45)),
        view(1.0, 0.2, scene=0.2),
    ],
    ids=["later", "elsewhere", "smaller", "in another scene"],
)
def test_not_where_it_is_surely_another(after: View) -> None:
    assert seams([view(0.0)], [view(1.0, 0.2)]) != []
    assert seams([view(0.0)], [after]) == []


def test_not_between_people_who_were_seen_together() -> None:
    first, second = view(0.0), view(0.0, 0.2, shifted(60))
    assert seams([first, second], [view(1.0, 0.2, shifted(20))]) == []
    assert seams([first], [view(1.0, 0.2)], [view(9.0), view(9.0, 0.2, shifted(300))]) == []


def test_a_face_between_links_them() -> None:
    """Each step is small enough in place; from end to end the likeness would not do."""
    tracker = Tracker()
    (first,), (last,) = tracker.assign_views([view(0.0)]), tracker.assign_views([view(1.0, 0.2)])
    persons = tracker.final_ids()
    assert persons[first] != persons[last]
    (middle,) = tracker.assign_views([view(0.5, 0.1)])
    assert tracker.final_ids() == dict.fromkeys({first, middle, last}, 1)
    assert tracker.seams() == []


@pytest.mark.parametrize("scene", [0.06, 0.1])
def test_no_face_between_links_them_across_a_cut(scene: float) -> None:
    """The likeness in place does not count where the scene changes."""
    tracker = Tracker()
    (first,), (last,) = tracker.assign_views([view(0.0)]), tracker.assign_views([view(1.0, 0.2, scene=scene)])
    tracker.assign_views([view(0.49, 0.02)])
    tracker.assign_views([view(0.51, 0.18, scene=scene)])
    persons = tracker.final_ids()
    assert persons[first] != persons[last]
    assert tracker.seams() == [Seam(0.49, 0.51, 90.0)]
