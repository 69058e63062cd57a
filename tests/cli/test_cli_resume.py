"""``--resume``: a scan goes on where it ended, and its reports are those of a scan that was never ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cli_driver
import pytest

from dfdetect.cli.main import main
from dfdetect.results import ScanResult
from dfdetect.scoring import models
from dfdetect.settings import Settings

Capture = pytest.CaptureFixture[str]
DATA = Path(__file__).resolve().parents[2] / "data"
FORMATS = ("json", "csv", "junit", "html", "text", "sarif", "markdown")
REPORTS = [f"--report={name}=out.{name}" for name in FORMATS]
# What tells of the run and not of the files: the wall time, and the time of day.
RUN = (
    r'"elapsed": [\d.]+|"started": "[^"]+"|(startT|endT)imeUtc": "[^"]+"'
    r'| time="[\d.]+"| timestamp="[^"]+"| in [\d.]+ s|scanned [-\d]+ [\d:]+ UTC'
)

COUNTED = f"""
import sys
sys.path.insert(0, {str(cli_driver.DRIVER.parent)!r})
import cli_driver
import dfdetect.batch.pool as pool

def scan_many(paths, settings, **rest):
    for path in paths:
        with open("scans", "a") as log:
            print(path, file=log)
        yield cli_driver.result_of(path, settings)

