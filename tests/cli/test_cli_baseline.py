"""``--baseline`` and ``--write-baseline``: what is accepted, what is not, and how it shows."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli_driver import Run, result_of
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.cli.main import main
from dfdetect.reports.baseline import Entry, read_baseline, render_baseline
from dfdetect.results import Label, Reason, ScanResult
from dfdetect.settings import Settings

Capture = pytest.CaptureFixture[str]
KNOWN = Path("known.json")


@pytest.fixture(autouse=True)
def folder(files: Path) -> Path:
    return files


def entries() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(KNOWN.read_text())["accepted"]
    return found


def sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_baseline_in_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path("home").resolve()
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert main(["scan", "fake.jpg", "--write-baseline=~/known.json"]) == 0
    assert (home / "known.json").is_file()
    assert main(["scan", "fake.jpg", "--baseline=~/known.json"]) == 0
    monkeypatch.setenv("DFDETECT_BASELINE", "~/known.json")
    assert main(["scan", "fake.jpg"]) == 0
    monkeypatch.delenv("DFDETECT_BASELINE")
    Path("dfdetect.toml").write_text('baseline = "~/known.json"\n')
    assert main(["scan", "fake.jpg"]) == 0


def test_the_baseline_of_the_configuration_can_be_made(capsys: Capture) -> None:
    Path("dfdetect.toml").write_text('baseline = "known.json"\n')
    assert main(["scan", "."]) == 2
    assert "make it with --write-baseline" in capsys.readouterr().err
    assert main(["scan", ".", "--write-baseline", "other.json"]) == 2
    assert not Path("other.json").exists()
    capsys.readouterr()
    assert main(["scan", ".", "--write-baseline", "known.json"]) == 0
    assert len(entries()) == 2
    assert main(["scan", "."]) == 0


def test_written_findings_are_accepted(capsys: Capture) -> None:
    assert main(["scan", ".", "--write-baseline", "known.json"]) == 0
    got = capsys.readouterr()
    assert "dfdetect: 2 findings written to the baseline 'known.json'" in got.err
    assert got.out.endswith("\n2 accepted by the baseline\n")
    assert entries() == [
        {"path": "./fake.jpg", "outcome": "fake", "sha256": sha256("fake.jpg")},
        {"path": "./unreadable.jpg", "outcome": "unreadable", "sha256": sha256("unreadable.jpg")},
    ]
    assert main(["scan", "."]) == 1
    capsys.readouterr()
    assert main(["scan", ".", "--baseline", "known.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fake         93 % fake  ./fake.jpg  accepted by the baseline"
    assert lines[2] == "real          5 % fake  ./real.jpg"
    assert "5 files: 1 fake, 1 uncertain, 1 real, 1 not judged (1 no face), 1 unreadable" in lines[-2]
    assert lines[-1] == "2 accepted by the baseline"
    assert main(["scan", ".", "--baseline", "known.json", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_by_content_not_by_path(capsys: Capture) -> None:
    assert main(["scan", "fake.jpg", "--write-baseline", "known.json"]) == 0
    Path("sub").mkdir()
    Path("fake.jpg").rename("sub/other name.jpg")
    assert main(["scan", "sub", "--baseline", "known.json"]) == 0
    Path("fake.jpg").write_text("fake ")
    capsys.readouterr()
    assert main(["scan", "fake.jpg", "--baseline", "known.json", "-v"]) == 1
    got = capsys.readouterr()
    assert "accepted" not in got.out
    assert "the baseline's fake.jpg (fake) has changed" in got.err
    # A missing file has no content, so its place accepts nothing.
    Path("fake.jpg").unlink()
    assert main(["scan", "fake.jpg", "--baseline", "known.json"]) == 3


def test_entries_that_do_not_come_up_are_named_with_verbose(capsys: Capture) -> None:
    assert main(["scan", ".", "--write-baseline", "known.json"]) == 0
    capsys.readouterr()
    assert main(["scan", "fake.jpg", "--baseline", "known.json"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["scan", "fake.jpg", "--baseline", "known.json", "-v"]) == 0
    got = capsys.readouterr()
    assert got.err == "dfdetect: the baseline's ./unreadable.jpg (unreadable) is no finding of this scan\n"
    assert "note: This finding is accepted by the baseline." in got.out


@pytest.mark.parametrize(
    ("accepted", "now", "words", "code"),
    [
        ("fake", "uncertain", ["--fail-on", "uncertain"], 0),
        ("uncertain", "fake", [], 1),
        ("uncertain", "uncertain", ["--fail-on", "uncertain"], 0),
        ("no_face", "no_face", ["--strict"], 0),
        ("no_face", "no_face", ["--fail-on", "unjudged"], 0),
        ("no_face", "face_too_small", ["--strict"], 3),
        ("fake", "no_face", ["--strict"], 3),
        ("no_face", "fake", [], 1),
        ("unreadable", "unreadable", [], 0),
        ("unreadable", "unreadable", ["--fail-on", "error"], 0),
        ("unreadable", "timed_out", [], 3),
        ("fake", "unreadable", [], 3),
    ],
)
def test_what_gets_worse_is_not_accepted(accepted: str, now: str, words: list[str], code: int) -> None:
    Path("a.jpg").write_text(now)
    digest = sha256("a.jpg")
    outcome = (Label if accepted in list(Label) else Reason)(accepted)
    KNOWN.write_text(render_baseline([Entry("a.jpg", outcome, digest)]))
    assert main(["scan", "a.jpg", "real.jpg", "--baseline", "known.json", *words]) == code


def test_a_new_finding_beside_accepted_ones(capsys: Capture) -> None:
    assert main(["scan", ".", "--write-baseline", "known.json"]) == 0
    Path("new.jpg").write_text("\nfake")
    assert main(["scan", ".", "--baseline", "known.json"]) == 1
    Path("new.jpg").write_text("\nunreadable")
    assert main(["scan", ".", "--baseline", "known.json"]) == 3
    assert "2 accepted by the baseline" in capsys.readouterr().out


def test_machine_formats_keep_their_form_and_say_so(capsys: Capture, schema: dict[str, Any]) -> None:
    assert main(["scan", ".", "--write-baseline", "known.json"]) == 0
    capsys.readouterr()
    assert main(["scan", ".", "--baseline", "known.json", "--json", "--report", "csv=a.csv"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema)
    marked = {r["path"] for r in document["results"] if any(n["code"] == "accepted" for n in r["notes"])}
    assert marked == {"./fake.jpg", "./unreadable.jpg"}
    assert document["summary"]["fake"] == 1
    assert len(list(csv.DictReader(io.StringIO(Path("a.csv").read_text())))) == 5


def test_rewriting_keeps_the_reasons(capsys: Capture) -> None:
    assert main(["scan", "fake.jpg", "unreadable.jpg", "--write-baseline", "known.json"]) == 0
    document = json.loads(KNOWN.read_text())
    document["accepted"][0]["why"] = "satire, labelled as such"
    KNOWN.write_text(json.dumps(document))
    assert main(["scan", "fake.jpg", "--baseline", "known.json", "-v"]) == 0
    assert "accepted by the baseline: satire, labelled as such" in capsys.readouterr().out
    Path("fake.jpg").rename("moved.jpg")
    for words in (["--baseline", "known.json"], []):
        assert main(["scan", "moved.jpg", *words, "--write-baseline", "known.json"]) == 0
        assert [(e["path"], e.get("why")) for e in entries()] == [("moved.jpg", "satire, labelled as such")]


def test_one_entry_for_copies_and_none_for_what_has_no_content() -> None:
    Path("copy.jpg").write_text("fake")
    assert main(["scan", "fake.jpg", "copy.jpg", "gone.jpg", "--write-baseline", "known.json"]) == 3
    assert [entry["path"] for entry in entries()] == ["copy.jpg"]
    assert main(["scan", "real.jpg", "--write-baseline", "known.json"]) == 0
    assert entries() == []
    assert read_baseline("known.json") == []


def test_an_interrupted_scan_leaves_the_old_baseline(program: Run) -> None:
    KNOWN.write_text(render_baseline([]))
    Path("bug.jpg").write_text("bug")
    assert program("scan", "fake.jpg", "bug.jpg", "--write-baseline", "known.json").returncode == 4
    assert KNOWN.read_text() == render_baseline([])
    assert not [name for name in os.listdir() if name.endswith(".part")]


REPORTED = ("text", "json", "sarif", "junit", "markdown")


@pytest.mark.parametrize("old", [False, True])
def test_what_no_baseline_holds_in_the_end_is_not_reported_as_accepted(
    old: bool, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if old:  # it stays, and accepts what it holds
        assert main(["scan", "fake.jpg", "--write-baseline", "known.json"]) == 0
    capsys.readouterr()

    def broken_off(paths: Iterable[str], settings: Settings, **rest: Any) -> Iterator[ScanResult]:
        yield result_of("fake.jpg", settings)
        yield result_of("unreadable.jpg", settings)
        raise KeyboardInterrupt

    monkeypatch.setattr("dfdetect.batch.pool.scan_many", broken_off)
    reports = [f"--report={name}=out.{name}" for name in REPORTED]
    assert main(["scan", ".", "--write-baseline", "known.json", *reports]) == 130
    assert KNOWN.exists() is old
    assert "written" not in capsys.readouterr().err
    found = json.loads(Path("out.json").read_text())
    assert found["summary"]["accepted"] == int(old)
    assert [len(result["notes"]) for result in found["results"]] == [int(old), 0]
    for name in REPORTED:
        text = Path(f"out.{name}").read_text()
        assert "fake.jpg" in text
        assert ("accepted" in text.replace('"accepted": 0', "")) is old


def test_results_keep_their_order_and_marks_with_a_new_baseline() -> None:
    assert main(["scan", ".", "--ordered", "--report", "json=a.json"]) == 1
    assert main(["scan", ".", "--ordered", "--write-baseline", "known.json", "--report", "json=b.json"]) == 0
    first, second = (json.loads(Path(name).read_text())["results"] for name in ("a.json", "b.json"))
    marked = {r["path"] for r in second if r["notes"]}
    assert marked == {"./fake.jpg", "./unreadable.jpg"}
    assert first == [{**result, "notes": []} for result in second]


def test_standard_input_is_accepted_by_content(program: Run) -> None:
    assert program("scan", "-", "--write-baseline", "known.json", stdin=b"fake").returncode == 0
    assert entries()[0]["path"] == "-"
    assert program("scan", "fake.jpg", "--baseline", "known.json").returncode == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no baseline 'known.json'; check the path, or make it with --write-baseline"),
        (
            "no",
            "'known.json' is no baseline, or was damaged: Expecting value: line 1 column 1 (char 0); mend it",
        ),
        ("[]", "is no baseline, a JSON object with that member; make one with --write-baseline"),
        ('{"baseline": 2}', "write it anew (--write-baseline)"),
        ('{"baseline": 1}', "'accepted' must be a list"),
        ('{"baseline": 1, "accepted": [3]}', "entry 1 must be a JSON object"),
        ('{"baseline": 1, "accepted": [{"sha": "a"}]}', "unknown member 'sha'; did you mean 'sha256'?"),
        ('{"baseline": 1, "accepted": [{"path": 3}]}', "'path' must be a text"),
        (
            '{"baseline": 1, "accepted": [{"outcome": "real"}]}',
            "'outcome' must be fake, uncertain or a reason",
        ),
        ('{"baseline": 1, "accepted": [{"outcome": "fake", "sha256": "a"}]}', "64 hexadecimal digits"),
    ],
)
def test_a_wrong_baseline_is_a_usage_error(content: str | None, message: str, capsys: Capture) -> None:
    if content is not None:
        KNOWN.write_text(content)
    assert main(["scan", "real.jpg", "--baseline", "known.json"]) == 2
    got = capsys.readouterr()
    assert message in got.err
    assert got.out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--write-baseline", "real.jpg"], "would overwrite a"),
        (["--write-baseline", "a", "--report", "csv=a"], "the same file"),
        (["--write-baseline", "no/a"], "cannot write the baseline to 'no/a'"),
        (["--write-baseline", "."], "cannot write the baseline to '.': it is a folder"),
        (["--write-baseline", "-"], "--write-baseline writes a file"),
    ],
)
def test_a_baseline_overwrites_nothing(words: list[str], message: str, capsys: Capture) -> None:
    before = sorted(os.listdir())
    assert main(["scan", "real.jpg", *words]) == 2
    assert message in capsys.readouterr().err
    assert sorted(os.listdir()) == before


def test_in_a_configuration_file(capsys: Capture) -> None:
    assert main(["scan", ".", "--write-baseline", "known.json"]) == 0
    Path("dfdetect.toml").write_text('baseline = "known.json"\n')
    assert main(["scan", "fake.jpg"]) == 0
    assert main(["scan", "fake.jpg", "--no-config"]) == 1


OUTCOMES = st.sampled_from([Label.FAKE, Label.UNCERTAIN, *Reason])
ENTRIES = st.lists(
    st.builds(Entry, st.text(), OUTCOMES, st.binary(min_size=32, max_size=32).map(bytes.hex), st.text()),
    unique_by=lambda entry: entry.sha256,
)


@given(ENTRIES)
def test_any_baseline_reads_back(tmp_path_factory: pytest.TempPathFactory, found: list[Entry]) -> None:
    path = tmp_path_factory.mktemp("baseline") / "known.json"
    text: Any = render_baseline(found)
    path.write_text(text, "utf-8")
    assert read_baseline(str(path)) == sorted(found, key=lambda entry: (entry.path, entry.sha256))
    assert text.isascii()
    assert len(text.splitlines()) == len(found) + 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("copies", [0, 500])  # what fits the buffer fails at its close, what does not before
def test_a_baseline_that_cannot_be_written_leaves_whole_reports(copies: int, capsys: Capture) -> None:
    for number in range(copies):
        Path(f"{number}.jpg").write_text("fake" + " " * number)
    words = ["scan", ".", "--write-baseline", "/dev/full", "--report", "json=a.json"]
    assert main(words) == 2
    got = capsys.readouterr()
    assert "interrupted" not in got.out
    assert "cannot write the baseline to '/dev/full': No space left on device" in got.err
    assert "written to the baseline" not in got.err
    document = json.loads(Path("a.json").read_text())
    assert document["summary"]["complete"] is True
    assert document["summary"]["files"] == len(document["results"]) == 5 + copies
    assert document["summary"]["accepted"] == 0


def test_what_a_new_baseline_cannot_hold_is_said(capsys: Capture) -> None:
    assert main(["scan", "fake.jpg", "gone\x1b.jpg", "--write-baseline", "known.json"]) == 3
    said = capsys.readouterr().err
    assert "dfdetect: 1 finding has no content and cannot be accepted: gone\\x1b.jpg\n" in said
    assert main(["scan", "a.jpg", "b.jpg", "c.jpg", "d.jpg", "--write-baseline", "known.json"]) == 3
    said = capsys.readouterr().err
    assert "4 findings have no content and cannot be accepted: a.jpg, b.jpg, c.jpg, …\n" in said


def test_copies_are_one_content(capsys: Capture) -> None:
    for number in range(2):
        Path(f"copy{number}.jpg").write_text("fake")
    assert main(["scan", ".", "--write-baseline", "known.json"]) == 0
    assert "dfdetect: 2 contents (4 files) written to the baseline 'known.json'\n" in capsys.readouterr().err
