"""``dfdetect calibrate`` as a whole: from labelled media, or from the stored results of an earlier scan."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from dfdetect.batch.failures import failed_result
from dfdetect.cli.main import main
from dfdetect.detector import Detector
from dfdetect.errors import InputError, MissingExtraError, ModelError
from dfdetect.evaluate import recalibrate
from dfdetect.evaluate.recalibrate import calibrate_folder
from dfdetect.evaluate.run import Stored, evaluate_labels
from dfdetect.evaluate.selftest import run_selftest
from dfdetect.record.parse import parse_result
from dfdetect.record.plain import plain_result
from dfdetect.results import Reason, ScanResult
from dfdetect.scoring.card import read_card
from dfdetect.scoring.models import load_model, write_card
from dfdetect.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FILES = 60
EARLIER = "an earlier one, not that of this folder"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "models" / "light", tmp_path / "model"))


@pytest.fixture(scope="module")
def scanned() -> ScanResult:
    """A real scan; what it saw is the pattern of all stored results."""
    return Detector(Settings(model=str(ROOT / "models" / "light"))).scan(ROOT / "data" / "astronaut.jpg")


def variant(result: ScanResult, path: str, logit: float, rng: np.random.Generator) -> ScanResult:
    """The same face under another name, of another size and with another score."""
    (track,) = result.tracks
    (face,) = track.faces
    quality = dataclasses.replace(face.quality, size=float(np.exp(rng.normal(5, 0.3))))
    faces = (dataclasses.replace(face, logit=logit, experts=(logit,), quality=quality),)
    return dataclasses.replace(result, path=path, tracks=(dataclasses.replace(track, faces=faces),))


def store(results: list[ScanResult], path: Path) -> None:
    path.write_text("".join(json.dumps(plain_result(r)) + "\n" for r in results), "utf-8")


@pytest.fixture
def stored(tmp_path: Path, scanned: ScanResult) -> tuple[Path, Path]:
    """Labels of files that are no longer there, and what an earlier scan said of them."""
    rng = np.random.default_rng(0)
    names = [(f"{i:03}.jpg", i % 2) for i in range(FILES)]
    labels = tmp_path / "labels.csv"
    rows = "".join(
        f"{name},{'fake' if fake else 'real'},s{i // 2 % 8}\n" for i, (name, fake) in enumerate(names)
    )
    labels.write_text("file,label,source\n" + rows)
    results = [
        variant(scanned, str(tmp_path / name), rng.normal(2.0 if fake else -2.0, 1.5), rng)
        for name, fake in names
    ]
    store(results, tmp_path / "scans.jsonl")
    return labels, tmp_path / "scans.jsonl"


def test_stored_results_are_enough(folder: Path, stored: tuple[Path, Path]) -> None:
    labels, results = stored
    found = calibrate_folder(labels, Settings(model=str(folder)), 0.1, miss_rate=0.2, results=results)
    assert found["fitted_on"]["files"] == FILES
    assert (found["band"]["error_rate"], found["band"]["miss_rate"]) == (0.1, 0.2)
    assert load_model(folder).calibration["fitted_on"] == json.loads(json.dumps(found["fitted_on"]))
    assert all(check.passed for check in run_selftest(Settings(model=str(folder))))
    again = Detector(Settings(model=str(folder))).scan(ROOT / "data" / "astronaut.jpg")
    assert again.novelty is not None
    assert parse_result(plain_result(again)).novelty == pytest.approx(again.novelty, abs=1e-6)


def test_the_command_takes_stored_results_and_tells_what_is_missing(
    folder: Path, stored: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    labels, results = stored
    results.write_text("".join(results.read_text("utf-8").splitlines(keepends=True)[:50]), "utf-8")
    words = ["calibrate", str(labels), "--model", str(folder), "--results", str(results)]
    assert main([*words, "--error-rate", "0.2", "--miss-rate", "0.3"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["fitted_on"]["files"] == 50
    assert (found["band"]["error_rate"], found["band"]["miss_rate"]) == (0.2, 0.3)
    assert "10 of 60 labelled files have no result" in told.err
    assert "wrote the calibration" in told.err
    assert "will be called" not in told.err
    assert main([*words, "--error-rate", "0.02", "--miss-rate", "0.3"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["band"]["photo"][1] == 1
    assert "dfdetect: no photos and no videos will be called fake" in told.err


@pytest.mark.parametrize("words", [["--frames", "4"], ["--engine", "torch", "-j", "2"]], ids=" ".join)
def test_options_that_stored_results_cannot_obey_are_refused(
    words: list[str], folder: Path, stored: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    labels, results = stored
    call = ["calibrate", str(labels), "--model", str(folder), "--results", str(results)]
    before = (folder / "calibration.json").read_bytes()
    assert main([*call, *words]) == 2
    assert f"--results scans nothing: leave out {words[0]}" in capsys.readouterr().err
    assert (folder / "calibration.json").read_bytes() == before


def test_files_that_cannot_be_read_are_told_and_counted(
    folder: Path, stored: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    labels, results = stored
    settings = Settings(model=str(folder))
    assert calibrate_folder(labels, settings, 0.1, results=results)["fitted_on"]["unreadable"] == 0
    assert "could not be read" not in capsys.readouterr().err
    scans = [parse_result(json.loads(line)) for line in results.read_text("utf-8").splitlines()]
    for i in range(5, 23):
        scans[i] = failed_result(scans[i].path, Reason.UNREADABLE, "it is a \x1bpoem", settings, 0.1)
    store(scans, results)
    fitted = calibrate_folder(labels, settings, 0.1, results=results)["fitted_on"]
    assert (fitted["files"], fitted["unreadable"], fitted["not_judged"]) == (FILES - 18, 18, 0)
    assert load_model(folder).calibration["fitted_on"]["unreadable"] == 18
    told = capsys.readouterr().err
    assert f"18 of {FILES} files could not be read (the first is {scans[5].path}: it is a " in told
    assert "\x1b" not in told


def figures(folder: Path) -> dict[str, Any]:
    measured = read_card(folder).measured
    assert isinstance(measured, dict)
    return measured


def test_figures_of_an_earlier_calibration_say_so(
    folder: Path, stored: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    labels, results = stored
    settings = Settings(model=str(folder))
    words = ["calibrate", str(labels), "--model", str(folder), "--results", str(results)]
    first = figures(folder)  # of training, and of the calibration that came with the model
    assert main(words) == 0
    assert "the card's figures val are of an earlier calibration" in capsys.readouterr().err
    assert figures(folder) == {**first, "val": {"calibration": EARLIER, **first["val"]}}
    evaluate_labels(labels, settings, card_as="mine", stored=Stored(results), draws=20)
    assert main(words) == 0  # the very same calibration
    assert "earlier calibration" not in capsys.readouterr().err
    assert "calibration" not in figures(folder)["mine"]
    assert main([*words, "--error-rate", "0.2"]) == 0
    assert "the card's figures mine are of an earlier calibration" in capsys.readouterr().err
    assert main(["models", "show", str(folder)]) == 0
    assert capsys.readouterr().out.count(f"calibration: {EARLIER}") == 2
    evaluate_labels(labels, settings, card_as="mine", stored=Stored(results), draws=20)
    assert "calibration" not in figures(folder)["mine"]


def test_degraded_copies_count_beside_their_files(
    folder: Path, scanned: ScanResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty files as they are from stored results, the first four of them still there to be copied."""
    names = [f"{i:03}.jpg" for i in range(20)]
    (tmp_path / "labels.csv").write_text(
        "file,label,source\n"
        + "".join(f"{name},{'real' if i % 2 else 'fake'},s{i // 2 % 5}\n" for i, name in enumerate(names))
    )
    photo = (ROOT / "data" / "astronaut.jpg").read_bytes()
    for i, name in enumerate(names[:4]):  # the byte behind its end makes it a file of its own
        (tmp_path / name).write_bytes(photo + bytes([i]))
    rng = np.random.default_rng(0)
    store(
        [variant(scanned, str(tmp_path / name), -2.0 if i % 2 else 2.0, rng) for i, name in enumerate(names)],
        tmp_path / "scans.jsonl",
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    settings = Settings(model=str(folder))
    found = [
        calibrate_folder(
            tmp_path / "labels.csv", settings, 0.2, 0, results=tmp_path / "scans.jsonl", copies=copies
        )
        for copies in (False, True, True)
    ]
    fitted = [one["fitted_on"] for one in found]
    assert [(one["files"], one["fakes"], one["copies"]) for one in fitted] == [
        (20, 10, 0),
        (20, 10, 4),
        (20, 10, 4),
    ]
    assert not any("copies" in part for part in fitted[0]["cross_validated"])
    parts = fitted[1]["cross_validated"]
    assert [parts[name]["files"] for name in ("all", "all_untouched", "all_copies", "photo_copies")] == [
        24,
        20,
        4,
        4,
    ]
    # The copies are all of one real picture: those labelled fake make the answers less sure.
    assert found[1]["calibrator"] != found[0]["calibrator"]
    assert found[2] == found[1]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "/elsewhere/other.jpg"}, "results of other files"),
        ({"model": None}, "networks"),
    ],
)
def test_unfit_results_are_refused_and_leave_the_model_alone(
    folder: Path, stored: tuple[Path, Path], change: dict[str, Any], message: str
) -> None:
    labels, results = stored
    before = (folder / "calibration.json").read_bytes()
    first = parse_result(json.loads(results.read_text().splitlines()[0]))
    store([dataclasses.replace(first, **change)], results)
    with pytest.raises(InputError, match=message):
        calibrate_folder(labels, Settings(model=str(folder)), 0.1, results=results)
    assert (folder / "calibration.json").read_bytes() == before


