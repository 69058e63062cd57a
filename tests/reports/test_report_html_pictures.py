"""Which pictures are shown, how much room they take, and what the heat maps look like."""

from __future__ import annotations

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dfdetect.explain.annotate import Annotator
from dfdetect.reports.html.pictures import Budget, choose, draw_heat, heat_scale, thumbnail
from dfdetect.results import Box, FaceScore, FramePicture, Label, MediaKind, ScanResult
from tests.sample_results import judged, media, render, track


def decoded(uri: str) -> np.ndarray:
    head, _, data = uri.partition(",")
    assert head.startswith("data:image/")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")).astype(int)


def result_with(people: int, faces: int, face_bytes: int, frame_bytes: int) -> ScanResult:
    tracks = []
    for i in range(people):
        times = tuple(float(t) for t in range(faces))
        logits = tuple(float((t * 7 + i) % 5) for t in range(faces))
        person = track(i + 1, Label.FAKE, 0.5 + 0.4 * ((i * 3) % people) / people, times, logits)
        pictures = (dataclasses.replace(f, picture=b"x" * face_bytes) for f in person.faces)
        tracks.append(dataclasses.replace(person, faces=tuple(pictures)))
    frames = tuple(
        FramePicture(int(t * 2), float(t), 1920, 1080, b"y" * frame_bytes) for t in range(min(faces, 64))
    )
    result = judged("a", Label.FAKE, 0.9, tuple(tracks), media(MediaKind.VIDEO))
    return dataclasses.replace(result, frames=frames)


@settings(deadline=None)
@given(
    people=st.integers(1, 30),
    faces=st.integers(1, 40),
    face_bytes=st.integers(1, 9_000),
    frame_bytes=st.integers(1, 60_000),
    allowance=st.integers(0, 3_000_000),
)
def test_what_is_chosen_fits(
    people: int, faces: int, face_bytes: int, frame_bytes: int, allowance: int
) -> None:
    result = result_with(people, faces, face_bytes, frame_bytes)
    choice = choose(result, allowance)
    weight = len(choice.faces) * face_bytes + len(choice.frames) * frame_bytes
    assert weight + (face_bytes if choice.top else 0) <= allowance
    assert (choice.top is None) is (2 * face_bytes > allowance)
    if choice.top is not None:
        assert choice.top in choice.faces
        person, index = choice.top
        suspect = max(result.tracks, key=lambda t: (t.fake_probability or 0, -t.id))
        assert person == suspect.id
        assert suspect.faces[index].logit == max(face.logit for face in suspect.faces)
    assert len(choice.faces) <= 72
    assert choice.frames <= {picture.frame for picture in result.frames}


def test_everyone_is_seen_before_anyone_twice() -> None:
    choice = choose(result_with(5, 10, 1000, 1000), 1000 * 7)
    assert {person for person, _ in choice.faces} == {1, 2, 3, 4, 5}
    assert len(choice.faces) == 5
    assert choice.left_out > 0


def test_with_room_for_all_nothing_is_left_out() -> None:
    assert choose(result_with(2, 8, 1000, 1000), 1_000_000).left_out == 0


