"""Faces larger than what is measured and scored: shrunk by the means of areas, and without a shift."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfdetect.faces.crop import CropSpec, crop_matrix, cut
from dfdetect.faces.quality import measure_quality
from dfdetect.results import Box, Face, FaceQuality

NOWHERE = np.zeros((5, 2), np.float32)


@pytest.mark.parametrize("side", [160.0, 150.5, 64.0])
def test_a_large_face_is_cut_out_where_the_matrix_says(side: float) -> None:
    """To a part of a pixel of the picture: its centres, not its corners, are mapped to those of the crop."""
    ramp = np.repeat(np.arange(240, dtype=np.uint8)[None], 240, axis=0)
    box, spec = Box(40.0, 40.0, 40.0 + side, 40.0 + side), CropSpec("upright", 48, 1.2)
    crop = cut(np.stack([ramp, ramp.T, ramp], axis=2), box, NOWHERE, spec)
    matrix = crop_matrix(box, NOWHERE, spec)
    assert matrix[0, 0] < 0.8, "it is shrunk first"
    middle = np.arange(8, 40)
    across, down = ((middle - shift) / matrix[0, 0] for shift in matrix[:, 2])
    np.testing.assert_allclose(crop[24, 8:40, 0], across, atol=0.8)
    np.testing.assert_allclose(crop[8:40, 24, 1], down, atol=0.8)


def measured(grey: NDArray[np.uint8]) -> FaceQuality:
    """Of a face that fills the picture."""
    picture = np.repeat(grey[..., None], 3, axis=2)
    return measure_quality(picture, Face(Box(0, 0, *grey.shape[::-1]), NOWHERE, 1.0))


def test_a_large_face_is_measured_by_the_means_of_its_areas() -> None:
    """Not by single pixels, whose noise would pass for sharpness and contrast."""
    grey = np.random.default_rng(0).integers(0, 256, (448, 448), dtype=np.uint8)
    means = grey.reshape(112, 4, 112, 4).mean(axis=(1, 3)).round().astype(np.uint8)
    large, small = measured(grey), measured(means)
    assert small.contrast == pytest.approx(grey.std() / 255 / 4, rel=0.1)
    assert large.contrast == pytest.approx(small.contrast, rel=0.02)
    assert large.sharpness == pytest.approx(small.sharpness, rel=0.02)
    assert large.brightness == pytest.approx(small.brightness, abs=0.002)


def test_a_small_face_is_as_soft_as_it_is() -> None:
    """Enlarging gives it no edges."""
    grey = np.random.default_rng(0).integers(0, 256, (56, 56), dtype=np.uint8)
    blocks = cv2.resize(grey, (112, 112), interpolation=cv2.INTER_NEAREST)
    assert measured(grey).sharpness < 0.5 * measured(np.asarray(blocks, np.uint8)).sharpness
