"""Faces become tracks and tracks become persons; two people never become one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfdetect.faces.appearance import Appearance, describe, likeness, scene
from dfdetect.faces.mtcnn import Mtcnn
from dfdetect.faces.tracks import Tracker, View
from dfdetect.results import Box, Face, Frame

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def face(astronaut: Picture, mtcnn: Mtcnn) -> Face:
    return mtcnn.detect(astronaut, 40)[0]


@pytest.fixture(scope="module")
def people(shared: Path, mtcnn: Mtcnn) -> list[tuple[Picture, Face]]:
    """Portraits of different people, one a source, faces at about the same place and size."""
    import csv

    from PIL import Image

    with (shared / "data" / "train" / "faces.csv").open(encoding="utf-8") as rows:
        sources: dict[str, str] = {}
        for row in csv.DictReader(rows):
            if row["label"] == "real" and float(row["inside"]) > 0.95 and float(row["face_px"]) > 120:
                sources.setdefault(row["source"], row["file"])
    found = []
    for name in sorted(sources.values())[:9]:
        picture = np.asarray(Image.open(shared / "data" / "train" / name).convert("RGB"))
        faces = mtcnn.detect(picture, 40)
        if len(faces) == 1:
            found.append((picture, faces[0]))
    assert len(found) >= 6
    return found


def moved(picture: Picture, face: Face, dx: float, dy: float, turn: float = 0.0) -> tuple[Picture, Face]:
    """The whole picture shifted and turned, and the face with it."""
    centre = ((face.box.x0 + face.box.x1) / 2, (face.box.y0 + face.box.y1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, turn, 1.0)
    matrix[:, 2] += (dx, dy)
    size = picture.shape[1], picture.shape[0]
    turned = cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REFLECT)
    points = (face.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    box = Box(face.box.x0 + dx, face.box.y0 + dy, face.box.x1 + dx, face.box.y1 + dy)
    return np.asarray(turned, np.uint8), Face(box, points, face.probability)


def test_one_person_who_moves_is_one_track(astronaut: Picture, face: Face) -> None:
    tracker = Tracker()
    numbers = []
    for i in range(8):
        picture, there = moved(astronaut, face, 4.0 * i, -2.0 * i, turn=3.0 * (i % 3))
        numbers += tracker.assign(Frame(i, i * 2.5, picture), [there])
    assert set(numbers) == {0}
    assert tracker.final_ids() == {0: 1}


def test_the_person_is_found_again_after_a_gap_and_a_change_of_light(astronaut: Picture, face: Face) -> None:
    tracker = Tracker()
    first = tracker.assign(Frame(0, 0.0, astronaut), [face])
    assert tracker.assign(Frame(1, 30.0, np.zeros_like(astronaut)), []) == []
    brighter = np.clip(astronaut.astype(np.float32) * 1.1 + 4, 0, 255).astype(np.uint8)
    again = tracker.assign(
        Frame(2, 90.0, *[moved(brighter, face, 60, 40)[0]]), [moved(brighter, face, 60, 40)[1]]
    )
    persons = tracker.final_ids()
    assert persons[first[0]] == persons[again[0]] == 1


def test_two_faces_of_one_frame_are_two_persons_even_if_alike(astronaut: Picture, face: Face) -> None:
    double = np.concatenate([astronaut, astronaut], axis=1)
    twin = moved(astronaut, face, 512, 0)[1]
    tracker = Tracker()
    for i in range(4):
        a, b = tracker.assign(Frame(i, float(i), double), [face, twin])
        assert a != b
    persons = tracker.final_ids()
    assert sorted(set(persons.values())) == [1, 2]


def test_cuts_between_people_at_the_same_place(people: list[tuple[Picture, Face]]) -> None:
    """A-B-A-B for each two: nobody is mixed with anybody, and most are found again."""
    found_again = total = 0
    for i in range(len(people)):
        for j in range(i):
            tracker, seen = Tracker(), []
            for k, who in enumerate((i, i, j, j, i, j)):
                picture, face = moved(*people[who], 2.0 * k, -1.0 * k, turn=2.0 * (k % 2))
                seen.append((who, tracker.assign(Frame(k, float(k), picture), [face])[0]))
            persons = tracker.final_ids()
            members: dict[int, set[int]] = {}
            for who, number in seen:
                members.setdefault(persons[number], set()).add(who)
            assert all(len(whos) == 1 for whos in members.values()), f"people {i} and {j} were mixed"
            total += 1
            found_again += len(members) == 2
    assert found_again > 0.9 * total


def test_frames_may_come_out_of_order(people: list[tuple[Picture, Face]]) -> None:
    (a, face_a), (b, face_b) = people[:2]
    tracker = Tracker()
    late_b = tracker.assign(Frame(0, 8.0, b), [face_b])
    early_a = tracker.assign(Frame(1, 1.0, a), [face_a])
    between_b = tracker.assign(Frame(2, 7.5, b), [face_b])
    between_a = tracker.assign(Frame(3, 1.5, a), [face_a])
    persons = tracker.final_ids()
    # Numbered by time of appearance, not by order of the calls.
    assert persons[early_a[0]] == persons[between_a[0]] == 1
    assert persons[late_b[0]] == persons[between_b[0]] == 2


def test_a_photo_describes_nobody(astronaut: Picture, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    described = []
    monkeypatch.setattr(
        "dfdetect.faces.tracks.describe", lambda *one: described.append(one) or describe(*one)
    )
    tracker = Tracker()
    first = tracker.assign(Frame(0, 0.0, astronaut), [face, face])
    assert tracker.final_ids() == {first[0]: 1, first[1]: 2}
    assert described == []
    again = tracker.assign(Frame(1, 1.0, astronaut), [face])
    assert len(described) == 3
    assert again[0] in first
    assert sorted(set(tracker.final_ids().values())) == [1, 2]


def test_no_faces_no_tracks(astronaut: Picture) -> None:
    tracker = Tracker()
    assert tracker.assign(Frame(0, 0.0, astronaut), []) == []
    assert tracker.assign_views([]) == []
    assert tracker.final_ids() == {}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 25), crowd=st.integers(1, 5))
def test_invariants(seed: int, frames: int, crowd: int) -> None:
    """Whatever people look like: one number a face, persons never share a frame, the same calls agree."""
    rng = np.random.default_rng(seed)
    looks = [random_looks(rng) for _ in range(crowd)]
    times = rng.permutation(frames).astype(float)
    scenes = [np.full((16, 16, 3), rng.uniform(0, 1), np.float32) for _ in range(3)]
    calls = []
    for time in times:
        whos = rng.permutation(crowd)[: rng.integers(0, crowd + 1)]
        backdrop = scenes[rng.integers(3)]
        calls.append(
            [View(time, random_box(rng), blend(looks[w], random_looks(rng)), backdrop) for w in whos]
        )
    results = []
    for _ in range(2):
        tracker = Tracker()
        numbers = [tracker.assign_views(views) for views in calls]
        results.append((numbers, tracker.final_ids()))
    assert results[0] == results[1]
    numbers, persons = results[0]
    assert set(persons) == {n for frame in numbers for n in frame}
    assert set(persons.values()) == set(range(1, len(set(persons.values())) + 1))
    for frame in numbers:
        assert len({persons[n] for n in frame}) == len(frame)


def test_many_tracks_stay_quick() -> None:
    rng = np.random.default_rng(0)
    tracker = Tracker()
    backdrop = np.zeros((16, 16, 3), np.float32)
    for k in range(45):
        tracker.assign_views([View(float(k), random_box(rng), random_looks(rng), backdrop) for _ in range(5)])
    persons = tracker.final_ids()
    assert len(persons) > 200
    assert max(persons.values()) <= len(persons)
    assert tracker.seams() == [], "each closer look would take as long again"


def random_looks(rng: np.random.Generator) -> Appearance:
    face = rng.normal(size=512).astype(np.float32)
    clothes = rng.uniform(0, 1, (24, 3)).astype(np.float32)
    clothes[rng.uniform(size=24) < 0.5] = np.nan
    return Appearance(face / np.linalg.norm(face), rng.uniform(0, 1, (24, 3)).astype(np.float32), clothes)


def blend(a: Appearance, b: Appearance) -> Appearance:
    face = a.face + 0.4 * b.face
    return Appearance(
        face / np.linalg.norm(face), 0.97 * a.head + 0.03 * b.head, 0.97 * a.clothes + 0.03 * b.clothes
    )


def random_box(rng: np.random.Generator) -> Box:
    x, y = rng.uniform(0, 300, 2)
    return Box(x, y, x + 80, y + 100)


class TestAppearance:
    def test_likeness_of_one_and_of_another(self, people: list[tuple[Picture, Face]]) -> None:
        looks = [describe(*one) for one in people]
        again = [describe(*moved(*one, 3, 2, turn=4)) for one in people]
        table = likeness(looks, again)
        others = table[~np.eye(len(people), dtype=bool)]
        assert np.diag(table).min() > 2.8
        assert others.max() < 2.8

    def test_is_the_same_both_ways_and_needs_no_clothes(self, astronaut: Picture, face: Face) -> None:
        whole = describe(astronaut, face)
        low = int(face.box.y1) + 4
        tight = describe(astronaut[:low], face)
        assert np.isnan(tight.clothes).all()
        assert not np.isnan(whole.clothes).all()
        assert likeness([whole], [tight])[0, 0] == pytest.approx(likeness([tight], [whole])[0, 0])
        assert likeness([whole], [tight])[0, 0] > 3

    @pytest.mark.parametrize("value", [0, 255])
    def test_of_a_face_without_structure(self, value: int, face: Face) -> None:
        looks = describe(np.full((300, 300, 3), value, np.uint8), face)
        assert np.isfinite(looks.face).all()
        assert np.isfinite(likeness([looks], [looks])).all()

    def test_large_pictures_look_as_small_ones_do(self, astronaut: Picture, face: Face) -> None:
        large = cv2.resize(astronaut, None, fx=4.1, fy=4.1, interpolation=cv2.INTER_CUBIC)
        there = Face(Box(*(4.1 * v for v in face.box)), 4.1 * face.landmarks, face.probability)
        assert float(np.abs(scene(large) - scene(astronaut)).mean()) < 0.005
        one, other = describe(astronaut, face), describe(large, there)
        np.testing.assert_array_equal(np.isnan(one.clothes), np.isnan(other.clothes))
        assert float(np.nanmean(np.abs(one.clothes - other.clothes))) < 0.02
        assert likeness([one], [other])[0, 0] > 5

    def test_scene_changes_with_a_cut_only(self, astronaut: Picture, coffee: Picture, face: Face) -> None:
        here = scene(astronaut)
        nearby = scene(moved(astronaut, face, 6, 4)[0])
        assert float(np.abs(here - nearby).mean()) < 0.05 < float(np.abs(here - scene(coffee)).mean())
