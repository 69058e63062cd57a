"""The development data's awkward files, end to end: each gets the outcome that its table expects."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dfdetect import Detector, Reason, ScanResult

NASTY = Path(__file__).resolve().parents[2] / "shared" / "data" / "nasty"
if not (NASTY / "nasty.csv").exists():
    pytest.skip("the development data are not here", allow_module_level=True)
with (NASTY / "nasty.csv").open(newline="", encoding="utf-8") as _stream:
    ROWS = list(csv.DictReader(_stream))
# What the details of the table say in words.
FAULTS = {
    "bad_empty.jpg": Reason.EMPTY,
    "bad_text.jpg": Reason.NOT_MEDIA,
    "bad_page.mp4": Reason.NOT_MEDIA,
    "bad_no_index.mp4": Reason.TRUNCATED,
    "bad_bomb.png": Reason.TOO_LARGE,
    "bad_dimensions.jpg": Reason.TOO_LARGE,
    "bad_sound_only.mp4": Reason.NO_PICTURE,
    "bad_random.mp4": Reason.NOT_MEDIA,
}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(model="light")  # the reading is what differs


def outcome(result: ScanResult) -> str:
    if result.label is not None:
        return "face"
    assert result.reason is not None
    if result.reason.is_file_fault:
        return "error"
    # Any other reason, as that the face is too dark, is no outcome of the table.
    return {Reason.NO_FACE: "no_face", Reason.FACE_TOO_SMALL: "too_small"}.get(result.reason, result.reason)


@pytest.mark.parametrize("row", ROWS, ids=[row["file"] for row in ROWS])
def test_outcome(row: dict[str, str], detector: Detector) -> None:
    result = detector.scan(NASTY / row["file"])
    expected = {"face_or_error": {"face", "error"}}.get(row["expect"], {row["expect"]})
    assert outcome(result) in expected, f"{result.reason}: {result.message}"
    assert result.reason is FAULTS.get(row["file"], result.reason)
    if result.media is not None:
        assert result.media.kind == row["medium"]
    if "must say that the file is truncated" in row["detail"] and result.label is not None:
        assert "truncated" in {note.code for note in result.notes}
