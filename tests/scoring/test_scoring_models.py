"""Model folders: found by name or path, and believed only when every hash is right."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from scoring_nets import CALIBRATION, edit_json, make_folder, tiny_expert, tiny_model

from dfdetect.errors import ModelError, SettingsError
from dfdetect.packaged import packaged
from dfdetect.scoring import models
from dfdetect.scoring.card import Golden, ModelCard, read_card
from dfdetect.scoring.models import (
    UncalibratedError,
    find_folder,
    hash_file,
    list_models,
    load_model,
    refuse_shipped,
    save_calibration,
    shipped_folders,
    verify,
    write_card,
)

ROOT = Path(__file__).resolve().parents[2]


def test_whole_folder_is_loaded(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "m", experts=2)
    assert model.card.name == "tiny"
    assert model.calibration["fusion"]["weights"] == [0.5, 0.5]
    assert set(model.hashes) == {"card.json", "calibration.json", "cnn0.onnx", "cnn1.onnx"}
    assert model.hashes["cnn0.onnx"] == hash_file(tmp_path / "m" / "cnn0.onnx")
    stamp = model.stamp("some engine")
    assert (stamp.name, stamp.engine, stamp.sha256) == ("tiny", "some engine", model.hashes)


@pytest.mark.parametrize("name", ["cnn0.onnx", "calibration.json"])
def test_altered_file_is_refused_and_named(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "m")
    with (folder / name).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(ModelError, match=f"{name} is not the file"):
        load_model(folder)
    wrong = [check.file for check in verify(folder) if not check.ok]
    assert wrong == [name]


@pytest.mark.parametrize("name", ["cnn0.onnx", "calibration.json"])
def test_what_was_hashed_before_is_refused_once_it_is_altered(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_SETTLED_NS", 50_000_000)
    folder = make_folder(tmp_path / "m")
    hour_ago = time.time() - 3600
    for path in folder.iterdir():
        os.utime(path, (hour_ago, hour_ago))
    time.sleep(0.1)  # until then nothing is remembered, since the inode has just been changed
    load_model(folder)
    before = (folder / name).read_bytes()
    (folder / name).write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    os.utime(folder / name, (hour_ago, hour_ago))
    with pytest.raises(ModelError, match=f"{name} is not the file"):
        load_model(folder)
    (folder / name).write_bytes(before)
    load_model(folder)


def test_an_untouched_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "m")
    read: list[str] = []

    def counted(path: Path) -> str:
        read.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(models, "hash_file", counted)
    monkeypatch.setattr(models, "_SETTLED_NS", 0)
    assert load_model(folder) == load_model(folder)
    assert read.count("cnn0.onnx") == 1
    verify(folder)
    assert read.count("cnn0.onnx") == 2


@pytest.mark.parametrize("name", ["cnn0.onnx", "calibration.json", "card.json"])
def test_missing_file_is_refused_and_named(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_model(folder)


def test_calibration_of_other_networks_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    # Somebody replaces the network and makes the card agree: the calibration still knows better.
    (folder / "cnn0.onnx").write_bytes((folder / "cnn0.onnx").read_bytes() + b"\x00\x00")
    write_card(folder, read_card(folder))
    assert all(check.ok for check in verify(folder))
    with pytest.raises(UncalibratedError, match=r"other networks .*; run dfdetect calibrate$"):
        load_model(folder)
    save_calibration(folder, CALIBRATION)
    assert load_model(folder).calibration["prior"] == 0.5


def test_uncalibrated_model_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "calibration.json").unlink()
    with pytest.raises(
        UncalibratedError, match=r"not been calibrated: there is no .*; run dfdetect calibrate$"
    ):
        load_model(folder)
    write_card(folder, ModelCard(name="tiny", version="1", experts=(tiny_expert("cnn0"),)))
    with pytest.raises(UncalibratedError, match=r"its card names no .*; run dfdetect calibrate$"):
        load_model(folder)
    with (folder / "cnn0.onnx").open("ab") as stream:
        stream.write(b"\x00\x00")
    with pytest.raises(ModelError, match=r"put its new sha256 into card\.json") as caught:
        load_model(folder)
    assert not isinstance(caught.value, UncalibratedError)  # no calibration mends that
    write_card(folder, read_card(folder))
    assert all(check.ok for check in verify(folder))


def test_write_card_hashes_what_is_there(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "README.md").write_text("hello")
    card = ModelCard(
        name="tiny",
        version="2",
        experts=(tiny_expert("cnn0"),),
        files={"README.md": ""},
        golden=(Golden("a.jpg", 1.5),),
    )
    written = write_card(folder, card)
    assert written == read_card(folder)
    assert written.experts[0].sha256 == hash_file(folder / "cnn0.onnx")
    assert set(written.files) == {"README.md", "cnn0.onnx", "calibration.json"}
    assert not [p for p in folder.iterdir() if p.suffix == ".part"]


def test_a_link_laid_in_the_folder_is_not_written_through(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    (tmp_path / "mine").write_text("mine")
    (folder / f".card.json.{os.getpid()}.part").symlink_to(tmp_path / "mine")
    write_card(folder, read_card(folder))
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (folder / "card.json").is_symlink()


def test_card_that_would_not_read_back_is_not_written(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    before = (folder / "card.json").read_text()
    with pytest.raises(ModelError, match="name"):
        write_card(folder, ModelCard(name="", version="2", experts=(tiny_expert("cnn0"),)))
    assert (folder / "card.json").read_text() == before


def test_names_and_paths(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'lihgt'"):
        find_folder("lihgt")
    file = tmp_path / "x.onnx"
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="is a file"):
        find_folder(str(file))
    folder = make_folder(tmp_path / "m")
    assert find_folder(str(folder)) == folder


@pytest.mark.parametrize("name", ["m" * 5000, "~nosuchuser/m", "a\0b", "\ud800"])
def test_impossible_names_are_told_in_short(name: str) -> None:
    with pytest.raises(ModelError, match=r"^(model '|there is no model ')") as caught:
        find_folder(name)
    assert len(str(caught.value)) < 300


def test_shipped_models_are_known_by_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    light = find_folder("light")
    (tmp_path / "link").symlink_to(light)
    monkeypatch.chdir(light.parent)
    for name in ("light", "light/", "./light", str(light), f"{light}/../light", str(tmp_path / "link")):
        with pytest.raises(SettingsError, match="copy its folder"):
            refuse_shipped(name)
    refuse_shipped(str(make_folder(tmp_path / "light")))
    with pytest.raises(ModelError, match="no model"):
        refuse_shipped("none")


def test_format_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    edit_json(folder / "card.json", format=7)
    with pytest.raises(ModelError, match="format 7"):
        load_model(folder)


def test_shipped_folders_are_whole() -> None:
    folders = shipped_folders()
    assert "mtcnn" in [f.name for f in folders]
    assert "mtcnn" not in list_models()
    for folder in folders:
        checks = verify(folder.name)
        assert checks
        assert [c.message for c in checks if not c.ok] == []
    for name in list_models():
        assert load_model(name).card.name == name


def test_shipped_folders_that_cannot_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> Iterator[Path]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ModelError, match="shipped models cannot be listed: Too many open files"):
        load_model("light")


class OtherTree:
    """A source folder that is installed to be edited: its models are found by whatever code runs."""

    program = """
