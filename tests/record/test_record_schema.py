"""Every JSON output against the published schema, and the schema against the code."""

from __future__ import annotations

import ast
import base64
import dataclasses
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dfdetect
from dfdetect.record.plain import plain_result
from dfdetect.record.summary import ACCEPTED
from dfdetect.results import SCHEMA_VERSION, Label, MediaKind, Reason, ScanResult
from dfdetect.settings import DETECTORS, ENGINES, Settings
from tests.sample_results import NOT_UTF8, judged, media, render, samples, score, summary_of, track


def validator(schema: dict[str, Any], part: str = "document") -> Any:
    return jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{part}"})


def test_schema_is_sound(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(SCHEMA_VERSION)
    assert schema["$defs"]["result"]["properties"]["schema_version"] == {"const": SCHEMA_VERSION}


@pytest.mark.parametrize("near", [1e-3, 1e-5, 1e-9])
@pytest.mark.parametrize("at_one", [False, True])
def test_the_label_follows_from_the_figures_next_to_0_and_1(near: float, at_one: bool) -> None:
    """Where a small prior brings them."""
    figures = [near * share for share in (0.2, 0.2001, 0.9)]
    low, probability, high = sorted(1 - figure for figure in figures) if at_one else figures
    result = dataclasses.replace(samples()[0], fake_probability=probability, band=(low, high))
    record = plain_result(result)
    assert record["band"][0] < record["fake_probability"] < record["band"][1]


def test_schema_is_strict(schema: dict[str, Any]) -> None:
    for name, part in schema["$defs"].items():
        if "properties" in part and name != "answered":
            assert part["additionalProperties"] is False, name


def test_schema_knows_what_the_code_knows(schema: dict[str, Any]) -> None:
    parts = schema["$defs"]
    assert parts["reason"]["enum"] == [reason.value for reason in Reason]
    assert set(parts["label"]["enum"]) == {label.value for label in Label}
    assert list(parts["settings"]["properties"]) == [field.name for field in dataclasses.fields(Settings)]
    assert tuple(parts["settings"]["properties"]["engine"]["enum"]) == ENGINES
    assert tuple(parts["settings"]["properties"]["detector"]["enum"]) == DETECTORS
    fields = {field.name for field in dataclasses.fields(ScanResult)}
    assert set(parts["result"]["properties"]) == fields - {"frames"} | {"path_base64"}


def test_schema_lists_the_code_of_every_note(schema: dict[str, Any]) -> None:
    """As the code gives them: to `Note`, to a method `_note` or to a function `note`."""
    described = schema["$defs"]["note"]["properties"]["code"]["description"]
    listed = re.findall(r"(?:^|[.;] )([a-z0-9_]+): \w", described)
    assert listed == sorted(listed)
    assert "truncated" in listed
    given = set()
    for path in Path(dfdetect.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_bytes())):
            if (
                isinstance(call, ast.Call)
                and len(call.args) == 2
                and re.search(r"(\b|_)[Nn]ote$", _name(call))
            ):
                given.add(_code(call.args[0]))
    assert given - {None} <= set(listed)
    assert set(listed) - given <= {"part"}


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _code(first: ast.expr) -> str | None:
    """A code, or None for one that a variable has, such as in `Media._note` itself."""
    if isinstance(first, ast.Name) and first.id == "ACCEPTED":
        return ACCEPTED
    return first.value if isinstance(first, ast.Constant) else None


def test_json_document_is_valid(schema: dict[str, Any], results: list[ScanResult]) -> None:
    document = json.loads(render("json", results))
    validator(schema).validate(document)
    assert [record["path"] for record in document["results"][:2]] == [r.path for r in results[:2]]
    assert document["summary"]["files"] == len(results) == len(document["results"])
    counts = document["summary"]
    parts = ("fake", "uncertain", "real", "not_judged", "unreadable")
    assert sum(counts[part] for part in parts) == counts["files"]


def test_empty_json_document_is_valid(schema: dict[str, Any]) -> None:
    validator(schema).validate(json.loads(render("json", [])))


