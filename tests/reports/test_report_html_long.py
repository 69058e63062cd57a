"""The HTML report of a video with thousands of judged faces: what is left out of its table and its line."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from dfdetect.reports.html.chart import MOST_POINTS
from dfdetect.results import FaceScore, FramePicture, Label, MediaKind, ScanResult
from tests.sample_results import judged, media, render, track

STEP = 0.01
"""Seconds from face to face, so that all lie within the sample's 12 seconds."""


def film(*people: list[float], pictured: tuple[int, ...] = ()) -> ScanResult:
    """A video with these scores of each person, side by side from the start; `pictured`: which faces of each
    have a picture.
    """
    tracks = []
    for number, logits in enumerate(people, 1):
        person = track(number, Label.FAKE, 0.9, tuple(i * STEP for i in range(len(logits))), tuple(logits))
        faces = tuple(
            dataclasses.replace(f, frame=i, picture=b"a picture" if i in pictured else None)
            for i, f in enumerate(person.faces)
        )
        tracks.append(dataclasses.replace(person, faces=faces))
    result = judged("a.mp4", Label.FAKE, 0.9, tuple(tracks), media(MediaKind.VIDEO))
    frames = tuple(FramePicture(i, i * STEP, 1920, 1080, b"a frame") for i in pictured)
    return dataclasses.replace(result, frames=frames)


def rows(page: str) -> list[tuple[int, str]]:
    """Number and words of each row of the table of scores."""
    found = re.findall(r'<tr[^>]* data-k="(\d+)"[^>]* data-say="([^"]+)"', page)
    return [(int(k), say) for k, say in found]


def points(page: str, person: int) -> list[tuple[float, float]]:
    """Corners of a person's line, in the view box."""
    (path,) = re.findall(f'class="line c{person}" d="M([^"]+)"', page)
    return [(float(x), float(y)) for x, y in (corner.split() for corner in path.split("L"))]


def lowest_and_highest(faces: tuple[FaceScore, ...]) -> tuple[float, float]:
    scores = [face.logit for face in faces]
    return min(scores), max(scores)


@pytest.mark.parametrize(("count", "left"), [(1_000, 0), (1_001, 1), (1_777, 777)])
def test_a_table_has_a_thousand_rows_and_says_what_it_lacks(count: int, left: int) -> None:
    page = render("html", [film([0.5] * count)])
    numbers = [k for k, _ in rows(page)]
    assert numbers == list(range(min(count, 1_000))), "in order of time, without gaps"
    assert page.count("<circle") == len(numbers)
    assert re.findall(r"(\d+) more (?:is|are) in the JSON report", page) == ([str(left)] if left else [])


def test_faces_with_pictures_keep_their_rows_and_the_rest_is_spread_over_all() -> None:
    """Of two people, one of whom is seen three times as long."""
    pictured = (1, 2, 3, 501, 502)
    result = film([1.0] * 600, [2.0] * 1_800, pictured=pictured)
    page = render("html", [result])
    told = rows(page)
    assert len(told) == 1_000
    shown = [re.fullmatch(r"0:(\d\d\.\d), person (\d), score \+(\d\.\d)", say) for _, say in told]
    times = [float(found[1]) for found in shown if found]
    assert len(times) == 1_000
    assert times == sorted(times)
    assert np.histogram(times, 6, (0, 18))[0].min() > 80, "no part of the video is left out"
    share = sum(found[2] == "1" for found in shown if found) / 1_000
    assert 0.2 < share < 0.3, "a quarter of the faces are the first one's"
    faces = {int(k) for k in re.findall(r'<button[^>]* data-k="(\d+)"', page)}
    assert faces, "pictures of faces stand in the page"
    assert faces <= {k for k, _ in told}, "and each has its row"


@pytest.mark.parametrize(("count", "corners"), [(MOST_POINTS, MOST_POINTS), (MOST_POINTS + 1, 402)])
def test_a_line_of_many_faces_keeps_the_extremes_of_every_stretch(count: int, corners: int) -> None:
    """Beyond 600, the lowest and highest of each three faces: 201 stretches, the last of one face."""
    scores = np.random.default_rng(3).normal(0, 1, count)
    scores[417] = 9.0
    scores[418] = -8.5
    result = film(scores.tolist(), [0.0, 1.0])
    line = points(render("html", [result]), 1)
    assert len(line) in (corners, corners - 1)
    assert [x for x, _ in line] == sorted(x for x, _ in line), "in order of time"
    low, high = lowest_and_highest(result.tracks[0].faces)
    reach = 1.12 * 9.0
    heights = [y for _, y in line]
    assert min(heights) == pytest.approx(100 * (1 - high / reach), abs=0.1)
    assert max(heights) == pytest.approx(100 * (1 - low / reach), abs=0.1)
    assert points(render("html", [result]), 2)[1][0] == pytest.approx(1000 * STEP / 12.48, abs=0.2)
