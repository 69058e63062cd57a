"""The self-test notices when an installation gives other scores than those shipped."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import dfdetect
from dfdetect.detector import Detector
from dfdetect.errors import ModelError
from dfdetect.evaluate.selftest import make_goldens, run_selftest
from dfdetect.scoring.card import Golden, read_card
from dfdetect.scoring.models import load_model, write_card
from dfdetect.settings import Settings
from tests.scoring.scoring_nets import make_folder

ROOT = Path(dfdetect.__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "m")


def test_goldens_are_reproduced_and_a_shift_is_seen(folder: Path) -> None:
    settings = Settings(model=str(folder))
    (golden,) = make_goldens(load_model(folder), ["astronaut.jpg"], Detector(settings).scan)
    write_card(folder, dataclasses.replace(read_card(folder), golden=(golden,)))
    # What moves a score is left out: the goldens were made without it.
    (good,) = run_selftest(settings.replace(min_face=1000))
    assert good.passed
    assert good.found == pytest.approx(good.expected, abs=1e-5)
    moved = dataclasses.replace(golden, logit=golden.logit + 0.1)
    write_card(folder, dataclasses.replace(read_card(folder), golden=(moved,)))
    (bad,) = run_selftest(settings)
    assert not bad.passed
    assert bad.found == pytest.approx(bad.expected - 0.1, abs=1e-4)
    assert "does NOT reproduce" in bad.message


def test_missing_sample_fails(folder: Path) -> None:
    write_card(folder, dataclasses.replace(read_card(folder), golden=(Golden("gone.png", 1.0),)))
    (result,) = run_selftest(Settings(model=str(folder)))
    assert not result.passed
    assert result.found is None
    assert "gone.png" in result.message


def test_model_without_goldens_proves_nothing(folder: Path) -> None:
    with pytest.raises(ModelError, match="no golden samples"):
        run_selftest(Settings(model=str(folder)))


def test_golden_of_a_path_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="plain name"):
        make_goldens(load_model(folder), ["../sample.png"], Detector(model=str(folder)).scan)


@pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="dfdetect is not run from its source folder")
def test_a_source_folder_that_hides_an_installed_dfdetect_takes_its_own_models_and_samples() -> None:
    program = (
        "import sys\n"
        "class Hidden:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name in ('dfdetect._models', 'dfdetect._samples'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Hidden)\n"
        "from dfdetect.evaluate.selftest import run_selftest\n"
        "from dfdetect.scoring.models import find_folder\n"
        "from dfdetect.settings import Settings\n"
        "print(find_folder('light'))\n"
        "print([check.passed for check in run_selftest(Settings(model='light'))])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split("\n")[:2] == [str(ROOT / "models" / "light"), "[True, True, True]"]


def test_shipped_models_reproduce_their_goldens() -> None:
    """End to end through the detector, as a user's machine would."""
    from dfdetect.scoring.models import list_models

    names = [name for name in list_models() if load_model(name).card.golden]
    if not names:
        pytest.skip("no shipped model names goldens")
    for name in names:
        results = run_selftest(Settings(model=name))
        assert [r.message for r in results if not r.passed] == []
