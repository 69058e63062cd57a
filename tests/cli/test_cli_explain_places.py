"""``dfdetect explain`` writes as reports are written: whole, and with the permissions of what it replaces."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from dfdetect.cli.main import main
from dfdetect.errors import InputError
from dfdetect.explain import explain
from dfdetect.settings import Settings

FAST = Settings(model="light", threads=1)
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and signals are POSIX's")
KILLED = """
import os, signal, sys
from dfdetect.explain import explain
from dfdetect.settings import Settings

def stop(what, share):
    print("open", flush=True)
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)

explain("photo.png", "out.png", Settings(model="light", threads=1), progress=stop)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a photo that is quickly explained."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), "grey").save("photo.png")
    return tmp_path


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file can be put in the place of another, as in a sticky folder or while a player shows it."""

    def replace(self: Path, target: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "replace", replace)


@posix
@pytest.mark.parametrize(("before", "after"), [(0o600, 0o600), (0o640, 0o640), (0o755, 0o644)])
def test_a_file_that_is_replaced_keeps_its_permissions(before: int, after: int, place: Path) -> None:
    old = place / "out.png"
    old.write_bytes(b"old")
    old.chmod(before)
    seen = []

    def look(what: str, share: float) -> None:
        seen.extend(path.stat().st_mode & 0o777 for path in place.glob(".*.part"))

    explain("photo.png", "out.png", FAST, force=True, progress=look)
    assert old.stat().st_mode & 0o777 == after
    assert set(seen) == {after}, "also what is not yet in its place"
    assert Image.open(old).format == "PNG"


def test_a_new_file_has_ordinary_permissions(place: Path) -> None:
    explain("photo.png", settings=FAST)
    (place / "ordinary").touch()
    assert (place / "photo.explained.png").stat().st_mode == (place / "ordinary").stat().st_mode


def test_a_link_stays_one(place: Path) -> None:
    (place / "real.png").write_bytes(b"old")
    (place / "link.png").symlink_to("real.png")
    explain("photo.png", "link.png", FAST, force=True)
    assert (place / "link.png").is_symlink()
    assert Image.open("real.png").format == "PNG"


@posix
def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(place: Path) -> None:
    (place / ".notes.part").touch()
    command = [sys.executable, "-c", KILLED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        begun = names(place)
        assert len(begun) == 3
        explain("photo.png", "out.png", FAST)
        assert names(place) == sorted([*begun, "out.png"]), "in use"
        process.communicate(timeout=60)
    assert names(place) == sorted([*begun, "out.png"])
    explain("photo.png", "out.png", FAST, force=True)
    assert names(place) == [".notes.part", "out.png", "photo.png"]


def test_what_may_be_written_but_not_replaced_is_overwritten(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch)
    old = place / "out.png"
    old.write_bytes(b"old" * 100_000)
    before = old.stat().st_ino
    explain("photo.png", "out.png", FAST, force=True)
    assert old.stat().st_ino == before
    assert Image.open(old).format == "PNG"
    assert names(place) == ["out.png", "photo.png"]


def test_what_cannot_be_put_anywhere_is_kept_and_named(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(monkeypatch)
    assert main(["explain", "photo.png", "--out", "out.png", "--model", "light"]) == 2
    (kept,) = set(place.iterdir()) - {place / "photo.png"}
    said = capsys.readouterr().err
    assert f"cannot write 'out.png': Permission denied; it was kept as '{kept}'\n" in said
    assert Image.open(kept).format == "PNG"
    monkeypatch.undo()
    explain(str(place / "photo.png"), str(place / "out.png"), FAST)
    assert names(place) == sorted([kept.name, "out.png", "photo.png"]), "it is not taken for a leftover"


def test_other_failures_leave_the_old_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(self: Path, target: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "replace", replace)
    (place / "out.png").write_bytes(b"old")
    with pytest.raises(InputError, match=r"^cannot write 'out\.png': .*; close it where it is open, or name"):
        explain("photo.png", "out.png", FAST, force=True)
    assert (place / "out.png").read_bytes() == b"old"
    assert names(place) == ["out.png", "photo.png"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_must_not_be_written_is_told_before_the_work(place: Path) -> None:
    (place / "out.png").write_bytes(b"old")
    (place / "out.png").chmod(0o444)
    with pytest.raises(InputError, match="Permission denied"):
        explain("photo.png", "out.png", FAST, force=True)
    assert names(place) == ["out.png", "photo.png"]


def test_a_name_that_is_too_long_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "b" * 245 + ".png"  # short enough by itself, not with ".explained"
    (place / "photo.png").rename(place / long)
    assert main(["explain", long, "--model", "light"]) == 2
    assert "File name too long" in capsys.readouterr().err
    assert names(place) == [long]


@posix
def test_the_folder_that_a_link_lacks_is_named(place: Path) -> None:
    (place / "link.png").symlink_to("nowhere/out.png")
    with pytest.raises(InputError, match=f"the folder '{place}/nowhere' does not exist"):
        explain("photo.png", "link.png", FAST)
