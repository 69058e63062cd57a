"""Many files in a process that may have no children."""

from __future__ import annotations

import multiprocessing

from dfdetect.batch.pool import scan_many
from dfdetect.errors import DfdetectError
from dfdetect.settings import Settings

from . import fakes


def scan_in_daemon() -> str:
    try:
        list(scan_many(["ok-1"], Settings(timeout=20), jobs=1, detector_factory=fakes.fake))
    except DfdetectError as error:
        return str(error)
    return ""


def test_a_daemonic_process_is_told_to_do_without_workers() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as daemons:
        said = daemons.apply(scan_in_daemon)
        daemons.close()
        daemons.join()
    assert "daemonic processes are not allowed to have children" in said
    assert "jobs=0" in said
