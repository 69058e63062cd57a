"""Drawing a result into pictures: what is drawn where, when and how large."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dfdetect.explain.annotate import NARROWEST, Annotator
from dfdetect.explain.caption import NO_PROOF, NOBODY, Caption, person_words, track_colour
from dfdetect.explain.follow import Segment
from dfdetect.explain.lettering import DARK, GREY, WHITE, plain_letters, plate, text_width, wrap, write
from dfdetect.media.writing import fits
from dfdetect.results import Box, Label, MediaKind, Reason, ScanResult
from tests.sample_results import judged, media, score, track, unjudged

TIMES = (0.0, 1.0, 2.0)
BOX = score(0.0, 0.0, 100.0).box
HEAT = 5.0


def video_result(*maps: float) -> ScanResult:
    """One person judged at 0, 1 and 2 s, at one place, with heat maps of these constant values."""
    person = track(1, Label.FAKE, 0.93, TIMES, (2.0, -1.0, 2.0))
    if maps:
        faces = tuple(
            dataclasses.replace(
                face, box=Box(*(v + i * 1e-3 for v in BOX)), logit=value, heatmap=((value,) * 4,) * 4
            )
            for i, (face, value) in enumerate(zip(person.faces, maps, strict=True))
        )
        person = dataclasses.replace(person, faces=faces)
    return judged("a.mp4", Label.FAKE, 0.93, (person,), media(MediaKind.VIDEO))


def photo_result(*probabilities: float) -> ScanResult:
    labels = [Label.FAKE if p > 0.8 else Label.REAL for p in probabilities]
    people = [
        track(i, label, p, (0.0,), (1.0,))
        for i, (label, p) in enumerate(zip(labels, probabilities, strict=True), 1)
    ]
    return judged("a.jpg", labels[0], probabilities[0], tuple(people), media(MediaKind.PHOTO))


def squares(result: ScanResult) -> dict[Box, NDArray[np.float64]]:
    """Heat maps lie exactly over the boxes."""
    boxes = [face.box for person in result.tracks for face in person.faces]
    return {b: np.array([[b.x0, b.y0], [b.x1, b.y0], [b.x1, b.y1], [b.x0, b.y1]]) for b in boxes}


def grey(width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 128, np.uint8)


def shows(picture: NDArray[np.uint8], part: NDArray[np.uint8]) -> bool:
    """Whether `part` is somewhere in the picture, pixel by pixel."""
    _, _, (x, y), _ = cv2.minMaxLoc(cv2.matchTemplate(picture, part, cv2.TM_SQDIFF_NORMED))
    return np.array_equal(picture[y : y + part.shape[0], x : x + part.shape[1]], part)


def line(text: str, pixels: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A line of text as the strip has it."""
    image = Image.new("RGB", (text_width(text, pixels), round(1.2 * pixels)), DARK)
    write(ImageDraw.Draw(image), (0, 0), text, pixels, colour)
    return np.asarray(image)


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1080, 1920), (1920, 1080)])
def test_the_picture_keeps_its_size_above_the_strip(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    before = image.copy()
    drawn = Annotator(unjudged("a.jpg", Reason.NO_FACE, "No face.", media(MediaKind.PHOTO)), size).draw(
        image, 0.0
    )
    assert drawn.shape[1] == size[0]
    assert size[1] < drawn.shape[0] < size[1] + max(300, 0.6 * size[0])
    assert np.array_equal(drawn[: size[1]], image), "nothing is drawn where nobody was found"
    assert np.array_equal(image, before)


@given(width=st.integers(16, 900), height=st.integers(16, 900))
@settings(max_examples=25, deadline=None)
def test_any_size(width: int, height: int) -> None:
    drawing = Annotator(video_result(HEAT, HEAT, HEAT), (width, height))
    drawn = drawing.draw(grey(width, height), 0.5)
    assert drawn.shape == (drawing.size[1], drawing.size[0], 3)
    assert drawing.size[0] == max(width, NARROWEST)


@pytest.mark.parametrize("size", [(320, 240), (3840, 2160)])
def test_the_warning_can_be_read_whole(size: tuple[int, int]) -> None:
    """At phone size in letters of at least 11 pixels, at 4K in larger ones."""
    drawn = Annotator(photo_result(0.93), size).draw(grey(*size), 0.0)
    letter = max(11, round(0.85 * max(12, round(27.36 + 0.01 * (math.sqrt(size[0] * size[1]) - 1440)))))
    pixels = 11 if size[0] == 320 else letter
    for text in wrap(NO_PROOF, pixels, size[0] - 20, 3):
        assert shows(drawn[size[1] :], line(text, pixels, WHITE))


def test_what_does_not_fit_is_drawn_smaller() -> None:
    drawing = Annotator(video_result(), (3840, 2160), fits=fits)
    assert fits(*drawing.size)
    assert drawing.size[0] > 3000
    drawn = drawing.draw(grey(3840, 2160), 1.0)
    assert drawn.shape == (drawing.size[1], drawing.size[0], 3)


def test_a_box_and_a_label_in_the_person_s_colour() -> None:
    drawn = Annotator(photo_result(0.93, 0.05), (640, 480)).draw(grey(640, 480), 0.0)
    for id in (1, 2):
        box = score(0.0, 0.0, 100.0 * id).box
        middle = round((box.y0 + box.y1) / 2)
        for x in (box.x0, box.x1):
            assert tuple(drawn[middle, round(x)].tolist()) == track_colour(id)
    assert person_words(photo_result(0.05).tracks[0]) == "person 1: real (fake 5 %)"
    assert shows(drawn[:480], plate("person 1: fake 93 %", 12, track_colour(1)))


def test_labels_hide_no_face_and_no_other_label() -> None:
    people = photo_result(0.93, 0.05, 0.04, 0.03)
    faces = [Box(60.0 + 45 * i, 100, 100.0 + 45 * i, 150) for i in range(4)]
    tracks = tuple(
        dataclasses.replace(t, faces=(dataclasses.replace(t.faces[0], box=box),))
        for t, box in zip(people.tracks, faces, strict=True)
    )
    image = grey(320, 240)
    drawn = Annotator(dataclasses.replace(people, tracks=tracks), (320, 240)).draw(image, 0.0)
    for box in faces:
        inside = drawn[round(box.y0) + 22 : round(box.y1) - 4, round(box.x0) + 5 : round(box.x1) - 4]
        assert (inside == 128).all(), "at most a number in the corner"
    assert shows(drawn[:240], plate("person 1: fake 93 %", 12, track_colour(1))), (
        "the suspicious choose first"
    )
    for person in tracks[1:]:
        words = (person_words(person), person_words(person, short=True), str(person.id))
        assert any(shows(drawn[:240], plate(text, 12, track_colour(person.id))) for text in words)


def test_faces_that_could_not_be_judged_are_shown_too() -> None:
    result = unjudged("a.jpg", Reason.FACE_TOO_SMALL, "Too small.", media(MediaKind.PHOTO))
    drawn = Annotator(result, (640, 480), others=[Box(300, 200, 330, 235)]).draw(grey(640, 480))
    assert not (drawn[217, 296:304] == 128).all()
    assert shows(drawn[:480], plate("not judged", 12, (150, 156, 164)))


def test_nothing_is_drawn_when_the_person_is_not_there() -> None:
    segments = [Segment(1, 1.0, 2.0, (1.0, 1.9), (Box(10, 80, 60, 140), Box(100, 80, 150, 140)))]
    drawing = Annotator(video_result(), (640, 480), segments=segments)
    for time in (0.0, 0.99, 2.0, 5.0):
        assert (drawing.draw(grey(640, 480), time)[:480] == 128).all()
    for time, x in ((1.0, 10), (1.45, 55), (1.9, 100), (1.99, 100)):
        drawn = drawing.draw(grey(640, 480), time)
        assert tuple(drawn[110, x].tolist()) == track_colour(1)


def test_heat_is_orange_for_fake_blue_for_real_and_between_the_judged_frames_between() -> None:
    result = video_result(HEAT, -HEAT, -HEAT)
    drawing = Annotator(result, (640, 480), corners=squares(result))
    x, y = (round((a + b) / 2) for a, b in ((BOX.x0, BOX.x1), (BOX.y0, BOX.y1)))

    def tint(time: float) -> int:
        red, _, blue = drawing.draw(grey(640, 480), time)[y, x].tolist()
        return int(red) - int(blue)

    assert tint(0.0) > 60
    assert tint(1.0) < -60
    assert tint(0.0) > tint(0.2) > 0 > tint(0.8) > tint(1.0)
    assert tint(0.5) == 0
    beside = drawing.draw(grey(640, 480), 0.0)[y, round(BOX.x1) + 20]
    assert beside.tolist() == [128] * 3


def test_heat_follows_the_face() -> None:
    result = video_result(HEAT, HEAT, HEAT)
    moved = Box(*(v + 250 if i % 2 == 0 else v for i, v in enumerate(BOX)))
    segments = [Segment(1, 0.0, 1.0, (0.0, 0.9), (BOX, moved))]
    drawing = Annotator(result, (640, 480), segments=segments, corners=squares(result))
    drawn = drawing.draw(grey(640, 480), 0.9)
    y = round((BOX.y0 + BOX.y1) / 2)
    assert drawn[y, round((BOX.x0 + BOX.x1) / 2)].tolist() == [128] * 3
    red, _, blue = drawn[y, round((moved.x0 + moved.x1) / 2)].tolist()
    assert int(red) - int(blue) > 60


def test_heat_agrees_with_the_score_on_the_whole() -> None:
    """A map that leaves out what holds for the whole crop must not paint a real-looking face as fake."""
    result = video_result(HEAT, HEAT, HEAT)
    (person,) = result.tracks
    ramp = tuple(tuple(3.0 + 2.0 * column for column in range(4)) for _ in range(4))
    faces = tuple(dataclasses.replace(face, heatmap=ramp, logit=0.0) for face in person.faces)
    result = dataclasses.replace(result, tracks=(dataclasses.replace(person, faces=faces),))
    drawn = Annotator(result, (640, 480), corners=squares(result)).draw(grey(640, 480), 0.0)
    left, right = (drawn[140, round(BOX.x0 + share * BOX.width)].astype(int) for share in (0.25, 0.75))
    assert left[2] > left[0], "the side that looks less fake is blue"
    assert right[0] > right[2]


def test_weak_heat_looks_weak() -> None:
    strong, weak = (video_result(v, v, v) for v in (8.0, 0.3))
    tints = []
    for result in (strong, weak):
        drawn = Annotator(result, (640, 480), corners=squares(result)).draw(grey(640, 480), 0.0)
        red, _, blue = drawn[140, 148].tolist()
        tints.append(int(red) - int(blue))
    assert tints[0] > 60
    assert tints[1] == 0


def test_the_present_moment_moves_along_the_time_line() -> None:
    caption = Caption(video_result(), 640, 12, (0.0, 10.0))
    still = caption.at(0.0)
    places = []
    for time in (1.0, 5.0, 9.0):
        strip = caption.at(time)
        white = ((strip == 245) & (still != 245)).all(axis=2)
        places.append(int(white.sum(axis=0).argmax()))  # the column with most new white: the mark
        assert shows(strip, plate(f"0:0{time:.1f}", 11, DARK))
        assert (white.sum(axis=0) >= 12).sum() == 1, "one mark, and no other bar"
    assert places == sorted(places)
    assert places[2] - places[0] == pytest.approx(0.8 * 590, abs=20)


def test_scores_are_drawn_in_the_person_s_colour_and_higher_for_fakes() -> None:
    strip = Caption(video_result(), 640, 12, (0.0, 2.0)).at(10.0)
    rows, columns = np.nonzero((strip == track_colour(1)).all(axis=2))
    ends, middle = rows[columns > 600], rows[(columns > 300) & (columns < 360)]
    assert middle.max() > ends.max() + 10, "a low score is low"


def test_who_was_not_judged_is_grey_in_the_legend_too() -> None:
    judged_one, nobody = photo_result(0.93).tracks[0], track(2, None, None, (0.0,), (0.0,))
    both = dataclasses.replace(photo_result(0.93), tracks=(judged_one, nobody))
    strip = Caption(both, 640, 12).at(0.0)
    assert [(strip == colour).all(axis=2).any() for colour in (track_colour(1), NOBODY, track_colour(2))] == [
        True,
        True,
        False,
    ]


def test_a_long_legend_has_the_most_suspicious_persons() -> None:
    strip = Caption(photo_result(*(i / 100 for i in range(1, 13))), 640, 12).at(0.0)
    assert shows(strip, line("person 12: real (fake 12 %)", 12, WHITE))
    assert shows(strip, line("and 4 more", 12, GREY))
    assert not shows(strip, line("person 4: real (fake 4 %)", 12, WHITE))


@pytest.mark.parametrize("width", [320, 640, 1080])
def test_the_colours_of_heat_are_no_outline_of_what_was_altered(width: int) -> None:
    strip = Caption(photo_result(0.93, 0.9), width, 12, heat=True).at(0.0)
    for text in ("Heat map (not what was altered):", "against a fake", "for a fake"):
        assert shows(strip, line(text, 11, GREY)[2:-2]), text


def test_a_photo_has_no_time_line() -> None:
    photo, video = Caption(photo_result(0.93), 640, 12), Caption(video_result(), 640, 12, (0.0, 2.0))
    assert photo.height < video.height
    assert np.array_equal(photo.at(0.0), photo.at(5.0))


def test_a_long_message_is_there_to_its_end() -> None:
    text = (
        "Cannot say whether persons 1, 2, 3, 4, 5 and 3 more of the 9 looked at are real or fake; person 7 "
        "is the most suspicious one: the probability of a fake is 75.1 %, between 23.0 % (real below) and "
        "80.0 % (fake from there on)."
    )
    result = dataclasses.replace(video_result(), label=Label.UNCERTAIN)
    long, short = (
        Caption(dataclasses.replace(result, message=said), 640, 12, (0.0, 2.0)) for said in (text, text[:30])
    )
    assert shows(long.at(0.0), line("(fake from there on).", 12, WHITE))
    assert long.height > short.height


def test_foreign_letters_do_not_become_boxes() -> None:
    assert plain_letters("café – 10×20 …·") == "cafe - 10x20 …·"
    assert plain_letters("пара\n👥") == "??????"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200), st.integers(60, 400))
def test_lines_fit(text: str, width: int) -> None:
    lines = wrap(text, 12, width, 3)
    assert len(lines) <= 3
    assert all(text_width(part, 12) <= width for part in lines)
    if not any(part.endswith("…") for part in lines):
        assert " ".join(lines) == " ".join(text.split())
