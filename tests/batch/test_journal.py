"""The journal: what is kept, taken over, refused and repaired; a scan that is killed goes on."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.batch.journal import KEPT, Journal, Stamp, stamp_of
from dfdetect.batch.key import scan_key
from dfdetect.batch.pool import scan_many
from dfdetect.batch.resume import scan_with
from dfdetect.batch.stored import about_in, line_of, result_in
from dfdetect.errors import InputError
from dfdetect.results import (
    Box,
    Credentials,
    Evidence,
    FaceQuality,
    FaceScore,
    FramePicture,
    Label,
    MediaInfo,
    MediaKind,
    ModelStamp,
    Note,
    Reason,
    ScanResult,
    TrackResult,
)
from dfdetect.scoring.models import load_model
from dfdetect.settings import Settings

from . import fakes

ROOT = Path(__file__).resolve().parents[2]
KEY = {"frames": 8, "code": ["ab"]}
NOT_UTF8 = "caf\udce9.jpg"
TWO_THIRDS = 2 / 3


NESTED = b"[" * 100_000 + b"]" * 100_000


def crc_of(body: bytes) -> bytes:
    """A line with a checksum that is right."""
    return b'{"crc32": "%08x", ' % zlib.crc32(body) + body[1:] + b"\n"


def result(path: str = "a.jpg", reason: Reason | None = None, probability: float = 0.25) -> ScanResult:
    return ScanResult(
        path=path,
        label=None if reason else Label.REAL,
        reason=reason,
        message=f"{path} was looked at",
        fake_probability=None if reason else probability,
        logit=None if reason else -1.0,
        band=None if reason else (0.2, 0.8),
        tracks=(),
        media=None,
        notes=(),
        model=None,
        settings=Settings().as_dict(),
        tool_version="test",
        elapsed=0.1,
    )


def rich(value: float, picture: bytes | None = b"\xff\xd8\0") -> ScanResult:
    """A result in which everything is there; `value` is 0 to 1."""
    face = FaceScore(
        time=value * 9,
        frame=3,
        box=Box(-value, value / 3, 50.0 + value, 60.0),
        detection=value,
        quality=FaceQuality(60 + value, 100 * value, value, value / 7),
        logit=-value,
        experts=(value / 3, -0.0),
        heatmap=((value / 7, -value), (1e-9, 3.0)),
        picture=picture,
    )
    person = TrackResult(1, Label.REAL, None, value, value - 1, value, 9 + value, (face, face), 2)
    media = MediaInfo(
        MediaKind.VIDEO,
        "mp4",
        "h264",
        640,
        480,
        9 + value,
        25 + value,
        90,
        8,
        1234,
        (Note("hdr", "a\udcff"),),
    )
    stamp = ModelStamp("light", "1", {"z.onnx": "ab", "card.json": "cd"}, "onnxruntime")
    credentials = Credentials(True, True, None, "signer", "generator", False, ("one", "two"))
    return dataclasses.replace(
        result(NOT_UTF8, probability=value),
        logit=value,
        band=(value / 2, value),
        tracks=(person, dataclasses.replace(person, id=2, faces=())),
        media=media,
        notes=(Note("partly", "β\udce9"),),
        model=stamp,
        detector=stamp,
        novelty=value,
        elapsed=value,
        evidence=Evidence("2026-01-31T12:00:00Z", "ab", {"zlib": "1", "av": "2"}, credentials),
        frames=(FramePicture(3, value, 640, 480, b"\xff\xd8\1"),),
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(*names: str) -> list[str]:
    for name in names:
        Path(name).write_text(name.encode(errors="surrogateescape").hex())
    return list(names)


class Scan:
    """A scan that remembers what it was given."""

    def __init__(self, make: Callable[[str], ScanResult] = result) -> None:
        self.seen: list[str] = []
        self._make = make

    def __call__(self, paths: Iterator[Any]) -> Generator[ScanResult, None, None]:
        for path in paths:
            self.seen.append(path)
            yield self._make(path)


def run(paths: list[str], scan: Any = None, **rest: Any) -> tuple[list[str], list[str], int]:
    """Paths of the results in their order, paths that were scanned, and how many results were taken over."""
    scan = scan or Scan()
    with Journal("j", KEY) as journal:
        got = [each.path for each in scan_with(journal, paths, scan, **rest)]
        return got, scan.seen, journal.taken


@given(st.floats(0, 1), st.none() | st.binary())
def test_nothing_is_lost_in_a_line(value: float, picture: bytes | None) -> None:
    whole = rich(value, picture)
    line = line_of({"path": NOT_UTF8, "size": 1}, whole)
    assert line.count(b"\n") == 1
    json.loads(line)
    again = result_in(line)
    assert again == whole
    assert repr(again) == repr(whole), "also the order of mappings, and the sign of zero"
    assert about_in(line) == {"path": NOT_UTF8, "size": 1}


def test_only_the_rest_is_scanned(folder: Path) -> None:
    paths = files("a.jpg", "b.jpg", NOT_UTF8)
    assert run(paths[:2]) == (paths[:2], paths[:2], 0)
    assert run(paths) == (paths, [NOT_UTF8], 2)
    assert run(paths) == (paths, [], 3)


def test_a_changed_file_is_scanned_again_and_the_later_line_holds(folder: Path) -> None:
    paths = files("a.jpg", "b.jpg", "c.jpg")
    run(paths)
    before = os.stat("a.jpg")
    os.utime("a.jpg", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    Path("b.jpg").write_text("longer than it was before")
    os.utime("b.jpg", ns=(before.st_atime_ns, os.stat("b.jpg").st_mtime_ns))
    changed = Scan(lambda path: result(path, probability=0.75))
    assert run(paths, changed)[1:] == (["a.jpg", "b.jpg"], 1)
    with Journal("j", KEY) as journal:
        got = list(scan_with(journal, paths, Scan()))
    assert [each.fake_probability for each in got] == [0.75, 0.75, 0.25]


def test_what_is_written_to_while_it_is_scanned_is_scanned_again(folder: Path) -> None:
    paths = files("a.jpg")

    def busy(path: str) -> ScanResult:
        Path(path).write_text("and more")
        return result(path)

    run(paths, Scan(busy))
    assert run(paths)[1:] == (paths, 0)


@pytest.mark.parametrize("reason", Reason)
def test_what_circumstances_bring_about_is_tried_again(folder: Path, reason: Reason) -> None:
    paths = files("a.jpg")
    run(paths, Scan(lambda path: result(path, reason)))
    assert run(paths)[1] == ([] if reason in KEPT else paths)
    again = {"missing", "not_permitted", "unreadable", "unsupported", "timed_out", "crashed", "out_of_memory"}
    assert (reason.value in again) is (reason not in KEPT)


def test_what_is_no_regular_file_is_never_taken_over(folder: Path) -> None:
    Path("folder").mkdir()
    paths = ["-", "folder", "gone.jpg", *files("spooled")]
    for _ in range(2):
        assert run(paths, apart=["spooled", None])[1:] == (paths, 0)


def test_the_same_name_elsewhere_is_another_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [*files("a.jpg"), str(folder / "a.jpg")]
    run(there)
    for name in ("a.jpg", "other"):
        stamp = os.stat("a.jpg")
        Path("sub").mkdir(exist_ok=True)
        (Path("sub") / name).write_bytes(Path("a.jpg").read_bytes())
        os.utime(Path("sub") / name, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    monkeypatch.chdir("sub")
    with Journal("../j", KEY) as journal:
        assert journal.find("a.jpg") is None
        assert journal.find(there[1]) is not None


def test_order(folder: Path) -> None:
    paths = files(*(f"{number}.jpg" for number in range(8)))
    run([paths[0], paths[3], paths[6], paths[7]])

    def backwards(rest: Iterator[Any]) -> Generator[ScanResult, None, None]:
        taken = list(rest)
        assert taken == [paths[1], paths[2], paths[4], paths[5]]
        for path in reversed(taken):
            # `unreadable` is not kept, and must come in its turn all the same
            yield result(path, Reason.UNREADABLE if path == paths[4] else None)

    with Journal("j", KEY) as journal:
        assert [r.path for r in scan_with(journal, paths, backwards, ordered=True)] == paths
    assert run(paths)[1:] == ([paths[4]], 7)


def test_those_that_are_there_come_as_they_are_met(folder: Path) -> None:
    paths = files(*(f"{number}.jpg" for number in range(6)))
    run([paths[0], paths[1], paths[3], paths[5]])
    scan = Scan()
    with Journal("j", KEY) as journal:
        results = scan_with(journal, iter(paths), scan)
        assert [next(results).path, next(results).path, scan.seen] == [*paths[:2], []]
        assert sorted(each.path for each in results) == paths[2:]


def test_the_scan_is_asked_at_once_and_closed(folder: Path) -> None:
    def refusing(paths: Iterator[Any]) -> Generator[ScanResult, None, None]:
        raise InputError("no")

    closed = []

    def scan(paths: Iterator[Any]) -> Generator[ScanResult, None, None]:
        try:
            yield from map(result, paths)
        finally:
            closed.append(True)

    paths = files("a.jpg", "b.jpg")
    with Journal("j", KEY) as journal:
        with pytest.raises(InputError, match="no"):
            scan_with(journal, paths, refusing)
        results = scan_with(journal, paths, scan)
        next(results)
        results.close()
    assert closed == [True]
    assert run(paths)[1:] == (["b.jpg"], 1)


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
    pytest.importorskip("fcntl")
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


def test_the_key_is_of_all_that_decides_figures(folder: Path) -> None:
    model = load_model("light")
    base = scan_key(Settings(model="light"), model)
    assert base == scan_key(Settings(model="light", timeout=5.0, threads=1, seed=7), model)
    for name, value in {"frames": 3, "pictures": True, "heatmaps": True, "prior": 0.1}.items():
        other = scan_key(Settings(model="light").replace(**{name: value}), model)
        assert {key for key in base | other if base.get(key) != other.get(key)} == {name}
    altered = dataclasses.replace(model, hashes={**model.hashes, "card.json": "00"})
    assert scan_key(Settings(model="light"), altered) != base
    certificate = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
    keys = []
    for text in ("AAAA", "BBBB"):
        Path("trust.pem").write_text(certificate.format(text))
        keys.append(scan_key(Settings(model="light", trust_list="trust.pem"), model))
    assert keys[0] != keys[1]


def test_the_key_is_of_all_libraries_that_take_part(folder: Path) -> None:
    model = load_model("light")
    key = scan_key(Settings(model="light"), model)
    for name in ("numpy", "Pillow", "av", "onnxruntime"):
        assert key[name] == importlib.metadata.version(name)
    assert key["python"] == platform.python_version()
    assert {"libavcodec", "libswscale", "libjpeg", "libwebp"} <= set(key)
    assert "opencv-python-headless" in key or "opencv-python" in key
    assert key["processor"][0] == platform.machine()
    if sys.platform == "linux" and platform.machine() == "x86_64":
        assert "sse2" in key["processor"]
    known = {"openvino", "torch", "torchvision", "facenet-pytorch", "c2pa-python", "platform"}
    assert not known & set(key), "these have no part in it"
    for settings, packages in (
        (Settings(engine="openvino"), {"openvino"}),
        (Settings(engine="torch"), {"torch"}),
        (Settings(detector="facenet-pytorch"), {"torch", "torchvision", "facenet-pytorch"}),
        (Settings(evidence=True), {"c2pa-python"}),
    ):
        installed = {name for name in packages if _is_installed(name)}
        assert known & set(scan_key(settings, model)) == installed


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_workers_are_still_forked(folder: Path) -> None:
    code = (
        "from dfdetect.batch.resources import spare_algebra_threads; spare_algebra_threads()\n"
        "from dfdetect.batch.key import scan_key\n"
        "from dfdetect.batch.process import choose_start_method\n"
        "from dfdetect.scoring.models import load_model\n"
        "from dfdetect.settings import Settings\n"
        "scan_key(Settings(model='light'), load_model('light')); print(choose_start_method())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "fork\n"


def test_stamps(folder: Path) -> None:
    files("a.jpg")
    os.utime("a.jpg", ns=(1, 123_456_789_000_000_001))
    assert stamp_of("a.jpg") == Stamp(os.path.getsize("a.jpg"), 123_456_789_000_000_001)
    assert stamp_of("gone") is stamp_of("a\0b") is stamp_of(".") is None


class Counting(fakes.FakeDetector):
    """Writes down what it begins."""

    def scan(self, source: str, /) -> ScanResult:
        with open("scans", "a") as log:
            log.write(os.path.basename(source) + "\n")
        return super().scan(source)


def counting(settings: Settings) -> Counting:
    return Counting(settings)


def program(ordered: bool) -> None:
    """A scan of this folder with real workers; to be killed."""
    paths = sorted(name for name in os.listdir() if "-" in name)
    with Journal("j", KEY) as journal:
        results = scan_with(
            journal,
            paths,
            lambda rest: scan_many(rest, Settings(), jobs=2, detector_factory=counting),
            ordered=ordered,
        )
        for each in results:
            print(each.path, flush=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("ordered", [False, True])
def test_a_scan_that_was_killed_goes_on(folder: Path, ordered: bool) -> None:
    paths = files(*(f"sleep-0.05-{number:02}" for number in range(12)), "sleep-0.5-last")
    paths.sort()
    words = [sys.executable, "-c", f"from tests.batch.test_journal import program; program({ordered})"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        process.kill()
    done = {about_in(line)["path"] for line in Path("j").read_bytes().splitlines(keepends=True)[1:-1]}
    assert 3 <= len(done) < len(paths)
    Path("scans").unlink()
    second = subprocess.run(words, env=env, stdout=subprocess.PIPE, check=True, text=True, timeout=60)
    got = second.stdout.splitlines()
    assert sorted(got) == paths
    assert got == paths or not ordered
    scanned = Path("scans").read_text().split()
    assert sorted(set(scanned)) == sorted(scanned), "each once"
    assert not done & set(scanned)
