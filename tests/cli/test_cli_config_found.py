"""A configuration file that nobody has named may have come with what is to be scanned: it writes nowhere
else, and does nothing unseen.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfdetect.cli.main import main

Capture = pytest.CaptureFixture[str]
VICTIM = Path("../victim.txt")


@pytest.fixture(autouse=True)
def archive(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which somebody has put a configuration; beside it a file of the user."""
    monkeypatch.setenv("HOME", str(files))
    place = files / "archive"
    place.mkdir()
    (files / "fake.jpg").rename(place / "fake.jpg")
    (files / "victim.txt").write_text("precious")
    (place / "link.txt").symlink_to(files / "victim.txt")
    (place / "out").symlink_to(files, target_is_directory=True)
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize(
    "path", ["../victim.txt", "{}", "~/victim.txt", "link.txt", "out/victim.txt", "../new"]
)
@pytest.mark.parametrize("command", [["scan", "."], ["config"]], ids=lambda words: words[0])
def test_it_writes_no_report_outside_its_folder(
    path: str, command: list[str], archive: Path, capsys: Capture
) -> None:
    path = path.format(archive.parent / "victim.txt")
    Path("dfdetect.toml").write_text(f'report = ["json=inside.json", "csv={path}"]\n')
    assert main(command) == 2
    got = capsys.readouterr()
    assert got.out == ""
    assert f"dfdetect.toml, line 1: the report '{path}' lies outside the folder of this file" in got.err
    assert f"--config {archive / 'dfdetect.toml'}" in got.err
    assert VICTIM.read_text() == "precious"
    assert not Path("inside.json").exists()
    assert not Path("../new").exists()
    # Who names the file wants what it says.
    assert main([*command, "--config", "dfdetect.toml"]) == (1 if command[0] == "scan" else 0)
    assert (VICTIM.read_text() == "precious") == (command[0] == "config" or path == "../new")


def test_what_a_folder_above_sets_may_lie_in_that(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".git").mkdir()
    Path("dfdetect.toml").write_text(f'report = ["csv=a.csv", "json={archive}/sub/../b.json"]\n')
    Path("sub").mkdir()
    monkeypatch.chdir("sub")
    assert main(["scan", "../fake.jpg"]) == 1
    assert (archive / "a.csv").exists()
    assert (archive / "b.json").exists()


def test_it_is_told_and_cannot_silence_that(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dfdetect.toml").write_text('fail_on = "never"\nthreshold = 0.9\nquiet = true\n')
    assert main(["scan", "fake.jpg", "--threshold", "0.8"]) == 0
    assert capsys.readouterr().err == "dfdetect: dfdetect.toml sets fail_on, quiet\n"
    assert main(["scan", "fake.jpg", "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["-q", "scan", "fake.jpg"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["scan", "fake.jpg", "--config", "dfdetect.toml"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("DFDETECT_QUIET", "1")
    assert main(["scan", "fake.jpg"]) == 0
    assert capsys.readouterr().err == ""


def test_one_that_changes_nothing_is_not_worth_a_word(capsys: Capture) -> None:
    Path("dfdetect.toml").write_text("min_face = 50\n")
    assert main(["scan", "fake.jpg", "--min-face", "60"]) == 1
    assert capsys.readouterr().err == ""
    Path("dfdetect.toml").write_text("")
    assert main(["scan", "fake.jpg"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (".git/hooks/pre-commit", "lies in a hidden place"),
        (".profile", "lies in a hidden place"),
        ("pipe", "is no ordinary file"),
    ],
)
def test_it_writes_no_report_where_it_could_do_harm(path: str, why: str, capsys: Capture) -> None:
    Path(".git/hooks").mkdir(parents=True)
    os.mkfifo("pipe")
    Path("dfdetect.toml").write_text(f'report = "csv={path}"\n')
    assert main(["scan", "fake.jpg"]) == 2
    assert f"the report '{path}' {why}" in capsys.readouterr().err


def test_what_others_put_above_the_working_directory_does_not_hold(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".git").mkdir()
    Path("dfdetect.toml").write_text('fail_on = "never"\n')
    Path("sub").mkdir()
    monkeypatch.chdir("sub")
    monkeypatch.setenv("HOME", "/elsewhere")
    assert main(["scan", "../fake.jpg"]) == 0
    if os.geteuid() != 0:
        pytest.skip("files cannot be given to others")
    os.chown("../.git", 65534, 65534)
    assert main(["scan", "../fake.jpg"]) == 1
    os.chown("../.git", 0, 0)
    os.chown("../dfdetect.toml", 65534, 65534)
    assert main(["scan", "../fake.jpg"]) == 1
    os.chown(".", 65534, 65534)  # all of it is one other user's, as in a container
    assert main(["scan", "../fake.jpg"]) == 0


def test_no_path_holds_a_nul(capsys: Capture) -> None:
    for line in ('report = "json=a\\u0000b"', 'report = ["json=a\\u0000b"]', 'baseline = "a\\u0000b"'):
        Path("dfdetect.toml").write_text(line + "\n")
        assert main(["scan", "fake.jpg"]) == 2
        assert "internal error" not in capsys.readouterr().err


def test_what_the_command_line_replaces_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dfdetect.toml").write_text('report = "csv=../victim.txt"\n')
    assert main(["scan", "fake.jpg", "--report", "json=own.json"]) == 1
    monkeypatch.setenv("DFDETECT_REPORT", "json=other.json")
    assert main(["scan", "fake.jpg"]) == 1
    assert VICTIM.read_text() == "precious"
    assert {"own.json", "other.json"} <= {path.name for path in Path().iterdir()}
