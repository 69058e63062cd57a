"""What was written can be read back, and written again just the same."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.errors import InputError
from dfdetect.record.parse import parse_result, read_document, read_results
from dfdetect.record.plain import plain_result
from dfdetect.results import Label, MediaKind, Reason, ScanResult
from tests.sample_results import NOT_UTF8, judged, media, render, samples, track


def test_every_sample_round_trips(results: list[ScanResult]) -> None:
    for result in results:
        record = plain_result(result)
        again = parse_result(json.loads(json.dumps(record)))
        assert plain_result(again) == record
        assert again.path == result.path, "the bytes of a name that is not UTF-8 come back too"
    assert any(result.path == NOT_UTF8 for result in results)


@given(
    logits=st.lists(st.floats(-60, 60), min_size=1, max_size=5),
    probability=st.floats(0, 1),
    novelty=st.none() | st.floats(0, 1),
    heat=st.none() | st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), max_size=3),
    missing=st.booleans(),
)
def test_any_figures_round_trip(
    logits: list[float],
    probability: float,
    novelty: float | None,
    heat: list[tuple[float, float]] | None,
    missing: bool,
) -> None:
    person = track(1, Label.FAKE, probability, tuple(float(i) for i in range(len(logits))), tuple(logits))
    faces = tuple(
        dataclasses.replace(
            face,
            heatmap=None if heat is None else tuple(heat),
            logit=float("nan") if missing else face.logit,
        )
        for face in person.faces
    )
    result = judged(
        "a", Label.FAKE, probability, (dataclasses.replace(person, faces=faces),), media(MediaKind.VIDEO)
    )
    record = plain_result(dataclasses.replace(result, novelty=novelty))
    again = parse_result(json.loads(json.dumps(record)))
    assert plain_result(again) == record
    assert [face.experts for face in again.tracks[0].faces] == [face.experts for face in faces]


@pytest.mark.parametrize("name", ["jsonl", "json"])
def test_files_of_both_forms_are_read(name: str, results: list[ScanResult], tmp_path: Path) -> None:
    path = tmp_path / "scans"
    path.write_text(render(name, results), "utf-8")
    assert [plain_result(r) for r in read_results(path)] == [plain_result(r) for r in results]


@pytest.mark.parametrize("form", ["jsonl", "json"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_files_as_powershell_writes_them_are_read(
    form: str, encoding: str, results: list[ScanResult], tmp_path: Path
) -> None:
    path = tmp_path / "scans"
    path.write_bytes(("\ufeff" + render(form, results).replace("\n", "\r\n")).encode(encoding))
    assert [plain_result(r) for r in read_results(path)] == [plain_result(r) for r in results]


def test_records_from_before_novelty_are_read() -> None:
    record = plain_result(samples()[0])
    del record["novelty"]
    assert parse_result(record).novelty is None


def test_a_name_that_is_not_utf8_is_read_also_where_the_system_has_no_such_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on Windows, whose names are never bytes."""
    monkeypatch.setattr(sys, "platform", "win32")
    written = ScanResult.failed("M\udcfcller.jpg", Reason.MISSING, "gone", {}, 0.0, None)
    expected = plain_result(written)
    assert expected["path_base64"] == "TfxsbGVyLmpwZw=="
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode("utf-8", "surrogatepass"))
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("utf-8", "surrogatepass"))
    assert plain_result(written) == expected
    assert parse_result(expected).path == "M\udcfcller.jpg"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema_version": "2.0"}, "schema 2.0"),
        ({"label": "probably"}, "'label' must be one of"),
        ({"label": None}, "label or a reason"),
        ({"tracks": {}}, "'tracks' must be a list"),
        ({"tracks": [{"id": "x"}]}, "'tracks[0].id' must be a whole number"),
        ({"band": [0.1]}, "'band' must hold 2 numbers"),
        ({"fake_probability": "0.9"}, "'fake_probability' must be a finite number"),
        ({"media": []}, "'media' must be a JSON object"),
        ({"path": 3}, "'path' must be a text"),
        ({"path_base64": "§"}, "'path_base64' must be base64"),
        ({"path": "a\0b"}, "'path' must be a name that a file can have"),
        ({"path": "a\ud800b"}, "'path' must be a name that a file can have"),
        ({"path_base64": "YQBi"}, "'path_base64' must be a name that a file can have"),
    ],
)
def test_a_wrong_member_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=re.escape(named)):
        parse_result({**plain_result(samples()[0]), **change})


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("media", "width"), 10**400, "'media.width' must be a whole number"),
        (("media", "size_bytes"), 2**63, "'media.size_bytes' must be a whole number"),
        (("tracks", 0, "faces", 0, "frame"), -(10**400), "'tracks[0].faces[0].frame' must be a whole number"),
        (
            ("tracks", 0, "faces", 0, "quality", "sharpness"),
            None,
            "'tracks[0].faces[0].quality.sharpness' must be a finite",
        ),
        (
            ("tracks", 0, "faces", 0, "detection"),
            1.5,
            "'tracks[0].faces[0].detection' must be a number from 0 to 1",
        ),
        (("tracks", 0, "fake_probability"), -1, "'tracks[0].fake_probability' must be a number from 0 to 1"),
        (("band", 1), 5, "'band[1]' must be a number from 0 to 1"),
        (("tracks", 1, "id"), 1, "'tracks' must give every person an id of its own"),
    ],
)
def test_figures_that_nothing_could_be_made_of_are_refused(
    place: tuple[str | int, ...], value: object, named: str
) -> None:
    record: Any = plain_result(samples()[0])
    inner = record
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(InputError, match=re.escape(named)):
        parse_result(record)


