"""``dfdetect evaluate`` over stored results: what is written where, and what is refused before any work."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfdetect.cli.main import main
from dfdetect.record.plain import plain_result
from dfdetect.results import Box, FaceQuality, FaceScore, Label, MediaInfo, MediaKind, ScanResult, TrackResult
from dfdetect.scoring.models import find_folder, load_model
from dfdetect.settings import Settings

FILES = 24


def stored(path: str, logit: float, size: int) -> ScanResult:
    """A photo whose one face has the score `logit`, as the shipped model would have it stored."""
    face = FaceScore(0.0, 0, Box(0, 0, 90, 100), 0.99, FaceQuality(100, 80, 0.5, 0.2), logit, (logit,))
    probability = 1 / (1 + math.exp(-logit))
    label = Label.FAKE if logit > 0 else Label.REAL
    return ScanResult(
        path=path,
        label=label,
        reason=None,
        message="",
        fake_probability=probability,
        logit=logit,
        band=(0.5, 0.5),
        tracks=(TrackResult(1, label, None, probability, logit, 0.0, 0.0, (face,), 1),),
        media=MediaInfo(MediaKind.PHOTO, "jpeg", "jpeg", 200, 200, None, None, 0, 1, size),
        notes=(),
        model=load_model("light").stamp("onnxruntime"),
        settings=Settings().as_dict(),
        tool_version="0",
        elapsed=0.1,
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, the current one, with labels and stored results but without any media."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with open("labels.csv", "w", newline="") as table, open("scans.jsonl", "w") as lines:
        writer = csv.writer(table)
        writer.writerow(("file", "label", "family"))
        for i in range(FILES):
            fake = i % 2 == 1
            writer.writerow((f"{i}.jpg", "fake" if fake else "real", "swap" if fake else "real"))
            logit = float(rng.normal(2.0 if fake else -2.0, 1.5))
            record = plain_result(stored(f"/elsewhere/{i}.jpg", logit, int(rng.integers(1000, 9000))))
            lines.write(json.dumps(record) + "\n")
    return tmp_path


def evaluate(*words: str) -> int:
    return main(["evaluate", "labels.csv", "--draws", "20", "--model", "light", *words])


def test_tables_on_the_terminal_are_the_default(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--from-results", "scans.jsonl") == 0
    out, err = capsys.readouterr()
    assert "12 reals, 12 fakes" in out
    assert "stored scores, judged anew" in out
    assert "Families of fakes" in out
    assert "sharpness alone" in out
    assert err == ""


def test_reports_go_to_files_and_one_to_standard_output(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    reports = ("html=e.html", "markdown=e.md", "json=-")
    assert evaluate("--from-results", "scans.jsonl", *(w for r in reports for w in ("--report", r))) == 0
    out, _ = capsys.readouterr()
    table = json.loads(out)
    assert (table["files"], table["judged"]) == (FILES, FILES)
    assert (place / "e.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (place / "e.md").read_text("utf-8").startswith("# Evaluation")
    assert {p.name for p in place.iterdir()} == {"labels.csv", "scans.jsonl", "e.html", "e.md"}


def test_a_new_calibration_changes_what_is_judged_anew_only(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def figures(*words: str) -> dict[str, float]:
        assert evaluate("--from-results", "scans.jsonl", "--report", "json=-", *words) == 0
        part = json.loads(capsys.readouterr().out)["slices"][0]
        return {"ece": part["figures"]["ece"]["value"], "fake": part["reals_called"]["fake"]["value"]}

    kept, anew = figures("--as-stored"), figures()
    assert kept["ece"] != anew["ece"]
    assert figures("--threshold", "0.000001")["fake"] == 1.0


def test_a_prior_moves_probabilities_and_no_figure_of_them(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*words: str) -> dict[str, Any]:
        assert evaluate("--from-results", "scans.jsonl", "--report", "json=-", *words) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    plain, moved = told(), told("--prior", "0.00001")  # most files are at the end of the scale then
    assert moved["about"]["prior"] == 1e-5
    for before, after in zip(plain["slices"], moved["slices"], strict=True):
        answers = [part["figures"].pop("balanced_accuracy", None) for part in (before, after)]
        assert after == before
        assert answers[0] is None or answers[0]["value"] > answers[1]["value"] == 0.5
    for before, after in zip(plain["curves"], moved["curves"], strict=True):
        assert (after["roc"], after["reliability"]) == (before["roc"], before["reliability"])
        assert after["distribution"]["fakes"][0] == 1.0


def test_prior_and_threshold_of_stored_verdicts_are_their_own(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--from-results", "scans.jsonl", "--prior", "0.2") == 0
    assert "20 % of the files are fake; ranks, ECE and Brier are of those at the" in capsys.readouterr().out
    monkeypatch.setenv("DFDETECT_PRIOR", "0.2")
    monkeypatch.setenv("DFDETECT_THRESHOLD", "0.3")
    assert evaluate("--from-results", "scans.jsonl", "--as-stored") == 0
    out, _ = capsys.readouterr()
    assert "prior" not in out
    assert "from probability 0.5 on" in out
    lines = (place / "scans.jsonl").read_text()
    lines = lines.replace('"prior": null', '"prior": 0.01').replace('"threshold": null', '"threshold": 0.7')
    (place / "scans.jsonl").write_text(lines)
    assert evaluate("--from-results", "scans.jsonl", "--as-stored") == 0
    out, _ = capsys.readouterr()
    assert "1 % of the files are fake; ECE and Brier, which weigh reals and" in out
    assert "from probability 0.7 on" in out


def test_missing_files_are_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (place / "scans.jsonl").read_text().splitlines()
    (place / "scans.jsonl").write_text("\n".join(lines[2:]))
    assert evaluate("--from-results", "scans.jsonl") == 0
    out, err = capsys.readouterr()
    assert "2 labelled files of 24 without a result in scans.jsonl (0.jpg, 1.jpg)" in err
    assert "missing    2 labelled files" in out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--as-stored",), "--as-stored belongs to --from-results"),
        (("--from-results", "scans.jsonl", "--results", "new.jsonl"), "leave out --results"),
        (("--from-results", "scans.jsonl", "--jobs", "2"), "leave out --jobs, or scan anew"),
        (
            ("--from-results", "scans.jsonl", "--frames", "32", "--engine", "openvino"),
            "--from-results scans nothing: leave out --engine, --frames, or scan anew",
        ),
        (
            ("--from-results", "scans.jsonl", "--as-stored", "--prior", "0.2", "--min-face", "64"),
            "--as-stored keeps verdicts as they are: leave out --min-face, --prior, or scan anew",
        ),
        (("--from-results", "none.jsonl"), "none.jsonl"),
        (("--from-results", "labels.csv"), "labels.csv holds no results of a scan"),
        (("--report", "pdf=x.pdf"), "known formats are html, markdown, json"),
        (("--report", "html"), "FORMAT=FILE"),
        (("--report", "json=-", "--report", "markdown=-"), "standard output takes one report"),
        (("--report", "json=labels.csv"), "would overwrite"),
        (("--report", "json=a", "--report", "markdown=a"), "two reports would be written to 'a'"),
        (("--from-results", "scans.jsonl", "--report", "json=scans.jsonl"), "would overwrite"),
        (("--report", "json=nowhere/x.json"), "the folder"),
        (("--report", "json=" + "x" * 5000), "File name too long"),
        (("--report", "json=" + "x" * 5000 + "/a"), "File name too long"),
        (("--results", "x" * 5000), "File name too long"),
        (("--from-results", "x" * 5000), "File name too long"),
        (("--from-results", "scans.jsonl", "--card-as", "mine"), "came with dfdetect and is left as it is"),
    ],
)
def test_contradictions_are_refused_and_leave_nothing_behind(
    place: Path, words: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p.name: p.read_bytes() for p in place.iterdir()}
    assert evaluate(*words) == 2
    assert complaint in " ".join(capsys.readouterr().err.split())
    assert {p.name: p.read_bytes() for p in place.iterdir()} == before


def test_labels_of_too_long_a_name_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "x" * 5000, "--model", "light"]) == 2
    assert "cannot read labels" in capsys.readouterr().err


def test_nothing_judged_is_an_error_and_keeps_the_records(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--results", "new.jsonl", "--report", "json=e.json", "--jobs", "0") == 2
    told = capsys.readouterr().err
    assert "none of the 24 files of labels.csv could be judged (24 missing; the first is 0.jpg: " in told
    assert len((place / "new.jsonl").read_text().splitlines()) == FILES
    assert not (place / "e.json").exists()


def test_a_number_of_jobs_set_for_all_scans_is_no_contradiction(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DFDETECT_JOBS", "2")
    assert evaluate("--from-results", "scans.jsonl") == 0
    assert evaluate("--from-results", "scans.jsonl", "-j", "2") == 2
    assert "leave out --jobs, or scan anew" in capsys.readouterr().err


def test_results_of_other_networks_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = stored("/elsewhere/1.jpg", 1.0, 10)
    assert found.model is not None
    foreign = dataclasses.replace(
        found, model=dataclasses.replace(found.model, sha256={"model.onnx": "0" * 64})
    )
    (place / "scans.jsonl").write_text(json.dumps(plain_result(foreign)))
    assert evaluate("--from-results", "scans.jsonl") == 2
    assert "other networks" in capsys.readouterr().err
    assert evaluate("--from-results", "scans.jsonl", "--as-stored") == 0


def test_a_card_tells_the_settings_and_takes_no_verdicts_of_others(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(find_folder("light"), place / "mine")
    before = (folder / "card.json").read_bytes()
    words = ("--model", str(folder), "--from-results", "scans.jsonl", "--card-as", "here")
    assert evaluate(*words, "--as-stored") == 2
    assert "with --card-as leave out --as-stored" in capsys.readouterr().err
    assert (folder / "card.json").read_bytes() == before
    # What the scan was told stands in its results; what is said here and for all scans does not change it.
    lines = (place / "scans.jsonl").read_text()
    (place / "scans.jsonl").write_text(lines.replace('"max_faces": 32', '"max_faces": 5'))
    monkeypatch.setenv("DFDETECT_FPS", "3")
    assert evaluate(*words, "--prior", "0.2") == 0
    capsys.readouterr()
    assert main(["models", "show", str(folder)]) == 0
    told = capsys.readouterr().out.split("here")[-1].split()
    assert told[:5] == ["settings", "max_faces:", "5", "prior:", "0.2"]
    assert main(["models", "verify", str(folder)]) == 0


def test_calibrating_takes_no_prior_and_no_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--prior", "--threshold"):
        assert main(["calibrate", "labels.csv", "--model", "mine", option, "0.2"]) == 2
        told = capsys.readouterr().err
        assert "No such option" in told
        assert option in told
