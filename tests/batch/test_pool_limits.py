"""How long a file may be hashed whose scan has failed, and how often a worker may die at its start."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from dfdetect.batch import process, worker
from dfdetect.batch.failures import with_evidence
from dfdetect.batch.pool import scan_many
from dfdetect.batch.process import StartMethod
from dfdetect.errors import DfdetectError
from dfdetect.results import Label, Reason, ScanResult
from dfdetect.settings import Settings

from . import fakes

FORK = "fork" in multiprocessing.get_all_start_methods()
QUICKEST: StartMethod | None = "fork" if FORK else None


@pytest.mark.skipif(not FORK, reason="the worker is patched")
@pytest.mark.parametrize(
    ("name", "reason", "timeout", "least"),
    [("hang", Reason.TIMED_OUT, 0.3, 60.0), ("exit", Reason.CRASHED, 60.0, 0.3)],
)
def test_hashing_may_take_longer_than_the_scan_might(
    name: str, reason: Reason, timeout: float, least: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the limit of hashing or that of a scan, whichever is longer."""

    def hash_slowly(result: ScanResult) -> ScanResult:
        time.sleep(0.8)
        return with_evidence(result)

    monkeypatch.setattr(worker, "with_evidence", hash_slowly)
    monkeypatch.setattr(process, "_HASH_LIMIT", least)
    path = tmp_path / name
    path.write_bytes(b"some bytes")
    settings = Settings(timeout=timeout, evidence=True)
    (result,) = scan_many([str(path)], settings, jobs=1, detector_factory=fakes.fake, start_method="fork")
    assert result.reason is reason
    assert result.evidence is not None
    assert result.evidence.sha256 == hashlib.sha256(b"some bytes").hexdigest()


def dying_as_named(settings: Settings) -> fakes.FakeDetector:
    """Counts its calls in the file that the setting `model` names, and dies in those that the name lists."""
    with open(settings.model, "ab") as calls:
        calls.write(b".")
        calls.flush()
        if str(calls.tell()) in Path(settings.model).name.split(","):
            os._exit(9)
    return fakes.FakeDetector(settings)


def test_the_third_worker_that_dies_at_its_start_is_the_last(tmp_path: Path) -> None:
    calls = tmp_path / "1,2,3,4,5,6,7,8,9"
    with pytest.raises(DfdetectError, match=r"before they are ready \(exit status 9\)"):
        list(
            scan_many(
                ["ok"],
                Settings(model=str(calls)),
                jobs=1,
                detector_factory=dying_as_named,
                start_method=QUICKEST,
            )
        )
    assert calls.stat().st_size == 3


def test_only_deaths_one_after_the_other_count(tmp_path: Path) -> None:
    """Two, then a worker that works until a file ends it, then two more."""
    calls = tmp_path / "1,2,4,5"
    settings = Settings(model=str(calls))
    first, ended, last = scan_many(
        ["ok-1", "exit", "ok-2"], settings, jobs=1, detector_factory=dying_as_named, start_method=QUICKEST
    )
    assert (first.label, ended.reason, last.label) == (Label.REAL, Reason.CRASHED, Label.REAL)
    assert calls.stat().st_size == 6
