"""Degraded copies where there is no room for them, and where a prior moves all answers to one end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfdetect.errors import InputError
from dfdetect.evaluate.copies import Copy, scan_copies
from dfdetect.evaluate.degrade import Damage, Level
from dfdetect.evaluate.robustness import measure_robustness
from dfdetect.settings import Settings

DATA = Path(__file__).resolve().parents[2] / "data"
SETTINGS = Settings(model="light", frames=2)


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that takes no file of more than 2000 bytes."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("astronaut.jpg", Level(Damage.JPEG, 20)),
        ("astronaut.jpg", Level(Damage.BLUR, 1)),
        ("moving.mp4", Level(Damage.H264, 23)),
    ],
)
def test_a_full_temporary_folder_is_named_and_no_copy_is_cut_short(
    full: Path, name: str, level: Level
) -> None:
    with pytest.raises(InputError) as caught:
        scan_copies([Copy(str(DATA / name), level)], SETTINGS, jobs=0)
    assert f"the temporary folder {full}: File too large" in str(caught.value)
    assert "TMPDIR" in str(caught.value)
    assert list(full.iterdir()) == []


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
        measure_robustness(tmp_path, SETTINGS.replace(prior=prior), jobs=0, levels=(), draws=20)
        for prior in (None, 1e-6)
    )
    assert moved.points[0].auc.value == plain.points[0].auc.value != 0.5
