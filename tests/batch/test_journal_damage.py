"""The journal: what is refused, repaired and said."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfdetect.batch.journal import Journal
from dfdetect.batch.key import scan_key
from dfdetect.batch.resume import scan_with
from dfdetect.errors import InputError
from dfdetect.scoring.models import load_model
from dfdetect.settings import Settings

from .journals import KEY, NESTED, Scan, crc_of, files, result, run


@pytest.mark.parametrize("kept", range(0, 40, 7))
def test_a_line_that_was_cut_is_dropped_and_overwritten(folder: Path, kept: int) -> None:
    paths = files("a.jpg", "b.jpg")
    run(paths)
    whole = Path("j").read_bytes()
    lines = whole.splitlines(keepends=True)
    Path("j").write_bytes(b"".join(lines[:2]) + lines[2][:kept])
    told: list[str] = []
    with Journal("j", KEY, told.append) as journal:
        assert journal.known == 1
    assert told == []
    assert Path("j").read_bytes() == b"".join(lines[:2])
    assert run(paths)[1:] == (["b.jpg"], 1)
    assert Path("j").read_bytes() == whole


@pytest.mark.parametrize("size", [0, 29, 30, 60])
def test_a_header_that_was_cut_is_begun_anew(folder: Path, size: int) -> None:
    run(files("a.jpg"))
    Path("j").write_bytes(Path("j").read_bytes()[:size])
    assert run(["a.jpg"])[1:] == (["a.jpg"], 0)
    assert run(["a.jpg"])[1:] == ([], 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: b"\0" * (len(line) - 1) + b"\n",
        lambda line: line.replace(b"0.25", b"0.75"),
        lambda line: b"{}\n",
        lambda line: crc_of(b'{"path": "b.jpg", "size": 1, "mtime_ns": ' + NESTED + b"}"),
    ],
)
def test_a_damaged_line_costs_its_file_and_is_said(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    paths = files("a.jpg", "b.jpg", "c.jpg")
    run(paths)
    lines = Path("j").read_bytes().splitlines(keepends=True)
    lines[2] = damage(lines[2])
    Path("j").write_bytes(b"".join(lines))
    told: list[str] = []
    scan = Scan()
    with Journal("j", KEY, told.append) as journal:
        assert len(list(scan_with(journal, paths, scan))) == 3
    assert scan.seen == ["b.jpg"]
    assert told == [
        "1 line of the journal 'j' is damaged and passed over; what should stand there is scanned again"
    ]
    assert run(paths)[1:] == ([], 3)


def test_a_line_that_is_damaged_later_is_said(folder: Path) -> None:
    paths = files("a.jpg")
    run(paths)
    with Journal("j", KEY) as journal:
        offset = journal.find("a.jpg")
        assert offset is not None
        for line in (b"{}\n", crc_of(b'{"path": "a.jpg", "result": ' + NESTED + b"}")):
            content = Path("j").read_bytes()[:offset]
            Path("j").write_bytes(content + line)
            with pytest.raises(InputError, match="cannot be read any more"):
                journal.read(offset)


def test_results_of_another_scan_are_refused(folder: Path) -> None:
    run(files("a.jpg"))
    before = Path("j").read_bytes()
    with pytest.raises(InputError) as caught:
        Journal("j", {"frames": 16, "code": ["cd"], "new": None})
    assert str(caught.value) == (
        "the journal 'j' holds results of another scan (frames 8 there, 16 now; the code is another): name "
        "another file, or repeat with the same settings and formats of reports on the same installation"
    )
    assert Path("j").read_bytes() == before


def refusal(there: dict[str, Any], here: dict[str, Any]) -> str:
    """What a journal that was begun with one key says to the other; empty if it takes it."""
    Path("j").unlink(missing_ok=True)
    with Journal("j", there) as journal:
        list(scan_with(journal, files("a.jpg"), Scan()))
    try:
        Journal("j", here).close()
    except InputError as error:
        return str(error).partition(" (")[2].partition("): ")[0]
    return ""


def test_a_refusal_names_versions_and_instructions(folder: Path) -> None:
    key = {**scan_key(Settings(model="light"), load_model("light")), "processor": ["x86_64", "avx", "avx2"]}
    assert refusal({**key, "onnxruntime": "1.26"}, {**key, "onnxruntime": "1.27"}) == (
        "onnxruntime 1.26 there, 1.27 now"
    )
    there = {name: value for name, value in key.items() if name != "opencv-python"}
    assert refusal(there, {**there, "opencv-python": "5"}) == "opencv-python none there, 5 now"
    more = {**key, "processor": ["x86_64", "avx", "avx512_vnni", "avx512f"]}
    assert refusal(more, key) == "processor avx512_vnni avx512f only there, avx2 only now"
    assert refusal(key, {**key, "model": "a\x1b[m", "python": "3.9"}).count("\x1b") == 0


def test_a_decoder_that_is_installed_meanwhile_alters_no_result(folder: Path) -> None:
    assert refusal({"frames": 8}, {"frames": 8, "pillow-heif": "1.0"}) == ""
    assert refusal({"frames": 8, "pillow-heif": "1.0"}, {"frames": 8}) == ""
    assert refusal({"pillow-heif": "1.0"}, {"pillow-heif": "1.1"}) == "pillow-heif 1.0 there, 1.1 now"


def test_a_journal_without_results_is_begun_anew(folder: Path) -> None:
    Journal("j", {"frames": 16}).close()
    assert run(files("a.jpg"))[1:] == (["a.jpg"], 0)
    assert run(["a.jpg"])[1:] == ([], 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is there and is no journal of a scan"),
        (b'{"format": "dfdetect-journal', "is there and is no journal of a scan"),
        (b"hello", "is there and is no journal of a scan"),
        (b"hello\nworld\n", "is there and is no journal of a scan"),
        (b'{"path": "a"}\n', "is there and is no journal of a scan"),
        (NESTED + b"\n", "is there and is no journal of a scan"),
        (
            b'{"format": "dfdetect-journal", "version": 2, "key": {}}\n',
            "is of version 2, and only 1 is known",
        ),
    ],
)
def test_no_other_file_is_touched(folder: Path, content: bytes, message: str) -> None:
    Path("j").write_bytes(content)
    with pytest.raises(InputError, match=message):
        Journal("j", KEY)
    assert Path("j").read_bytes() == content


def test_places_where_no_journal_can_be(folder: Path) -> None:
    for place, message in (
        (".", "no regular file"),
        ("/dev/null", "no regular file"),
        ("no/j", "No such file"),
    ):
        with pytest.raises(InputError, match=message):
            Journal(place, KEY)


def test_one_scan_at_a_time(folder: Path) -> None:
    with Journal("j", KEY), pytest.raises(InputError, match="is in use by another scan"):
        Journal("j", KEY)
    Journal("j", KEY).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_a_worker_that_hangs_does_not_hold_the_lock(folder: Path) -> None:
    reading, writing = os.pipe()
    with Journal("j", KEY):
        child = os.fork()
        if child == 0:
            os.write(writing, b".")
            time.sleep(20)
            os._exit(0)
        os.read(reading, 1)
    try:
        Journal("j", KEY).close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit to the size of files")
def test_a_full_disk_ends_the_scan_and_leaves_whole_lines(folder: Path) -> None:
    resource = pytest.importorskip("resource")
    paths = files("a.jpg", "b.jpg")
    run(paths[:1])
    before = Path("j").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Journal("j", KEY) as journal:
            results = scan_with(journal, paths, Scan())
            next(results)
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
            with pytest.raises(InputError, match="cannot write the journal 'j': File too large; make room"):
                next(results)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert Path("j").read_bytes() == before
    assert run(paths)[1:] == (["b.jpg"], 1)


def test_a_line_is_there_before_its_result_is_handed_on(folder: Path) -> None:
    paths = files("a.jpg", "b.jpg")
    with Journal("j", KEY) as journal:
        for count, _ in enumerate(scan_with(journal, paths, Scan()), start=1):
            assert len(Path("j").read_bytes().splitlines()) == 1 + count


def test_what_no_record_can_hold_is_handed_on_and_not_kept(folder: Path) -> None:
    paths = files("a.jpg")
    odd = Scan(lambda path: dataclasses.replace(result(path), settings={"x": object()}))
    assert run(paths, odd)[0] == paths
    assert run(paths)[1:] == (paths, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no open file")
@pytest.mark.parametrize("replaced", [True, False])
def test_a_journal_that_is_removed_during_the_scan_is_told(folder: Path, replaced: bool) -> None:
    paths = files("a.jpg", "b.jpg", "c.jpg")
    with Journal("j", KEY) as journal:
        results = scan_with(journal, paths, Scan())
        next(results)
        if replaced:
            Path("other").write_bytes(b"other")
            os.replace("other", "j")
        else:
            os.unlink("j")
        with pytest.raises(InputError, match="the journal 'j' was removed or replaced during the scan"):
            next(results)
        assert list(results) == []
