"""Engines: every installed one gives the same scores from the same file, and faults have a name."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scoring_nets import SIZE, TINY, tiny_expert, tiny_model

from dfdetect.errors import MissingExtraError, ModelError, SettingsError
from dfdetect.faces.crop import CropSpec
from dfdetect.scoring.card import ExpertCard
from dfdetect.scoring.engines import Engine, create_engine, installed_engines, thread_count
from dfdetect.scoring.models import EIGHT_BIT_TOLERANCE, list_models, load_model
from dfdetect.scoring.scorer import Scorer
from dfdetect.settings import ENGINES, Settings

OTHERS = [e for e in installed_engines() if e != "onnxruntime"]


def engine(name: str, path: Path = TINY, expert: ExpertCard | None = None) -> Engine:
    return create_engine(path, expert or tiny_expert(), Settings(engine=name, threads=1))


def batch(count: int, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(3).standard_normal((count, 3, size, size), dtype=np.float32)


@pytest.mark.parametrize("exact", [True, False])
def test_quick_file_is_taken_where_signed_bytes_are_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    shutil.copy(TINY, tmp_path / "safe.onnx")
    (tmp_path / "quick.onnx").write_bytes(b"not a network")
    monkeypatch.setattr("dfdetect.scoring.engines.signed_bytes_are_exact", lambda: exact)
    expert = dataclasses.replace(tiny_expert(), quick_file="quick.onnx")
    if exact:
        with pytest.raises(ModelError, match=r"quick\.onnx"):
            engine("onnxruntime", tmp_path / "safe.onnx", expert)
    else:
        assert engine("onnxruntime", tmp_path / "safe.onnx", expert).run(batch(2))[0].shape == (2,)


def test_one_network_serves_several_experts() -> None:
    own = engine("onnxruntime")
    other = own.view(dataclasses.replace(tiny_expert(), heatmap=None))
    np.testing.assert_array_equal(other.run(batch(3))[0], own.run(batch(3))[0])
    assert other.run(batch(3), heatmap=True)[1] is None
    assert own.run(batch(3), heatmap=True)[1] is not None
    with pytest.raises(ModelError, match="nothing"):
        own.view(dataclasses.replace(tiny_expert(), logit="nothing"))


@pytest.mark.parametrize("name", OTHERS or [pytest.param("-", marks=pytest.mark.skip("one engine only"))])
@pytest.mark.parametrize("count", [1, 5])
def test_engines_agree(name: str, count: int) -> None:
    logits, maps = engine("onnxruntime").run(batch(count), heatmap=True)
    others, other_maps = engine(name).run(batch(count), heatmap=True)
    assert maps is not None
    assert other_maps is not None
    np.testing.assert_allclose(others, logits, atol=1e-5)
    np.testing.assert_allclose(other_maps, maps, atol=1e-5)
    assert np.ptp(batch(count)) > 1


@pytest.mark.parametrize("name", installed_engines())
def test_label_and_later_batches(name: str) -> None:
    own = engine(name)
    assert own.label.startswith(name + " ")
    first, none = own.run(batch(2))
    kept = first.copy()
    own.run(batch(2) * 3)
    np.testing.assert_array_equal(first, kept)  # results do not live in the engine's buffers
    assert none is None


@pytest.mark.parametrize("name", installed_engines())
def test_faulty_files_are_model_errors(name: str, tmp_path: Path) -> None:
    for content in (b"", b"not a network", TINY.read_bytes()[:600]):
        bad = tmp_path / "bad.onnx"
        bad.write_bytes(content)
        with pytest.raises(ModelError, match=r"bad\.onnx"):
            engine(name, bad)
    with pytest.raises(ModelError, match=r"gone\.onnx"):
        engine(name, tmp_path / "gone.onnx")


@pytest.mark.parametrize("name", installed_engines())
@pytest.mark.parametrize("field", ["input", "logit", "heatmap"])
def test_tensors_that_are_not_there_are_named(name: str, field: str) -> None:
    values = {"name": "x", "file": "x.onnx", "crop": CropSpec("upright", SIZE, 1.3), "heatmap": "heatmap"}
    expert = ExpertCard(mean=(0, 0, 0), std=(1, 1, 1), **{**values, field: "nowhere"})  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="'nowhere'"):
        engine(name, expert=expert)


@pytest.mark.parametrize("name", installed_engines())
def test_crops_of_another_size_than_the_network_takes_are_told_at_load(name: str) -> None:
    wrong = dataclasses.replace(tiny_expert(), crop=CropSpec("upright", SIZE * 2, 1.4))
    with pytest.raises(ModelError, match=rf"takes \[.*3, {SIZE}, {SIZE}\].*correct its crop\.size"):
        engine(name, expert=wrong)
    with pytest.raises(ModelError, match="'cnn' of the card"):
        engine(name).view(wrong)


@pytest.mark.parametrize("name", [e for e in installed_engines() if e != "openvino"])  # which needs a rank
def test_a_network_that_says_nothing_of_its_input_is_taken(name: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(TINY))
    model.graph.input[0].type.tensor_type.ClearField("shape")
    onnx.save(model, str(tmp_path / "open.onnx"))
    np.testing.assert_allclose(
        engine(name, tmp_path / "open.onnx").run(batch(2))[0], engine(name).run(batch(2))[0], atol=1e-5
    )


def changed(path: Path, *, batch: int | str = "n", inputs: tuple[str, ...] = ()) -> Path:
    """The tiny network with another batch dimension, and with further inputs."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(TINY))
    dim = model.graph.input[0].type.tensor_type.shape.dim[0]
    if isinstance(batch, int):
        dim.dim_value = batch
    for name in inputs:
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]))
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("name", installed_engines())
def test_a_network_of_a_fixed_batch_is_told_at_load(name: str, tmp_path: Path) -> None:
    for count in (1, 4):
        with pytest.raises(ModelError, match=rf"fixed\.onnx: .*{count} crops at once.*dynamic batch"):
            engine(name, changed(tmp_path / "fixed.onnx", batch=count))
    assert engine(name, changed(tmp_path / "open.onnx", batch=-1)).run(batch(3))[0].shape == (3,)


