"""Standard output: the encoding of what goes there, and a report to the very file that it is."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_driver import DRIVER, Run

from dfdetect.cli.main import main
from dfdetect.cli.outputs import Outputs
from dfdetect.errors import InputError
from dfdetect.evaluate.forms import Form
from dfdetect.evaluate.robustness import Robustness
from dfdetect.reports.registry import find_format

LATIN = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
NAME = "é … пара.jpg"


def latin_stdout(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What is written to a standard output in Latin-1 that is as strict as Python's own."""
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="latin-1", write_through=True))
    return written


@pytest.mark.parametrize("form", ["csv", "github", "html", "junit", "markdown"])
def test_a_document_is_utf_8_in_every_locale(form: str, program: Run, tmp_path: Path) -> None:
    if form == "html":
        pytest.importorskip("jinja2")
    (tmp_path / NAME).write_text("fake")
    words = ("scan", NAME, "--format", form, "--report", f"{form}=report")
    done = program(*words, **LATIN, GITHUB_STEP_SUMMARY="")
    assert done.returncode == 1
    assert done.stdout == (tmp_path / "report").read_bytes()
    assert "é … пара" in done.stdout.decode("utf-8")


def test_text_has_the_encoding_of_the_terminal(program: Run, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("fake")
    done = program("scan", NAME, **LATIN)
    assert done.returncode == 1
    assert "é \\u2026 \\u043f".encode("latin-1") in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("scan", "--help"), 0, b"too dark \\u2026)"),
        (("explain", NAME), 3, "é \\u2026 \\u043f".encode("latin-1")),
    ],
)
def test_a_character_that_the_encoding_lacks_ends_no_command(
    words: tuple[str, ...], code: int, said: bytes, program: Run
) -> None:
    done = program(*words, **LATIN)
    assert done.stderr == b""
    assert done.returncode == code
    assert said in done.stdout


def test_a_measurement_to_standard_output_is_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    written = latin_stdout(monkeypatch)
    forms = {"words": Form[int]("{} é …\n".format)}
    with Outputs([("words", "-")], lambda name: find_format(forms, name), ()) as out:
        out.write(3, print)
    assert written.getvalue().decode("utf-8") == "3 é …\n"


def test_the_tables_of_a_measurement_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Robustness("ле.csv", "light", "2", "1", 0, 20, 2, 0, 0, ())
    monkeypatch.setattr("dfdetect.evaluate.robustness.measure_robustness", lambda *words, **options: found)
    (tmp_path / "labels.csv").write_text("file,label\n")
    written = latin_stdout(monkeypatch)
    assert main(["robustness", str(tmp_path / "labels.csv")]) == 0
    assert b"\\u043b\\u0435" in written.getvalue()


def test_a_standard_output_that_cannot_be_changed_is_taken_as_it_is(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in ("sys.stdout", "sys.stderr"):
        monkeypatch.setattr(stream, io.StringIO())
    assert main(["scan", "fake.jpg", "--format", "csv", "--report", "csv=a.csv"]) == 1
    assert isinstance(sys.stdout, io.StringIO)
    assert sys.stdout.getvalue() == (files / "a.csv").read_text("utf-8")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    command = line.replace("dfdetect", f"'{sys.executable}' '{DRIVER}'", 1)
    return subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, timeout=60)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of Unix")
@pytest.mark.parametrize(
    "line",
    [
        "dfdetect scan fake.jpg --format csv --report json=out > out",
        "dfdetect scan fake.jpg --report json=./link >> out",
        "dfdetect scan fake.jpg --format csv --report json=/dev/stdout > out",
        "dfdetect scan fake.jpg --write-baseline out > out",
        "dfdetect scan fake.jpg --resume out > out",
    ],
)
def test_standard_output_and_another_output_are_not_one_file(line: str, files: Path) -> None:
    Path("out").touch()
    Path("link").symlink_to("out")
    done = shell(line, files)
    assert done.returncode == 2
    assert b"standard output goes to '" in done.stderr
    assert b"give each its own file" in done.stderr
    assert Path("out").read_bytes() == b""


@pytest.mark.skipif(not Path("/dev/stderr").exists(), reason="devices of Unix")
@pytest.mark.parametrize(
    "line",
    [
        "dfdetect scan fake.jpg --report jsonl=/dev/stderr > out 2>&1",
        "dfdetect scan fake.jpg --report jsonl=/dev/null > /dev/null",
        "dfdetect scan fake.jpg --report jsonl=a > out",
    ],
)
def test_what_goes_beside_standard_output_is_no_loss(line: str, files: Path) -> None:
    assert shell(line, files).returncode == 1


def test_a_measurement_in_the_file_of_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    forms = {"sum": Form[int](str)}
    with open("out", "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        with pytest.raises(InputError, match="two reports would be written to 'out'"):
            Outputs([("sum", "out"), ("sum", "-")], lambda name: find_format(forms, name), ())
        with Outputs([("sum", "out")], lambda name: find_format(forms, name), ()) as out:
            out.write(3, print)
    assert Path("out").read_text("utf-8") == "3"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of Unix")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_document_is_never_cut_without_a_word(unbuffered: str, tmp_path: Path) -> None:
    line = f"ulimit -f 1; export PYTHONUNBUFFERED={unbuffered}; dfdetect scan --help > out"
    done = shell(line, tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr == b"dfdetect: the output cannot be written: File too large; make room and scan again\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_pipe_that_does_not_wait_gets_everything(unbuffered: str, program: Run, tmp_path: Path) -> None:
    words = [sys.executable, str(DRIVER), "scan", "a.jpg", "--json"]
    (tmp_path / "a.jpg").write_text("fake")
    whole = program(*words[2:]).stdout
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, b" " * 512):
            pass
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=writing, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not os.get_blocking(writing):
            time.sleep(0.05)
        os.close(writing)
        with open(reading, "rb") as pipe:
            read = pipe.read()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1
    assert len(read.lstrip()) == len(whole)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes there always wait")
def test_a_pipe_that_does_not_wait_is_left_so() -> None:
    """It belongs to the program that handed it down, too."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    subprocess.run([sys.executable, str(DRIVER), "--version"], stdout=writing, check=True, timeout=30)
    assert not os.get_blocking(writing)
    os.close(writing)
    os.close(reading)
