"""Running ``dfdetect`` in this process (quick) or as a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cli_driver
import pytest
from cli_driver import DRIVER, Run


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, the current one, with a file of each outcome; the fake scan is in place."""
    monkeypatch.setattr("dfdetect.batch.pool.scan_many", cli_driver.scan_many)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for word in ("real", "fake", "uncertain", "no_face", "unreadable"):
        (tmp_path / f"{word}.jpg").write_text(word)
    return tmp_path


@pytest.fixture
def program(tmp_path: Path) -> Run:
    """Run the driver as a program in `tmp_path`."""

    def run(*words: str | bytes, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, str(DRIVER), *words],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, **env},
            timeout=60,
        )

    return run
