"""Degraded copies where there is no room for them, and where a prior moves all answers to one end."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dfdetect.errors import InputError
from dfdetect.evaluate.copies import Copy, scan_copies
from dfdetect.evaluate.degrade import Damage, Level
from dfdetect.evaluate.robustness import measure_robustness
from dfdetect.settings import Settings

DATA = Path(__file__).resolve().parents[2] / "data"
SETTINGS = Settings(model="light", frames=2)


CRAMPED = """
import resource, sys, tempfile
from dfdetect.errors import InputError
from dfdetect.evaluate.copies import Copy, scan_copies
from dfdetect.evaluate.degrade import Damage, Level
from dfdetect.settings import Settings

path, tempfile.tempdir, damage, amount = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    scan_copies([Copy(path, Level(Damage(damage), float(amount)))], Settings(model="light", frames=2), jobs=0)
except InputError as error:
    print(error)
"""
"""In a process of its own, since the limit holds for everything that a process writes."""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of that kind")
@pytest.mark.parametrize(
    ("name", "damage", "amount"),
    [
        ("astronaut.jpg", Damage.JPEG, "20"),
        ("astronaut.jpg", Damage.BLUR, "1"),
        ("moving.mp4", Damage.H264, "23"),
    ],
)
def test_a_full_temporary_folder_is_named_and_no_copy_is_cut_short(
    tmp_path: Path, name: str, damage: Damage, amount: str
) -> None:
    command = [sys.executable, "-c", CRAMPED, str(DATA / name), str(tmp_path), damage, amount]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert f"the temporary folder {tmp_path}: File too large" in done.stdout
    assert "TMPDIR" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_missing_temporary_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"gone: No such file"):
        scan_copies([Copy("a.jpg", Level(Damage.JPEG, 60))], SETTINGS, jobs=0)


def test_a_prior_changes_no_curve(tmp_path: Path) -> None:
    rows = "".join(
        f"{DATA / name},{label}\n" for name, label in (("moving.mp4", "real"), ("moving_forged.mp4", "fake"))
    )
    (tmp_path / "labels.csv").write_text("file,label\n" + rows)
    plain, moved = (
        measure_robustness(tmp_path, SETTINGS.replace(prior=prior), jobs=0, levels=())
        for prior in (None, 1e-5)
    )
    assert moved.points[0].auc.value == plain.points[0].auc.value != 0.5
