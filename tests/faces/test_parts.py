"""Quality, crops, the mesh and the stand-in for torchvision's compiled part."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfdetect.errors import ModelError
from dfdetect.faces.crop import CropSpec, crop_matrix, cut
from dfdetect.faces.mesh import FaceMesh
from dfdetect.faces.mtcnn import Mtcnn
from dfdetect.faces.quality import measure_quality
from dfdetect.faces.turns import turn_back
from dfdetect.packaged import MODELS, required
from dfdetect.results import Box, Face

from .conftest import need

ALIGNED = CropSpec("five_point", 112, 0.9)


@pytest.fixture(scope="module")
def face(astronaut: NDArray[np.uint8], mtcnn: Mtcnn) -> Face:
    return mtcnn.detect(astronaut, 40)[0]


class TestQuality:
    def test_of_a_plain_photo(self, astronaut: NDArray[np.uint8], face: Face) -> None:
        quality = measure_quality(astronaut, face)
        assert quality.size == pytest.approx(face.box.height)
        assert quality.sharpness > 100
        assert 0.3 < quality.brightness < 0.8
        assert 0.1 < quality.contrast < 0.4

    def test_blur_lowers_sharpness(self, astronaut: NDArray[np.uint8], face: Face) -> None:
        values = [
            measure_quality(cv2.GaussianBlur(astronaut, (0, 0), sigma), face).sharpness for sigma in (1, 3, 6)
        ]
        assert values[0] > 4 * values[1] > 4 * values[2]

    def test_darkness(self, astronaut: NDArray[np.uint8], face: Face) -> None:
        plain, dark = measure_quality(astronaut, face), measure_quality(astronaut // 8, face)
        assert dark.brightness == pytest.approx(plain.brightness / 8, abs=0.01)
        assert dark.contrast == pytest.approx(plain.contrast / 8, abs=0.01)

    @given(x=st.floats(-500, 1000), y=st.floats(-500, 1000), w=st.floats(0.1, 900), h=st.floats(0.1, 900))
    def test_any_box(self, x: float, y: float, w: float, h: float) -> None:
        image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        quality = measure_quality(image, Face(Box(x, y, x + w, y + h), np.zeros((5, 2), np.float32), 1.0))
        assert quality.size == pytest.approx(h)
        assert quality.sharpness >= 0
        assert 0 <= quality.brightness <= 1
        assert 0 <= quality.contrast <= 0.5


class TestCrop:
    def test_levels_the_eyes(self, astronaut: NDArray[np.uint8], mtcnn: Mtcnn) -> None:
        turn = cv2.getRotationMatrix2D((225, 120), 20, 1.0)
        (tilted,) = mtcnn.detect(np.asarray(cv2.warpAffine(astronaut, turn, (512, 512)), np.uint8), 40)
        matrix = crop_matrix(tilted.box, tilted.landmarks, ALIGNED)
        left, right = (tilted.landmarks @ matrix[:, :2].T + matrix[:, 2])[:2]
        assert abs(left[1] - right[1]) < 4
        assert right[0] - left[0] > 25

    def test_places_pixels_where_the_matrix_says(self) -> None:
        ramp = np.zeros((200, 300, 3), np.uint8)
        ramp[..., 0] = np.arange(300) // 2
        ramp[..., 1] = np.arange(200)[:, None]
        box = Box(100.0, 50.0, 180.0, 150.0)
        for size in (40, 112, 200):  # shrunk, enlarged a little, enlarged
            crop = cut(ramp, box, np.zeros((5, 2), np.float32), CropSpec("upright", size, 1.2))
            # The middle of the crop is the middle of the box.
            middle = crop[size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1].reshape(-1, 3).mean(0)
            np.testing.assert_allclose(middle[:2], [140 / 2, 100], atol=1.5)

    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_a_face_on_its_side_gives_the_crop_of_the_upright_one(
        self, astronaut: NDArray[np.uint8], face: Face, turns: int
    ) -> None:
        lying = np.ascontiguousarray(np.rot90(astronaut, -turns))
        found = turn_back(face, turns, *lying.shape[:2])
        for size, tolerance in ((224, 0.1), (64, 3.0)):  # small crops are averaged from whole pixels first
            spec = CropSpec("upright", size, 1.4)
            upright = cut(astronaut, face.box, face.landmarks, spec)
            crop = cut(lying, found.box, found.landmarks, spec)
            assert np.abs(crop.astype(float) - upright).mean() < tolerance

    def test_a_tilted_head_is_left_as_it_is(self, astronaut: NDArray[np.uint8], face: Face) -> None:
        middle = face.landmarks.mean(axis=0)
        for angle in np.deg2rad([-40, 40]):
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            tilted = (face.landmarks - middle) @ turn.T + middle
            matrix = crop_matrix(face.box, tilted, CropSpec("upright", 64, 1.4))
            assert matrix[0, 0] == matrix[1, 1] > 0
            assert matrix[0, 1] == matrix[1, 0] == 0

    def test_beyond_the_border_repeats_the_last_pixel(self) -> None:
        image = np.full((50, 50, 3), 200, np.uint8)
        crop = cut(
            image, Box(30.0, 30.0, 90.0, 90.0), np.zeros((5, 2), np.float32), CropSpec("upright", 64, 1.5)
        )
        assert (crop == 200).all()

    @given(
        x=st.floats(-300, 300), y=st.floats(-300, 300), side=st.floats(0.01, 4000), seed=st.integers(0, 99)
    )
    def test_any_box_gives_a_crop(self, x: float, y: float, side: float, seed: int) -> None:
        image = np.zeros((40, 60, 3), np.uint8)
        points = np.random.default_rng(seed).normal(0, side, (5, 2)).astype(np.float32)
        for spec in (CropSpec("upright", 32, 1.3), CropSpec("five_point", 32, 0.8)):
            assert cut(image, Box(x, y, x + side, y + side), points, spec).shape == (32, 32, 3)

    @pytest.mark.parametrize(
        "values", [{}, {"align": "x", "size": 1, "zoom": 1}, {"align": "upright", "size": "a"}]
    )
    def test_bad_cards(self, values: dict[str, Any]) -> None:
        with pytest.raises(ModelError):
            CropSpec.from_mapping(values)


class TestMesh:
    def test_points_lie_on_the_face(self, shared: Path, astronaut: NDArray[np.uint8], face: Face) -> None:
        mesh = FaceMesh(shared / "weights" / "face_landmark.onnx")
        points, score = mesh.landmarks(astronaut, face)
        assert points.shape == (468, 2)
        assert points.dtype == np.float32
        assert score > 5
        # Points 33 and 263 are the outer corners of the eyes, 1 is the tip of the nose.
        np.testing.assert_allclose((points[33] + points[133]) / 2, face.landmarks[0], atol=6)
        np.testing.assert_allclose((points[263] + points[362]) / 2, face.landmarks[1], atol=6)
        np.testing.assert_allclose(points[1], face.landmarks[2], atol=10)
        _, elsewhere = mesh.landmarks(astronaut[::-1], face)
        assert elsewhere < score

    def test_other_files_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="cannot be loaded"):
            FaceMesh(tmp_path / "missing.onnx")
        with pytest.raises(ModelError, match="not the face mesh network"):
            FaceMesh(required(MODELS) / "mtcnn" / "rnet.onnx")


class TestTorchvision:
    def test_suppression_equals_torchvisions(self) -> None:
        need("torch", "torchvision")
        import torch

        from dfdetect.faces.torchvision_nms import ensure_torchvision, nms

        boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 10, 9.0]])
        scores = torch.tensor([0.5, 0.9, 0.1, 0.5])
        assert nms(boxes, scores, 0.5).tolist() == [1, 2]
        assert nms(boxes, scores, 0.8).tolist() == [1, 0, 2]
        assert nms(boxes[:0], scores[:0], 0.5).tolist() == []
        ensure_torchvision()
        from torchvision.ops import batched_nms

        assert batched_nms(boxes, scores, torch.tensor([0, 1, 0, 0]), 0.5).tolist() == [1, 0, 2]

    def test_import_works_in_a_fresh_process(self) -> None:
        need("torch", "torchvision")
        code = (
            "from dfdetect.faces.torchvision_nms import ensure_torchvision as e\n"
            "print(e() == e()); import torchvision.transforms, torchvision.ops; print('imported')"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["True", "imported"]


def test_detecting_imports_no_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from dfdetect.settings import Settings\n"
        "from dfdetect.faces.detect import create_detector\n"
        "create_detector(Settings()).detect(np.zeros((64, 64, 3), np.uint8))\n"
        "print([m for m in ('torch', 'torchvision', 'facenet_pytorch', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
