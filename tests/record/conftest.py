"""Sample results and the schema for the tests of the record."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from dfdetect.results import ScanResult
from tests.sample_results import samples


@pytest.fixture
def results() -> list[ScanResult]:
    return samples()


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    text = files("dfdetect.record").joinpath("schema/scan-1.0.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
