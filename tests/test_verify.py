"""`dfdetect.verify` over real scans with the light model: what reproduces, and what each change says."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dfdetect import Detector, Reason, __version__
from dfdetect.cli.main import main
from dfdetect.errors import InputError, SettingsError
from dfdetect.reports.base import Report
from dfdetect.reports.parse import parse_result
from dfdetect.reports.plain import plain_result
from dfdetect.reports.registry import make_report
from dfdetect.reports.summary import Summary
from dfdetect.scoring.models import load_model, logit_tolerance, write_card
from dfdetect.verify import Verification, Verifier

DATA = Path(__file__).resolve().parents[1] / "data"
Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """A record of a photo, a video and a file that is no media, in the folder of its files."""

    folder: Path
    record: Record

    def verify(
        self,
        name: str,
        change: Callable[[list[Record]], object] | None = None,
        around: Callable[[Record], object] | None = None,
    ) -> Verification:
        """Verify the file `name` against the record, changed by `change` (of its list of results).

        Its summary then says what these results come to, unless `around` changes it.
        """
        record = copy.deepcopy(self.record)
        if change is not None:
            change(record["results"])
            record["summary"] = summed(record["results"])
        if around is not None:
            around(record)
        path = self.folder / "changed.json"
        path.write_text(json.dumps(record), "utf-8")
        return Verifier(path).verify(str(self.folder / name))


def summed(results: list[Record]) -> Record:
    summary = Summary()
    for result in results:
        summary.add(parse_result(result))
    return summary.as_dict()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("verify")
    shutil.copy(DATA / "astronaut.jpg", folder / "photo.jpg")
    shutil.copy(DATA / "moving_forged.mp4", folder / "clip.mp4")
    (folder / "letter.txt").write_text("no picture at all\n" * 30)
    detector = Detector(model="light", frames=4, evidence=True)
    stream = io.StringIO()
    report: Report = make_report("record", stream)
    report.begin()
    summary = Summary()
    for name in ("photo.jpg", "clip.mp4", "letter.txt"):
        result = detector.scan(folder / name, name=name)
        summary.add(result)
        report.add(result)
    report.end(summary)
    return Case(folder, json.loads(stream.getvalue()))


PHOTO, CLIP, LETTER = 0, 1, 2


def other_label(record: Record) -> str:
    return "real" if record["label"] == "fake" else "fake"


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


@pytest.mark.parametrize("member", ["model", "detector"])
def test_a_result_must_say_what_made_it(member: str, case: Case) -> None:
    outcome = case.verify("photo.jpg", lambda results: results[PHOTO].update({member: None}))
    assert not outcome.reproduces
    assert [d.what for d in outcome.differences] == [member]
    assert str(outcome.differences[0].found).startswith({"model": "light", "detector": "mtcnn"}[member])


def test_what_could_not_be_read_was_seen_by_no_model(case: Case) -> None:
    outcome = case.verify("letter.txt", lambda results: results[LETTER].update(model=results[PHOTO]["model"]))
    assert [d.what for d in outcome.differences if not d.within] == ["model"]


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


def of_version(version: str, record: Record) -> None:
    """The record as that version of dfdetect would have written it."""
    record["tool"]["version"] = version
    for result in record["results"]:
        result["tool_version"] = result["evidence"]["versions"]["dfdetect"] = version


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


@pytest.mark.parametrize("place", ["/nowhere/certs.pem", "/dev/zero"])
def test_the_trust_list_of_a_record_is_not_read(place: str, case: Case) -> None:
    def trust(results: list[Record]) -> None:
        for result in results:
            result["settings"]["trust_list"] = place

    assert case.verify("photo.jpg", trust).reproduces


def test_a_model_that_the_record_brought_along_is_named(tmp_path: Path) -> None:
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
    outcome = Verifier(tmp_path / "record.json").verify(str(DATA / "astronaut.jpg"))
    assert (outcome.reproduces, outcome.own_model) == (True, str(own))
    assert f"judged by the model in '{own}', which did not come with dfdetect" in outcome.message
    chosen = Verifier(tmp_path / "record.json", str(own)).verify(str(DATA / "astronaut.jpg"))
    assert (chosen.reproduces, chosen.own_model) == (True, None)


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


@pytest.mark.parametrize("other", [str.upper, lambda digest: digest + " ", lambda digest: digest[:-1]])
def test_a_hash_of_another_form_is_refused(other: Callable[[str], str], case: Case) -> None:
    """A second verdict on the same bytes would not be found by them."""

    def twin(results: list[Record]) -> None:
        results.insert(0, copy.deepcopy(results[PHOTO]) | {"path": "there/twin.jpg", "label": "fake"})
        results[0]["evidence"]["sha256"] = other(results[0]["evidence"]["sha256"])

    with pytest.raises(InputError, match="'sha256' must be 64 hexadecimal digits"):
        case.verify("photo.jpg", twin)


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
