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
from dfdetect.faces.detect import FaceDetector, PatientDetector, create_detector
from dfdetect.faces.mtcnn import Mtcnn
from dfdetect.faces.turns import turn_back, turns_to_upright
from dfdetect.results import Box, Face, ModelStamp
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


def beside_a_small_copy(
    large: NDArray[np.uint8], copy: NDArray[np.uint8], size: int, shape: tuple[int, int] = (760, 720)
) -> NDArray[np.uint8]:
    """`large`, and in the upper left corner of the same picture a copy of `copy`, `size` pixels high."""
    picture = np.full((*shape, 3), 235, np.uint8)
    picture[200 : 200 + large.shape[0], 100 : 100 + large.shape[1]] = large
    picture[:size, :size] = cv2.resize(copy, (size, size), interpolation=cv2.INTER_AREA)
    return picture


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rolled_face_is_found_beside_a_small_upright_one(
    detector: FaceDetector, astronaut: NDArray[np.uint8], turns: int
) -> None:
    upright = astronaut[:, 60:]
    (alone,) = detector.detect(upright)
    picture = beside_a_small_copy(np.rot90(upright, turns), astronaut[20:220, 120:320], 100)
    large, small = detector.detect(picture)
    moved = Face(Box(*np.subtract(large.box, [100, 200] * 2)), large.landmarks - np.float32([100, 200]), 1.0)
    back = turn_back(moved, turns, *upright.shape[:2])
    np.testing.assert_allclose(back.box, alone.box, atol=8)
    np.testing.assert_allclose(back.landmarks, alone.landmarks, atol=6)
    assert small.box.x1 <= 100
    assert small.box.y1 <= 100


def test_rolled_face_beside_a_small_upright_one_in_a_large_picture(
    detector: FaceDetector, astronaut: NDArray[np.uint8]
) -> None:
    picture = beside_a_small_copy(np.rot90(astronaut), astronaut[20:220, 120:320], 100)
    boxes = [np.array(face.box) for face in detector.detect(picture)]
    assert len(boxes) == 2
    picture = cv2.resize(picture, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)  # is shrunk, then halved
    assert picture.shape[0] * picture.shape[1] > 8_000_000
    for face, box in zip(detector.detect(picture), boxes, strict=True):
        np.testing.assert_allclose(face.box, 4 * box, atol=40)


def test_rolled_face_that_is_no_larger_than_an_upright_one_is_left_out(
    detector: FaceDetector, astronaut: NDArray[np.uint8]
) -> None:
    picture = beside_a_small_copy(np.rot90(astronaut), astronaut[20:220, 120:320], 190)
    (face,) = detector.detect(picture)
    assert face.box.x1 <= 190


class Searched:
    """Finds `faces` in the upright picture and `rolled` in every turned one; counts the searches."""

    stamp = ModelStamp("searched", "1", {})

    def __init__(self, faces: list[Face], rolled: list[Face]) -> None:
        self.faces, self.rolled = faces, rolled
        self.searches = 0

    def detect(self, image: NDArray[np.uint8], min_size: float) -> list[Face]:
        self.searches += 1
        return self.rolled if image[0, 0, 0] == 0 else self.faces

    def in_every_turn(self, image: NDArray[np.uint8], face: Face) -> list[Face]:
        return []


def square(x: float, y: float, size: float, probability: float = 1.0) -> Face:
    return Face(Box(x, y, x + size, y + size), np.zeros((5, 2), np.float32), probability)


UPRIGHT = [square(10, 10, 50), square(70, 10, 40)]
CORNER = np.zeros((480, 480, 3), np.uint8)
CORNER[0, 0] = 255  # so that the picture and its turned copies can be told apart


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_face_that_is_taken_for_an_upright_one_is_turned(
    detector: FaceDetector, mtcnn: Mtcnn, astronaut: NDArray[np.uint8], turns: int
) -> None:
    (upright,) = detector.detect(astronaut)
    lying = np.ascontiguousarray(np.rot90(astronaut, -turns))
    if turns == 1:
        (mistaken,) = mtcnn.detect(lying, 32)
        assert turns_to_upright(mistaken.landmarks) == 0
    (face,) = detector.detect(lying)
    assert turns_to_upright(face.landmarks) == turns
    expected = turn_back(upright, turns, *lying.shape[:2])
    np.testing.assert_allclose(face.box, expected.box, atol=0.1 * upright.box.height)
    np.testing.assert_allclose(face.landmarks, expected.landmarks, atol=0.08 * upright.box.height)


