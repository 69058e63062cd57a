import csv
from pathlib import Path

import numpy as np
import pytest

from dfdetect.errors import MediaError
from dfdetect.media.reader import open_media
from dfdetect.settings import Settings

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "nasty"
ROWS = list(csv.DictReader((FOLDER / "nasty.csv").open(encoding="utf-8"))) if FOLDER.is_dir() else []


def test_the_set_is_there():
    if not ROWS:
        pytest.skip("no shared/data/nasty next to the checkout")
    assert len(ROWS) > 50


@pytest.mark.parametrize("row", ROWS, ids=[row["file"] for row in ROWS])
def test_nasty_file(row, capfd):
    path = FOLDER / row["file"]
    frames, info, error = [], None, None
    try:
        with open_media(path, Settings(frames=16)) as media:
            frames = list(media.frames())
            info = media.info
    except MediaError as caught:
        error = caught
    assert capfd.readouterr() == ("", "")
    if error is not None:
        assert row["expect"] in ("error", "face_or_error")
        assert str(path) in error.message
        return
    assert row["expect"] != "error"
    assert frames
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))
    assert times[0] >= 0
    assert str(info.kind) == row["medium"]
    if info.duration is not None:
        assert times[-1] < info.duration < 30
    assert all(frame.image.shape == (info.height, info.width, 3) for frame in frames)
    if row["expect"] == "face" and "many" not in row["file"]:
        assert is_the_astronaut_upright([frame.image for frame in frames])
    if "cut" in row["file"] or "truncated" in row["file"]:
        assert "truncated" in [note.code for note in info.notes]


def is_the_astronaut_upright(images: list[np.ndarray]) -> bool:
    """Her suit is below, light cloth above: told by brightness and, where there is colour, by orange."""
    best = max(images, key=lambda image: float(image.astype(float).std()))
    height = len(best)
    top, bottom = best[: height // 4].mean((0, 1)), best[3 * height // 4 :].mean((0, 1))
    return bool(top.mean() > bottom.mean() and (np.ptp(bottom) > np.ptp(top) or np.ptp(best, 2).max() == 0))
