"""``dfdetect selftest``: what it says and its exit code, over outcomes made by hand."""

from __future__ import annotations

import json

import pytest

from dfdetect.cli.main import main
from dfdetect.evaluate.selftest import SelftestResult
from dfdetect.settings import Settings

GOOD = SelftestResult("a.png", 1.0, 1.01, 0.05, True, "a.png: reproduces the shipped score")
BAD = SelftestResult("b.png", 1.0, None, 0.05, False, "b.png got no score")


@pytest.mark.parametrize(("outcomes", "code"), [((GOOD,), 0), ((GOOD, BAD), 4)])
def test_outcome(
    outcomes: tuple[SelftestResult, ...],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[Settings] = []

    def run_selftest(settings: Settings) -> tuple[SelftestResult, ...]:
        seen.append(settings)
        return outcomes

    monkeypatch.setattr("dfdetect.evaluate.selftest.run_selftest", run_selftest)
    assert main(["selftest", "--engine", "openvino"]) == code
    got = capsys.readouterr()
    assert got.out.splitlines()[0] == "ok      a.png: reproduces the shipped score"
    assert ("FAILED  b.png" in got.out) == ("1 of 2 scores not reproduced" in got.err) == (code == 4)
    assert seen == [Settings(engine="openvino")]
    assert main(["selftest", "--json"]) == code
    assert [item["passed"] for item in json.loads(capsys.readouterr().out)] == [o.passed for o in outcomes]


def test_unknown_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--model", "nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err