def test_an_upright_face_that_is_taken_for_a_turned_one_is_upright() -> None:
    """Only the upright search was not sure of it."""
    landmarks = np.array([[40, 10], [40, 50], [30, 30], [15, 10], [15, 50]], np.float32)
    mistaken = Face(Box(200.0, 200.0, 260.0, 260.0), landmarks, 0.985)
    assert turns_to_upright(landmarks) == 1

    class Doubtful(Searched):
        chances = (0.986, 0.985, 0.985, 0.985)

        def in_every_turn(self, image: NDArray[np.uint8], face: Face) -> list[Face]:
            return [square(200, 200, 60 + turns, self.chances[turns]) for turns in range(4)]

    (found,) = PatientDetector(Doubtful([], [mistaken]), 40).detect(CORNER)
    assert (found.box.width, found.probability) == (60, 0.986)
    Doubtful.chances = (0.9, 0.985, 0.985, 0.985)
    (found,) = PatientDetector(Doubtful([], [mistaken]), 40).detect(CORNER)
    assert found.probability == 0.985


@pytest.mark.parametrize(
    ("rolled", "kept"),
    [
        (square(200, 200, 100), True),
        (square(200, 200, 55), False),
        (square(200, 200, 100, 0.985), False),
        (square(330, 330, 100), True),
    ],
    ids=["larger", "as large", "unsure", "further off"],
)
def test_which_rolled_face_counts_beside_upright_ones(rolled: Face, kept: bool) -> None:
    found = PatientDetector(Searched(UPRIGHT, [rolled]), 40).detect(CORNER)
    assert len(found) == 2 + kept
    assert found[-2:] == UPRIGHT
    areas = [f.box.width * f.box.height for f in found]
    assert areas == sorted(areas, reverse=True)


def test_an_upright_face_is_not_found_once_more_in_the_turned_picture() -> None:
    around = square(5, 5, 470)  # touches them however it is turned
    assert PatientDetector(Searched(UPRIGHT, [around]), 40).detect(CORNER) == UPRIGHT


def test_a_turn_that_is_liked_at_first_sight_alone_is_not_taken() -> None:
    chances = [(0.98, 0.5, 0.999, 0.5), (0.98, 0.5, 0.955, 0.5)]

    class Fickle(Searched):
        def in_every_turn(self, image: NDArray[np.uint8], face: Face) -> list[Face]:
            return [square(200, 200, 100 + turns, chance) for turns, chance in enumerate(chances.pop(0))]

    upright = square(200, 200, 120, 0.98)
    assert PatientDetector(Fickle([upright], []), 40).detect(CORNER) == [upright]
    chances[:] = [(0.98, 0.5, 0.999, 0.5), (0.98, 0.5, 0.999, 0.5)]
    (turned,) = PatientDetector(Fickle([upright], []), 40).detect(CORNER)
    assert turned.box.width == 102


def test_the_largest_comes_first_also_of_turned_faces() -> None:
    class Growing(Searched):
        def in_every_turn(self, image: NDArray[np.uint8], face: Face) -> list[Face]:
            return [square(300, 300, 140, chance) for chance in (0.5, 0.9999, 0.5, 0.5)]

    sure, turned = square(10, 10, 130), square(300, 300, 120, 0.98)
    found = PatientDetector(Growing([sure, turned], []), 40).detect(CORNER)
    assert [face.box.width for face in found] == [140, 130]


@pytest.mark.parametrize(("size", "searches"), [(60, 4), (120, 1), (300, 1)])
def test_the_picture_is_turned_only_where_upright_faces_are_small(size: float, searches: int) -> None:
    searcher = Searched([square(10, 10, size)], [])
    assert len(PatientDetector(searcher, 40).detect(CORNER)) == 1
    assert searcher.searches == searches


@pytest.mark.parametrize(("count", "searches"), [(3, 4), (4, 1)])
def test_the_picture_of_a_group_is_not_turned(count: int, searches: int) -> None:
    searcher = Searched([square(10 + 60 * i, 10, 50) for i in range(count)], [])
    assert len(PatientDetector(searcher, 40).detect(CORNER)) == count
    assert searcher.searches == searches


def test_a_coarser_search_does_not_turn_the_picture_either() -> None:
    searcher = Searched(UPRIGHT, [])
    PatientDetector(searcher, 40).detect(CORNER, 100.0)
    assert searcher.searches == 1


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
    with pytest.raises(MissingExtraError, match=r'pip install "dfdetect\[torch\]"'):
        create_detector(Settings(detector="facenet-pytorch"))
