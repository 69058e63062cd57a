"""`dfdetect.verify` over real scans with the light model: what reproduces, and what each change says."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from dfdetect import Detector, Reason
from dfdetect.cli.main import main
from dfdetect.record.plain import plain_result
from dfdetect.record.summary import Summary
from dfdetect.reports.registry import make_report
from dfdetect.scoring.models import load_model, logit_tolerance, write_card
from dfdetect.verify import Verifier

from .cases import CLIP, DATA, LETTER, PHOTO, Case, Record, other_label


@pytest.mark.parametrize("name", ["photo.jpg", "clip.mp4"])
def test_an_honest_record_reproduces_exactly(name: str, case: Case) -> None:
    outcome = case.verify(name)
    assert outcome.reproduces
    assert (outcome.same_file, outcome.same_model, outcome.same_detector) == (True, True, True)
    assert outcome.differences == outcome.changes == ()
    assert outcome.recorded_path == name
    assert "to the last digit" in outcome.message


def test_what_could_not_be_judged_reproduces_too(case: Case) -> None:
    outcome = case.verify("letter.txt")
    assert outcome.reproduces
    assert outcome.same_model is None, "no model took part"
    assert "unreadable" in outcome.message


def test_a_file_is_known_by_its_bytes_not_its_name(case: Case) -> None:
    shutil.copy(case.folder / "photo.jpg", case.folder / "renamed.png")
    outcome = case.verify("renamed.png")
    assert outcome.reproduces
    assert outcome.recorded_path == "photo.jpg"


def test_a_reencoded_copy_is_another_file(case: Case) -> None:
    (case.folder / "copy").mkdir(exist_ok=True)
    Image.open(case.folder / "photo.jpg").save(case.folder / "copy" / "photo.jpg", quality=90)
    outcome = case.verify("copy/photo.jpg")
    assert not outcome.reproduces
    assert not outcome.same_file
    assert outcome.reason is None
    assert "had other bytes" in outcome.message
    shutil.copy(case.folder / "copy" / "photo.jpg", case.folder / "unheard.jpg")
    assert "the record has no file with these bytes" in case.verify("unheard.jpg").message


@pytest.mark.parametrize("name", ["renamed.txt", "re\n\x1bnamed.txt"])
def test_an_unreadable_file_may_have_another_name(case: Case, name: str) -> None:
    """Its message begins with its name."""
    shutil.copy(case.folder / "letter.txt", case.folder / name)
    outcome = case.verify(
        name,
        lambda r: r[LETTER].update(message="'letter.txt' is text, not a photo or video: check the file"),
    )
    assert outcome.reproduces
    assert outcome.differences == ()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda r: r.update(fake_probability=round(r["fake_probability"] - 0.005, 6)), "fake probability"),
        (lambda r: r.update(logit=r["logit"] + 0.01), "logit"),
        (lambda r: r.update(message="All is well."), "message"),
        (lambda r: r["media"].update(width=4711), "media: width"),
        (lambda r: r["tracks"][0].update(label=other_label(r["tracks"][0])), "person 1: label"),
        (lambda r: r["tracks"][0]["faces"][0].update(logit=9.0), "person 1, face at 0 s: logit"),
        (lambda r: r["tracks"][0]["faces"][0]["box"].__setitem__(0, 7.0), "person 1, face at 0 s: box"),
        (lambda r: r["tracks"].clear(), "person 1"),
    ],
)
def test_an_edited_record_does_not_reproduce(
    change: Callable[[Record], object], what: str, case: Case
) -> None:
    outcome = case.verify("photo.jpg", lambda results: change(results[PHOTO]))
    assert not outcome.reproduces
    assert outcome.same_file
    assert [d.what for d in outcome.differences if not d.within] == [what]
    assert "does NOT reproduce: 1 figure beyond tolerance" in outcome.message


def test_edited_settings_do_not_reproduce(case: Case) -> None:
    outcome = case.verify("clip.mp4", lambda results: results[CLIP]["settings"].update(frames=2))
    assert not outcome.reproduces
    assert "media: frames sampled" in {d.what for d in outcome.differences}


def test_scores_of_another_machine_are_within_tolerance(case: Case) -> None:
    """As another engine would move them: every score a little, and versions that differ."""
    shift = 0.5 * logit_tolerance(load_model("light"))

    def change(results: list[Record]) -> None:
        record = results[PHOTO]
        face = record["tracks"][0]["faces"][0]
        for part in (record, record["tracks"][0], face):
            part["logit"] += shift
        record["evidence"]["versions"].update(onnxruntime="1.20.0", processor="Other")
        record["evidence"]["versions"].pop("numpy")
        record["model"]["engine"] = "onnxruntime 1.20.0 cpu"

    outcome = case.verify("photo.jpg", change)
    assert outcome.reproduces
    assert len(outcome.differences) == 3
    assert all(d.within and d.recorded - d.found == pytest.approx(shift) for d in outcome.differences)
    assert [(c.name, c.recorded) for c in outcome.changes] == [
        ("engine", "onnxruntime 1.20.0 cpu"),
        ("numpy", None),
        ("onnxruntime", "1.20.0"),
        ("processor", "Other"),
    ]
    assert "reproduces within tolerance, 3 figures not exactly" in outcome.message


def test_another_model_version_is_named_and_not_run(case: Case) -> None:
    def change(results: list[Record]) -> None:
        model = results[PHOTO]["model"]
        model["version"] = "0.9"
        model["sha256"]["model.onnx"] = "0" * 64

    outcome = case.verify("photo.jpg", change)
    assert (outcome.reproduces, outcome.same_file, outcome.same_model) == (False, True, False)
    assert "model light 0.9, which is not the one here" in outcome.message
    assert "model.onnx" in outcome.message
    assert outcome.differences == ()


@pytest.mark.parametrize(("member", "value"), [("name", "standard"), ("version", "99")])
def test_another_name_or_version_of_the_model_is_another_model(member: str, value: str, case: Case) -> None:
    outcome = case.verify("photo.jpg", lambda results: results[PHOTO]["model"].update({member: value}))
    assert (outcome.reproduces, outcome.same_model) == (False, False)
    assert f"; {member} differ)" in outcome.message


def test_what_could_not_be_read_was_seen_by_no_model(case: Case) -> None:
    outcome = case.verify("letter.txt", lambda results: results[LETTER].update(model=results[PHOTO]["model"]))
    assert [d.what for d in outcome.differences if not d.within] == ["model"]


def test_another_face_detector_is_not_the_same_scan(case: Case) -> None:
    outcome = case.verify(
        "photo.jpg", lambda results: results[PHOTO]["detector"]["sha256"].update({"pnet.onnx": "0" * 64})
    )
    assert (outcome.reproduces, outcome.same_detector, outcome.differences) == (False, False, ())
    assert "other face detector" in outcome.message


def test_a_model_folder_of_another_machine_can_be_named(case: Case, tmp_path: Path) -> None:
    record = copy.deepcopy(case.record)
    record["results"][PHOTO]["settings"]["model"] = str(tmp_path / "not-here")
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    photo = str(case.folder / "photo.jpg")
    outcome = Verifier(path).verify(photo)
    assert (outcome.reproduces, outcome.same_model, outcome.model_missing) == (False, None, True)
    assert "--model-folder" in outcome.message
    assert main(["verify", str(path), photo]) == 2, "nothing is known: neither yes nor no"
    folder = tmp_path / "light"
    shutil.copytree(load_model("light").path, folder)
    assert Verifier(path, str(folder)).verify(photo).reproduces
    card = load_model(folder).card
    write_card(folder, dataclasses.replace(card, summary="Another model."))
    outcome = Verifier(path, str(folder)).verify(photo)
    assert outcome.same_model is False
    assert "card.json differ" in outcome.message


def test_an_unreadable_file_is_an_answer(case: Case) -> None:
    outcome = case.verify("none.jpg")
    assert (outcome.reproduces, outcome.reason, outcome.sha256) == (False, Reason.MISSING, None)
    assert case.verify(".").reason is Reason.UNSUPPORTED


def test_a_model_that_did_not_come_with_dfdetect_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether the record names its folder or --model-folder does."""
    own = tmp_path / "own"
    shutil.copytree(load_model("light").path, own)
    result = Detector(model=str(own), evidence=True).scan(DATA / "astronaut.jpg")
    stream = io.StringIO()
    report, summary = make_report("record", stream), Summary()
    summary.add(result)
    report.begin()
    report.add(result)
    report.end(summary)
    (tmp_path / "record.json").write_text(stream.getvalue(), "utf-8")
    record, photo = str(tmp_path / "record.json"), str(DATA / "astronaut.jpg")
    outcome = Verifier(record).verify(photo)
    assert (outcome.reproduces, outcome.own_model) == (True, str(own))
    assert f"judged by the model in '{own}', which did not come with dfdetect" in outcome.message
    moved = str(own.rename(tmp_path / "sent-along"))
    assert main(["verify", record, photo, "--model-folder", moved]) == 0
    assert f"judged by the model in '{moved}', which did not come with dfdetect" in capsys.readouterr().out
    assert main(["verify", record, photo, "--model-folder", moved, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["own_model"] == moved
    shipped = Verifier(record, "light").verify(photo)
    assert (shipped.reproduces, shipped.own_model) == (True, None)
    assert "did not come" not in shipped.message


@pytest.mark.parametrize("name", ["photo.jpg", "letter.txt"])
@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_what_was_scanned_without_a_path_is_verified_by_a_file(name: str, kind: str, case: Case) -> None:
    data = (case.folder / name).read_bytes()
    source = data if kind == "bytes" else io.BytesIO(data)
    result = Detector(model="light", evidence=True).scan(source)
    path = case.folder / "nameless.jsonl"
    path.write_text(json.dumps(plain_result(result)) + "\n")
    outcome = Verifier(path).verify(str(case.folder / name))
    assert (outcome.reproduces, outcome.differences) == (True, ())


def test_changed_credentials_are_told_and_decide_nothing(case: Case) -> None:
    said = {
        "present": True,
        "valid": True,
        "trusted": None,
        "signer": "Camera",
        "generator": None,
        "declares_generated": None,
        "problems": [],
    }

    def change(results: list[Record]) -> None:
        """As another version of the library may have read them."""
        results[PHOTO]["evidence"].update(credentials=said)
        results[PHOTO]["evidence"]["versions"]["c2pa-python"] = "0.0.1"

    outcome = case.verify("photo.jpg", change)
    assert outcome.reproduces
    told = {change.name: change.recorded for change in outcome.changes}
    assert told["Content Credentials: signer"] == "Camera"
    assert told["Content Credentials: valid"] == "True"


def test_credentials_that_the_same_library_does_not_read_are_a_difference(case: Case) -> None:
    pytest.importorskip("c2pa", reason="c2pa-python is not installed")
    edits = {"signer": "BBC News", "generator": "Leica 1.2", "declares_generated": False, "present": True}
    for name, value in edits.items():
        outcome = case.verify(
            "photo.jpg",
            lambda r, said=(name, value): r[PHOTO]["evidence"]["credentials"].update([said]),
        )
        assert not outcome.reproduces
        what = f"Content Credentials: {name.replace('_', ' ')}"
        assert [(d.what, d.recorded) for d in outcome.differences] == [(what, value)]
        assert outcome.changes == (), "told once"


def test_whether_a_signer_is_trusted_is_not_checked(case: Case) -> None:
    pytest.importorskip("c2pa", reason="c2pa-python is not installed")
    outcome = case.verify("photo.jpg", lambda r: r[PHOTO]["evidence"]["credentials"].update(trusted=True))
    assert outcome.reproduces
    assert [(c.recorded, c.here) for c in outcome.changes] == [("True", "not checked")]
