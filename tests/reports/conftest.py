"""Sample results and the schema for the tests of reports."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from dfdetect.results import ScanResult
from tests.sample_results import samples


@pytest.fixture(autouse=True)
def _no_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests in a workflow of GitHub must not write to its summary."""
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def results() -> list[ScanResult]:
    return samples()


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    text = files("dfdetect.record").joinpath("schema/scan-1.0.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
