"""The model card: read strictly, written so that it reads back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.errors import ModelError
from dfdetect.scoring.card import card_values, is_plain_name, parse_card, read_card

PATH = Path("somewhere/card.json")
CARD: dict[str, Any] = {
    "format": 1,
    "kind": "classifier",
    "name": "light",
    "version": "1.2",
    "summary": "a network",
    "licence": "Apache-2.0",
    "created": "2026-11-25",
    "experts": [
        {
            "name": "cnn",
            "file": "cnn.onnx",
            "sha256": "ab" * 32,
            "crop": {"align": "five_point", "size": 192, "zoom": 0.7},
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "heatmap": "heatmap",
        }
    ],
    "files": {"calibration.json": "cd" * 32},
    "data": {"reals": 3500},
    "recipe": "train.py",
    "limits": ["weak on lip-sync"],
    "golden": [{"file": "astronaut.jpg", "logit": -1.5, "tolerance": 0.02}],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The card with one field replaced (``...`` removes it); `path` like ``experts.0.file``."""
    card = copy.deepcopy(CARD)
    *parents, last = path.split(".", 3) if path.count(".") <= 3 else path.split(".")
    at: Any = card
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return card


def test_card_is_read_whole_and_reads_back() -> None:
    card = parse_card(CARD, PATH)
    assert card.experts[0].crop.size == 192
    assert card.experts[0].std == (0.229, 0.224, 0.225)
    assert card.experts[0].input == "input"
    assert card.files == {"cnn.onnx": "ab" * 32, "calibration.json": "cd" * 32}
    assert card.golden[0].logit == -1.5
    assert parse_card(json.loads(json.dumps(card_values(card))), PATH) == card


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("name", ..., "name"),
        ("version", 3, "version"),
        ("experts", [], "experts"),
        ("experts", "cnn", "experts"),
        ("experts.0.file", ..., "file"),
        ("experts.0.file", "cnn.xml", "'experts[0].file' must name an ONNX file"),
        ("experts.0.quick_file", "cnn.ort", "'experts[0].quick_file' must name an ONNX file"),
        ("experts.0.mean", [1, 2], "mean"),
        ("experts.0.mean", [1, 2, float("nan")], "mean"),
        ("experts.0.std", [0.2, 0, 0.2], "std"),
        ("experts.0.layout", "NHWC", "layout"),
        ("experts.0.sha256", "zz", "sha256"),
        ("experts.0.crop", {"align": "five_point", "size": 8, "zoom": 1}, "crop"),
        ("experts.0.crop", {}, "crop"),
        ("golden", [{"file": "a.jpg"}], "logit"),
        ("golden", [{"file": "a.jpg", "logit": 1.0, "tolerance": 0}], "tolerance"),
        ("limits", [1], "limits"),
        ("data", [1], "data"),
        (
            "measured",
            {"auc": [{"low": 0.5, "high": float("nan")}]},
            "'measured.auc[0].high' must be a finite",
        ),
        ("recipe", {"lr": float("inf")}, "'recipe.lr' must be a finite number"),
        ("files", {"cnn.onnx": "ef" * 32}, "cnn.onnx"),
    ],
)
def test_wrong_field_is_named_with_its_file(path: str, value: Any, names: str) -> None:
    with pytest.raises(ModelError) as error:
        parse_card(changed(path, value), PATH)
    assert names in str(error.value)
    assert str(PATH) in str(error.value)


def test_quick_file_must_be_vouched_for() -> None:
    card = changed("experts.0.quick_file", "quick.onnx")
    with pytest.raises(ModelError, match=r"vouch for quick\.onnx"):
        parse_card(card, PATH)
    card["files"] = {**card["files"], "quick.onnx": "12" * 32}
    read = parse_card(card, PATH)
    assert read.experts[0].quick_file == "quick.onnx"
    assert parse_card(json.loads(json.dumps(card_values(read))), PATH) == read


@pytest.mark.parametrize("version", [0, 2, 99])
def test_unknown_format_is_refused(version: int) -> None:
    with pytest.raises(ModelError, match=f"format {version}.*update dfdetect"):
        parse_card(changed("format", version), PATH)


@pytest.mark.parametrize(
    "name",
    [
        "../cnn.onnx",
        "/etc/passwd",
        "a/b.onnx",
        "..",
        ".",
        "",
        "a\\b.onnx",
        "C:x.onnx",
        ".hidden",
        "a\n",
        "a\x00b",
    ],
)
@pytest.mark.parametrize("field", ["experts.0.file", "golden.0.file", "files"])
def test_file_names_cannot_leave_the_folder(name: str, field: str) -> None:
    assert not is_plain_name(name)
    card = changed(field, {name: "ab" * 32} if field == "files" else name)
    with pytest.raises(ModelError):
        parse_card(card, PATH)


def test_detector_card_needs_no_experts() -> None:
    card = {
        "format": 1,
        "kind": "face_detector",
        "name": "mtcnn",
        "version": "1.0",
        "files": {"pnet": {"file": "pnet.onnx", "sha256": "ab" * 32}},
    }
    assert parse_card(card, PATH).files == {"pnet.onnx": "ab" * 32}


def test_unreadable_cards(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read"):
        read_card(tmp_path)
    for text in ("{", "[1]", "\udcff"):
        (tmp_path / "card.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(ModelError, match=r"card\.json"):
            read_card(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*CARD, "experts.0.crop", "experts.0.mean", "experts.0.name", "golden.0.logit"]), JSON)
def test_any_content_gives_a_card_or_a_model_error(path: str, value: Any) -> None:
    try:
        card = parse_card(changed(path, value), PATH)
    except ModelError:
        return
    assert card.experts or card.kind != "classifier"
