"""Where and how hard faces are searched for: upright, rolled, tiny, huge, none."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfdetect.errors import MissingExtraError
from dfdetect.faces import detect
from dfdetect.faces.detect import FaceDetector, PatientDetector, create_detector, turn_back
from dfdetect.results import Box, Face
from dfdetect.settings import Settings

from .conftest import need


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return create_detector(Settings(threads=1))


def test_upright_face(detector: FaceDetector, astronaut: NDArray[np.uint8]) -> None:
    (face,) = detector.detect(astronaut)
    assert face.box.x0 < 225 < face.box.x1
    assert face.probability > 0.99


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rolled_face_is_found_and_mapped_back(
    detector: FaceDetector, astronaut: NDArray[np.uint8], turns: int
) -> None:
    picture = astronaut[:, 60:]  # not square: a mixed-up width and height would show
    (upright,) = detector.detect(picture)
    (rolled,) = detector.detect(np.rot90(picture, turns))
    back = turn_back(rolled, turns, *picture.shape[:2])
    np.testing.assert_allclose(back.box, upright.box, atol=6)
    np.testing.assert_allclose(back.landmarks, upright.landmarks, atol=4)


def test_rolled_face_of_a_large_picture_is_mapped_back(
    detector: FaceDetector, astronaut: NDArray[np.uint8]
) -> None:
    # Large enough to be halved first, and odd, so that a row and a column are left out.
    picture = cv2.resize(astronaut[:, 60:], (2401, 2701), interpolation=cv2.INTER_CUBIC)
    (upright,) = detector.detect(picture)
    (rolled,) = detector.detect(np.rot90(picture))
    back = turn_back(rolled, 1, *picture.shape[:2])
    np.testing.assert_allclose(back.box, upright.box, atol=0.03 * upright.box.height)
    np.testing.assert_allclose(back.landmarks, upright.landmarks, atol=0.02 * upright.box.height)


@pytest.mark.parametrize("side", [512, 2448])  # of the larger one the finest levels would cost too much
@pytest.mark.parametrize("min_face", [16, 30, 48, 60, 100])
def test_the_smallest_face_of_use_moves_no_other(
    detector: FaceDetector, astronaut: NDArray[np.uint8], min_face: int, side: int
) -> None:
    picture = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_CUBIC)
    (usual,) = detector.detect(picture)
    (face,) = create_detector(Settings(threads=1, min_face=min_face)).detect(picture)
    np.testing.assert_allclose(face.box, usual.box, atol=0.01)


def test_the_levels_are_those_of_the_default() -> None:
    assert detect._SHARE_OF_MIN * Settings().min_face == detect._USUAL


def test_every_face_of_a_group(detector: FaceDetector, twelve: NDArray[np.uint8]) -> None:
    faces = detector.detect(twelve)
    assert len(faces) == 12
    areas = [f.box.width * f.box.height for f in faces]
    assert areas == sorted(areas, reverse=True)


def test_tiny_face_is_found_when_there_is_no_other(
    detector: FaceDetector, astronaut: NDArray[np.uint8]
) -> None:
    tiny = cv2.resize(astronaut[:300, 80:380], (60, 60), interpolation=cv2.INTER_AREA)
    picture = np.full((240, 320, 3), 128, np.uint8)
    picture[100:160, 200:260] = tiny
    (face,) = detector.detect(picture)
    assert 14 <= face.box.height < 32
    assert 200 < face.box.x0 < face.box.x1 < 260


@pytest.mark.parametrize("kind", ["black", "white", "noise", "blobs", "stripes"])
def test_no_face_in_what_is_none(detector: FaceDetector, kind: str) -> None:
    rng = np.random.default_rng(3)
    picture = {
        "black": np.zeros((240, 320, 3), np.uint8),
        "white": np.full((240, 320, 3), 255, np.uint8),
        "noise": rng.integers(0, 256, (240, 320, 3), dtype=np.uint8),
        "blobs": cv2.resize(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8), (320, 240)),
        "stripes": np.broadcast_to(np.where(np.arange(320) % 16 < 8, 40, 210)[None, :, None], (240, 320, 3)),
    }[kind]
    assert detector.detect(np.ascontiguousarray(picture, np.uint8)) == []


@pytest.mark.parametrize("name", ["coffee", "brick", "grass", "gravel", "coins", "page", "rocket", "chelsea"])
def test_no_face_in_pictures_of_other_things(detector: FaceDetector, name: str) -> None:
    data = pytest.importorskip("skimage.data")
    try:
        picture = getattr(data, name)()
    except Exception as error:  # pictures that scikit-image does not ship would be downloaded
        pytest.skip(f"scikit-image does not hold {name}: {error}")
    if picture.ndim == 2:
        picture = np.stack([picture] * 3, axis=2)
    assert detector.detect(np.ascontiguousarray(picture[:360, :480])) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 3), (13, 14)])
def test_slivers(detector: FaceDetector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.full((*shape, 3), 77, np.uint8)) == []


@pytest.mark.parametrize("shape", [(8, 600), (400, 1), (90, 90)])
def test_nothing_is_found_where_no_face_of_the_size_fits(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    assert create_detector(Settings(min_face=5000)).detect(picture) == []


def test_huge_picture_is_searched_in_bounded_time(
    detector: FaceDetector, astronaut: NDArray[np.uint8]
) -> None:
    huge = cv2.resize(astronaut, (3600, 3900), interpolation=cv2.INTER_LINEAR)
    started = time.perf_counter()
    (face,) = detector.detect(huge)
    assert time.perf_counter() - started < 20
    (small,) = detector.detect(astronaut)
    scale = np.array([3600 / 512, 3900 / 512] * 2)
    np.testing.assert_allclose(face.box, np.array(small.box) * scale, rtol=0.08)


def test_search_is_bounded_whatever_the_size() -> None:
    """The finest level of any search stays under the limit: counted, without running the networks."""
    asked: list[float] = []

    class Counting:
        def detect(self, image: NDArray[np.uint8], min_size: float) -> list[Face]:
            asked.append(image.shape[0] * image.shape[1] * (12 / min_size) ** 2)
            return []

    for shape in ((100, 100), (1080, 1920), (4000, 3000), (20, 90_000)):
        PatientDetector(Counting(), 16).detect(np.zeros((*shape, 3), np.uint8))
    assert len(asked) >= 4
    assert max(asked) <= 3_000_001


def test_nasty_files(detector: FaceDetector, shared: Path) -> None:
    from PIL import Image

    def faces(name: str) -> list[Face]:
        return detector.detect(np.asarray(Image.open(shared / "data" / "nasty" / name).convert("RGB")))

    assert len(faces("face_many.jpg")) == 12
    assert faces("none_coffee.jpg") == []
    (small,) = faces("small_face.jpg")
    assert 12 < small.box.height < 22


@given(turns=st.integers(0, 3), height=st.integers(2, 50), width=st.integers(2, 50), data=st.data())
def test_turning_back_undoes_rot90(turns: int, height: int, width: int, data: st.DataObject) -> None:
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    picture = np.zeros((height, width), np.uint8)
    picture[row, column] = 1
    i, j = np.argwhere(np.rot90(picture, turns))[0]
    face = Face(Box(j, i, j + 1, i + 1), np.full((5, 2), (j + 0.5, i + 0.5), np.float32), 0.9)
    back = turn_back(face, turns, height, width)
    assert back.box == (column, row, column + 1, row + 1)
    np.testing.assert_array_equal(back.landmarks, np.full((5, 2), (column + 0.5, row + 0.5), np.float32))


def test_reference_detector_agrees(astronaut: NDArray[np.uint8], detector: FaceDetector) -> None:
    need("torch", "torchvision", "facenet_pytorch")
    (theirs,) = create_detector(Settings(detector="facenet-pytorch", threads=1)).detect(astronaut)
    (ours,) = detector.detect(astronaut)
    np.testing.assert_allclose(ours.box, theirs.box, atol=1)


def test_reference_detector_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "facenet_pytorch", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'dfdetect\[torch\]'"):
        create_detector(Settings(detector="facenet-pytorch"))
