from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dfdetect.scoring.models import load_model

DATA = Path(__file__).parent.parent / "data"

PEAKS = """
import json, sys
from dfdetect import Detector
import dfdetect.sessions as sessions
if sys.argv[2] == "apart":
    sessions._has_pool = lambda: False
result = Detector(model="light").scan(sys.argv[1])
status = open("/proc/self/status").read()
print(json.dumps([result.logit, int(status.split("VmHWM:")[1].split()[0])]))
"""

LOADED = """
import json, sys
from dfdetect.scoring import engines
from dfdetect.scoring.models import load_model
from dfdetect.scoring.scorer import Scorer
from dfdetect.settings import Settings
engines.signed_bytes_are_exact = lambda: sys.argv[1] == "signed"
Scorer(load_model("standard"), Settings()).load()
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]))
"""


def _tells_peaks() -> bool:
    try:
        return "VmHWM:" in Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return False


@pytest.mark.skipif(not _tells_peaks(), reason="peak memory is read from /proc/self/status")
def test_sessions_share_a_pool_which_costs_no_memory_and_changes_no_score() -> None:
    found = {}
    for kind in ("shared", "apart"):
        command = [sys.executable, "-c", PEAKS, str(DATA / "astronaut.jpg"), kind]
        runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2)]
        found[kind] = [json.loads(run.stdout) for run in runs]
    assert len({logit for runs in found.values() for logit, _ in runs}) == 1
    peaks = {kind: min(peak for _, peak in runs) for kind, runs in found.items()}
    assert peaks["shared"] < 1.1 * peaks["apart"]  # 5 to 10 % less as a rule; runs differ by 5 %


@pytest.mark.skipif(not _tells_peaks(), reason="peak memory is read from /proc/self/status")
def test_weights_are_made_unsigned_without_much_memory() -> None:
    peaks = {}
    for kind in ("signed", "unsigned"):
        command = [sys.executable, "-c", LOADED, kind]
        peaks[kind] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    weights = (load_model("standard").path / "encoder.bin").stat().st_size / 1024
    assert peaks["unsigned"] < peaks["signed"] + 1.5 * weights  # by way of wider integers: more than seven
