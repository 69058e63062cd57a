"""How long a video claims to be: when that is said to be wrong, and how the file is read by it."""

import pytest
from make import codes, numbered, read_video, video
from test_media_long import claiming

from dfdetect.media import video as video_module


@pytest.mark.parametrize(("claim", "told"), [(5, []), (6, ["wrong_header"]), (40, ["wrong_header"])])
def test_a_header_that_claims_half_as_much_again_is_wrong(claim, told):
    """Of 4 s; a tenth and a second more are no news."""
    frames, info = read_video(claiming(video(numbered(100), form="matroska"), "matroska", claim))
    assert info.duration == pytest.approx(4.0, abs=0.01)
    assert len(frames) == 16
    assert codes(info) == told


@pytest.fixture(scope="module")
def a_minute():
    return video(numbered(120), rate=2, gop=10, options={"bf": "0"})


@pytest.mark.parametrize(
    ("most_bytes", "most_seconds", "way"),
    [(1 << 30, 120.0, "take_survey"), (1 << 30, 30.0, "Rover"), (9, 120.0, "Rover")],
)
@pytest.mark.parametrize(("ordinary_bytes", "ordinary_seconds"), [(9, 900.0), (100 << 20, 30.0)])
def test_only_what_claims_to_be_short_is_listed_if_it_is_large(
    a_minute, ordinary_bytes, ordinary_seconds, most_bytes, most_seconds, way, monkeypatch
):
    """Large by its bytes or by its length; the others are sampled by jumps."""
    monkeypatch.setattr(video_module, "ORDINARY_BYTES", ordinary_bytes)
    monkeypatch.setattr(video_module, "ORDINARY_SECONDS", ordinary_seconds)
    monkeypatch.setattr(video_module, "SHORT_BYTES", most_bytes)
    monkeypatch.setattr(video_module, "SHORT_SECONDS", most_seconds)
    ways = []
    for name in ("take_survey", "Rover"):
        made = getattr(video_module, name)
        noted = lambda *given, name=name, made=made: ways.append(name) or made(*given)  # noqa: E731
        monkeypatch.setattr(video_module, name, noted)
    frames, _ = read_video(a_minute, frames=6)
    assert len(frames) == 6
    assert ways == [way]
