"""Weights outside of a network's own file: found, and believed only when the card vouches for them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scoring_nets import CALIBRATION, TINY, make_folder

from dfdetect.cli.main import main
from dfdetect.errors import ModelError
from dfdetect.scoring.card import read_card
from dfdetect.scoring.external import external_files
from dfdetect.scoring.models import find_folder, load_model, save_calibration, verify, write_card

onnx = pytest.importorskip("onnx", reason="networks are made with onnx")


@pytest.fixture
def model() -> Any:
    return onnx.load(str(TINY))


def placed(tensor: Any, *names: str) -> Any:
    """The tensor, with its data in files."""
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for name in names:
        tensor.external_data.add(key="length", value="16")
        tensor.external_data.add(key="location", value=name)
    tensor.ClearField("raw_data")
    return tensor


def of_bytes(tmp_path: Path, data: bytes) -> list[str]:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    return external_files(path)


def test_networks_that_hold_their_weights_have_none(tmp_path: Path, model: Any) -> None:
    assert external_files(TINY) == []
    assert external_files(find_folder("light") / "model.onnx") == []
    # The word alone is no place: as a name, or in remarks about a graph, a node or a tensor.
    model.graph.node[0].name = "location"
    model.graph.value_info.add(name="location")
    for remarked in (model, model.graph, model.graph.node[0], model.graph.initializer[0]):
        remarked.metadata_props.add(key="location", value="Zurich")
    assert of_bytes(tmp_path, model.SerializeToString()) == []


def test_the_shipped_network_names_its_weights() -> None:
    for name in ("model.onnx", "model.quick.onnx"):
        assert external_files(find_folder("standard") / name) == ["encoder.bin"]
    assert load_model("standard").hashes["encoder.bin"]


def test_weights_are_found_wherever_a_graph_can_have_them(tmp_path: Path, model: Any) -> None:
    tensor = onnx.TensorProto
    placed(model.graph.initializer[0], "a.bin", "b.bin")
    placed(model.graph.sparse_initializer.add().values, "c.bin")
    inner = onnx.helper.make_graph([], "inner", [], [], [placed(tensor(), "d.bin")])
    function = model.functions.add(name="f")
    for node, attribute in (
        (model.graph.node.add(), onnx.AttributeProto(name="value", t=placed(tensor(), "e.bin"))),
        (model.graph.node.add(), onnx.AttributeProto(name="then_branch", g=inner)),
        (model.graph.node.add(), onnx.AttributeProto(name="many", tensors=[placed(tensor(), "f.bin")])),
        (function.node.add(), onnx.AttributeProto(name="value", t=placed(tensor(), "g.bin"))),
    ):
        node.attribute.append(attribute)
    names = [f"{letter}.bin" for letter in "abcdefg"]
    assert of_bytes(tmp_path, model.SerializeToString()) == names


@pytest.mark.parametrize("data", [b"", b"not a network", TINY.read_bytes()[:-3], b"\x3a" * 1000])
def test_other_files_are_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a readable ONNX file"):
        of_bytes(tmp_path, data)


def test_weights_that_the_card_does_not_name_are_refused(tmp_path: Path, capsys: Any) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "cnn0.onnx").unlink()
    onnx.save_model(
        onnx.load(str(TINY)),
        str(folder / "cnn0.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=16,
    )
    save_calibration(folder, CALIBRATION)
    with pytest.raises(
        ModelError, match=r"cnn0\.onnx keeps weights in 'weights\.bin'.*'files' in card\.json"
    ):
        load_model(folder)
    assert [check.file for check in verify(folder) if not check.ok] == ["weights.bin"]
    assert main(["models", "verify", str(folder)]) == 2
    assert "ALTERED  m/weights.bin  cnn0.onnx keeps weights" in capsys.readouterr().out

    card = read_card(folder)
    write_card(folder, dataclasses.replace(card, files={"weights.bin": ""}))
    before = load_model(folder)
    with (folder / "weights.bin").open("r+b") as stream:
        stream.write(b"\x01\x02\x03")
    with pytest.raises(ModelError, match=r"weights\.bin is not the file"):
        load_model(folder)
    assert "weights.bin" in before.hashes


def test_onnx_itself_is_not_needed() -> None:
    code = (
        "import sys; from dfdetect.scoring.models import load_model; load_model('standard'); "
        "print('onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
