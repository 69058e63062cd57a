"""Write MTCNN's three networks, as facenet-pytorch ships them, as ONNX files with a card.

``python -m dfdetect.faces.export DIR`` reproduces ``models/mtcnn``.  Needs the extra ``train`` (torch, onnx,
facenet-pytorch); scanning needs none of them.

The graphs are written node by node rather than traced, so that the files depend on the weights alone and
not on the version of an exporter, and so that they are quick: the scaling of the pixels,
(x - 127.5) / 128, is folded into the first convolution (exact, since no convolution pads), activations are
written as products and maxima, for which ONNX Runtime has vector code (for PRelu it has none), pooling comes
before the activation (see `_Builder.conv_pool`), and of two classes only the difference is kept, a logit.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfdetect.errors import InputError, MissingExtraError
from dfdetect.files import WholeFile
from dfdetect.packaged import MODELS, required

Weights = dict[str, NDArray[np.float32]]
Mixing = tuple[NDArray[np.intp], NDArray[np.float64]]
"""Which channel of the original each channel belongs to, and the share of it that it carries."""
OPSET = 17
IR_VERSION = 8  # what ONNX Runtime 1.17, our oldest, reads

_BLOCK = 16  # channels that ONNX Runtime's blocked layout keeps together (8 without AVX-512)

# Each convolution is followed by its PReLU and, where a kernel is given, by a max pooling of stride 2.
_PNET = [("1", 2), ("2", None), ("3", None)]
_RNET = [("1", 3), ("2", 3), ("3", None)]
_ONET = [("1", 3), ("2", 3), ("3", 2), ("4", None)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Export into the folder named on the command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if len(words) != 1:
        print("usage: python -m dfdetect.faces.export DIR", file=sys.stderr)
        return 2
    for path in export(Path(words[0])):
        print(path)
    return 0


def export(folder: Path) -> list[Path]:
    """Write ``pnet.onnx``, ``rnet.onnx``, ``onet.onnx``, ``card.json`` and ``README.md`` into `folder`.

    Raises `MissingExtraError` without torch, onnx or facenet-pytorch, `InputError` when `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    folder.mkdir(parents=True, exist_ok=True)
    contents = {f"{name}.onnx": _serialise(name, weights) for name, weights in _load_weights().items()}
    contents["card.json"] = (json.dumps(_card(contents), indent=2) + "\n").encode()
    contents["README.md"] = (required(MODELS) / "mtcnn" / "README.md").read_bytes()
    for name, data in contents.items():
        with WholeFile(folder / name) as file:
            file.part.write_bytes(data)
            file.commit()
    return [folder / name for name in contents]


def _load_weights() -> dict[str, Weights]:
    try:
        import onnx  # noqa: F401  (said here, before any work is done)

        from dfdetect.faces.torchvision_nms import ensure_torchvision

        ensure_torchvision()
        from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
    except ImportError as error:
        raise MissingExtraError(
            f'exporting MTCNN needs {error.name}: pip install "dfdetect[train]"'
        ) from error
    nets = {"pnet": PNet(), "rnet": RNet(), "onet": ONet()}
    return {
        name: {key: value.numpy().astype(np.float32) for key, value in net.state_dict().items()}
        for name, net in nets.items()
    }


def _serialise(name: str, weights: Weights) -> bytes:
    from onnx import checker, helper

    graph = {"pnet": _pnet, "rnet": _rnet, "onet": _onet}[name](_Builder(weights))
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="dfdetect.faces.export",
    )
    checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _Builder:
    """Collects nodes and constants; every method returns the name of its result."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x: str, name: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        constants = [self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)]
        return self.node("Conv", [x, *constants], name, kernel_shape=list(weight.shape[2:]))

    def prelu(self, x: str, name: str, slope: NDArray[np.float32]) -> str:
        """A PReLU of slopes up to 1 is the larger of x and a x."""
        if slope.max() > 1:
            raise ValueError(f"{name} has a slope above 1")
        scaled = self.node("Mul", [x, self.constant(f"{name}.weight", slope)], f"{name}_scaled")
        return self.node("Max", [x, scaled], name)

    def pool(self, x: str, name: str, kernel: int) -> str:
        return self.node("MaxPool", [x], name, kernel_shape=[kernel] * 2, strides=[2, 2], ceil_mode=1)

    def conv_pool(
        self, x: str, number: str, weight: NDArray[np.float32], bias: NDArray[np.float32], kernel: int
    ) -> tuple[str, Mixing]:
        """Convolution, max pooling, PReLU: the same as activating first, on a quarter of the values.

        The larger of x and a x may be taken after pooling both.  A slope a > 1 is written as
        a x + (1 - a) max(x, 0): two channels, of slopes 1 and 0, that the next convolution adds up.
        Returns the result and what its channels are.
        """
        slope = self.weights[f"prelu{number}.weight"].astype(np.float64)
        steep = np.flatnonzero(slope > 1)
        channels = np.concatenate([np.arange(len(slope)), steep])
        shares = np.ones(len(channels))
        shares[steep], shares[len(slope) :] = 1 - slope[steep], slope[steep]
        slopes = np.concatenate([slope, np.ones(len(steep))])
        slopes[steep] = 0
        # Channels that are always 0 fill the last block, without which ONNX Runtime leaves its quick layout.
        spare = -len(channels) % _BLOCK
        wide = np.concatenate([weight[channels], np.zeros((spare, *weight.shape[1:]), np.float32)])
        x = self.conv(x, f"conv{number}", wide, np.concatenate([bias[channels], np.zeros(spare, np.float32)]))
        factors = np.concatenate([slopes, np.zeros(spare)]).astype(np.float32).reshape(-1, 1, 1)
        scaled = self.node("Mul", [x, self.constant(f"prelu{number}.weight", factors)], f"scaled{number}")
        pools = [self.pool(x, f"pool{number}", kernel), self.pool(scaled, f"scaled_pool{number}", kernel)]
        x = self.node("Max", pools, f"prelu{number}")
        filling = np.zeros(spare, np.intp)
        return x, (np.concatenate([channels, filling]), np.concatenate([shares, np.zeros(spare)]))

    def narrow_conv_pool(
        self, x: str, number: str, weight: NDArray[np.float32], bias: NDArray[np.float32], kernel: int
    ) -> tuple[str, Mixing]:
        """As `conv_pool`, quicker where all channels fit in one block of the quick layout.

        A PReLU of slope a >= 0 never falls, so it may come after the maximum.  The channels of a < 0 are
        convolved twice, as x and as a x, and the maximum of both is taken after pooling.
        """
        slope = self.weights[f"prelu{number}.weight"]
        rising, falling = np.flatnonzero(slope >= 0), np.flatnonzero(slope < 0)
        scale = slope[falling]
        wide = np.concatenate([weight[rising], weight[falling], weight[falling] * scale[:, None, None, None]])
        x = self.conv(
            x, f"conv{number}", wide, np.concatenate([bias[rising], bias[falling], bias[falling] * scale])
        )
        x = self.pool(x, f"pool{number}", kernel)
        sizes = np.array([len(rising), len(falling), len(falling)], np.int64)
        parts = [f"rising{number}", f"falling{number}", f"scaled{number}"]
        self.split([x, self.constant(f"split{number}", sizes)], parts)
        slopes = self.constant(f"prelu{number}.weight", slope[rising].reshape(-1, 1, 1))
        left = self.node("PRelu", [parts[0], slopes], f"prelu{number}")
        right = self.node("Max", parts[1:], f"max{number}")
        x = self.node("Concat", [left, right], f"concat{number}", axis=1)
        return x, (np.concatenate([rising, falling]), np.ones(len(slope)))

    def split(self, inputs: list[str], outputs: list[str]) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node("Split", inputs, outputs, name="_".join(outputs), axis=1))

    def trunk(self, layers: list[tuple[str, int | None]], narrow: bool = False) -> str:
        x = "image"
        mixing: Mixing | None = None
        for number, kernel in layers:
            weight, bias = self.weights[f"conv{number}.weight"], self.weights[f"conv{number}.bias"]
            if mixing is None:
                shift = weight.sum(axis=(1, 2, 3), dtype=np.float64) * (127.5 / 128)
                bias = np.asarray(bias - shift, np.float32)
                weight = np.asarray(weight / 128, np.float32)
            else:
                channels, shares = mixing
                weight = np.asarray(weight[:, channels] * shares[:, None, None], np.float32)
            if kernel:
                add = self.narrow_conv_pool if narrow else self.conv_pool
                x, mixing = add(x, number, weight, bias, kernel)
                continue
            slope = self.weights[f"prelu{number}.weight"].reshape(-1, 1, 1)
            x = self.prelu(self.conv(x, f"conv{number}", weight, bias), f"prelu{number}", slope)
            mixing = np.arange(len(weight)), np.ones(len(weight))
        return x

    def dense(self, x: str, name: str, output: str, planes: tuple[int, int, int] | None = None) -> str:
        weight = self.weights[f"{name}.weight"]
        if planes is not None:
            # facenet-pytorch flattens width, height, channel; ONNX flattens channel, height, width.
            channels, height, width = planes
            weight = (
                weight.reshape(-1, width, height, channels).transpose(0, 3, 2, 1).reshape(len(weight), -1)
            )
        constants = [
            self.constant(f"{name}.weight", weight),
            self.constant(f"{name}.bias", self.weights[f"{name}.bias"]),
        ]
        return self.node("Gemm", [x, *constants], output, transB=1)

    def face(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights of the logit whose sigmoid is the softmax of the two classes that were trained."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return weight[1:] - weight[:1], bias[1:] - bias[:1]

    def dense_heads(self, x: str, heads: dict[str, str]) -> None:
        weight, bias = self.face(heads["face"])
        constants = [self.constant("face.weight", weight), self.constant("face.bias", bias)]
        self.node("Gemm", [x, *constants], "face", transB=1)
        for output, name in heads.items():
            if output != "face":
                self.dense(x, name, output)

    def graph(self, name: str, size: list[Any], outputs: dict[str, list[Any]]) -> Any:
        from onnx import TensorProto, helper

        def value(title: str, shape: list[Any]) -> Any:
            return helper.make_tensor_value_info(title, TensorProto.FLOAT, shape)

        return helper.make_graph(
            self.nodes,
            name,
            [value("image", size)],
            [value(k, v) for k, v in outputs.items()],
            self.constants,
        )


def _pnet(b: _Builder) -> Any:
    x = b.trunk(_PNET, narrow=True)
    # One convolution for both: each would be filled up to a block of its own.
    weight, bias = b.face("conv4_1")
    weight = np.concatenate([weight, b.weights["conv4_2.weight"]])
    b.conv(x, "cells", weight, np.concatenate([bias, b.weights["conv4_2.bias"]]))
    return b.graph("pnet", ["n", 3, "height", "width"], {"cells": ["n", 5, "rows", "columns"]})


def _rnet(b: _Builder) -> Any:
    x = b.node("Flatten", [b.trunk(_RNET)], "flat")
    x = b.prelu(b.dense(x, "dense4", "dense4", (64, 3, 3)), "prelu4", b.weights["prelu4.weight"])
    b.dense_heads(x, {"face": "dense5_1", "shift": "dense5_2"})
    return b.graph("rnet", ["n", 3, 24, 24], {"face": ["n", 1], "shift": ["n", 4]})


def _onet(b: _Builder) -> Any:
    x = b.node("Flatten", [b.trunk(_ONET)], "flat")
    x = b.prelu(b.dense(x, "dense5", "dense5", (128, 3, 3)), "prelu5", b.weights["prelu5.weight"])
    b.dense_heads(x, {"face": "dense6_1", "shift": "dense6_2", "points": "dense6_3"})
    return b.graph("onet", ["n", 3, 48, 48], {"face": ["n", 1], "shift": ["n", 4], "points": ["n", 10]})


def _card(contents: dict[str, bytes]) -> dict[str, Any]:
    shapes = {
        "pnet": (
            "[n, 3, height, width], each side at least 12",
            "cells: face, then shift; cell i, j is the window of 12 px at 2i, 2j",
        ),
        "rnet": ("[n, 3, 24, 24]", "one row a crop"),
        "onet": ("[n, 3, 48, 48]", "one row a crop; points: five x, then five y, as shares of the crop"),
    }
    return {
        "format": 1,
        "kind": "face_detector",
        "name": "mtcnn",
        "version": "1.1",
        "summary": "MTCNN: face boxes, five landmarks and a confidence, in three stages",
        "origin": "facenet-pytorch 2.5.3 (https://github.com/timesler/facenet-pytorch), weights unchanged",
        "licence": "MIT",
        "input": {
            "name": "image",
            "layout": "NCHW",
            "colour": "RGB",
            "type": "float32",
            "range": [0, 255],
            "resize": "mean of whole pixels (adaptive average pooling)",
        },
        "outputs": "face: logit of a face; shift: of x0, y0, x1, y1 as shares of the window",
        "files": {
            name: {
                "file": f"{name}.onnx",
                "sha256": hashlib.sha256(contents[f"{name}.onnx"]).hexdigest(),
                "input_shape": shape,
                "output": output,
            }
            for name, (shape, output) in shapes.items()
        },
        "recipe": "python -m dfdetect.faces.export DIR",
    }


if __name__ == "__main__":
    sys.exit(main())
