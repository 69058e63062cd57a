from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from dfdetect.errors import SettingsError
from dfdetect.train import codecs
from dfdetect.train.augment import Damage
from dfdetect.train.codecs import VIDEO_CODECS, through_picture, through_video

FACE = cv2.resize(astronaut()[20:220, 124:324], (141, 133), interpolation=cv2.INTER_AREA)
POOR_AND_GOOD = {"h264": (40, 18), "hevc": (40, 18), "mpeg4": (25, 2), "vp9": (60, 20)}


@pytest.mark.parametrize("codec", list(VIDEO_CODECS))
def test_a_frame_of_a_video_keeps_its_shape_and_gets_worse_with_the_quantiser(codec: str) -> None:
    poor, good = (cv2.PSNR(FACE, through_video(FACE, codec, q, frames=3)) for q in POOR_AND_GOOD[codec])
    assert good > 32
    assert 18 < poor < good - 4


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_last_frame_comes_back_in_place_whatever_moved_before(frames: int) -> None:
    out = through_video(FACE, "h264", 20, frames=frames, motion=(6.0, -4.0), offset=(5, 11))
    assert out.shape == FACE.shape
    assert cv2.PSNR(FACE, out) > 30


def test_frames_that_are_predicted_differ_from_frames_that_are_not() -> None:
    alone, predicted = (through_video(FACE, "h264", 34, frames=n) for n in (1, 2))
    assert (alone != predicted).any()


@given(width=st.integers(1, 70), height=st.integers(1, 70), offset=st.integers(0, 15))
@settings(max_examples=15, deadline=None)
def test_every_size_goes_through_every_codec(width: int, height: int, offset: int) -> None:
    small = np.ascontiguousarray(FACE[:height, :width])
    for codec in VIDEO_CODECS:
        assert through_video(small, codec, 20, offset=(offset, 15 - offset)).shape == small.shape
    for suffix in (".jpg", ".webp"):
        assert through_picture(small, suffix, 60, (offset, 3)).shape == small.shape


def test_a_codec_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(codecs.VIDEO_CODECS, "h264", ("no-such-encoder", "h264"))
    with pytest.raises(SettingsError, match="no-such-encoder"):
        through_video(FACE, "h264", 28)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_pictures_get_worse_with_quality_and_the_grid_can_be_shifted(suffix: str) -> None:
    poor, good = (cv2.PSNR(FACE, through_picture(FACE, suffix, q)) for q in (30, 95))
    assert poor < good - 2
    here, there = (through_picture(FACE, suffix, 40, offset) for offset in ((0, 0), (3, 5)))
    assert (here != there).any()
    assert abs(cv2.PSNR(FACE, here) - cv2.PSNR(FACE, there)) < 1.5


@given(seed=st.integers(0, 100_000))
@settings(max_examples=40, deadline=None)
def test_a_draw_is_applied_alike_to_a_real_and_its_fake(seed: int) -> None:
    """What the two have in common far from the forged part they still have in common after damage."""
    fake = FACE.copy()
    fake[60:90, 50:90] = cv2.GaussianBlur(fake[60:90, 50:90], (0, 0), 2)
    damage = Damage(np.random.default_rng(seed))
    first, second = damage(FACE).astype(int), damage(fake).astype(int)
    assert first.shape == FACE.shape
    assert np.abs(first - second)[:25].mean() < 6
    assert (damage(FACE) == first).all()


@pytest.mark.parametrize("side", [2, 5, 16])
def test_every_damage_bears_small_crops(side: int) -> None:
    small = np.ascontiguousarray(FACE[:side, : side + 1])
    for seed in range(200):
        assert Damage(np.random.default_rng(seed))(small).shape == small.shape


def test_damage_is_of_many_kinds_and_grows_with_strength() -> None:
    def loss(strength: float) -> float:
        return float(
            np.mean(
                [
                    np.abs(Damage(np.random.default_rng(k), strength)(FACE).astype(int) - FACE).mean()
                    for k in range(40)
                ]
            )
        )

    assert loss(0.0) == 0
    assert 0 < loss(0.3) < loss(1.0)
