"""Following judged persons between the judged frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.explain.follow import INTERVAL, Follower, Segment, judged_segments, overlap
from dfdetect.results import Box, Face, FaceQuality, FaceScore, Frame, Label, TrackResult

QUALITY = FaceQuality(100.0, 100.0, 0.5, 0.2)
Where = Callable[[float], list[Box]]


def person(id: int, seen: list[tuple[float, Box]]) -> TrackResult:
    faces = tuple(FaceScore(t, i, box, 0.99, QUALITY, 0.0, (0.0,)) for i, (t, box) in enumerate(seen))
    return TrackResult(id, Label.REAL, None, 0.1, 0.0, seen[0][0], seen[-1][0], faces, len(faces))


def at(x: float, y: float = 20.0, size: float = 60.0) -> Box:
    return Box(x, y, x + size, y + size)


def follow(
    where: Where, tracks: list[TrackResult], seconds: float, cut: float | None = None
) -> tuple[tuple[Segment, ...], int]:
    """25 pictures a second; the background changes at `cut`."""
    now, looks = [0.0], [0]

    def find(image: np.ndarray) -> list[Face]:
        looks[0] += 1
        return [Face(box, np.zeros((5, 2), np.float32), 0.99) for box in where(now[0])]

    follower = Follower(find, tracks)
    for number in range(round(seconds * 25)):
        now[0] = number / 25
        tone = 200 if cut is not None and now[0] >= cut else 60
        follower.show(Frame(number, now[0], np.full((90, 160, 3), tone, np.uint8)))
    return follower.segments(), looks[0]


def test_a_moving_face_is_followed_all_the_way() -> None:
    def path(time: float) -> list[Box]:
        return [at(10 + 40 * time)]

    (segment,), looks = follow(path, [person(1, [(0.52, *path(0.52)), (1.52, *path(1.52))])], 2.0)
    assert segment.track == 1
    assert segment.start == 0
    assert segment.end >= 2.0 - 1 / 25
    for time in np.arange(0, 1.7, 0.04):
        assert segment.box_at(time).x0 == pytest.approx(10 + 40 * time, abs=1.0)
    assert looks <= 2.0 / INTERVAL + 4


def test_a_cut_ends_a_person() -> None:
    def path(time: float) -> list[Box]:
        return [at(30)]

    segments, _ = follow(path, [person(1, [(0.4, at(30))])], 2.0, cut=1.0)
    assert [(s.track, s.start, s.end) for s in segments] == [(1, 0.0, 1.0)], "nobody judged after the cut"


def test_two_persons_keep_their_numbers() -> None:
    def path(time: float) -> list[Box]:
        return [at(10), at(95)]

    segments, _ = follow(path, [person(1, [(1.0, at(95))]), person(2, [(1.0, at(10))])], 2.0)
    assert {s.track: s.box_at(0.1).x0 for s in segments} == {1: 95, 2: 10}


def test_where_another_is_judged_the_box_is_the_others() -> None:
    one, other = [(t, at(10)) for t in (0.4, 1.6, 2.8)], [(0.8, at(10))]
    segments, _ = follow(lambda time: [at(10)], [person(1, one), person(2, other)], 4.0)
    assert [(s.track, s.start, s.end) for s in segments] == [
        (1, 0.0, pytest.approx(0.6)),
        (2, pytest.approx(0.6), pytest.approx(1.2)),
        (1, pytest.approx(1.2), pytest.approx(4.1, abs=0.2)),
    ]


def test_of_two_judged_at_once_each_box_bears_the_nearer() -> None:
    near, far = at(10), at(22)
    tracks = [person(1, [(0.4, near), (0.8, far)]), person(2, [(0.4, far), (0.8, near)])]
    assert overlap(near, far) > 0.6
    segments, _ = follow(lambda time: [near, far], tracks, 1.2)
    for track in tracks:
        for face in track.faces:
            shown = [
                s.box_at(face.time) for s in segments if s.track == track.id and s.start <= face.time < s.end
            ]
            assert shown == [face.box]


def test_who_leaves_is_no_longer_shown() -> None:
    def path(time: float) -> list[Box]:
        return [at(10)] if time < 1.0 else []

    (segment,), _ = follow(path, [person(1, [(0.4, at(10))])], 3.0)
    assert 0.75 <= segment.end <= 1.15


def test_a_missed_look_is_bridged() -> None:
    def path(time: float) -> list[Box]:
        return [] if 0.9 < time < 1.3 else [at(10)]

    (segment,), _ = follow(path, [person(1, [(0.4, at(10))])], 2.0)
    assert segment.end > 1.9


def test_strangers_are_not_shown() -> None:
    segments, _ = follow(lambda time: [at(10)], [person(1, [(0.4, at(90))])], 1.0)
    assert segments == ()


def test_judged_faces_alone() -> None:
    near, far = (0.0, at(10)), (1.0, at(14))
    segments = judged_segments([person(1, [near, far, (5.0, at(14)), (5.5, at(95))])])
    assert [len(s.times) for s in segments] == [2, 1, 1]
    assert segments[0].box_at(0.5).x0 == 12
    still = judged_segments([person(1, [near])], still=True)
    assert still[0].start < -1e9
    assert still[0].end > 1e9


@given(
    st.lists(st.floats(0, 100), min_size=4, max_size=4), st.lists(st.floats(0, 100), min_size=4, max_size=4)
)
def test_overlap_is_a_share(a: list[float], b: list[float]) -> None:
    first, second = (
        Box(min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]) + 1, max(v[1], v[3]) + 1) for v in (a, b)
    )
    assert 0 <= overlap(first, second) == overlap(second, first) <= 1
    assert overlap(first, first) == pytest.approx(1)
