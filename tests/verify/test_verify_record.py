"""What a record must hold, and what has no place in it."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from dfdetect import __version__
from dfdetect.errors import InputError, SettingsError
from dfdetect.verify import Verifier

from .cases import CLIP, LETTER, PHOTO, Case, Record, of_version, other_label


def test_settings_may_not_be_left_out(case: Case) -> None:
    def only_model(results: list[Record]) -> None:
        results[PHOTO]["settings"] = {"model": "light"}

    outcome = case.verify("photo.jpg", only_model)
    assert not outcome.reproduces
    names = {d.what for d in outcome.differences if not d.within}
    assert {"settings: frames", "settings: threshold", "settings: prior"} <= names


def test_an_older_version_may_have_had_fewer_settings(case: Case) -> None:
    def older(record: Record) -> None:
        of_version("0.0.9", record)
        del record["results"][PHOTO]["settings"]["max_faces"]

    outcome = case.verify("photo.jpg", around=older)
    assert outcome.reproduces
    assert [(d.what, d.within) for d in outcome.differences] == [("settings: max faces", True)]
    assert [(c.name, c.recorded) for c in outcome.changes] == [("dfdetect", "0.0.9")]
    assert "to the last digit" not in outcome.message


def test_an_older_version_that_is_named_everywhere_is_a_change(case: Case) -> None:
    outcome = case.verify("photo.jpg", around=lambda record: of_version("0.0.9", record))
    assert outcome.reproduces
    assert outcome.differences == ()
    assert [(c.name, c.recorded) for c in outcome.changes] == [("dfdetect", "0.0.9")]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda r: r["tool"].update(version="9.9"), ["tool: version"]),
        (lambda r: r["tool"].update(name="another"), ["tool: name"]),
        (lambda r: r.pop("tool"), ["tool: name", "tool: version"]),
        (lambda r: r.update(tool=[1]), ["tool: name", "tool: version"]),
        (lambda r: r.update(schema_version="1.9"), ["schema version"]),
        (
            lambda r: r["results"][PHOTO].update(tool_version="9.9"),
            ["tool: version", "evidence: version of dfdetect"],
        ),
        (
            lambda r: r["results"][PHOTO]["evidence"]["versions"].update(dfdetect="9.9"),
            ["evidence: version of dfdetect"],
        ),
    ],
)
def test_a_record_names_one_version_of_the_tool(
    change: Callable[[Record], object], what: list[str], case: Case
) -> None:
    outcome = case.verify("photo.jpg", around=change)
    assert not outcome.reproduces
    assert [d.what for d in outcome.differences if not d.within] == what


@pytest.mark.parametrize(
    "part",
    [
        lambda r: r,
        lambda r: r["tool"],
        lambda r: r["summary"],
        lambda r: r["results"][PHOTO],
        lambda r: r["results"][PHOTO]["media"],
        lambda r: r["results"][PHOTO]["evidence"],
        lambda r: r["results"][PHOTO]["model"],
        lambda r: r["results"][CLIP]["tracks"][0],
        lambda r: r["results"][CLIP]["tracks"][0]["faces"][1]["quality"],
    ],
)
def test_members_that_no_record_has_are_refused(part: Callable[[Record], Record], case: Case) -> None:
    with pytest.raises(InputError, match=r"changed\.json.*no record has the member 'verdict_by_lab'"):
        case.verify("photo.jpg", around=lambda record: part(record).update(verdict_by_lab="fake"))


def test_a_member_that_is_there_twice_is_refused(case: Case) -> None:
    path = case.folder / "twice.json"
    other = other_label(case.record["results"][PHOTO])
    path.write_text(json.dumps(case.record).replace('"label": ', f'"label": "{other}", "label": ', 1))
    with pytest.raises(InputError, match="'label' is there more than once"):
        Verifier(path)


@pytest.mark.parametrize("name", ["files", "fake", "not_judged", "accepted", "reasons"])
def test_the_summary_must_follow_from_the_results(name: str, case: Case) -> None:
    for change in (
        lambda record: record["summary"].update({name: 7}),
        lambda record: record["summary"].pop(name),
        lambda record: record["summary"].update({name: float("inf")}),
    ):
        outcome = case.verify("photo.jpg", around=change)
        assert not outcome.reproduces
        assert [d.what for d in outcome.differences] == [f"summary: {name.replace('_', ' ')}"]
        json.dumps([dataclasses.asdict(d) for d in outcome.differences], allow_nan=False)
    outcome = case.verify("photo.jpg", around=lambda record: record.pop("summary"))
    assert [d.what for d in outcome.differences] == ["summary"]


def test_json_lines_have_no_summary(case: Case) -> None:
    path = case.folder / "record.jsonl"
    path.write_text("".join(json.dumps(result) + "\n" for result in case.record["results"]))
    assert Verifier(path).verify(str(case.folder / "photo.jpg")).reproduces


@pytest.mark.parametrize("place", ["/nowhere/certs.pem", "/dev/zero"])
def test_the_trust_list_of_a_record_is_not_read(place: str, case: Case) -> None:
    def trust(results: list[Record]) -> None:
        for result in results:
            result["settings"]["trust_list"] = place

    assert case.verify("photo.jpg", trust).reproduces


@pytest.mark.parametrize("value", [5, [1], {}, "a\0b", "\ud800"])
def test_a_trust_list_that_is_no_path_is_told(value: object, case: Case) -> None:
    with pytest.raises(SettingsError, match="trust_list must be"):
        case.verify("photo.jpg", lambda results: results[PHOTO]["settings"].update(trust_list=value))


def test_unknown_settings_are_named(case: Case) -> None:
    def sharpened(version: str) -> Callable[[Any], None]:
        def change(results: Any) -> None:
            results[PHOTO]["tool_version"] = version
            results[PHOTO]["settings"]["sharpen"] = 3

        return change

    with pytest.raises(SettingsError, match=r"unknown setting 'sharpen'.*9\.9: verify it with that version"):
        case.verify("photo.jpg", sharpened("9.9"))
    with pytest.raises(SettingsError, match=r"unknown setting 'sharpen'.*only be scanned anew"):
        case.verify("photo.jpg", sharpened(__version__))


def test_a_record_without_hashes_is_refused(case: Case) -> None:
    with pytest.raises(InputError, match="--report record=FILE"):
        case.verify("photo.jpg", lambda results: [result.pop("evidence") for result in results])


@pytest.mark.parametrize("other", [str.upper, lambda digest: digest + " ", lambda digest: digest[:-1]])
def test_a_hash_of_another_form_is_refused(other: Callable[[str], str], case: Case) -> None:
    """A second verdict on the same bytes would not be found by them."""

    def twin(results: list[Record]) -> None:
        results.insert(0, copy.deepcopy(results[PHOTO]) | {"path": "there/twin.jpg", "label": "fake"})
        results[0]["evidence"]["sha256"] = other(results[0]["evidence"]["sha256"])

    with pytest.raises(InputError, match=r"'evidence\.sha256' must be 64 hexadecimal digits"):
        case.verify("photo.jpg", twin)


def test_the_sentence_of_another_version_is_not_taken_for_this_ones(case: Case) -> None:
    def older(record: Record) -> None:
        of_version("0.0.9", record)
        record["results"][PHOTO]["message"] = "Authentic."

    outcome = case.verify("photo.jpg", around=older)
    assert outcome.reproduces
    assert "NOT in its words" in outcome.message
    assert "(0.0.9) may have written" in outcome.message


def test_what_a_baseline_said_is_a_change(case: Case) -> None:
    note = {"code": "accepted", "text": "This finding is accepted by the baseline: examined."}
    outcome = case.verify("letter.txt", lambda results: results[LETTER]["notes"].append(note))
    assert outcome.reproduces
    assert [(c.name, c.recorded) for c in outcome.changes] == [("accepted by a baseline", note["text"])]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update({"judged fake by the laboratory": None}),
        lambda r: r["results"][PHOTO].update({"judged fake by the laboratory": None}),
        lambda r: r["results"][PHOTO]["evidence"]["versions"].update(engine="certified"),
        lambda r: r["results"][PHOTO]["evidence"]["versions"].update({"Content Credentials: present": "no"}),
        lambda r: r["results"][PHOTO]["evidence"].update(started="yesterday"),
        lambda r: r["results"][PHOTO].update(path_base64="YQ=="),
        lambda r: r["summary"].update(started={"verdict": "fake"}),
        lambda r: r["summary"].update(started="yesterday"),
        lambda r: r["summary"].update(elapsed="for ever"),
        lambda r: r["summary"].update(complete="yes"),
    ],
)
def test_free_text_has_no_place_in_a_record(change: Callable[[Record], object], case: Case) -> None:
    with pytest.raises(InputError, match=r"changed\.json"):
        case.verify("photo.jpg", around=change)


def test_settings_that_verify_sets_must_be_settings_too(case: Case) -> None:
    with pytest.raises(SettingsError, match="evidence must be True or False"):
        case.verify("photo.jpg", lambda results: results[PHOTO]["settings"].update(evidence="certified"))


@pytest.mark.parametrize("member", ["model", "detector"])
def test_a_result_must_say_what_made_it(member: str, case: Case) -> None:
    outcome = case.verify("photo.jpg", lambda results: results[PHOTO].update({member: None}))
    assert not outcome.reproduces
    assert [d.what for d in outcome.differences] == [member]
    assert str(outcome.differences[0].found).startswith({"model": "light", "detector": "mtcnn"}[member])
