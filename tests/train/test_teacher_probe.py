"""The teacher's linear probe where the sources are few."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dfdetect.train.table import read_faces
from dfdetect.train.teacher import targets
from tests.train.faces import make_crop_folder

pytest.importorskip("sklearn", reason="training needs scikit-learn")


@pytest.mark.parametrize("case", ["one source", "reals alone", "one source of fakes"])
def test_sources_too_few_for_a_probe_give_no_logit(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_faces(make_crop_folder(tmp_path / "crops"))
    if case == "one source":
        rows = [dataclasses.replace(row, source="s") for row in rows]
    else:
        rows = [row for row in rows if not row.fake or (row.source == "s0" and case == "one source of fakes")]
    rng = np.random.default_rng(0)
    features = {row.name: rng.normal(size=(6, 8)).astype(np.float16) for row in rows}
    found = targets(rows, features)
    assert found.keys() == features.keys()
    assert all(np.isfinite(vector).all() for vector in found.values())
    assert any(vector[-1] == 0 for vector in found.values())
    assert "no probe for" in capsys.readouterr().err
