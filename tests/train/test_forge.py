from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from dfdetect.train.augment import Damage
from dfdetect.train.forge.blend import composite, local_warp, match_colour, poisson, self_blend, swap
from dfdetect.train.forge.masks import PARTS, part_mask
from tests.train.faces import round_mesh

FACE = cv2.resize(astronaut()[20:220, 124:324], (140, 140), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("part", list(PARTS))
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_masks_lie_between_0_and_1_and_cover_something(part: str, seed: int) -> None:
    mask = part_mask((140, 140), round_mesh(), part, np.random.default_rng(seed))
    assert mask.shape == (140, 140)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert 0 < (mask > 0.5).mean() < 0.8


@pytest.mark.parametrize("forge", [self_blend, local_warp])
def test_forgeries_change_the_face_and_nothing_outside_the_mask(forge) -> None:  # type: ignore[no-untyped-def]
    changed = 0
    for seed in range(12):
        fake, mask = forge(FACE, round_mesh(), np.random.default_rng(seed))
        assert fake.dtype == np.uint8
        difference = np.abs(fake.astype(int) - FACE).max(2)
        changed += bool((difference[mask > 0.5] > 3).any())
        if forge is local_warp:  # self-blending may also change the target, all over
            assert difference[mask == 0].max(initial=0) == 0
    assert changed >= 10


def test_the_same_draw_gives_the_same_forgery() -> None:
    first, _ = self_blend(FACE, round_mesh(), np.random.default_rng(3))
    second, _ = self_blend(FACE, round_mesh(), np.random.default_rng(3))
    assert (first == second).all()


def test_swap_brings_the_other_face_in_the_colours_of_this_one() -> None:
    other = np.ascontiguousarray(FACE[:, ::-1])
    dark = (other * 0.5).astype(np.uint8)
    fake, mask = swap(FACE, round_mesh(), np.random.default_rng(1), dark, round_mesh(1))
    inside = mask > 0.9
    assert abs(float(fake[inside].mean()) - float(FACE[inside].mean())) < 25
    assert (fake[inside] != FACE[inside]).any()


def test_colour_matching_reaches_the_target() -> None:
    mask = np.ones(FACE.shape[:2], np.float32)
    moved = match_colour((FACE * 0.6).astype(np.uint8), FACE, mask, 1.0)
    assert np.abs(moved.astype(float).mean((0, 1)) - FACE.astype(float).mean((0, 1))).max() < 6


def test_an_empty_mask_leaves_the_target() -> None:
    out = composite(np.zeros_like(FACE), FACE, np.zeros(FACE.shape[:2], np.float32))
    assert (out == FACE).all()


@pytest.mark.parametrize("width", [60, 61])
@pytest.mark.parametrize("height", [50, 51])
def test_a_picture_put_seamlessly_onto_itself_stays(width: int, height: int) -> None:
    mask = np.zeros(FACE.shape[:2], np.float32)
    mask[40 : 40 + height, 35 : 35 + width] = 1
    out = poisson(FACE, FACE, mask)
    assert out is not None
    assert np.abs(out.astype(int) - FACE).max() <= 2


def test_outside_the_mask_a_swap_changes_a_little_at_most() -> None:
    other = np.ascontiguousarray(FACE[:, ::-1])
    for seed in range(30):
        fake, mask = swap(FACE, round_mesh(), np.random.default_rng(seed), other, round_mesh(1))
        assert np.abs(fake.astype(int) - FACE)[mask == 0].max(initial=0) < 32


@given(seed=st.integers(0, 100_000))
@settings(max_examples=60, deadline=None)
def test_damage_is_drawn_once_and_keeps_shape(seed: int) -> None:
    damage = Damage(np.random.default_rng(seed))
    once, twice = damage(FACE), damage(FACE)
    assert once.shape == FACE.shape
    assert once.dtype == np.uint8
    assert (once == twice).all()


def test_no_strength_is_no_damage() -> None:
    assert (Damage(np.random.default_rng(0), 0.0)(FACE) == FACE).all()