def test_what_stands_around_the_results_is_handed_on(results: list[ScanResult], tmp_path: Path) -> None:
    path = tmp_path / "scans"
    path.write_text(render("json", results), "utf-8")
    found, around = read_document(path)
    assert around is not None
    assert around.keys() == {"schema_version", "tool", "summary"}
    assert len(list(found)) == len(results)
    path.write_text(render("jsonl", results), "utf-8")
    assert read_document(path)[1] is None


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_member_that_is_there_twice_is_refused(
    form: str, results: list[ScanResult], tmp_path: Path
) -> None:
    path = tmp_path / "scans"
    for member in ("label", "logit", "version"):
        head, tail = render(form, results).rsplit(f'"{member}": ', 1)
        path.write_text(f'{head}"{member}": "other", "{member}": {tail}', "utf-8")
        with pytest.raises(InputError, match=f"scans.*'{member}' is there more than once"):
            list(read_results(path))


@pytest.mark.parametrize("form", ["json", "jsonl", "record"])
def test_only_a_strict_reader_refuses_members_that_no_record_has(
    form: str, results: list[ScanResult], tmp_path: Path
) -> None:
    path = tmp_path / "scans"
    path.write_text(render(form, results), "utf-8")
    strict = list(read_document(path, strict=True)[0])
    assert [plain_result(r) for r in strict] == [plain_result(r) for r in results]
    path.write_text(render(form, results).replace('"label": ', '"lab": 1, "label": ', 1), "utf-8")
    assert len(list(read_results(path))) == len(results)
    with pytest.raises(InputError, match=r"(result|line) 1: no record has the member 'lab'"):
        list(read_document(path, strict=True)[0])


def test_a_strict_reader_takes_records_of_older_versions(tmp_path: Path) -> None:
    record = plain_result(samples()[0])
    del record["novelty"], record["detector"]
    record["evidence"] = None
    path = tmp_path / "scans"
    path.write_text(json.dumps(record), "utf-8")
    assert len(list(read_document(path, strict=True)[0])) == 1


def test_the_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scans.jsonl"
    path.write_text(render("jsonl", samples()[:2]) + '{"path": 1}\n', "utf-8")
    with pytest.raises(InputError, match="line 3"):
        list(read_results(path))
    path.write_text('{"path": \n', "utf-8")
    with pytest.raises(InputError, match="line 1: not JSON"):
        list(read_results(path))
    with pytest.raises(InputError, match="cannot read results"):
        list(read_results(tmp_path / "none.jsonl"))


@pytest.mark.parametrize(
    "content", [b"\xff\xd8\xff\xe0", b"path,label\na.jpg,fake\n", b'{\n "runs": []\n}\n']
)
def test_a_file_of_another_kind_is_named_as_that(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other is no record of a scan; make one .* name it first$"):
        list(read_document(path, strict=True)[0])
    with pytest.raises(InputError, match=r"other holds no results of a scan; make them with "):
        list(read_results(path))


def test_a_last_line_that_was_cut_off_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "scans.jsonl"
    path.write_text(render("jsonl", samples()[:3])[:-40], "utf-8")
    with pytest.raises(
        InputError, match=r"line 3: this last line was .* delete it, and the other 2 can be used"
    ):
        list(read_results(path))
    path.write_text(path.read_text("utf-8") + "\n" + render("jsonl", samples()[3:4]), "utf-8")
    with pytest.raises(InputError, match="line 3: not JSON"):
        list(read_results(path))
