"""Detectors of a process that forks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1] / "data"

FORKED = """
import os, signal, sys
from dfdetect import Detector
from dfdetect.errors import DfdetectError
fresh, used = Detector(model="light"), Detector(model="light")
assert used.scan({photo!r}).label is not None
child = os.fork()
if not child:
    signal.alarm(60)
    for scan in (used.scan, lambda path: used.find_faces(None), lambda path: used.scan("no-such-file")):
        try:
            scan({photo!r})
        except DfdetectError as error:
            assert "make one in each process" in str(error)
        else:
            raise AssertionError
    {child}
    sys.exit(7)
assert used.scan({photo!r}).label is not None
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 7)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(
    "child",
    [
        "assert fresh.scan({photo!r}).label is not None",
        "assert Detector(model='light').scan({photo!r}).label is not None",
        "del used, scan",
    ],
)
def test_a_forked_process_needs_a_detector_of_its_own(child: str) -> None:
    photo = str(DATA / "astronaut.jpg")
    code = FORKED.format(photo=photo, child=child.format(photo=photo))
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=200).returncode == 0
