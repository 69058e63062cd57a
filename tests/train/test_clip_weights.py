"""CLIP's image tower is read from an 8-bit ONNX file as it is shared, its integers exactly.

The files are made here, with the names that the real one has, for a smaller network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfdetect.errors import InputError
from dfdetect.faces.crop import CropSpec
from tests.train.faces import require_training

torch = require_training()
onnx = pytest.importorskip("onnx")

from dfdetect.train.build import build_network, load_start  # noqa: E402
from dfdetect.train.recipe import Recipe  # noqa: E402
from dfdetect.train.transformer import TokenNet  # noqa: E402

# The smallest of timm's networks of CLIP's form: 256 channels.
RECIPE = Recipe(backbone="vit_xsmall_patch16_clip_224", blocks=(1, 2), crops=(CropSpec("upright", 224, 1.4),))
CHANNELS, FRONT = 256, "vision_model.embeddings."
Values = dict[str, NDArray[Any]]


def fresh(seed: int) -> TokenNet:
    torch.manual_seed(seed)
    net = build_network(RECIPE)
    assert isinstance(net, TokenNet)
    return net


class Tower:
    """The pieces of such a file: constants by name, and products by the name of their node."""

    def __init__(self, blocks: int = 2, signed: bool = False) -> None:
        rng = np.random.default_rng(0)
        self.rng, self.signed = rng, signed
        self.values: Values = {
            FRONT + "class_embedding": self.floats(CHANNELS),
            FRONT + "position_embedding.weight": self.floats(197, CHANNELS),
            FRONT + "patch_embedding.weight": self.floats(CHANNELS, 3, 16, 16),
            "vision_model.pre_layrnorm.weight": self.floats(CHANNELS),
            "vision_model.pre_layrnorm.bias": self.floats(CHANNELS),
        }
        self.products: dict[str, str] = {}
        for block in range(blocks):
            for part, to in (("mlp.fc1", 4 * CHANNELS), ("mlp.fc2", CHANNELS)):
                self.linear(block, part, 4 * CHANNELS if part == "mlp.fc2" else CHANNELS, to)
            for part in ("v_proj", "q_proj", "out_proj", "k_proj"):  # in no order
                self.linear(block, f"self_attn.{part}", CHANNELS, CHANNELS)
            for part in ("layer_norm1", "layer_norm2"):
                for kind in ("weight", "bias"):
                    name = f"vision_model.encoder.layers.{block}.{part}.{kind}"
                    self.values[name] = self.floats(CHANNELS)

    def floats(self, *shape: int) -> NDArray[np.float32]:
        return self.rng.normal(0, 0.1, shape).astype(np.float32)

    def linear(self, block: int, part: str, inputs: int, outputs: int) -> None:
        """Bytes ``[in, out]`` with a zero point and a scale, under a name that says nothing."""
        name = f"onnx::MatMul_{1000 + len(self.products)}"
        low, high, kind = (-128, 128, np.int8) if self.signed else (0, 256, np.uint8)
        self.values[name + "_quantized"] = self.rng.integers(low, high, (inputs, outputs)).astype(kind)
        self.values[name + "_zero_point"] = np.array(-3 if self.signed else 131, kind)
        self.values[name + "_scale"] = np.array(self.rng.uniform(1e-4, 3e-3), np.float32)
        tree = f"/vision_model/encoder/layers.{block}/{part.replace('.', '/')}"
        self.products[f"{tree}/MatMul_quant"] = name
        self.values[f"vision_model.encoder.layers.{block}.{part}.bias"] = self.floats(outputs)

    def save(self, path: Path) -> Path:
        helper, number = onnx.helper, onnx.TensorProto
        nodes = [
            helper.make_node(
                "MatMulInteger",
                [f"x{i}", f"{name}_quantized", f"x{i}_zero_point", f"{name}_zero_point"],
                [f"y{i}"],
                name=node,
            )
            for i, (node, name) in enumerate(self.products.items())
        ]
        taken = helper.make_tensor_value_info("pixel_values", number.FLOAT, ["n", 3, 224, 224])
        constants = [onnx.numpy_helper.from_array(value, name) for name, value in self.values.items()]
        graph = helper.make_graph(nodes, "clip", [taken], [], constants)
        onnx.save(helper.make_model(graph), str(path))
        return path

    def weight(self, block: int, part: str) -> NDArray[np.float32]:
        """The floats ``[out, in]`` of a linear layer."""
        node = f"/vision_model/encoder/layers.{block}/{part.replace('.', '/')}/MatMul_quant"
        name = self.products[node]
        whole = self.values[name + "_quantized"].astype(np.int32) - int(self.values[name + "_zero_point"])
        return np.asarray((whole * self.values[name + "_scale"]).T, np.float32)


@pytest.fixture(scope="module")
def tower() -> Tower:
    return Tower()


@pytest.mark.parametrize("signed", [False, True])
def test_every_weight_is_where_it_belongs(signed: bool, tmp_path: Path) -> None:
    tower, net = Tower(signed=signed), fresh(0)
    load_start(net, tower.save(tmp_path / "clip.onnx"))
    state = {name: value.numpy() for name, value in net.backbone.state_dict().items()}
    values, compared = tower.values, set()

    def same(name: str, wanted: NDArray[np.float32]) -> None:
        np.testing.assert_allclose(state[name], wanted, rtol=1e-6, atol=1e-9, err_msg=name)
        compared.add(name)

    same("cls_token", values[FRONT + "class_embedding"][None, None])
    same("pos_embed", values[FRONT + "position_embedding.weight"][None])
    same("patch_embed.proj.weight", values[FRONT + "patch_embedding.weight"])
    for kind in ("weight", "bias"):
        same(f"norm_pre.{kind}", values[f"vision_model.pre_layrnorm.{kind}"])
    for i in range(2):
        theirs, ours = f"vision_model.encoder.layers.{i}", f"blocks.{i}"
        for k, part in enumerate(("q_proj", "k_proj", "v_proj")):
            rows = slice(k * CHANNELS, (k + 1) * CHANNELS)
            bias = values[f"{theirs}.self_attn.{part}.bias"]
            np.testing.assert_array_equal(state[f"{ours}.attn.qkv.bias"][rows], bias)
            whole = tower.weight(i, f"self_attn.{part}")
            np.testing.assert_allclose(state[f"{ours}.attn.qkv.weight"][rows], whole, rtol=1e-6)
        compared |= {f"{ours}.attn.qkv.weight", f"{ours}.attn.qkv.bias"}
        for part, name in (
            ("self_attn.out_proj", "attn.proj"),
            ("mlp.fc1", "mlp.fc1"),
            ("mlp.fc2", "mlp.fc2"),
        ):
            same(f"{ours}.{name}.weight", tower.weight(i, part))
            same(f"{ours}.{name}.bias", values[f"{theirs}.{part}.bias"])
        for kind in ("weight", "bias"):
            same(f"{ours}.norm1.{kind}", values[f"{theirs}.layer_norm1.{kind}"])
            same(f"{ours}.norm2.{kind}", values[f"{theirs}.layer_norm2.{kind}"])
    assert compared == state.keys(), "nothing is left as it was drawn"


def test_a_network_of_fewer_blocks_takes_the_first_ones(tower: Tower, tmp_path: Path) -> None:
    """As the shipped model takes nine of CLIP's 12; all starts are then alike, whatever was drawn before."""
    path = Tower(blocks=4).save(tmp_path / "deep.onnx")
    nets = [fresh(seed) for seed in (1, 2)]
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = [net.eval().features(images, 0) for net in nets]
        for net in nets:
            load_start(net, path)
        after = [net.features(images, 0) for net in nets]
    assert not torch.allclose(before[0], before[1], atol=1e-3)
    assert torch.equal(after[0], after[1])
    assert torch.isfinite(after[0]).all()