def test_each_jsonl_line_is_valid(schema: dict[str, Any], results: list[ScanResult]) -> None:
    lines = render("jsonl", results).splitlines()
    assert len(lines) == len(results)
    for line in lines:
        validator(schema, "result").validate(json.loads(line))


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_is_valid(schema: dict[str, Any], reason: Reason, results: list[ScanResult]) -> None:
    record = plain_result(dataclasses.replace(results[-1], reason=reason))
    validator(schema, "result").validate(record)


@pytest.mark.parametrize(
    "change",
    [
        {"label": "fake"},
        {"label": None, "reason": None},
        {"fake_probability": 1.5},
        {"fake_probability": None},
        {"surplus": 1},
        {"label": "probably"},
        {"schema_version": "0.9"},
    ],
)
def test_schema_refuses_wrong_records(schema: dict[str, Any], change: dict[str, Any]) -> None:
    record = plain_result(samples()[-1 if change.get("label") == "fake" else 0])
    validator(schema, "result").validate(record)
    with pytest.raises(jsonschema.ValidationError):
        validator(schema, "result").validate({**record, **change})


def test_json_is_ascii_and_has_no_raw_controls(results: list[ScanResult]) -> None:
    for name in ("json", "jsonl"):
        text = render(name, results)
        assert text.isascii()
        assert not any(ord(char) < 32 and char != "\n" for char in text)


def test_name_that_is_not_utf8_can_be_recovered(results: list[ScanResult]) -> None:
    record = next(r for r in map(plain_result, results) if "path_base64" in r)
    assert base64.b64decode(record["path_base64"]) == os.fsencode(NOT_UTF8)
    assert record["path"] == "caf\ufffd/clip\ufffd.mp4"


def test_logits_keep_every_digit() -> None:
    logit = 1.2345678901234567
    result = judged(
        "a", Label.FAKE, 0.9, (track(1, Label.FAKE, 0.9, (0.0,), (logit,)),), media(MediaKind.PHOTO)
    )
    record = json.loads(render("jsonl", [result]))
    assert record["logit"] == record["tracks"][0]["faces"][0]["experts"][0] == logit


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_is_never_written(value: float) -> None:
    tracks = (dataclasses.replace(track(1, Label.FAKE, 0.9, (0.0,), (1.0,)), logit=value),)
    result = judged("a", Label.FAKE, 0.9, tracks, media(MediaKind.VIDEO))
    assert plain_result(result)["logit"] is None
    json.loads(render("json", [result]), parse_constant=pytest.fail)
    with pytest.raises(ValueError, match="probability"):
        plain_result(dataclasses.replace(result, fake_probability=value))
    with pytest.raises(ValueError, match="finite"):
        plain_result(dataclasses.replace(result, tracks=(dataclasses.replace(tracks[0], start=value),)))


def test_numpy_numbers_become_plain_ones() -> None:
    np = pytest.importorskip("numpy")
    face = dataclasses.replace(score(0.0, 1.0), logit=np.float64(0.1), time=np.float32(0.5))
    person = dataclasses.replace(track(1, Label.FAKE, 0.9, (0.0,), (1.0,)), faces=(face,))
    record = plain_result(judged("a", Label.FAKE, np.float64(0.9), (person,), media(MediaKind.VIDEO)))
    assert type(record["fake_probability"]) is float
    assert type(record["tracks"][0]["faces"][0]["logit"]) is float


@given(st.text(st.characters(codec=None), max_size=40), st.floats(0, 1))
def test_any_name_and_probability_round_trip(path: str, probability: float) -> None:
    person = track(1, Label.UNCERTAIN, probability, (0.0,), (0.0,))
    result = judged(path, Label.UNCERTAIN, probability, (person,), media(MediaKind.PHOTO))
    record = json.loads(render("jsonl", [result]))
    record["path"].encode("utf-8")
    assert abs(record["fake_probability"] - probability) <= 5e-7
    if "path_base64" not in record:
        assert record["path"] == path


def test_records_have_a_stable_key_order(results: list[ScanResult]) -> None:
    keys = [[key for key in plain_result(result) if key != "path_base64"] for result in results]
    assert all(each == keys[0] for each in keys)
    assert keys[0][:3] == ["path", "label", "reason"]


def test_summary_is_valid_when_interrupted(schema: dict[str, Any], results: list[ScanResult]) -> None:
    summary = summary_of(results)
    summary.complete = False
    validator(schema, "summary").validate(summary.as_dict())
