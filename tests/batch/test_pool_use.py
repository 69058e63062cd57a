"""Wrong use of `scan_many` that is told at once, and numbers of numpy, which are none."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from dfdetect.batch.pool import scan_many
from dfdetect.errors import MissingExtraError, SettingsError
from dfdetect.settings import Settings

from . import fakes

QUICK = Settings(timeout=20)


@pytest.mark.parametrize("jobs", [np.int64(0), np.uint8(1)])
def test_jobs_may_be_a_number_of_numpy(jobs: np.integer[Any]) -> None:
    results = list(scan_many(["ok-1"], QUICK, jobs=jobs, detector_factory=fakes.fake))  # type: ignore[arg-type]
    assert [result.path for result in results] == ["ok-1"]


@pytest.mark.parametrize("jobs", [np.True_, np.int64(-1), np.float64(1)])
def test_other_jobs_of_numpy_are_refused(jobs: object) -> None:
    with pytest.raises(SettingsError, match="jobs must be a whole number of at least 0"):
        scan_many([], QUICK, jobs=jobs, detector_factory=fakes.fake)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"model": "light"}, "light", None])
def test_what_is_no_settings_is_refused_at_once(settings: object) -> None:
    said = rf"settings must be a Settings, not {type(settings).__name__}; .* Settings\(model='light'"
    with pytest.raises(SettingsError, match=said):
        scan_many([], settings, jobs=2)  # type: ignore[arg-type]


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_missing_engine_is_said_before_anything_starts(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as when it is not installed
    with pytest.raises(MissingExtraError, match=r'pip install "dfdetect\[openvino\]"'):
        scan_many(iter(["a"]), Settings(model="light", engine="openvino"), jobs=jobs)