@pytest.mark.parametrize("name", installed_engines())
def test_a_network_that_wants_more_than_crops_is_told_at_load(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"more\.onnx: the network also takes age, sex"):
        engine(name, changed(tmp_path / "more.onnx", inputs=("age", "sex")))


@pytest.mark.parametrize("name", installed_engines())
def test_a_network_that_fails_is_a_model_error(name: str) -> None:
    with pytest.raises(ModelError, match=r"tiny\.onnx"):
        engine(name).run(np.zeros((1, 5, SIZE, SIZE), np.float32))


def test_scores_that_are_not_numbers_are_an_error() -> None:
    own = engine("onnxruntime")
    with pytest.raises(ModelError, match="not a finite number"):
        own.run(np.full((1, 3, SIZE, SIZE), np.nan, np.float32))


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_missing_engine_names_the_install_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # `import name` fails as when it is not installed
    with pytest.raises(MissingExtraError, match=rf'pip install "dfdetect\[{name}\]"'):
        engine(name)


def test_cuda_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match="sees no such CUDA device"):
        create_engine(TINY, tiny_expert(), Settings(engine="torch", device="cuda"))


def test_threads() -> None:
    assert thread_count(Settings(threads=5)) == 5
    assert 1 <= thread_count(Settings()) <= 2


def test_installed_engines_are_engines() -> None:
    assert "onnxruntime" in installed_engines()
    assert set(installed_engines()) <= set(ENGINES)


def test_onnxruntime_imports_no_torch(tmp_path: Path) -> None:
    import subprocess

    folder = tiny_model(tmp_path).path
    code = (
        "import sys, numpy as np; from dfdetect.scoring.models import load_model; "
        "from dfdetect.scoring.scorer import Scorer; from dfdetect.settings import Settings; "
        f"s = Scorer(load_model({str(folder)!r}), Settings()); "
        "s.score([(np.zeros((32, 32, 3), np.uint8),)]); "
        "print([m for m in ('torch', 'onnx', 'openvino', 'sklearn', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("model", list_models())
def test_engines_agree_on_shipped_models(name: str, model: str) -> None:
    folder = load_model(model)
    rng = np.random.default_rng(0)
    views = [
        tuple(
            rng.integers(0, 256, (e.crop.size, e.crop.size, 3), dtype=np.uint8) for e in folder.card.experts
        )
        for _ in range(2)
    ]
    wanted = Scorer(folder, Settings(threads=1)).score(views).fused
    found = Scorer(folder, Settings(engine=name, threads=1)).score(views).fused
    # The last bit of a float decides roundings to 8 bits, and engines differ in it.
    eight_bit = any(expert.quick_file for expert in folder.card.experts)
    np.testing.assert_allclose(found, wanted, atol=EIGHT_BIT_TOLERANCE if eight_bit else 0.02)


def _timm_network(backbone: str, size: int, **options: Any) -> Any:
    """A backbone with a head whose position-wise response is the heat map, as training builds it."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    try:
        from dfdetect.faces.torchvision_nms import ensure_torchvision

        ensure_torchvision()
        import timm
    except ImportError as error:
        pytest.skip(f"timm is not installed ({error})")

    class Network(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.body = timm.create_model(backbone, pretrained=False, num_classes=0, **options)
            self.head = torch.nn.Linear(self.body.num_features, 1)

        def forward(self, image: Any) -> tuple[Any, Any]:
            f = self.body.forward_features(image)
            f = f.permute(0, 2, 3, 1) if f.ndim == 4 else f[:, 1:].unflatten(1, (side, side))
            heat = self.head(f)[..., 0]
            return heat.mean(dim=(1, 2)), heat

    side = size // 16
    torch.manual_seed(0)
    return Network().eval()


@pytest.mark.parametrize(
    ("backbone", "size", "options"),
    [
        ("tf_efficientnet_lite0", 64, {}),
        ("vit_tiny_patch16_224", 64, {"img_size": 64, "depth": 2}),
        (
            "vit_base_patch16_clip_quickgelu_224",
            64,
            {"img_size": 64, "depth": 2, "embed_dim": 64, "num_heads": 2},
        ),
        ("resnet10t", 64, {}),
    ],
)
def test_engines_agree_on_exported_backbones(
    backbone: str, size: int, options: dict[str, Any], tmp_path: Path
) -> None:
    network = _timm_network(backbone, size, **options)
    import torch

    path = tmp_path / "net.onnx"
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, size, size),),
        str(path),
        input_names=["input"],
        output_names=["logit", "heatmap"],
        dynamic_axes={name: {0: "n"} for name in ("input", "logit", "heatmap")},
        dynamo=False,
    )
    data = batch(3, size)
    with torch.inference_mode():
        wanted, wanted_maps = (t.numpy() for t in network(torch.from_numpy(data)))
    assert wanted.std() > 0
    expert = dataclasses.replace(tiny_expert(), crop=CropSpec("upright", size, 1.4))
    for name in installed_engines():
        logits, maps = engine(name, path, expert).run(data, heatmap=True)
        scale = max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(logits / scale, wanted / scale, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(maps / scale, wanted_maps / scale, atol=1e-3, err_msg=name)
