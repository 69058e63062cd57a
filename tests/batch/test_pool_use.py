"""How `scan_many` is used: what is told at once, numbers of numpy, which are none, and how many workers."""

from __future__ import annotations

import sys
from multiprocessing.connection import wait
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dfdetect.batch import pool, resources
from dfdetect.batch.pool import scan_many
from dfdetect.batch.process import StartMethod
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


def test_windows_has_no_more_workers_than_can_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(resources, "usable_cores", lambda: 128)
    monkeypatch.setattr(resources, "usable_memory", lambda: None)
    assert resources.default_jobs() == 60
    waited_for: list[int] = []

    def counted(sources: list[Any], timeout: float) -> list[Any]:
        waited_for.append(len(sources))
        return wait(sources, timeout)

    monkeypatch.setattr(pool, "wait", counted)
    monkeypatch.setattr(resources, "_MOST_ON_WINDOWS", 2)
    for jobs in (5, None):
        paths = [f"sleep-0.1-{number}" for number in range(5)]
        results = list(scan_many(paths, QUICK, jobs=jobs, detector_factory=fakes.fake))
        assert sorted(result.path for result in results) == paths
    assert max(waited_for) == 2


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_paths_may_be_texts_of_a_class_that_workers_do_not_have(method: StartMethod) -> None:
    class Upload(str):
        __slots__ = ()

    paths = [Upload("ok-1"), Upload("ok-2")]
    results = list(scan_many(paths, QUICK, jobs=1, detector_factory=fakes.fake, start_method=method))
    assert [result.path for result in results] == ["ok-1", "ok-2"]
    assert {type(result.path) for result in results} == {str}
