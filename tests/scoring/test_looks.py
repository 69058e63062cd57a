"""A second, closer look at the faces of photos: what a card says of it, and what comes of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scoring_nets import CALIBRATION, SIZE, make_folder, tiny_expert

from dfdetect import Detector
from dfdetect.errors import ModelError
from dfdetect.faces.crop import CropSpec
from dfdetect.results import MediaKind, ScanResult
from dfdetect.scoring.card import Closer, ModelCard, parse_card, read_card
from dfdetect.scoring.models import save_calibration, write_card
from dfdetect.scoring.scorer import Scores

DATA = Path(__file__).resolve().parents[2] / "data"


def folder(path: Path, zoom: float, closer: Closer | None = None) -> Path:
    """A model of one network that looks at a face upright."""
    made = make_folder(path)
    expert = dataclasses.replace(tiny_expert("cnn0"), crop=CropSpec("upright", SIZE, zoom))
    write_card(made, ModelCard(name="tiny", version="1.0", experts=(expert,), closer=closer))
    save_calibration(made, CALIBRATION)
    return made


def logits(result: ScanResult) -> list[float]:
    return [face.logit for track in result.tracks for face in track.faces]


@pytest.fixture
def scans(tmp_path: Path) -> dict[str, Detector]:
    sizes = {"wide": (1.4, None), "close": (1.1, None), "both": (1.4, Closer(1.1, 0.25))}
    return {
        name: Detector(model=str(folder(tmp_path / name, *zooms)), heatmaps=True, frames=3)
        for name, zooms in sizes.items()
    }


def test_a_photo_gets_the_mean_of_both_looks(scans: dict[str, Detector]) -> None:
    found = {name: scan.scan(DATA / "astronaut.jpg") for name, scan in scans.items()}
    wide, close, both = (logits(found[name]) for name in ("wide", "close", "both"))
    assert abs(wide[0] - close[0]) > 1e-4
    assert both == pytest.approx([0.75 * wide[0] + 0.25 * close[0]])
    (face,) = found["both"].tracks[0].faces
    assert face.experts == pytest.approx(both)
    (first,) = found["wide"].tracks[0].faces
    assert face.heatmap is not None
    # That of the first look, moved as a whole.
    moved = np.array(face.heatmap) - np.array(first.heatmap)
    assert moved == pytest.approx(both[0] - wide[0], abs=1e-5)


def test_a_video_gets_one_look_a_frame(scans: dict[str, Detector]) -> None:
    wide, both = (logits(scans[name].scan(DATA / "moving.mp4")) for name in ("wide", "both"))
    assert wide == both
    assert len(wide) == 3


def test_a_card_says_how_a_face_is_cut_out(tmp_path: Path) -> None:
    card = read_card(folder(tmp_path / "m", 1.4, Closer(1.2, 0.25)))
    assert card.closer == Closer(1.2, 0.25)
    assert shown(card, MediaKind.PHOTO) == [(0.75, [1.4]), (0.25, [1.2])]
    assert shown(card, MediaKind.VIDEO) == [(1.0, [1.4])]
    aligned = dataclasses.replace(tiny_expert("aligned"), crop=CropSpec("five_point", SIZE, 0.9))
    two = dataclasses.replace(card, experts=(aligned, card.experts[0]))
    assert shown(two, MediaKind.PHOTO) == [(0.75, [0.9, 1.4]), (0.25, [0.9, 1.2])]


def shown(card: ModelCard, kind: MediaKind) -> list[tuple[float, list[float]]]:
    return [(look.weight, [crop.zoom for crop in look.crops]) for look in card.looks(kind)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("zoom", 0.1), ("zoom", 9), ("zoom", True), ("weight", 0), ("weight", 1), ("weight", "a")],
)
def test_a_second_look_that_is_none_is_refused(tmp_path: Path, name: str, value: object) -> None:
    path = folder(tmp_path / "m", 1.4, Closer(1.2, 0.25)) / "card.json"
    values = json.loads(path.read_text("utf-8"))
    values["closer"][name] = value
    with pytest.raises(ModelError, match=f"closer.*{name}"):
        parse_card(values, path)


def test_the_mean_of_several_looks() -> None:
    experts = np.array([[1.0, 5.0], [3.0, 7.0], [0.0, 0.0], [1.0, 4.0]])
    heat = np.stack([np.full((2, 2), value, np.float32) for value in (1, 2, 3, 4)])
    found = Scores(experts, experts.sum(axis=1), heat).averaged([0.75, 0.25])
    assert found.experts.tolist() == [[1.5, 5.5], [0.25, 1.0]]
    assert found.fused.tolist() == [7.0, 1.25]
    assert found.heatmaps is not None
    assert found.heatmaps[:, 0, 0].tolist() == [2.0, 4.25]
