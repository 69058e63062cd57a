"""Pictures that the tests of the faces share; they have to be made only once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfdetect.faces.mtcnn import Mtcnn

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def need(*packages: str) -> None:
    """Skip where a package is not installed (`pytest.importorskip` would import it: see torchvision_nms)."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs the media beside the checkout (../shared)")
    return SHARED


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """512 x 512, one frontal face about 110 px high near (225, 120)."""
    data = pytest.importorskip("skimage.data")
    return np.asarray(data.astronaut(), np.uint8)


@pytest.fixture(scope="session")
def coffee() -> NDArray[np.uint8]:
    data = pytest.importorskip("skimage.data")
    return np.asarray(data.coffee(), np.uint8)


@pytest.fixture(scope="session")
def twelve(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twelve small copies of the face on one picture."""
    small = cv2.resize(astronaut[:300, 80:380], (160, 160), interpolation=cv2.INTER_AREA)
    return np.tile(small, (3, 4, 1))


@pytest.fixture(scope="session")
def mtcnn() -> Mtcnn:
    return Mtcnn(threads=1)
