"""What is said where `Settings.start` and `Settings.end` leave a part of a video out."""

import pytest
from make import codes, encode, failing, numbered, read_video, video
from PIL import Image
from test_media_video import with_sound

from dfdetect.media import video as video_module
from dfdetect.media.reader import open_media
from dfdetect.settings import Settings


def told(data: bytes, **choices: object) -> list[str]:
    """The texts of the notes on a part."""
    return [note.text for note in read_video(data, **choices)[1].notes if note.code == "part"]


@pytest.fixture(scope="module")
def a_minute():
    return video(numbered(120), rate=2, gop=10, options={"bf": "0"})


@pytest.fixture(params=["listed", "by jumps"])
def way(request, monkeypatch):
    if request.param == "by jumps":
        monkeypatch.setattr(video_module, "ORDINARY_SECONDS", 9.0)
        monkeypatch.setattr(video_module, "SHORT_SECONDS", 9.0)
        monkeypatch.setattr(video_module, "take_survey", None)


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (10.0, 20.0, "Only 0:10 to 0:20 of 1:00 was looked at."),
        (None, 20.0, "Only 0:00 to 0:20 of 1:00 was looked at."),
        (0.0, 20.5, "Only 0:00 to 0:20.5 of 1:00 was looked at."),
        (50.0, None, "Only 0:50 to 1:00 of 1:00 was looked at."),
        (50.0, 500.0, "Only 0:50 to 1:00 of 1:00 was looked at."),
        (7.01, 7.02, "Only the moment at 0:07 of 1:00 was looked at."),
    ],
)
def test_a_part_is_told_with_the_length(a_minute, way, start, end, text):
    assert told(a_minute, start=start, end=end) == [text]


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), (0.0, None), (0.0, 60.0), (None, 900.0), (0.05, 59.96)]
)
def test_what_leaves_nothing_out_is_not_told(a_minute, way, start, end):
    assert told(a_minute, start=start, end=end) == []


def test_a_part_of_hours_is_told_in_hours():
    data = video(numbered(73), form="matroska", pts=[100_000 * number for number in range(73)])
    assert told(data, start=10.0, end=5400.0) == ["Only 0:10 to 1:30:00 of 2:00:00 was looked at."]


def test_a_part_of_an_instant_is_told_in_hundredths():
    data = video(numbered(10))
    assert told(data, start=0.2) == ["Only 0.20 to 0.40 of 0.40 s was looked at."]
    assert told(data, end=0.35) == ["Only 0.00 to 0.35 of 0.40 s was looked at."]
    assert told(data, end=0.37) == []


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_a_part_of_an_animation_is_told(form):
    first, *rest = (Image.fromarray(picture) for picture in numbered(40))
    data = encode(first, form, save_all=True, append_images=rest, duration=100)
    assert told(data, start=1.0, end=2.5) == ["Only 0:01 to 0:02.5 of 0:04 was looked at."]
    assert told(data, end=4.0) == told(data) == []


def test_a_photo_has_no_parts():
    data = encode(Image.new("RGB", (64, 64), "red"), "GIF")
    with open_media(data, Settings(start=1.0, end=2.0)) as media:
        list(media.frames())
    assert codes(media.info) == []


def test_the_part_of_a_picture_that_begins_late_counts_from_there_as_all_times_do(tmp_path):
    data = with_sound(tmp_path / "late", "mp4", 5.0)
    _, info = read_video(data, end=0.5)
    assert codes(info) == ["late_start", "part"]
    assert info.notes[1].text == "Only 0:00 to 0:00.5 of 0:01 was looked at."


def test_closer_looks_change_no_word(a_minute):
    with open_media(a_minute, Settings(frames=4, start=10.0, end=20.0)) as media:
        list(media.frames())
        before = media.info.notes
        assert list(media.closer([(10.0, 20.0)], 4))
        assert media.info.notes == before != ()


def test_where_nothing_is_left_the_error_says_so(a_minute):
    assert "nothing lies after start (70 s)" in failing(a_minute, start=70.0, end=80.0).message