import importlib.util, pathlib, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in ('dfdetect._models', 'dfdetect._samples'):
            init = pathlib.Path('other', name[9:], '__init__.py').absolute()
            return importlib.util.spec_from_file_location(name, init)
sys.meta_path.append(Finder)
"""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for package in ("_models", "_samples"):
            (folder / "other" / package).mkdir(parents=True)
            (folder / "other" / package / "__init__.py").touch()
        make_folder(folder / "other" / "_models" / "light")

    def run(self, code: Path, program: str) -> str:
        """What `program` prints with the package dfdetect that lies in the folder `code`."""
        environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}
        return subprocess.run(
            [sys.executable, "-c", self.program + program],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout


FIND_LIGHT = "from dfdetect.scoring.models import find_folder\nprint(find_folder('light'))\n"


@pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="dfdetect is not run from its source folder")
@pytest.mark.parametrize("first", ["", "import dfdetect._models, dfdetect._samples\n"])
def test_code_of_one_source_folder_does_not_take_the_models_of_another(first: str, tmp_path: Path) -> None:
    found = OtherTree(tmp_path).run(ROOT, first + FIND_LIGHT)
    assert found.strip() == str(ROOT / "models" / "light")


@pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="dfdetect is not run from its source folder")
def test_its_face_detector_and_samples_do_not_wait_for_a_model_to_be_found_first(tmp_path: Path) -> None:
    program = (
        "sys.meta_path.insert(0, Finder)\n"  # before that of this folder, which may be installed so itself
        "from dfdetect.evaluate.bench_media import sample\n"
        "from dfdetect.faces.detect import create_detector\n"
        "from dfdetect.settings import Settings\n"
        "print(create_detector(Settings()).stamp.name, sample())\n"
    )
    found = OtherTree(tmp_path).run(ROOT, program)
    assert found.strip() == f"mtcnn {ROOT / 'data' / 'astronaut.jpg'}"


def test_an_installed_copy_keeps_its_models_in_the_folder_of_a_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    code = Path(models.__file__).parents[1]
    shutil.copytree(code, project / "dfdetect", ignore=shutil.ignore_patterns("__pycache__", "_*s"))
    for place in (project / "dfdetect" / "_models", project / "models"):
        make_folder(place / "light")
        (place / "__init__.py").touch()
    (project / "setup.cfg").touch()
    found = OtherTree(tmp_path).run(project, FIND_LIGHT)
    assert found.strip() == str(project / "dfdetect" / "_models" / "light")


def test_models_in_a_zip_archive_are_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("zipped_models/__init__.py", "")
    monkeypatch.syspath_prepend(tmp_path / "app.zip")
    with pytest.raises(ModelError, match="cannot run from a zip archive"):
        packaged("zipped_models")


def test_detector_cannot_be_loaded_as_a_model() -> None:
    with pytest.raises(ModelError, match="face_detector cannot judge faces"):
        load_model("mtcnn")


def test_card_is_plain_json(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    values = json.loads((folder / "card.json").read_text())
    assert values["experts"][0]["layout"] == "NCHW"
    assert values["files"]["calibration.json"] == hash_file(folder / "calibration.json")
