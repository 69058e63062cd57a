"""A video with too many pictures to list them all, every frame of which is asked for."""

import pytest
from make import numbered, read_number, video

from dfdetect.media import survey
from dfdetect.media.reader import open_media
from dfdetect.settings import Settings


@pytest.fixture(scope="module")
def eight_seconds():
    return video(numbered(200), gop=4, form="matroska", options={"bf": "0"})


@pytest.mark.parametrize(
    ("start", "end", "numbers"),
    [
        (None, None, range(200)),
        (2.0, 3.0, range(50, 75)),
        (2.01, 3.01, range(51, 76)),
        (7.0, None, range(175, 200)),
        (None, 1.0, range(25)),
    ],
)
def test_every_frame_lies_between_start_and_end(eight_seconds, start, end, numbers, monkeypatch):
    """From the start on, and before the end."""
    monkeypatch.setattr(survey, "MOST_PACKETS", 20)
    with open_media(eight_seconds, Settings(start=start, end=end)) as media:
        frames = list(media.every_frame())
        assert media.info.frames_sampled == len(frames)
    assert [read_number(frame.image) for frame in frames] == list(numbers)
    assert [frame.time for frame in frames] == pytest.approx([number / 25 for number in numbers], abs=0.001)
