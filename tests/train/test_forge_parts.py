from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from dfdetect.train.forge.blend import multi_band
from dfdetect.train.forge.looks import decoded, generator_look, restored, shrunk
from dfdetect.train.forge.masks import LIPS, OVAL, box_mask, softened
from dfdetect.train.forge.parts import expression_warp, lip_redraw, mouth_swap
from dfdetect.train.forge.warps import Expression, draw_expression, lay_onto, smooth_warp

FACE = cv2.resize(astronaut()[20:220, 124:324], (140, 140), interpolation=cv2.INTER_AREA)


def face_mesh() -> np.ndarray:
    """468 points laid out like a face's: oval, lips, eyes, nose and chin where they belong."""
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, 468), np.sqrt(rng.random(468)) * 0.9
    points = np.stack([70 + 30 * radius * np.cos(angle), 80 + 40 * radius * np.sin(angle)], 1)
    turn = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False) - np.pi / 2
    points[list(OVAL)] = np.stack([70 + 30 * np.cos(turn), 80 + 40 * np.sin(turn)], 1)
    turn = np.linspace(0, 2 * np.pi, len(LIPS), endpoint=False) + np.pi
    points[list(LIPS)] = np.stack([70 + 12 * np.cos(turn), 102 + 5 * np.sin(turn)], 1)
    for number, place in {
        33: (52, 66), 263: (88, 66), 4: (70, 86), 195: (70, 78), 61: (58, 102), 291: (82, 102), 17: (70, 107),
        0: (70, 97), 159: (56, 64), 145: (56, 68), 386: (84, 64), 374: (84, 68), 105: (56, 58), 334: (84, 58),
        164: (70, 93), 18: (70, 110), 200: (70, 113), 57: (56, 102), 287: (84, 102), 186: (60, 97),
        410: (80, 97), 204: (61, 109), 424: (79, 109),
    }.items():  # fmt: skip
        points[number] = place
    return points.astype(np.float32)


@pytest.mark.parametrize("forge", [expression_warp, lip_redraw, mouth_swap])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_part_forgeries_change_the_part_and_nothing_else(forge, seed: int) -> None:  # type: ignore[no-untyped-def]
    donor = (np.ascontiguousarray(FACE[:, ::-1]), face_mesh()) if forge is mouth_swap else ()
    fake, mask = forge(FACE, face_mesh(), np.random.default_rng(seed), *donor)
    again, _ = forge(FACE, face_mesh(), np.random.default_rng(seed), *donor)
    assert (fake == again).all()
    assert fake.shape == FACE.shape
    assert fake.dtype == np.uint8
    assert mask.min() >= 0
    assert mask.max() <= 1
    difference = np.abs(fake.astype(int) - FACE).max(2)
    assert difference[mask == 0].max(initial=0) == 0
    assert (difference[mask > 0.5] > 3).any()
    if forge is not expression_warp:  # a mouth is below the nose
        assert (mask.sum(1) @ np.arange(140)) / mask.sum() > 85


def test_the_other_mouth_arrives_where_this_one_was() -> None:
    donor = FACE.copy()
    cv2.ellipse(donor, (70, 102), (11, 4), 0, 0, 360, (0, 255, 0), -1)
    donor = np.ascontiguousarray(np.roll(donor, (9, -14), (0, 1)))
    greener = []
    for seed in range(8):
        fake, _ = mouth_swap(
            FACE, face_mesh(), np.random.default_rng(seed), donor, face_mesh() + np.float32([-14, 9])
        )
        change = fake.astype(int) - FACE
        green = change[..., 1] - change[..., 0]
        greener.append(green[99:106, 62:78].mean())
        assert abs(green[40:80].mean()) < 2
    # Matching the colours takes back some of it.
    assert min(greener) > 4
    assert np.mean(greener) > 25


def test_an_expression_moves_its_points_and_leaves_the_rest() -> None:
    dots = np.zeros((140, 140, 3), np.uint8)
    for place in ((70, 107), (30, 30)):
        cv2.circle(dots, place, 2, (255, 255, 255), -1)
    jaw = Expression(np.float32([[70, 107]]), np.float32([[1.0, 4.0]]), np.float32([10.0]))
    moved = jaw.apply(dots)[..., 0].astype(float)
    ys, xs = np.mgrid[0:140, 0:140]
    weight = moved * (ys > 70)
    assert (weight * xs).sum() / weight.sum() == pytest.approx(71, abs=0.4)
    assert (weight * ys).sum() / weight.sum() == pytest.approx(111, abs=0.6)
    assert (moved[:70] == dots[:70, :, 0]).all()


