"""The networks, the resampling and the suppression; agreement with facenet-pytorch itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfdetect.errors import ModelError
from dfdetect.faces.levels import Level, pyramid, warm
from dfdetect.faces.mtcnn import Mtcnn, suppress
from dfdetect.faces.pooling import Pooler, bins
from dfdetect.packaged import MODELS, required
from dfdetect.results import Face

from .conftest import need

MODEL = required(MODELS) / "mtcnn"


def test_finds_the_face_and_puts_landmarks_inside_it(astronaut: NDArray[np.uint8], mtcnn: Mtcnn) -> None:
    (face,) = mtcnn.detect(astronaut, 40)
    assert face.probability > 0.99
    assert 150 < face.box.x0 < 225 < face.box.x1 < 300
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    assert (face.landmarks > face.box[:2]).all()
    assert (face.landmarks < face.box[2:]).all()


def test_largest_comes_first(astronaut: NDArray[np.uint8], mtcnn: Mtcnn) -> None:
    picture = np.zeros((512, 800, 3), np.uint8)
    picture[:200, :200] = astronaut[:400:2, 20:420:2]
    picture[:, 288:] = astronaut
    first, second = mtcnn.detect(picture, 24)
    assert first.box.x0 > 288
    assert first.box.height > 1.7 * second.box.height


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (11, 11), (12, 12), (300, 13)])
def test_pictures_without_room_for_a_face(shape: tuple[int, int], mtcnn: Mtcnn) -> None:
    assert mtcnn.detect(np.full((*shape, 3), 90, np.uint8), 12) == []


def test_strips_change_nothing(
    astronaut: NDArray[np.uint8], mtcnn: Mtcnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = mtcnn.detect(astronaut[:301, :447], 20)
    monkeypatch.setattr("dfdetect.faces.levels._STRIP", 4000)
    strips = mtcnn.detect(astronaut[:301, :447], 20)
    assert len(whole) == len(strips) == 1
    np.testing.assert_allclose(strips[0].box, whole[0].box, atol=0.01)


def test_threads_change_nothing(twelve: NDArray[np.uint8], mtcnn: Mtcnn) -> None:
    for ours, theirs in zip(mtcnn.detect(twelve, 14), Mtcnn(threads=2).detect(twelve, 14), strict=True):
        assert ours.box == theirs.box
        assert ours.probability == theirs.probability
        np.testing.assert_array_equal(ours.landmarks, theirs.landmarks)


class TestGlance:
    """The finest levels are searched only where the next coarser one gives a hint."""

    @pytest.fixture
    def wide(self, astronaut: NDArray[np.uint8], coffee: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Faces 26 to 54 px high in every corner of a picture that is empty, smooth or busy elsewhere."""
        picture = np.full((640, 960, 3), 120, np.uint8)
        picture[:, 480:] = np.linspace(40, 200, 640)[:, None, None]
        picture[200:500, 200:600] = coffee[50:350, 100:500]
        for number, side in enumerate((70, 80, 90, 100, 115, 130, 145)):
            face = cv2.resize(astronaut[:300, 80:380], (side, side), interpolation=cv2.INTER_AREA)
            x, y = (7 + 131 * number, 9) if number < 4 else (800 - 160 * (number - 4), 640 - side)
            picture[y : y + side, x : x + side] = face
        return picture

    @pytest.mark.parametrize("min_size", [24, 20, 14])
    def test_finds_the_same_faces(
        self, wide: NDArray[np.uint8], mtcnn: Mtcnn, monkeypatch: pytest.MonkeyPatch, min_size: float
    ) -> None:
        quick = mtcnn.detect(wide, min_size)
        monkeypatch.setattr("dfdetect.faces.mtcnn._FINEST", 0)
        slow = mtcnn.detect(wide, min_size)
        assert len(quick) == len(slow) >= 7
        for a, b in zip(quick, slow, strict=True):
            np.testing.assert_allclose(a.box, b.box, atol=0.01)
            assert a.probability == pytest.approx(b.probability, abs=1e-4)

    def test_looks_at_fewer_pixels(
        self, wide: NDArray[np.uint8], mtcnn: Mtcnn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = [0]
        part = Pooler.part

        def counting(pooler: Pooler, rows: slice, columns: slice, height: int, width: int) -> Any:
            pixels = part(pooler, rows, columns, height, width)
            seen[0] += pixels.size
            return pixels

        monkeypatch.setattr(Pooler, "part", counting)
        mtcnn.detect(wide, 20)
        quick, seen[0] = seen[0], 0
        monkeypatch.setattr("dfdetect.faces.mtcnn._FINEST", 0)
        mtcnn.detect(wide, 20)
        assert quick < 0.8 * seen[0]


@pytest.fixture(scope="module")
def reference() -> Any:
    need("torch", "torchvision", "facenet_pytorch")
    from dfdetect.faces.reference import FacenetMtcnn

    return FacenetMtcnn()


class TestAgreement:
    """Within a pixel and a hundredth of what facenet-pytorch finds with its default thresholds."""

    def check(self, ours: list[Face], theirs: list[Face]) -> None:
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.box, b.box, atol=1)
            np.testing.assert_allclose(a.landmarks, b.landmarks, atol=1)
            assert a.probability == pytest.approx(b.probability, abs=0.01)

    @pytest.mark.parametrize("min_size", [20, 37.5])
    def test_one_face(
        self, astronaut: NDArray[np.uint8], mtcnn: Mtcnn, reference: Any, min_size: float
    ) -> None:
        theirs = reference.detect(astronaut, min_size)
        assert len(theirs) == 1
        self.check(mtcnn.detect(astronaut, min_size), theirs)

    def test_odd_size_and_cut_faces(self, astronaut: NDArray[np.uint8], mtcnn: Mtcnn, reference: Any) -> None:
        picture = np.ascontiguousarray(astronaut[91:388, 190:411])
        self.check(mtcnn.detect(picture, 20), reference.detect(picture, 20))

    def test_many_faces(self, twelve: NDArray[np.uint8], mtcnn: Mtcnn, reference: Any) -> None:
        theirs = reference.detect(twelve, 20)
        assert len(theirs) == 12
        by_place = sorted(mtcnn.detect(twelve, 20), key=lambda f: (f.box.y0 // 80, f.box.x0))
        self.check(by_place, sorted(theirs, key=lambda f: (f.box.y0 // 80, f.box.x0)))

    def test_no_face(self, coffee: NDArray[np.uint8], mtcnn: Mtcnn, reference: Any) -> None:
        self.check(mtcnn.detect(coffee, 20), reference.detect(coffee, 20))

    def test_pictures_of_many_sources(self, mtcnn: Mtcnn, reference: Any, shared: Path) -> None:
        from PIL import Image

        seen = 0
        for path in sorted((shared / "data" / "calib").glob("*.jpg"))[::25]:
            picture = np.asarray(Image.open(path).convert("RGB"))
            if picture.size < 2_000_000:
                self.check(mtcnn.detect(picture, 20), reference.detect(picture, 20))
                seen += 1
        assert seen >= 8


class TestModelFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return Path(shutil.copytree(MODEL, tmp_path / "mtcnn"))

    def test_altered_file_is_refused(self, folder: Path) -> None:
        data = bytearray((folder / "rnet.onnx").read_bytes())
        data[1000] ^= 1
        (folder / "rnet.onnx").write_bytes(data)
        with pytest.raises(ModelError, match=r"rnet\.onnx.*sha256"):
            Mtcnn(folder=folder)

    def test_missing_file_is_named(self, folder: Path) -> None:
        (folder / "onet.onnx").unlink()
        with pytest.raises(ModelError, match=r"onet\.onnx"):
            Mtcnn(folder=folder)

    @pytest.mark.parametrize("card", ["", "[]", '{"files": {"pnet": {}}}'])
    def test_broken_card(self, folder: Path, card: str) -> None:
        (folder / "card.json").write_text(card)
        with pytest.raises(ModelError, match=r"card\.json"):
            Mtcnn(folder=folder)

    def test_card_and_page_state_origin_and_licence(self) -> None:
        card = json.loads((MODEL / "card.json").read_text("utf-8"))
        assert card["licence"] == "MIT"
        assert card["origin"].startswith("facenet-pytorch 2.5.3")
        assert "Copyright (c) 2019 Timothy Esler" in (MODEL / "README.md").read_text("utf-8")

    def test_export_reproduces_the_shipped_files(self, tmp_path: Path) -> None:
        need("torch", "torchvision", "facenet_pytorch", "onnx")
        from dfdetect.faces.export import main

        assert main([str(tmp_path / "out")]) == 0
        shipped = json.loads((MODEL / "card.json").read_text("utf-8"))
        again = json.loads((tmp_path / "out" / "card.json").read_text("utf-8"))
        assert again == shipped
        assert (tmp_path / "out" / "README.md").read_bytes() == (MODEL / "README.md").read_bytes()
        assert main([]) == 2


@given(length=st.integers(1, 400), count=st.integers(1, 400))
def test_bins_cover_every_pixel(length: int, count: int) -> None:
    first, last = bins(length, count)
    assert first[0] == 0
    assert last[-1] == length
    assert (last > first).all()
    assert (first[1:] <= last[:-1]).all()
    np.testing.assert_array_equal(first, [i * length // count for i in range(count)])


def test_pooling_is_the_plain_mean_of_whole_pixels() -> None:
    image = np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    for height, width in ((11, 17), (4, 5), (30, 53)):  # also so coarse that it goes another way
        pooled = Pooler(image).part(slice(2, 9), slice(1, width), height, width)
        top, bottom = bins(37, height)
        left, right = bins(53, width)
        for i in range(2, min(9, height)):
            for j in range(1, width):
                mean = image[top[i] : bottom[i], left[j] : right[j]].reshape(-1, 3).mean(0)
                np.testing.assert_allclose(pooled[0, :, i - 2, j - 1], mean, rtol=1e-5)


def test_windows_equal_the_resized_part() -> None:
    image = np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    corners = np.array([[0, 0, 60, 40], [5, 7, 9, 38], [59, 39, 60, 40]])
    windows = Pooler(image).windows(corners, 24)
    for window, (x0, y0, x1, y1) in zip(windows, corners, strict=True):
        part = Pooler(image[y0:y1, x0:x1]).part(slice(24), slice(24), 24, 24)[0]
        np.testing.assert_allclose(window, part, rtol=1e-5)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 330), limit=st.sampled_from([0.3, 0.5, 0.7]))
def test_suppression_equals_the_plain_algorithm(seed: int, count: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 100, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 60, (count, 2))], axis=1).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32)
    expected: list[int] = []
    for i in np.argsort(-scores):
        if all(_overlap(boxes[i], boxes[k]) <= limit for k in expected):
            expected.append(int(i))
    assert suppress(boxes, scores, limit).tolist() == expected


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.clip(sides, 0, None).prod())
    return shared / float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


@given(
    height=st.integers(60, 400), width=st.integers(60, 400), spots=st.integers(0, 6), seed=st.integers(0, 99)
)
def test_parts_hold_every_wanted_window(height: int, width: int, spots: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = Level.of(height, width, 1.0)
    wanted = np.zeros((level.rows, level.columns), bool)
    for _ in range(spots):
        i, j = rng.integers(level.rows), rng.integers(level.columns)
        wanted[i : i + rng.integers(1, 20), j : j + rng.integers(1, 20)] = True
    held = np.zeros_like(wanted)
    for part in level.parts_with(wanted):
        held[part.top : part.bottom, part.left : part.right] = True
        rows, columns = level.pixels(part)
        # Seen by itself, the part has as many windows as it is to have.
        assert -(-(rows.stop - rows.start - 2) // 2) - 4 == part.bottom - part.top
        assert -(-(columns.stop - columns.start - 2) // 2) - 4 == part.right - part.left
        assert rows.stop <= level.height
        assert columns.stop <= level.width
    assert held[wanted].all()
    assert spots or not held.any()


def test_a_warm_spot_is_where_it_was_on_the_coarser_level() -> None:
    fine, coarse = Level.of(400, 300, 0.6), Level.of(400, 300, 0.6 * 0.709)
    logits = np.full((coarse.rows, coarse.columns), -9.0, np.float32)
    logits[20, 30] = -3.0
    places = warm(fine, coarse, logits, -4.0)
    assert places.shape == (fine.rows, fine.columns)
    i, j = np.argwhere(places).mean(axis=0)
    assert (2 * i + 6) / fine.scale == pytest.approx((2 * 20 + 6) / coarse.scale, abs=3)
    assert (2 * j + 6) / fine.scale == pytest.approx((2 * 30 + 6) / coarse.scale, abs=3)
    assert not warm(fine, coarse, logits, -3.0).any()


def test_pyramid_begins_at_the_smallest_face_and_ends_at_twelve_pixels() -> None:
    scales = pyramid(480, 640, 24)
    assert scales[0] == 0.5
    assert 12 <= 480 * scales[-1] < 12 / 0.709
    assert pyramid(11, 640, 12) == []
