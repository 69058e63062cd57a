"""The progress line of ``dfdetect explain``: only for a person who is watching, and gone at the end."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dfdetect import Detector
from dfdetect import explain as module
from dfdetect.cli.main import main

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")

DATA = Path(__file__).resolve().parents[2] / "data"
CODE = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a photo without a face and an animation with one, quickly explained."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "DFDETECT_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    Image.new("RGB", (64, 64), "grey").save("photo.png")
    face = Image.open(DATA / "astronaut.jpg").resize((220, 220))
    face.save("moving.gif", save_all=True, append_images=[face.rotate(n) for n in (2, 4, 6)], duration=100)
    return tmp_path


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Standard error is a terminal within; afterwards the list holds what was written there."""
    master, slave = pty.openpty()
    said, pieces = list[str](), list[bytes]()

    def read() -> None:
        with suppress(OSError):  # Linux: the last one has closed the terminal
            while piece := os.read(master, 4096):
                pieces.append(piece)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with monkeypatch.context() as patch, open(slave, "w", encoding="utf-8") as stream:
        patch.setattr(sys, "stderr", stream)
        yield said
    reader.join(20)
    os.close(master)
    said.append(b"".join(pieces).decode("utf-8"))


def explained(monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    with terminal(monkeypatch) as said:
        assert main(["explain", *words, "--model", "light", "--threads", "1"]) in (0, 1)
    return said[0]


def slowed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Let `explain` wait at every new stage, and in the middle, until the terminal must have shown it."""
    real, told = module.explain, list[tuple[str, float]]()

    def slow(*words: Any, progress: module.Progress, **named: Any) -> module.Explained:
        def tell(what: str, share: float) -> None:
            progress(what, share)
            if not told or told[-1][0] != what or (told[-1][1] < 0.5 <= share):
                told.append((what, share))
                time.sleep(0.25)

        return real(*words, progress=tell, **named)

    monkeypatch.setattr(module, "explain", slow)
    return told


def test_at_a_terminal_each_stage_is_told_and_no_line_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = slowed(monkeypatch)
    said = explained(monkeypatch, "moving.gif")
    stages = list(dict.fromkeys(what for what, _ in told))
    assert stages == ["scanning", "following faces", "drawing"]
    places = [said.index(stage) for stage in stages]
    assert places == sorted(places)
    for stage, behind in zip(stages, places[1:], strict=False):
        assert stage not in said[behind:], "one line at a time"
    shown = CODE.sub("", said)
    for what, share in told:
        assert re.search(rf"{what}[^%]* {share:.0%}", shown), f"{what} {share}"
    left = CODE.sub("", said[said.rindex("\x1b[2K") :]).split()
    assert left == ["dfdetect:", "wrote", "moving.explained.mp4"]
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l"), "the cursor is there again"


def test_a_photo_has_one_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    said = explained(monkeypatch, "photo.png")
    assert "scanning" in said
    assert "drawing" not in said
    assert CODE.sub("", said[said.rindex("\x1b[2K") :]).split() == [
        "dfdetect:",
        "wrote",
        "photo.explained.png",
    ]


@pytest.mark.parametrize("words", [("--quiet",), ("-q",)])
def test_who_wants_quiet_gets_no_line(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert explained(monkeypatch, "moving.gif", *words) == ""


def test_colours_may_be_declined_and_the_line_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    said = explained(monkeypatch, "photo.png", "--no-color")
    assert "scanning" in said
    assert not re.search(r"\x1b\[[\d;]*3[1-7]m|\x1b\[38;", said)
    coloured = explained(monkeypatch, "photo.png", "--force")
    assert re.search(r"\x1b\[[\d;]*3[1-7]m|\x1b\[38;", coloured)


def test_elsewhere_there_is_no_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(["explain", "moving.gif", "--model", "light", "--threads", "1"]) in (0, 1)
    assert stream.getvalue() == "dfdetect: wrote moving.explained.mp4\n"


def test_an_error_leaves_no_line_and_the_cursor(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file is changed meanwhile, as far as `explain` sees it."""
    scan = Detector.scan

    def grow(self: Detector, source: str) -> object:
        result = scan(self, source)
        with Path(source).open("ab") as file:
            file.write(b"\0")
        return result

    monkeypatch.setattr(Detector, "scan", grow)
    with terminal(monkeypatch) as said:
        assert main(["explain", "photo.png", "--model", "light", "--threads", "1"]) == 2
    assert "scanning" in said[0]
    rest = said[0][said[0].rindex("\x1b[2K") :]
    assert "was changed while it was explained" in " ".join(CODE.sub("", rest).split())
    assert said[0].index("\x1b[?25l") < said[0].index("\x1b[?25h")
