"""Pictures are turned as NumPy turns them, and come out whole and in order in memory."""

from __future__ import annotations

import numpy as np
import pytest

from dfdetect.faces.turns import turned
from dfdetect.media.limits import turn


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("clockwise", [0, 90, 180, 270, 360, -90])
@pytest.mark.parametrize("size", [(5, 8), (8, 5), (1, 3), (1, 1)])
def test_turned_and_mirrored_as_by_numpy(clockwise: int, mirrored: bool, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (*size, 3), np.uint8)
    before = picture[:, ::-1] if mirrored else picture
    result = turn(picture, clockwise, mirrored)
    assert result.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(result, np.rot90(before, -(clockwise // 90)))
    # A part of a larger one, whose rows do not follow each other.
    np.testing.assert_array_equal(
        turn(np.tile(picture, (2, 2, 1))[: size[0], : size[1]], clockwise, mirrored), result
    )


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_for_the_search(turns: int) -> None:
    picture = np.random.default_rng(4).integers(0, 256, (7, 12, 3), np.uint8)
    np.testing.assert_array_equal(turned(picture, turns), np.rot90(picture, turns))