pool.scan_many = scan_many
from dfdetect.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def scanned(files: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were scanned, in the folder with a file of each outcome."""
    seen: list[str] = []

    def scan_many(
        paths: Iterable[str], settings: Settings, *, jobs: int | None = None, ordered: bool = False
    ) -> Iterator[ScanResult]:
        for path in paths:
            seen.append(os.path.basename(path))
            yield cli_driver.result_of(path, settings)

    monkeypatch.setattr("dfdetect.batch.pool.scan_many", scan_many)
    return seen


def reports() -> dict[str, str]:
    """The written reports, without what differs from run to run."""
    return {name: re.sub(RUN, "", Path(f"out.{name}").read_text("utf-8")) for name in FORMATS}


def records(name: str = "out.json") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path(name).read_text())["results"]
    return found


# The fake scan takes one file at a time, so that unordered results, too, come in order.
@pytest.mark.parametrize("order", ["--ordered", "--no-ordered"])
def test_reports_are_those_of_a_scan_at_one_go(scanned: list[str], order: str, capsys: Capture) -> None:
    Path("caf\udce9.jpg").write_text("uncertain")
    words = ["scan", ".", order, *REPORTS]
    assert main(words) == 1
    whole = reports()
    assert main(["scan", "./no_face.jpg", "./fake.jpg", "./unreadable.jpg", "--resume", "j", *REPORTS]) == 1
    capsys.readouterr()
    scanned.clear()
    assert main([*words, "--resume", "j"]) == 1
    assert sorted(scanned) == ["caf\udce9.jpg", "real.jpg", "uncertain.jpg", "unreadable.jpg"]
    assert "dfdetect: 2 of 6 files were taken over from j\n" in capsys.readouterr().err
    assert reports() == whole
    scanned.clear()
    assert main([*words, "--resume", "j"]) == 1
    assert scanned == ["unreadable.jpg"], "that may be better now"
    assert reports() == whole


def test_a_new_or_changed_file_is_scanned(scanned: list[str], capsys: Capture) -> None:
    assert main(["scan", ".", "--resume", "j", "-q"]) == 1
    scanned.clear()
    capsys.readouterr()
    Path("real.jpg").write_text("uncertain")
    Path("new.jpg").write_text("real")
    Path("unreadable.jpg").unlink()
    assert main(["scan", ".", "--resume", "j", "--jsonl"]) == 1
    assert sorted(scanned) == ["new.jpg", "real.jpg"]
    got = capsys.readouterr()
    found = {each["path"]: each["label"] for each in map(json.loads, got.out.splitlines())}
    assert found["./real.jpg"] == "uncertain"
    assert len(found) == 5
    assert got.err == "dfdetect: 3 of 5 files were taken over from j\n"


def test_talk(scanned: list[str], capsys: Capture) -> None:
    for words, said in (
        ([], ""),
        ([], "dfdetect: 1 of 1 file was taken over from j\n"),
        (["-q"], ""),
    ):
        assert main(["scan", "real.jpg", "--resume", "j", *words]) == 0
        assert capsys.readouterr().err == said
    assert scanned == ["real.jpg"]


def test_other_settings_are_refused(scanned: list[str], capsys: Capture) -> None:
    assert main(["scan", "real.jpg", "--resume", "j"]) == 0
    before = Path("j").read_bytes()
    capsys.readouterr()
    assert main(["scan", "real.jpg", "--resume", "j", "--frames", "3", "--report", "html=a.html"]) == 2
    got = capsys.readouterr()
    assert "the journal 'j' holds results of another scan (frames 8 there, 3 now; heatmaps false" in got.err
    assert "name another file, or repeat with the same settings and formats of reports" in got.err
    assert (got.out, Path("j").read_bytes(), Path("a.html").exists()) == ("", before, False)
    assert main(["scan", "real.jpg", "--resume", "j", "--timeout", "7", "--jobs", "1"]) == 0
    assert main(["scan", "real.jpg", "--resume", "j", "--fail-on", "never", "--strict", "-v"]) == 0
    assert scanned == ["real.jpg"]


def test_threads_and_seeds_alter_no_figure(scanned: list[str]) -> None:
    assert main(["scan", "real.jpg", "--resume", "j"]) == 0
    assert main(["scan", "real.jpg", "--resume", "j", "--threads", "1", "--seed", "3"]) == 0
    assert scanned == ["real.jpg"]


@pytest.mark.parametrize("words", [[], ["--resume", "j"]])
def test_the_model_is_read_once(
    scanned: list[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    read: list[str] = []

    def load(name: str) -> models.ModelFolder:
        read.append(name)
        return load_model(name)

    load_model = models.load_model
    monkeypatch.setattr(models, "load_model", load)
    assert main(["scan", "real.jpg", *words]) == 0
    assert len(read) == 1


def test_a_scan_that_does_not_begin_binds_nobody(scanned: list[str]) -> None:
    assert main(["scan", "real.jpg", "--resume", "j", "--baseline", "none", "--frames", "3"]) == 2
    assert main(["scan", "real.jpg", "--resume", "j"]) == 0
    Path("empty").mkdir()
    assert main(["scan", "empty", "--resume", "k"]) == 2
    assert not Path("k").exists()


def test_a_damaged_line_is_said_and_scanned_again(scanned: list[str], capsys: Capture) -> None:
    assert main(["scan", "real.jpg", "fake.jpg", "--resume", "j", "-q"]) == 1
    head, first, second = Path("j").read_bytes().splitlines(keepends=True)
    Path("j").write_bytes(head + first.replace(b"real", b"fake", 1) + second + b'{"cut')
    scanned.clear()
    capsys.readouterr()
    assert main(["scan", "real.jpg", "fake.jpg", "--resume", "j"]) == 1
    assert scanned == ["real.jpg"]
    assert "dfdetect: 1 line of the journal 'j' is damaged and passed over" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume", "real.jpg"], "the journal 'real.jpg' would overwrite a photo or a video"),
        (["--resume", "named.txt", "named.txt"], "would overwrite a file that is to be scanned"),
        (["--resume", "list", "--files-from", "list"], "would overwrite a file that the scan reads"),
        (["--resume", "known", "--baseline", "known"], "would overwrite a file that the scan reads"),
        (["--resume", "dfdetect.toml"], "would overwrite a file that the scan reads"),
        (["--resume", "new.mp4"], "the journal 'new.mp4' has the name of a photo or a video"),
        (["--resume", "a", "--report", "csv=./a"], "would be the same file, 'a'"),
        (["--resume", "a", "--write-baseline", "a"], "would be the same file, 'a'"),
        (["--resume", "other"], "the journal 'other' is there and is no journal of a scan"),
        (["--resume", "-"], "--resume keeps results in a file"),
        (["--resume", "no/j"], "the journal 'no/j' cannot be used: No such file"),
        (["--resume", "."], "the journal '.' is no regular file"),
    ],
)
def test_a_journal_takes_no_other_place(
    scanned: list[str], words: list[str], message: str, capsys: Capture
) -> None:
    for name, text in {"list": "real.jpg\n", "known": "{}", "dfdetect.toml": "", "other": "notes"}.items():
        Path(name).write_text(text)
    Path("named.txt").write_text("real")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert main(["scan", "fake.jpg", *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert scanned == []
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_no_variable_stands_for_it(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("DFDETECT_RESUME", "j")
    assert main(["scan", "real.jpg"]) == 2
    assert "DFDETECT_RESUME is none of dfdetect's: name it on the command line" in capsys.readouterr().err


def test_a_baseline_is_applied_to_what_is_taken_over(scanned: list[str]) -> None:
    assert main(["scan", ".", "--ordered", "--report", "json=a.json"]) == 1
    assert main(["scan", ".", "--ordered", "--resume", "j", "--write-baseline", "known"]) == 0
    assert b"accepted" not in Path("j").read_bytes()
    scanned.clear()
    assert (
        main(["scan", ".", "--ordered", "--resume", "j", "--baseline", "known", "--report", "json=b.json"])
        == 0
    )
    assert main(["scan", ".", "--ordered", "--resume", "j", "--report", "json=c.json"]) == 1
    assert main(["scan", "real.jpg", "./no_face.jpg", "--resume", "j", "--strict"]) == 3
    assert set(scanned) == {"unreadable.jpg", "real.jpg"}
    assert {each["path"] for each in records("b.json") if each["notes"]} == {"./fake.jpg", "./unreadable.jpg"}
    assert records("c.json") == records("a.json")


def test_a_journal_in_the_folder_is_not_scanned(scanned: list[str]) -> None:
    for _ in range(2):
        assert main(["scan", ".", "--resume", "night.journal", "--report", "json=out.json"]) == 1
    assert len(records()) == 5


def test_standard_input_is_scanned_each_time(program: cli_driver.Run, tmp_path: Path) -> None:
    for word in (b"fake", b"real"):
        done = program("scan", "-", "--resume", "j", "--jsonl", stdin=word)
        assert (json.loads(done.stdout)["label"], done.stderr) == (word.decode(), b"")
    assert len((tmp_path / "j").read_bytes().splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_is_done_outlasts_any_end(tmp_path: Path, number: signal.Signals) -> None:
    for name, word in {"a": "fake", "b": "real", "c": "sleep"}.items():
        (tmp_path / f"{name}.jpg").write_text(word)
    (tmp_path / "counted.py").write_text(COUNTED)
    (tmp_path / "out").mkdir()
    words = [sys.executable, "counted.py", "scan", ".", "--resume", "night.journal", "--jsonl"]
    words += ["--report", "json=out/out.json"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == (-9 if number is signal.SIGKILL else 130)
    (tmp_path / "c.jpg").write_text("uncertain")
    (tmp_path / "scans").unlink()
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.stderr == b"dfdetect: 2 of 3 files were taken over from night.journal\n"
    assert [r["label"] for r in records(str(tmp_path / "out/out.json"))] == ["fake", "real", "uncertain"]
    assert os.listdir(tmp_path / "out") == ["out.json"]
    assert (tmp_path / "scans").read_text().split() == ["./c.jpg"]


def test_without_it_nothing_of_it_is_loaded(files: Path) -> None:
    code = (
        "import sys, cli_driver, dfdetect.batch.pool as pool; pool.scan_many = cli_driver.scan_many\n"
        "from dfdetect.cli.main import main\n"
        "main(['scan', 'real.jpg']); print('dfdetect.batch.journal' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(cli_driver.DRIVER.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.skipif(not (DATA / "moving_forged.mp4").exists(), reason="needs the samples")
def test_real_results_with_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("astronaut.jpg", "moving_forged.mp4"):
        shutil.copy(DATA / name, tmp_path)
    words = [
        "scan",
        ".",
        "--model",
        "light",
        "--ordered",
        "--heatmaps",
        "--evidence",
        "--jobs",
        "1",
        *REPORTS,
    ]
    main([*words, "--resume", "j"])
    first = reports()
    assert first["html"].count("data:image/jpeg") > 4
    main([*words, "--resume", "j"])
    assert "2 of 2 files were taken over from j" in capsys.readouterr().err
    assert reports() == first
