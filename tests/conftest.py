"""`pytest --update-golden` rewrites golden files; look at the diff before keeping it.

Property tests: the same examples in every run, so that a run that passes passes again.

``pytest --hypothesis-profile explore`` draws other examples, and more of them: do it before a release.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import hypothesis
import pytest

from dfdetect.results import ScanResult
from tests.sample_results import samples

# No deadline: a busy machine is no failure.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture
def results() -> list[ScanResult]:
    """One of each kind."""
    return samples()


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """Of the published JSON."""
    text = files("dfdetect.record").joinpath("schema/scan-1.0.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
