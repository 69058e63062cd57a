from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from dfdetect.errors import InputError
from dfdetect.faces.crop import CropSpec
from dfdetect.results import Box
from dfdetect.train.recipe import Recipe
from dfdetect.train.table import FaceRow, read_faces, read_picture
from tests.train.faces import make_crop_folder, require_training

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from dfdetect.train.forge.decoder import (  # noqa: E402
    TinyAutoencoder,
    Twin,
    decoder_twins,
    make_twin,
    read_twins,
)

POOLED = {"encoder": (11, 12, 13), "decoder": (3, 4, 5)}
PLAIN = {"encoder": (1, 3, 4, 5, 7, 8, 9), "decoder": (8, 9, 10, 13, 14, 15, 18)}
BARE = {"encoder": (2, 6, 10), "decoder": (7, 12, 17)}
ENDS = {"encoder": {0: (64, 3), 14: (32, 64)}, "decoder": {1: (64, 32), 19: (3, 64)}}


def random_weights(path: Path, seed: int = 0) -> Path:
    """A file with the names and shapes of taef2, filled with noise."""
    torch.manual_seed(seed)
    values = {}
    for side in ("encoder", "decoder"):
        for k in (*PLAIN[side], *POOLED[side]):
            for j in (0, 2, 4):
                values[f"{side}.{k}.conv.{j}.weight"] = torch.randn(64, 64, 3, 3) * 0.02
                values[f"{side}.{k}.conv.{j}.bias"] = torch.zeros(64)
        for k in POOLED[side]:
            values[f"{side}.{k}.pool.0.weight"] = torch.randn(256, 64, 1, 1) * 0.1
            values[f"{side}.{k}.pool.1.weight"] = torch.ones(256)
            values[f"{side}.{k}.pool.1.bias"] = torch.zeros(256)
            values[f"{side}.{k}.pool.3.weight"] = torch.randn(64, 256, 1, 1) * 0.03
        for k in BARE[side]:
            values[f"{side}.{k}.weight"] = torch.randn(64, 64, 3, 3) * 0.05
        for k, (out, into) in ENDS[side].items():
            values[f"{side}.{k}.weight"] = torch.randn(out, into, 3, 3) * 0.1
            values[f"{side}.{k}.bias"] = torch.full((out,), 0.1)
    safetensors.save_file({k: v.half() for k, v in values.items()}, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[FaceRow]:
    """Faces of 56 x 60 px: the autoencoder is slow."""
    small = []
    for row in read_faces(make_crop_folder(tmp_path_factory.mktemp("faces"), sources=2, per_source=2)):
        picture = cv2.resize(read_picture(row), (60, 56), interpolation=cv2.INTER_AREA)
        PIL.Image.fromarray(picture).save(row.path)
        box = Box(*(0.4 * side for side in (row.box.x0, row.box.y0, row.box.x1, row.box.y1)))
        small.append(replace(row, box=box, five=row.five * np.float32(0.4)))
    return small


@pytest.fixture(scope="module")
def picture(rows: list[FaceRow]) -> np.ndarray:
    return np.ascontiguousarray(read_picture(rows[0])[:, :53])


def test_latents_are_an_eighth_in_size_and_come_back_as_pictures(weights: Path) -> None:
    net = TinyAutoencoder(weights)
    latents = net.encode(np.full((2, 48, 40, 3), 90, np.uint8))
    assert tuple(latents.shape) == (2, 32, 6, 5)
    back = net.decode(latents)
    assert back.shape == (2, 48, 40, 3)
    assert back.dtype == np.uint8
    assert (back[0] == back[1]).all()


def test_a_face_twin_changes_the_face_only_and_keeps_odd_sizes(weights: Path, picture: np.ndarray) -> None:
    face = np.zeros(picture.shape[:2], np.float32)
    face[20:40, 20:40] = 1
    made = make_twin(
        picture, face, Twin("face", 0.1, 0.0), TinyAutoencoder(weights), np.random.default_rng(0)
    )
    assert made.shape == picture.shape
    assert (made[face == 0] == picture[face == 0]).all()
    assert (made[face == 1] != picture[face == 1]).any()


def test_noise_and_another_person_change_a_twin(weights: Path, picture: np.ndarray) -> None:
    net, face = TinyAutoencoder(weights), np.zeros(picture.shape[:2], np.float32)
    face[10:50, 10:50] = 1
    other = np.ascontiguousarray(255 - picture)
    plain, noisy, mixed = (
        make_twin(picture, face, twin, net, np.random.default_rng(0), other)
        for twin in (Twin("whole", 0.0, 0.0), Twin("whole", 0.5, 0.0), Twin("whole", 0.0, 0.6))
    )
    assert (plain != noisy).any()
    assert (plain != mixed).any()


def test_twins_are_a_crop_folder_paired_with_their_reals(
    weights: Path, rows: list[FaceRow], tmp_path: Path
) -> None:
    twins = decoder_twins(rows, weights, tmp_path / "twins", 3, np.random.default_rng(1))
    reals = {row.name: row for row in rows if not row.fake}
    assert len(twins) == 3
    assert len({twin.pair for twin in twins}) == 3
    for twin in twins:
        real = reals[str(twin.pair)]
        assert (twin.fake, twin.family, twin.method) == (True, "gan_image", "taef2")
        assert (twin.source, twin.group, twin.medium) == (real.source, real.group, real.medium)
        assert twin.box == real.box
        assert (twin.five == real.five).all()
        assert read_picture(twin).shape == read_picture(real).shape
        assert (read_picture(twin) != read_picture(real)).any()
    assert [row.path for row in read_faces(tmp_path / "twins")] == [row.path for row in twins]


def test_twins_that_are_there_are_not_made_again(weights: Path, rows: list[FaceRow], tmp_path: Path) -> None:
    first = decoder_twins(rows, weights, tmp_path, 2, np.random.default_rng(1))
    times = [Path(row.path).stat().st_mtime_ns for row in first]
    more = decoder_twins(rows, weights, tmp_path, 3, np.random.default_rng(1))
    assert [row.name for row in more[:2]] == [row.name for row in first]
    again = decoder_twins(rows, weights, tmp_path, 2, np.random.default_rng(1))
    assert [row.name for row in again] == [row.name for row in first]
    assert [Path(row.path).stat().st_mtime_ns for row in again] == times


def test_another_autoencoder_makes_its_own_twins(weights: Path, rows: list[FaceRow], tmp_path: Path) -> None:
    other = random_weights(tmp_path / "other.safetensors", seed=1)
    (first,) = decoder_twins(rows, weights, tmp_path / "twins", 1, np.random.default_rng(1))
    (second,) = decoder_twins(rows, other, tmp_path / "twins", 1, np.random.default_rng(1))
    assert first.pair == second.pair
    assert (read_picture(first) != read_picture(second)).any()


def test_a_twin_is_stored_with_the_tables_of_its_real(
    weights: Path, rows: list[FaceRow], tmp_path: Path
) -> None:
    path = tmp_path / "real.jpg"
    PIL.Image.fromarray(read_picture(rows[0])).save(path, quality=71, subsampling=2)
    (twin,) = decoder_twins(
        [replace(rows[0], path=str(path))], weights, tmp_path, 1, np.random.default_rng(0)
    )
    with PIL.Image.open(path) as real, PIL.Image.open(twin.path) as made:
        assert real.quantization == made.quantization
        assert real.layer == made.layer  # the sampling of each channel


def test_wrong_weights_and_no_reals_are_refused(rows: list[FaceRow], weights: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"not weights")
    with pytest.raises(InputError, match="taef2"):
        TinyAutoencoder(wrong)
    with pytest.raises(InputError, match="real faces"):
        decoder_twins([r for r in rows if r.fake], weights, tmp_path, 1, np.random.default_rng(0))


def test_training_makes_the_twins_that_its_recipe_asks_for(weights: Path, tmp_path: Path) -> None:
    require_training()
    from dfdetect.train.check import Inputs
    from dfdetect.train.run import run

    data = make_crop_folder(tmp_path / "crops", sources=2, per_source=2)
    spec = CropSpec("five_point", 64, 0.9)
    shares = {"self_blend": 0.0, "warp": 0.0, "swap": 0.0, "twin": 0.5}
    recipe = Recipe("test_efficientnet", crops=(spec,), steps=1, batch=4, twins=2, **shares)
    run(Inputs((data,), tmp_path / "work", decoder=weights), recipe, tmp_path / "model", workers=0)
    assert len(read_twins(tmp_path / "work" / "twins")) == 2
    card = json.loads((tmp_path / "model" / "card.json").read_text(encoding="utf-8"))
    assert card["recipe"]["twin"] == 0.5
