"""A network small enough to lie in the tree, and model folders made of it.

``python tests/scoring/scoring_nets.py`` writes ``tiny.onnx`` anew (needs onnx).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from dfdetect.faces.crop import CropSpec
from dfdetect.scoring.card import ExpertCard, ModelCard
from dfdetect.scoring.models import ModelFolder, load_model, save_calibration, write_card

TINY = Path(__file__).with_name("tiny.onnx")
SIZE = 32
CALIBRATION: dict[str, Any] = {
    "format": 1,
    "fusion": {"weights": [1.0], "bias": 0.0},
    "aggregator": {"kind": "mean"},
    "file": {"kind": "max", "track_penalty": 0.0},
    "calibrator": {m: {"kind": "platt", "a": 1.0, "b": 0.0} for m in ("photo", "video")},
    "band": {"error_rate": 0.1, "photo": [0.2, 0.8], "video": [0.2, 0.8]},
    "prior": 0.5,
}


def tiny_expert(name: str = "cnn", zoom: float = 0.7) -> ExpertCard:
    return ExpertCard(
        name=name,
        file=f"{name}.onnx",
        crop=CropSpec("five_point", SIZE, zoom),
        mean=(0.5, 0.45, 0.4),
        std=(0.25, 0.2, 0.3),
        heatmap="heatmap",
        arch="tiny",
    )


def make_folder(folder: Path, experts: int = 1, calibration: dict[str, Any] | None = None) -> Path:
    """A complete model folder of `experts` tiny networks."""
    folder.mkdir(parents=True, exist_ok=True)
    cards = tuple(tiny_expert(f"cnn{i}") for i in range(experts))
    for card in cards:
        shutil.copy(TINY, folder / card.file)
    write_card(folder, ModelCard(name="tiny", version="1.0", experts=cards, licence="Apache-2.0"))
    save_calibration(folder, calibration or {**CALIBRATION, "fusion": {"weights": [1.0 / experts] * experts}})
    return folder


def tiny_model(folder: Path, experts: int = 1, calibration: dict[str, Any] | None = None) -> ModelFolder:
    return load_model(make_folder(folder, experts, calibration))


def crops(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8))


def edit_json(path: Path, **changes: Any) -> None:
    values = json.loads(path.read_text())
    values.update(changes)
    path.write_text(json.dumps(values))


def build_tiny() -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(7)

    def weight(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(rng.normal(0, 0.4, shape).astype(np.float32), name)

    limits = [numpy_helper.from_array(np.float32(v), n) for v, n in ((0, "low"), (6, "high"))]
    nodes = [
        helper.make_node("Conv", ["input", "w1", "b1"], ["c1"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Clip", ["c1", "low", "high"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], kernel_shape=[1, 1]),
        helper.make_node("Squeeze", ["c2", "axis"], ["heatmap"]),
        helper.make_node("ReduceMean", ["heatmap"], ["logit"], axes=[1, 2], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("heatmap", TensorProto.FLOAT, ["n", SIZE // 4, SIZE // 4]),
        ],
        [
            weight("w1", 4, 3, 4, 4),
            weight("b1", 4),
            weight("w2", 1, 4, 1, 1),
            weight("b2", 1),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
            *limits,
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    TINY.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    build_tiny()