def without_calibration(folder: Path) -> None:
    """As somebody writes a folder for a network of their own."""
    (folder / "calibration.json").unlink()
    card = read_card(folder)
    write_card(folder, dataclasses.replace(card, files={}, golden=()))


def with_another_network(folder: Path) -> None:
    """The network was changed on purpose, and the card agrees."""
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"\x7a\x01x")  # a field that no reader of ONNX knows
    write_card(folder, read_card(folder))


def without_the_file(folder: Path) -> None:
    (folder / "calibration.json").unlink()


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


UNFIT = pytest.mark.parametrize("change", [without_calibration, with_another_network, without_the_file])


@UNFIT
def test_a_model_without_a_fitting_calibration_gets_one(
    folder: Path, tmp_path: Path, change: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    """Scanned by workers, which load the model by its name."""
    change(folder)
    assert main(["scan", str(ROOT / "data" / "coffee.jpg"), "--model", str(folder)]) == 2
    assert "run dfdetect calibrate" in capfd.readouterr().err
    media = tmp_path / "media"
    for i in range(20):
        kind = "fake" if i % 2 else "real"
        (media / kind).mkdir(parents=True, exist_ok=True)
        sample = "astronaut_forged.jpg" if i % 2 else "astronaut.jpg"
        (media / kind / f"{i}.jpg").write_bytes((ROOT / "data" / sample).read_bytes() + b"%d" % i)
    assert main(["calibrate", str(media), "--model", str(folder), "--jobs", "1"]) == 0
    assert json.loads(capfd.readouterr().out)["fitted_on"]["files"] == 20
    assert all(check.passed for check in run_selftest(Settings(model=str(folder))))
    assert len(read_card(folder).golden) == 3


@UNFIT
@pytest.mark.parametrize(
    ("stage", "error"),
    [("fit_calibration", KeyboardInterrupt), ("fit_calibration", InputError), ("make_goldens", ModelError)],
)
def test_what_does_not_come_to_its_end_leaves_the_folder_as_it_was(
    folder: Path,
    stored: tuple[Path, Path],
    change: Callable[[Path], None],
    stage: str,
    error: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels, results = stored
    change(folder)
    network = read_card(folder).experts[0].sha256
    lines = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    for line in lines:
        line["model"]["sha256"]["model.onnx"] = network
    results.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    before = content(folder)

    def fail(*args: object, **words: object) -> None:
        assert content(folder) != before
        raise error

    monkeypatch.setattr(recalibrate, stage, fail)
    with pytest.raises(error):
        calibrate_folder(labels, Settings(model=str(folder)), 0.1, results=results)
    assert content(folder) == before


def test_goldens_that_cannot_be_made_leave_the_former_calibration(
    folder: Path, stored: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, results = stored
    before = content(folder)
    monkeypatch.setattr(recalibrate, "SAMPLES", ("coffee.jpg",))  # nobody is in it
    with pytest.raises(ModelError, match="cannot be a golden one"):
        calibrate_folder(labels, Settings(model=str(folder)), 0.1, results=results)
    assert content(folder) == before


def test_an_altered_network_is_not_calibrated(folder: Path, stored: tuple[Path, Path]) -> None:
    labels, results = stored
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"\x7a\x01x")
    before = content(folder)
    with pytest.raises(ModelError, match=r"model\.onnx is not the file"):
        calibrate_folder(labels, Settings(model=str(folder)), 0.1, results=results)
    assert content(folder) == before


def test_a_missing_package_is_told_before_anything_is_scanned(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match="pip install scikit-learn"):
        calibrate_folder(tmp_path / "not even looked for.csv", Settings(model=str(folder)))
