"""Every format against its golden file (regenerate: ``pytest tests/reports --update-golden``)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dfdetect.reports.base import ReportOptions
from dfdetect.reports.registry import REPORTS
from dfdetect.results import ScanResult
from tests.sample_results import render

GOLDEN = Path(__file__).parent / "golden"
ELSEWHERE = {"html", "parquet"}
"""Formats whose golden file is what a reader makes of them, checked in a test of their own."""
CASES = {
    **{name: (name, ReportOptions()) for name in REPORTS if name not in ELSEWHERE},
    "text-color": ("text", ReportOptions(color=True)),
    "text-verbose": ("text", ReportOptions(verbosity=1)),
    "text-quiet": ("text", ReportOptions(verbosity=-1)),
}


@pytest.mark.parametrize("case", CASES)
def test_golden(
    case: str, results: list[ScanResult], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The version of the tool is in many a document; the golden file must outlive a release.
    for form in REPORTS.values():
        module = sys.modules[form.load().__module__]
        if hasattr(module, "__version__"):
            monkeypatch.setattr(module, "__version__", "9.9.9")
    name, options = CASES[case]
    got = render(name, results, options)
    path = GOLDEN / f"{case}.txt"
    if request.config.getoption("update_golden", default=False):
        path.write_bytes(got.encode("utf-8"))
    assert path.exists(), "no golden file; run: pytest tests/reports --update-golden"
    assert got == path.read_bytes().decode("utf-8")


def test_no_stray_golden_files() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES) | ELSEWHERE
