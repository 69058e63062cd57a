"""Searches and lists as they are on Windows, whose facts are put in the place of this system's."""

from __future__ import annotations

import contextlib
import glob
import ntpath
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfdetect.batch.sources import Survey, expand, find_media
from dfdetect.errors import InputError, MediaError
from dfdetect.media.source import make_source
from dfdetect.results import Reason


class Entry:
    """What Windows' listings hold of a file: its attributes too."""

    def __init__(self, entry: os.DirEntry[str], marked: tuple[str, ...]) -> None:
        self.name, self.path = entry.name, entry.path
        self.is_dir, self.is_symlink = entry.is_dir, entry.is_symlink
        self._marked = marked

    def stat(self, *, follow_symlinks: bool = True) -> SimpleNamespace:
        return attributes(self.name, self._marked)


class Listing:
    def __init__(self, entries: list[Entry]) -> None:
        self._entries = iter(entries)

    def __enter__(self) -> Listing:
        return self

    def __iter__(self) -> Iterator[Entry]:
        return self._entries

    def close(self) -> None:
        self._entries = iter(())

    def __next__(self) -> Entry:
        return next(self._entries)

    def __exit__(self, *error: object) -> None:
        self.close()


def attributes(name: str, marked: tuple[str, ...]) -> SimpleNamespace:
    hidden = stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_SYSTEM
    return SimpleNamespace(st_file_attributes=stat.FILE_ATTRIBUTE_DIRECTORY | (name in marked) * hidden)


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; two folders in it are hidden, and one of these may not be listed."""
    marked = ("My Music", "$RECYCLE.BIN")
    for name in ("a.jpg", "$RECYCLE.BIN/old.jpg", "My Music/song.jpg", "shown/b.jpg", ".cache/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    real_scandir, real_stat = os.scandir, Path.stat

    def scandir(path: str) -> Listing:
        if path.endswith("My Music"):
            raise PermissionError(13, "Access is denied", path)
        with real_scandir(path) as listing:
            return Listing([Entry(entry, marked) for entry in listing])

    def status(path: Path, *, follow_symlinks: bool = True) -> Any:
        return real_stat(path) if follow_symlinks else attributes(path.name, marked)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "stat", status)
    return tmp_path


def test_folders_marked_as_hidden_are_not_entered_unless_named(documents: Path) -> None:
    survey = Survey()
    assert list(find_media(["."], survey=survey)) == ["./a.jpg", "./shown/b.jpg"]
    assert survey == Survey(found=2, hidden=3)
    assert list(find_media(["$RECYCLE.BIN", "My Music"])) == ["$RECYCLE.BIN/old.jpg", "My Music"]


@pytest.mark.parametrize(
    ("folder", "reason", "said"),
    [("My Music", Reason.NOT_PERMITTED, "may not be listed"), ("shown", Reason.UNSUPPORTED, "is a folder")],
)
def test_what_is_said_of_a_folder(documents: Path, folder: str, reason: Reason, said: str) -> None:
    # `os.access` says yes to both: it knows nothing of what denies.
    with pytest.raises(MediaError, match=f"'{folder}' {said}") as caught:
        make_source(folder)
    assert caught.value.reason is reason


def test_patterns_do_not_enter_folders_marked_as_hidden(documents: Path) -> None:
    assert list(find_media(["**/*.jpg"])) == ["a.jpg", "shown/b.jpg"]
    assert list(expand("**")) == ["a.jpg", "shown/b.jpg"]


@pytest.mark.parametrize(
    ("pattern", "root"),
    [
        (r"C:\**\*.jpg", "C:\\"),
        ("C:/**/*.jpg", "C:\\"),
        (r"\**\*.jpg", "\\"),
        (r"C:\photos\**", r"C:\photos"),
        (r"photos\**", "photos"),
        (r"\\server\share\**\*.jpg", r"\\server\share"),
    ],
)
def test_where_a_pattern_begins_to_search(pattern: str, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []

    def nothing(pattern: str) -> list[str]:
        searched.append(pattern)
        return []

    with monkeypatch.context() as windows:
        windows.setattr(glob, "iglob", nothing)
        for name in ("path", "sep", "altsep"):
            windows.setattr(os, name, getattr(ntpath, name, ntpath))
        found = list(expand(pattern))
    assert (found, searched) == ([], [root])


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_list_in_utf_16_is_told(tmp_path: Path, encoding: str, null: bool) -> None:
    (tmp_path / "list").write_bytes("\ufeffa.jpg\r\nb.jpg\r\n".encode(encoding))
    with pytest.raises(InputError, match="the list of files is UTF-16: save it as UTF-8"):
        list(find_media([], files_from=str(tmp_path / "list"), null_separated=null))


@pytest.mark.skipif(sys.platform != "linux", reason="names there may be any bytes")
@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_a_name_that_begins_like_utf_16_is_a_name(tmp_path: Path, separator: bytes) -> None:
    folder = os.fsencode(tmp_path)
    names = [b"\xff\xfea.jpg", b"b.jpg"]
    for name in names:
        with open(os.path.join(folder, name), "wb"):
            pass
    (tmp_path / "list").write_bytes(separator.join(names))
    with contextlib.chdir(tmp_path):
        found = list(find_media([], files_from=str(tmp_path / "list"), null_separated=separator == b"\0"))
    assert found == [os.fsdecode(name) for name in names]


def test_a_list_in_a_code_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsdecode(name: bytes) -> str:
        return name.decode("utf-8", "surrogatepass")

    monkeypatch.setattr(os, "fsdecode", fsdecode)
    (tmp_path / "list").write_bytes("Jürgen.jpg\r\n".encode() + "Müller.jpg\r\n".encode("cp850"))
    stream = find_media([], files_from=str(tmp_path / "list"))
    assert next(stream) == "Jürgen.jpg"
    with pytest.raises(InputError, match=r"not UTF-8 at 'M\\x81ller.jpg': save it as UTF-8"):
        next(stream)