def too_few_blocks(_: Tower) -> Tower:
    return Tower(blocks=1)


def without(name: str) -> Callable[[Tower], Tower]:
    def change(tower: Tower) -> Tower:
        del tower.values[name]
        return tower

    return change


def of_another_size(tower: Tower) -> Tower:
    name = FRONT + "position_embedding.weight"
    tower.values[name] = tower.values[name][:50]
    return tower


def of_floats(tower: Tower) -> Tower:
    tower.products.clear()
    return tower


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (too_few_blocks, "layers.1/self_attn/q_proj"),
        (without(FRONT + "class_embedding"), "class_embedding"),
        (without("vision_model.encoder.layers.1.mlp.fc2.bias"), "mlp.fc2.bias"),
        (without("onnx::MatMul_1000_scale"), "MatMul_1000_scale"),
        (of_another_size, "size mismatch for pos_embed"),
        (of_floats, "q_proj"),
    ],
    ids=["too few blocks", "no class", "no bias", "no scale", "other size", "floats"],
)
def test_another_file_is_refused_with_what_it_lacks(
    change: Callable[[Tower], Tower], why: str, tmp_path: Path
) -> None:
    path = change(Tower()).save(tmp_path / "other.onnx")
    said = r"other\.onnx does not hold CLIP ViT-B/16 for this backbone"
    with pytest.raises(InputError, match=said) as caught:
        load_start(fresh(0), path)
    assert why in str(caught.value)


def test_a_file_that_is_not_there_or_no_network_is_refused(tmp_path: Path) -> None:
    net = fresh(0)
    (tmp_path / "text.onnx").write_text("no network")
    for name in ("text.onnx", "gone.onnx"):
        with pytest.raises(InputError, match=rf"{name} does not hold CLIP .*no ONNX file"):
            load_start(net, tmp_path / name)
