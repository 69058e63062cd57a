"""Several results of the same bytes in one record."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dfdetect import Detector
from dfdetect.record.plain import plain_result
from dfdetect.scoring.models import load_model
from dfdetect.verify import Verifier

from .cases import CLIP, PHOTO, Case, Record


def test_of_equal_files_that_of_the_same_name_is_taken(case: Case) -> None:
    def change(results: list[Record]) -> None:
        results.insert(0, {**results[PHOTO], "path": "there/twin.jpg"})

    assert case.verify("photo.jpg", change).recorded_path == "photo.jpg"
    shutil.copy(case.folder / "photo.jpg", case.folder / "twin.jpg")
    assert case.verify("twin.jpg", change).recorded_path == "there/twin.jpg"


def test_all_results_of_equal_files_must_come_out_again(case: Case) -> None:
    def twin(results: list[Record], **values: Any) -> None:
        results.append({**copy.deepcopy(results[PHOTO]), "path": "there/twin.jpg", **values})

    assert case.verify("photo.jpg", twin).reproduces
    outcome = case.verify("photo.jpg", lambda results: twin(results, fake_probability=0.01))
    assert not outcome.reproduces
    assert outcome.recorded_path == "photo.jpg"
    assert [d.what for d in outcome.differences] == ["as there/twin.jpg: fake probability"]
    assert outcome.message.startswith("as there/twin.jpg: does NOT reproduce: 1 figure")


def test_every_answer_on_the_same_bytes_is_told(case: Case) -> None:
    """The same probability against another threshold is another answer."""

    def twin(results: list[Record]) -> None:
        settings = {**results[PHOTO]["settings"], "evidence": True, "threshold": threshold}
        again = Detector(**settings).scan(case.folder / "photo.jpg", name="there/twin.jpg")
        results.append(plain_result(again))

    first = case.record["results"][PHOTO]["fake_probability"]
    threshold = round(first / 2, 3) if case.record["results"][PHOTO]["label"] != "fake" else 0.999
    outcome = case.verify("photo.jpg", twin)
    assert outcome.reproduces
    assert outcome.message.startswith("reproduces to the last digit (")
    assert (
        "; the record has another result of the same bytes, as there/twin.jpg: reproduces" in outcome.message
    )


@pytest.mark.parametrize("swapped", [False, True])
def test_a_second_model_that_a_record_brought_along_is_named(
    swapped: bool, case: Case, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    shutil.copytree(load_model("light").path, own)

    def twin(results: list[Record]) -> None:
        settings = {**results[PHOTO]["settings"], "model": str(own)}
        twin = {**copy.deepcopy(results[PHOTO]), "path": "there/photo.jpg", "settings": settings}
        results.insert(PHOTO if swapped else len(results), twin)

    outcome = case.verify("photo.jpg", twin)
    assert (outcome.reproduces, outcome.own_model) == (True, str(own))
    assert f"judged by the model in '{own}', which did not come with dfdetect" in outcome.message


def test_of_equal_files_the_least_exact_is_told(case: Case) -> None:
    def twin(results: list[Record]) -> Record:
        results.append({**copy.deepcopy(results[PHOTO]), "path": "there/twin.jpg"})
        return results[-1]

    def moved(results: list[Record]) -> None:
        twin(results)["tracks"][0]["faces"][0]["detection"] -= 0.001

    def older(results: list[Record]) -> None:
        moved(results)
        last = {**twin(results), "path": "there/older.jpg", "tool_version": "0.0.9", "message": "Authentic."}
        last["evidence"]["versions"]["dfdetect"] = "0.0.9"
        results[-1] = last

    outcome = case.verify("photo.jpg", moved)
    assert outcome.reproduces
    assert outcome.message.startswith("as there/twin.jpg: reproduces within tolerance, 1 figure not exactly")
    path = case.folder / "older.jsonl"
    results = copy.deepcopy(case.record["results"])
    older(results)
    path.write_text("".join(json.dumps(result) + "\n" for result in results))
    outcome = Verifier(path).verify(str(case.folder / "photo.jpg"))
    assert outcome.reproduces
    assert outcome.message.startswith(
        "as there/older.jpg: reproduces in its figures within tolerance, NOT in"
    )


def test_equal_files_may_have_been_scanned_in_other_ways(case: Case) -> None:
    def twin(results: list[Record]) -> None:
        settings = {**results[CLIP]["settings"], "frames": 3}
        again = Detector(**{**settings, "evidence": True}).scan(case.folder / "clip.mp4", name="twin.mp4")
        results.append(plain_result(again))

    outcome = case.verify("clip.mp4", twin)
    assert outcome.reproduces
    assert outcome.differences == ()


def test_of_equal_files_a_real_difference_outweighs_a_missing_model(case: Case, tmp_path: Path) -> None:
    def twins(results: list[Record]) -> None:
        for path, change in (("a.jpg", {"model": str(tmp_path / "none")}), ("b.jpg", {})):
            settings = {**results[PHOTO]["settings"], **change}
            results.append({**results[PHOTO], "path": path, "settings": settings, "message": "Other."})

    outcome = case.verify("photo.jpg", twins)
    assert (outcome.reproduces, outcome.model_missing) == (False, False)
    assert outcome.message.startswith("as b.jpg: does NOT reproduce")


def test_another_result_of_the_same_path_is_told(case: Case) -> None:
    def twin(results: list[Record], sha256: str | None) -> None:
        results.append(copy.deepcopy(results[PHOTO]) | {"path": "./photo.jpg", "label": "fake"})
        results[-1]["evidence"]["sha256"] = sha256

    outcome = case.verify("photo.jpg", lambda results: twin(results, None))
    assert not outcome.reproduces
    assert [d.what for d in outcome.differences] == ["another result of './photo.jpg'"]
    outcome = case.verify("photo.jpg", lambda results: twin(results, "0" * 64))
    assert outcome.reproduces
    assert "the record has another result of './photo.jpg': fake" in outcome.message
