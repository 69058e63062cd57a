"""``dfdetect scan`` in this process: what is scanned, what comes out, which exit code."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dfdetect.cli.main import main

Capture = pytest.CaptureFixture[str]


def records(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["real.jpg"], 0),
        (["fake.jpg"], 1),
        (["uncertain.jpg"], 0),
        (["uncertain.jpg", "--fail-on", "uncertain"], 1),
        (["no_face.jpg"], 0),
        (["no_face.jpg", "--strict"], 3),
        (["no_face.jpg", "--fail-on", "unjudged"], 1),
        (["unreadable.jpg"], 3),
        (["missing.jpg"], 3),
        (["missing.jpg", "real.jpg"], 3),
        (["missing.jpg", "fake.jpg"], 1),
        (["missing.jpg", "--fail-on", "error"], 1),
        ([".", "--fail-on", "never"], 3),
        (["fake.jpg", "--fail-on", "never"], 0),
        (["*real.jpg"], 0),
    ],
)
def test_exit_codes(files: Path, words: list[str], code: int) -> None:
    assert main(["scan", *words]) == code


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["scan"], "dfdetect scan clip.mp4"),
        (["scan", "empty"], "there is no photo or video in 'empty'"),
        (["scan", "texts"], "(2 other files and 1 hidden folder passed over"),
        (["scan", "real.jpg", "--report", "scan.json"], "is not FORMAT=FILE, as in json=scan.json"),
        (["scan", "real.jpg", "--report", "jsom=scan.json"], "did you mean 'json'?"),
        (["scan", "real.jpg", "--report", "json=no/scan.json"], "the folder"),
        (["scan", "real.jpg", "--report", "json=./real.jpg"], "would overwrite"),
        (["scan", "--files-from", "list", "--report", "json=list"], "a file that the scan reads"),
        (["scan", "real.jpg", "--baseline", "known", "--report", "json=known"], "a file that the scan reads"),
        (["scan", "real.jpg", "--report", "json=-"], "chosen by --format"),
        (["scan", "real.jpg", "--report", "json=a", "--report", "csv=a"], "two reports"),
        (["scan", "real.jpg", "--json", "--jsonl"], "one format"),
        (["scan", "real.jpg", "-q", "-v"], "contradict"),
        (["scan", "real.jpg", "-0"], "belongs to --files-from"),
        (["scan", "-", "--files-from", "-"], "not both"),
        (["scan", "--files-from", "nolist"], "does not exist"),
        (["scan", "--files-from", "emptylist"], "names no file"),
        (["scan", "real.jpg", "--min-face", "3"], "--min-face must be a whole number"),
        (["scan", "real.jpg", "--frames", "many"], "--frames"),
        (["scan", "real.jpg", "--start", "soon"], "minutes and seconds (1:30)"),
        (["scan", "real.jpg", "--engine", "tensorrt"], "onnxruntime"),
        (["scan", "real.jpg", "--fail-on", "real"], "uncertain"),
        (["scan", "real.jpg", "--jobs", "-1"], "--jobs"),
        (["scan", "real.jpg", "--frame", "3"], "--frames"),
        (["real.jpg"], "Did you mean: dfdetect scan real.jpg"),
        (["clips/a.mp4"], "Did you mean: dfdetect scan clips/a.mp4"),
        (["scam"], "Did you mean 'scan'?"),
        (["frobnicate"], "Commands: scan, explain"),
        (["models", "show", "nosuch"], "nosuch"),
        (["--nosuch"], "--nosuch"),
        ([], "Commands:"),
    ],
)
def test_usual_mistakes_are_usage_errors_with_a_hint(
    files: Path, words: list[str], hint: str, capsys: Capture
) -> None:
    (files / "empty").mkdir()
    (files / "texts" / ".git").mkdir(parents=True)
    (files / "texts" / "a.txt").write_text("a")
    (files / "texts" / "b.txt").write_text("b")
    (files / "emptylist").write_text("\n\n")
    before = sorted(path.name for path in files.iterdir())
    assert main(words) == 2
    got = capsys.readouterr()
    assert hint in " ".join(got.err.split())
    assert got.out == ""
    assert "Traceback" not in got.err
    assert sorted(path.name for path in files.iterdir()) == before


def test_unknown_model_lists_the_known(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.jpg").write_text("x")
    assert main(["scan", str(tmp_path), "--model", "nosuch"]) == 2
    got = capsys.readouterr()
    assert "there is no model 'nosuch'" in got.err
    assert "shipped model" in got.err
    assert got.out == ""


def test_all_formats_at_once(files: Path, capsys: Capture, schema: dict[str, Any]) -> None:
    reports = [f"--report={name}=out.{name}" for name in ("text", "json", "jsonl", "csv")]
    assert main(["scan", ".", "--ordered", *reports]) == 1
    assert (
        "5 files: 1 fake, 1 uncertain, 1 real, 1 not judged (1 no face), 1 unreadable"
        in capsys.readouterr().out
    )
    document = json.loads((files / "out.json").read_text())
    jsonschema.validate(document, schema)
    names = [record["path"] for record in document["results"]]
    assert len(names) == 5
    assert names == sorted(names)
    assert names == [record["path"] for record in records((files / "out.jsonl").read_text())]
    rows = list(csv.DictReader(io.StringIO((files / "out.csv").read_text())))
    assert names == [row["path"] for row in rows]
    assert "5 files:" in (files / "out.text").read_text()


def test_reports_in_the_home_directory(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = files / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (files / "dfdetect.toml").write_text('report = ["csv=~/a.csv"]\n', encoding="utf-8")
    assert main(["scan", "real.jpg"]) == 0
    assert main(["scan", "real.jpg", "--report", "json=~/b.json"]) == 0
    assert sorted(path.name for path in home.iterdir()) == ["a.csv", "b.json"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [(["--json"], "json"), (["--format", "json"], "json"), (["--jsonl"], "jsonl"), (["-f", "csv"], "csv")],
)
def test_stdout_holds_data_only(files: Path, words: list[str], kind: str, capsys: Capture) -> None:
    assert main(["scan", ".", *words]) == 1
    got = capsys.readouterr()
    if kind == "json":
        assert json.loads(got.out)["summary"]["unreadable"] == 1
    elif kind == "jsonl":
        assert {record["label"] for record in records(got.out)} == {"real", "fake", "uncertain", None}
    else:
        assert len(list(csv.reader(io.StringIO(got.out)))) == 6
    # A finding outranks what could not be read, so that must be said.
    assert "1 file of 5 could not be read" in got.err


def test_quiet(files: Path, capsys: Capture) -> None:
    assert main(["scan", "real.jpg", "no_face.jpg", "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["scan", ".", "-q"]) == 1
    got = capsys.readouterr()
    assert [line.split()[0] for line in got.out.splitlines()] == ["fake", "unreadable"]
    assert got.err == ""


def test_settings_are_in_the_record(files: Path, capsys: Capture) -> None:
    assert main(["scan", "real.jpg", "--jsonl", "--frames", "7", "--prior", "0.1"]) == 0
    settings = records(capsys.readouterr().out)[0]["settings"]
    assert isinstance(settings, dict)
    assert (settings["frames"], settings["prior"], settings["model"]) == (7, 0.1, "standard")


def test_pattern_without_a_match_is_reported_and_the_rest_goes_on(files: Path, capsys: Capture) -> None:
    assert main(["scan", "*.mkv", "real.jpg"]) == 3
    got = capsys.readouterr()
    assert "the pattern '*.mkv' matches no file" in got.err
    assert "real.jpg" in got.out


def test_lists_of_files(files: Path, capsys: Capture) -> None:
    (files / "odd [name]\n.jpg").write_text("fake")
    (files / "list").write_text("real.jpg\n\nuncertain.jpg\r\n")
    (files / "list0").write_bytes(b"odd [name]\n.jpg\0real.jpg\0")
    assert main(["scan", "--files-from", "list", "--jsonl"]) == 0
    assert [r["path"] for r in records(capsys.readouterr().out)] == ["real.jpg", "uncertain.jpg"]
    assert main(["scan", "no_face.jpg", "--files-from", "list0", "-0", "--jsonl"]) == 1
    paths = [r["path"] for r in records(capsys.readouterr().out)]
    assert paths == ["no_face.jpg", "odd [name]\n.jpg", "real.jpg"]


@pytest.mark.parametrize("words", [[], ["--json"], ["--jsonl"], ["--format", "csv"], ["-v"]])
def test_hostile_names_do_no_harm(
    files: Path, words: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    names = [b"\xff\xfe.jpg", "\x1b[2J\u009b31m\u202e.jpg".encode(), b"=cmd.jpg", b"a\nb.jpg"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(files), name))).write_text("real")
    assert main(["scan", *(os.fsdecode(b"./" + name) for name in names), *words]) == 0
    out = capfdbinary.readouterr().out.decode("utf-8")
    assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in out)


def test_color(files: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def colored(*words: str) -> bool:
        main(["scan", "fake.jpg", *words])
        return "\x1b[" in capsys.readouterr().out

    assert not colored()
    assert colored("--color")
    monkeypatch.setattr("dfdetect.cli.progress.is_terminal", lambda stream: True)
    monkeypatch.setenv("TERM", "xterm")
    assert colored()
    assert not colored("--no-color")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored()
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not colored()


def test_internal_error_is_short_and_exit_4(files: Path, capsys: Capture) -> None:
    (files / "bug.jpg").write_text("bug")
    assert main(["scan", "real.jpg", "bug.jpg", "--report", "json=a.json"]) == 4
    err = capsys.readouterr().err
    assert "internal error: ZeroDivisionError: a bug in the scan" in err
    assert "--debug" in err
    assert "Traceback" not in err
    document = json.loads((files / "a.json").read_text())
    assert document["summary"]["complete"] is False
    assert len(document["results"]) == 1
    assert main(["scan", "bug.jpg", "--debug"]) == 4
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [(1, 4), ("text", 4), (None, 4), (3, 3)])
def test_no_hidden_exit_gets_through(
    files: Path, status: object, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*words: object, **more: object) -> None:
        raise SystemExit(status)

    monkeypatch.setattr("dfdetect.batch.pool.scan_many", leave)
    assert main(["scan", "real.jpg"]) == code


@pytest.mark.parametrize("words", [[], ["--json"], ["--format", "github"]])
def test_strict_says_what_failed_also_when_quiet(files: Path, words: list[str], capsys: Capture) -> None:
    assert main(["scan", "no_face.jpg", "--strict", "-q", *words]) == 3
    assert capsys.readouterr().err == "dfdetect: 1 file could not be judged (--strict)\n"
    assert main(["scan", "no_face.jpg", "-q", *words]) == 0
    assert capsys.readouterr().err == ""
    assert main(["scan", "no_face.jpg", "--write-baseline", "known.json", "--strict"]) == 0
    capsys.readouterr()
    assert main(["scan", "no_face.jpg", "--strict", "-q", "--baseline", "known.json", *words]) == 0
    assert capsys.readouterr().err == ""


def test_strict_reaches_the_reports(files: Path) -> None:
    assert main(["scan", "no_face.jpg", "--strict", "--report", "junit=a.xml"]) == 3
    assert 'errors="1"' in Path("a.xml").read_text()


def test_verbose_says_what_folders_hold_besides_media(files: Path, capsys: Capture) -> None:
    sentence = "1 file of folders was passed over as no media; name one to have it judged"
    (files / "notes.txt").write_text("hello")
    for words, told in (([], False), (["-v"], True)):
        assert main(["scan", ".", *words]) == 1
        assert (f"dfdetect: {sentence}\n" in capsys.readouterr().err) is told
    assert main(["scan", "real.jpg", "-v"]) == 0
    assert "passed over" not in capsys.readouterr().err


def test_verbose_says_what_came_up_again(files: Path, capsys: Capture) -> None:
    assert main(["scan", "real.jpg", "real.jpg", "./real.jpg", "-v"]) == 0
    assert "dfdetect: 2 names came up again and were not scanned twice\n" in capsys.readouterr().err
    assert main(["scan", "real.jpg", "real.jpg"]) == 0
    assert "came up again" not in capsys.readouterr().err


def test_folders_that_are_not_entered_are_said(files: Path, capsys: Capture) -> None:
    (files / "here" / ".hidden").mkdir(parents=True)
    (files / "here" / "real.jpg").write_text("real")
    (files / "elsewhere").mkdir()
    for name in ("one", "two"):
        (files / "here" / name).symlink_to(files / "elsewhere")
    linked = "dfdetect: 2 linked folders were not entered; name them to have what is inside judged\n"
    hidden = "dfdetect: 1 hidden folder was not entered; name it to have what is inside judged\n"
    for words, told in (([], linked), (["-v"], linked + hidden), (["-q"], "")):
        assert main(["scan", "here", *words]) == 0
        assert capsys.readouterr().err == told
