"""The closer look keeps to the part of the video that was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from dfdetect import Detector
from tests.test_detector import DATA, write_appearance


def test_a_closer_look_keeps_to_the_start_that_was_asked_for(tmp_path: Path) -> None:
    """A face from 2.4 to 3.3 s: the first sample shows it, and what lies around it begins before 3 s."""
    face = np.asarray(Image.open(DATA / "astronaut.jpg").convert("RGB").resize((320, 320)))
    path = write_appearance(tmp_path / "early.mp4", face, 120, 24, 33)
    result = Detector(frames=16, model="light", start=3.0).scan(path)
    assert result.media is not None
    assert result.media.frames_sampled > 16, "there was a closer look"
    (track,) = result.tracks
    assert len(track.faces) > 1
    assert track.start == min(item.time for item in track.faces) >= 3.0