@pytest.mark.parametrize(
    ("people", "faces", "said"),
    [
        (1, 12, []),
        (1, 13, ["12 of 13 scored faces are shown."]),
        (1, 36, ["12 of 36 scored faces are shown."]),
        (7, 12, ["10 of 12 scored faces are shown."] * 7),
        (40, 2, ["1 of 2 scored faces is shown."] * 8),
    ],
)
def test_the_page_says_how_many_faces_it_lacks(people: int, faces: int, said: list[str]) -> None:
    """Also of those that no strip would have held; with them it has all it can."""
    page = render("html", [result_with(people, faces, 100, 100)])
    assert re.findall(r'<p class="few[^>]*>([^<]+)', page) == said
    shown = page.count('<li><button type="button"')
    assert shown == min(people * faces, 72, people * max(2, min(12, 72 // people)))
    assert "was kept" not in page
    assert "left out to keep" not in page


def test_a_person_none_of_whose_faces_is_shown_is_told_of() -> None:
    tracks = result_with(2, 2, 10, 10).tracks
    huge = (dataclasses.replace(face, picture=b"x" * 3_000_000) for face in tracks[0].faces)
    second = dataclasses.replace(tracks[0], faces=tuple(huge))
    result = dataclasses.replace(result_with(2, 2, 10, 10), tracks=(second, tracks[1]))
    assert "No face of this person is shown." in render("html", [result])
    assert "is shown" not in render("html", [unpictured(result)])


def unpictured(result: ScanResult) -> ScanResult:
    """Without any picture, as a scan for other reports gives it."""
    tracks = (
        dataclasses.replace(t, faces=tuple(dataclasses.replace(f, picture=None) for f in t.faces))
        for t in result.tracks
    )
    return dataclasses.replace(result, tracks=tuple(tracks), frames=())


def test_that_a_report_on_a_file_alone_has_more_is_said_only_where_it_has() -> None:
    """The first file has all the room that there is."""
    page = render("html", [result_with(1, 64, 9_000, 60_000)] * 3)
    said = re.findall(r"pictures were left out to keep this report small([^.]*)\.", page)
    assert said == ["", *["; a report on this file alone has more"] * 2]


def test_a_result_without_pictures_needs_none() -> None:
    person = track(1, Label.FAKE, 0.9, (0.0,), (1.0,))
    choice = choose(judged("a", Label.FAKE, 0.9, (person,), media(MediaKind.PHOTO)), 1_000_000)
    assert (choice.faces, choice.frames, choice.top) == (frozenset(), frozenset(), None)


@pytest.mark.parametrize("label", [*Label, None])
def test_the_sum_of_all_pictures_grows_slowly(label: Label | None) -> None:
    budget = Budget()
    rooms = [budget.allowance(label) for _ in range(100_000)]
    assert rooms == sorted(rooms, reverse=True)
    assert rooms[0] >= 2_000_000, "a file alone has room for all of its pictures"
    assert sum(rooms[:1_000]) < 32_000_000
    assert sum(rooms) < 50_000_000


def test_a_rare_answer_is_not_starved_by_the_others() -> None:
    budget = Budget()
    for _ in range(999):
        budget.allowance(Label.REAL)
    assert budget.allowance(Label.FAKE) > 2_000_000


def mapped(rows: tuple[tuple[float, ...], ...], logit: float) -> FaceScore:
    (face,) = track(1, Label.FAKE, 0.9, (0.0,), (logit,)).faces
    return dataclasses.replace(face, heatmap=rows)


def test_heat_is_orange_for_fake_and_blue_for_real() -> None:
    pixels = decoded(draw_heat(mapped(((-4.0, 4.0),) * 2, 0.0), 4.0))
    half, side = pixels.shape[0] // 2, pixels.shape[1]
    real, nothing, fake = pixels[half, side // 4], pixels[half, half], pixels[half, side - 1 - side // 4]
    assert real[2] > real[0] + 100
    assert fake[0] > fake[2] + 100
    assert real[3] == fake[3] > 150, "equal strength is equally strong on both sides"
    assert nothing[3] < 20
    weak = decoded(draw_heat(mapped(((1.0,),), 1.0), 4.0))[half, half, 3]
    assert 0 < weak < fake[3] / 3


@given(st.lists(st.lists(st.floats(-50, 50), min_size=4, max_size=4), min_size=1, max_size=9))
def test_any_heat_map_is_a_small_picture(rows: list[list[float]]) -> None:
    uri = draw_heat(mapped(tuple(map(tuple, rows)), 1.5), 10.0)
    assert decoded(uri).shape == (30, 30, 4)
    assert len(uri) < 2_500


def test_a_thumbnail_is_small_and_of_a_picture() -> None:
    raw = io.BytesIO()
    Image.new("RGB", (144, 100), (200, 10, 10)).save(raw, "JPEG")
    uri = thumbnail(raw.getvalue())
    assert uri is not None
    assert max(decoded(uri).shape[:2]) == 56
    assert thumbnail(b"no picture") is None


def test_heat_that_is_weak_everywhere_looks_weak() -> None:
    def scale(strongest: float) -> float:
        person = track(1, Label.FAKE, 0.9, (0.0,), (1.0,))
        faces = tuple(dataclasses.replace(f, heatmap=((0.0, -strongest),)) for f in person.faces)
        person = dataclasses.replace(person, faces=faces)
        return heat_scale(judged("a", Label.FAKE, 0.9, (person,), media(MediaKind.PHOTO)))

    assert scale(0.001) == 4.0
    assert scale(30.0) > 10.0


def test_the_report_and_the_explained_picture_show_the_same_heat() -> None:
    """Blue and orange at the same places, for a map whose mean is far from the score."""
    rows = tuple(tuple(4.0 + 6.0 * column - row for column in range(6)) for row in range(6))
    person = track(1, Label.FAKE, 0.9, (0.0,), (-1.0,))
    face = dataclasses.replace(mapped(rows, -1.0), box=Box(100, 100, 400, 400))
    result = judged(
        "a.jpg", Label.FAKE, 0.9, (dataclasses.replace(person, faces=(face,)),), media(MediaKind.PHOTO)
    )
    corners = {face.box: np.array([[100.0, 100], [400, 100], [400, 400], [100, 400]])}
    grey = np.full((480, 640, 3), 128, np.uint8)
    explained = Annotator(result, (640, 480), corners=corners).draw(grey)[100:400, 100:400].astype(int)
    painted = decoded(draw_heat(face, heat_scale(result)))
    tints = []
    for x, y in ((90, 150), (120, 90), (150, 150), (180, 220), (210, 150)):
        red, _, blue, opacity = painted[y // 10, x // 10]
        tints.append(explained[y, x, 0] - explained[y, x, 2])
        if opacity > 40:
            assert np.sign(tints[-1]) == np.sign(red - blue)
        assert (opacity > 40) == (abs(tints[-1]) > 20)
    assert min(tints) < -20 < 20 < max(tints)
    assert painted[0, 0, 3] == painted[-1, -1, 3] == 0, "no square is seen"