def test_a_mouth_alone_moves_without_the_eyes() -> None:
    moved = draw_expression(face_mesh(), np.random.default_rng(1), mouth_only=True).apply(FACE)
    assert np.abs(moved[:62].astype(int) - FACE[:62]).max() <= 12
    assert np.abs(moved[95:110, 50:90].astype(int) - FACE[95:110, 50:90]).mean() > 1


@pytest.mark.parametrize("bend", [0.0, 1.0])
def test_a_face_is_laid_onto_other_landmarks_and_knows_where_it_ends(bend: float) -> None:
    shifted, inside = lay_onto(FACE, face_mesh(), face_mesh() + np.float32([20, 0]), (140, 140), bend)
    assert np.abs(shifted[10:130, 30:130].astype(int) - FACE[10:130, 10:110]).mean() < 1.5
    assert inside[:, :18].max() == 0
    assert inside[20:120, 40:120].min() == 1


def test_bending_follows_the_shape_of_the_face() -> None:
    narrow = face_mesh()
    narrow[:, 0] += 6 * np.sin((narrow[:, 1] - 40) / 80 * np.pi)  # not an affine change
    marked = np.zeros_like(FACE)
    at = narrow[454].astype(int)
    cv2.circle(marked, at.tolist(), 3, (255, 255, 255), -1)
    gaps = []
    for bend in (0.0, 1.0):
        moved, _ = lay_onto(marked, narrow, face_mesh(), (140, 140), bend)
        ys, xs = np.nonzero(moved[..., 0] > 100)
        gaps.append(float(np.hypot(xs.mean() - face_mesh()[454, 0], ys.mean() - face_mesh()[454, 1])))
    assert gaps[1] < gaps[0]


def test_looks_keep_brightness_and_change_detail() -> None:
    def detail(image: np.ndarray) -> float:
        return float(np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean())

    for seed in range(12):
        rng = np.random.default_rng(seed)
        for look in (decoded, restored, generator_look):
            out = look(FACE, rng)
            assert out.shape == FACE.shape
            assert abs(float(out.mean()) - float(FACE.mean())) < 6
            assert (out != FACE).any()
    assert detail(shrunk(FACE, np.random.default_rng(2), factor=0.3)) < 0.7 * detail(FACE)


def test_a_decoder_leaves_peaks_in_the_spectrum() -> None:
    flat = np.full((128, 128, 3), 128, np.uint8)
    peaks = 0
    for seed in range(20):
        spectrum = np.abs(np.fft.rfft2(decoded(flat, np.random.default_rng(seed))[..., 0].astype(float)))
        spectrum[0, 0] = 0
        peaks += float(spectrum.max()) > 30 * float(spectrum.mean())
    assert peaks >= 12


def test_multi_band_blending_has_the_source_inside_and_the_target_outside() -> None:
    source = np.ascontiguousarray(FACE[::-1])
    full, none = np.ones(FACE.shape[:2], np.float32), np.zeros(FACE.shape[:2], np.float32)
    assert np.abs(multi_band(source, FACE, full).astype(int) - source).max() <= 2
    assert np.abs(multi_band(source, FACE, none).astype(int) - FACE).max() <= 2
    middle = none.copy()
    middle[50:90, 50:90] = 1
    mixed = multi_band(source, FACE, middle)
    assert np.abs(mixed[:8].astype(int) - FACE[:8]).max() <= 3
    assert np.abs(mixed[66:74, 66:74].astype(int) - source[66:74, 66:74]).mean() < 12


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_lip_sync_box_holds_the_lips(seed: int) -> None:
    mask = box_mask((140, 140), face_mesh(), np.random.default_rng(seed))
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert mask[102, 60:81].min() > 0.5
    assert mask[:70].max() < 0.2


def test_softening_on_a_smaller_picture_looks_like_a_gaussian() -> None:
    mask = np.zeros((200, 200), np.float32)
    cv2.circle(mask, (100, 100), 60, 1.0, -1)
    for sigma in (1.0, 6.0, 15.0):
        assert np.abs(softened(mask, sigma) - cv2.GaussianBlur(mask, (0, 0), sigma)).max() < 0.06


def test_no_reach_is_no_warp() -> None:
    assert np.abs(smooth_warp(FACE, np.random.default_rng(0), 0.0).astype(int) - FACE).max() <= 1
