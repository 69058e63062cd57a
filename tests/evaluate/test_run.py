from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dfdetect.errors import DfdetectError, InputError, SettingsError
from dfdetect.evaluate.recalibrate import calibrate_folder
from dfdetect.evaluate.report import Origin, as_json
from dfdetect.evaluate.run import Stored, evaluate_labels
from dfdetect.scoring.card import read_card
from dfdetect.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    table = tmp_path / "labels.csv"
    rows = "".join(
        f"{ROOT / 'data' / name},{label}\n"
        for name, label in (
            ("astronaut.jpg", "real"),
            ("astronaut_forged.jpg", "fake"),
            ("coffee.jpg", "real"),
        )
    )
    table.write_text("file,label\n" + rows)
    return table


def test_figures_records_and_card_come_from_one_scan(labels: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "models" / "light", folder)
    records = tmp_path / "out.jsonl"
    settings = Settings(model=str(folder))
    found = evaluate_labels(labels, settings, 1, records, "mine", draws=20)
    assert (found.files, found.judged, dict(found.not_judged)) == (3, 2, {"no_face": 1})
    assert found.about.origin is Origin.SCANNED
    assert len([json.loads(line) for line in records.read_text().splitlines()]) == 3
    measured = read_card(folder).measured
    assert isinstance(measured, dict)
    assert measured["mine"]["files"] == 3
    with pytest.raises(InputError, match="new file"):
        evaluate_labels(labels, settings, 1, records)

    # The records say the same without a scan, as they are and judged anew.
    for as_stored, origin in ((False, Origin.RESCORED), (True, Origin.STORED)):
        again = evaluate_labels(labels, settings, stored=Stored(records, as_stored), draws=20)
        assert again.about.origin is origin
        assert as_json(again)["slices"] == as_json(found)["slices"]

    # Without the record of a file the report says so.
    lines = records.read_text().splitlines()
    records.write_text("\n".join(lines[1:]))
    fewer = evaluate_labels(labels, settings, stored=Stored(records), draws=20)
    assert (fewer.files, fewer.missing) == (2, (str(ROOT / "data" / "astronaut.jpg"),))
    records.write_text(lines[0].replace("astronaut", "somebody"))
    with pytest.raises(InputError, match="none of the 3 labelled files"):
        evaluate_labels(labels, settings, stored=Stored(records))


def test_files_without_any_answer_are_no_measurement(labels: Path, tmp_path: Path) -> None:
    labels.write_text("file,label\ngone.jpg,real\nlost.jpg,fake\n")
    records = tmp_path / "out.jsonl"
    told = r"none of the 2 files .* could be judged \(2 missing; the first is .*gone.jpg: "
    with pytest.raises(InputError, match=told):
        evaluate_labels(labels, Settings(model="light"), 0, records, draws=20)
    assert len(records.read_text().splitlines()) == 2
    for as_stored in (False, True):
        with pytest.raises(InputError, match=told):
            evaluate_labels(labels, Settings(model="light"), stored=Stored(records, as_stored), draws=20)
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "models" / "light", folder)
    with pytest.raises(InputError, match=told):
        calibrate_folder(labels, Settings(model=str(folder)), 0.1, results=records)


def test_a_scan_that_cannot_begin_leaves_the_name_of_its_results_free(labels: Path, tmp_path: Path) -> None:
    records = tmp_path / "out.jsonl"
    with pytest.raises(DfdetectError):  # no machine has so many
        evaluate_labels(labels, Settings(model="light", engine="torch", device="cuda:99"), 0, records)
    assert not records.exists()
    assert evaluate_labels(labels, Settings(model="light"), 0, records, draws=20).judged == 2
    assert len(records.read_text().splitlines()) == 3


def test_too_few_files_are_refused_before_their_copies_are_scanned(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "models" / "light", folder)
    with labels.open("a") as stream:
        stream.write("".join(f"gone{i}.jpg,real\n" for i in range(17)))
    with pytest.raises(
        InputError, match="at least 20 judged files, real and fake; there are 1 real and 1 fake"
    ):
        calibrate_folder(labels, Settings(model=str(folder)), 0.1, jobs=0, copies=True)
    told = capsys.readouterr().err
    assert "scanned 20/20" in told
    assert "copies" not in told


def test_shipped_models_are_not_recalibrated(labels: Path) -> None:
    with pytest.raises(SettingsError, match="copy its folder"):
        calibrate_folder(labels, Settings(model="light"), 0.1)


@pytest.mark.parametrize("more", [0, 30])
def test_labels_that_cannot_do_are_refused_unseen_and_leave_the_model_alone(
    more: int, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "models" / "light", folder)
    before = (folder / "calibration.json").read_bytes()
    if more:  # enough of them, but all of one class
        labels.write_text("file,label\n" + "".join(f"{i}.jpg,real\n" for i in range(more)))
    with pytest.raises(
        InputError, match=f"at least 20 .* names {more or 2} real and {0 if more else 1} fake"
    ):
        calibrate_folder(labels, Settings(model=str(folder)), 0.1, jobs=1)
    assert "scanned" not in capsys.readouterr().err
    assert (folder / "calibration.json").read_bytes() == before
