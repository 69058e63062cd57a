"""``--quiet``, ``--verbose``, ``--color``, NO_COLOR, FORCE_COLOR and TERM=dumb, on every command."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_driver import DRIVER, Run

from dfdetect.cli.common import common_options, current_talk, say
from dfdetect.cli.group import COMMANDS, commands
from dfdetect.cli.main import main
from dfdetect.cli.progress import wants_color

Capture = pytest.CaptureFixture[str]
VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM", "DFDETECT_COLOR", "DFDETECT_QUIET", "DFDETECT_VERBOSE")


@pytest.fixture(autouse=True)
def folder(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return files


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfdetect.cli.progress.is_terminal", lambda stream: True)
    monkeypatch.setenv("TERM", "xterm")


def leaves() -> list[tuple[str, ...]]:
    found = []
    for name in COMMANDS:
        command = commands.get_command(click.Context(commands), name)
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.list_commands(click.Context(command))]
        found.append((name,))
    return found


@pytest.mark.parametrize("words", leaves(), ids=" ".join)
def test_every_command_takes_them(words: tuple[str, ...], capsys: Capture) -> None:
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    for option in ("--quiet", "--verbose", "--no-color", "--debug"):
        assert text.count(option + " ") + text.count(option + "\n") == 1, option


@pytest.mark.parametrize(
    "words", [["models"], ["models", "list"], ["completion", "bash"], ["config"]], ids=" ".join
)
@pytest.mark.parametrize("more", [["-q"], ["-v"], ["--no-color"], ["--color"]], ids=" ".join)
def test_results_stay_the_same_with_them(words: list[str], more: list[str], capsys: Capture) -> None:
    assert main(words) == 0
    plain = capsys.readouterr().out
    assert plain
    for line in ([*words, *more], [*more, *words]):
        assert main(line) == 0
        got = capsys.readouterr()
        if words != ["config"]:
            assert got.out == plain
        assert "\x1b" not in got.out + got.err


def colored(capture: Capture, *words: str) -> bool:
    assert main([*words, "scan", "fake.jpg"]) == 1
    here = "\x1b[" in capture.readouterr().out
    assert main(["scan", "fake.jpg", *words]) == 1
    assert here is ("\x1b[" in capture.readouterr().out), "before and after the command's name"
    return here


def test_color_without_a_terminal(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not colored(capsys)
    assert colored(capsys, "--color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colored(capsys)
    assert not colored(capsys, "--no-color")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored(capsys)
    assert colored(capsys, "--color")
    monkeypatch.setenv("DFDETECT_COLOR", "1")
    assert colored(capsys)
    assert not colored(capsys, "--no-color")


@pytest.mark.usefixtures("terminal")
def test_color_on_a_terminal(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert colored(capsys)
    assert not colored(capsys, "--no-color")
    monkeypatch.setenv("NO_COLOR", "")
    assert colored(capsys)
    monkeypatch.setenv("TERM", "dumb")
    assert not colored(capsys)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colored(capsys)


@pytest.mark.usefixtures("terminal")
def test_color_in_a_file_yields_to_the_environment(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dfdetect.toml").write_text("color = true\n")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored(capsys)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert colored(capsys)
    Path("dfdetect.toml").write_text("color = false\n")
    assert not colored(capsys)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colored(capsys)


def test_reports_in_files_are_never_colored(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["scan", "fake.jpg", "--color", "--report", "text=a.txt"]) == 1
    assert "\x1b" not in Path("a.txt").read_text()
    assert "\x1b" in capsys.readouterr().out
    assert main(["scan", "fake.jpg", "--color", "--json"]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_tables_of_evaluate_follow_the_same_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    import io

    from dfdetect.evaluate import terminal
    from dfdetect.evaluate.report import Evaluation

    monkeypatch.setattr(terminal, "facts", lambda evaluation: [])
    monkeypatch.setattr(terminal, "tables", lambda evaluation: [])
    nothing = object.__new__(Evaluation)

    def shown(color: bool) -> str:
        stream = io.StringIO()
        terminal.show(nothing, stream, color)
        assert "By method" in stream.getvalue()
        return stream.getvalue()

    for variable in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.setenv(variable, "1")
        assert "\x1b" not in shown(False)
        assert "\x1b" in shown(True)


def test_quiet_silences_whoever_talks_but_no_error(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @common_options
    def talkative() -> None:
        print("progress of \udcff.jpg", file=sys.stderr)
        say("done")
        click.echo("result")

    monkeypatch.setattr(commands, "get_command", lambda context, name: talkative)
    assert main(["scan"]) == 0
    assert capsys.readouterr() == ("result\n", "progress of \\udcff.jpg\ndone\n")
    for words in (["scan", "-q"], ["-q", "scan"], ["scan", "--quiet"]):
        assert main(words) == 0
        assert capsys.readouterr() == ("result\n", "")
    monkeypatch.setenv("DFDETECT_QUIET", "yes")
    assert main(["scan"]) == 0
    assert capsys.readouterr() == ("result\n", "")
    monkeypatch.undo()
    assert main(["-q", "models", "show", "nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err
    assert main(["scan", "-q"]) == 2
    assert "nothing to scan" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-q", "models", "-v"], ["-q", "config", "-v"], ["selftest", "-q", "-v"]])
def test_quiet_and_verbose_contradict_on_every_command(words: list[str], capsys: Capture) -> None:
    assert main(words) == 2
    assert "contradict" in capsys.readouterr().err


def test_without_a_command_nothing_is_chosen() -> None:
    assert current_talk().verbosity == 0
    assert wants_color(True, sys.stdout)
    assert not wants_color(False, sys.stdout)


def test_the_classic_console_of_windows_gets_no_colour_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("TERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert wants_color(None, Terminal())
    monkeypatch.setattr(sys, "platform", "win32")
    for old in (True, False):
        monkeypatch.setattr("rich.console.detect_legacy_windows", lambda old=old: old)
        assert wants_color(None, Terminal()) is not old
    monkeypatch.setattr("rich.console.detect_legacy_windows", lambda: True)
    assert wants_color(True, Terminal())


@pytest.mark.parametrize(
    ("words", "env", "progress", "color"),
    [
        ([], {}, True, True),
        (["--no-color"], {}, True, False),
        ([], {"NO_COLOR": "1"}, True, False),
        (["-q"], {}, False, False),
        ([], {"TERM": "dumb"}, False, False),
        (["-v"], {}, True, True),
    ],
)
def test_progress_on_a_real_terminal(
    words: list[str], env: dict[str, str], progress: bool, color: bool
) -> None:
    pty = pytest.importorskip("pty")
    main_end, other_end = pty.openpty()
    command = [sys.executable, str(DRIVER), "scan", ".", "--jsonl", *words]
    every = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **env}
    subprocess.run(command, env=every, stdout=subprocess.DEVNULL, stderr=other_end, timeout=60)
    os.close(other_end)
    seen = b""
    with contextlib.suppress(OSError):  # that is how Linux shows that the other end is closed
        while chunk := os.read(main_end, 4096):
            seen += chunk
    os.close(main_end)
    assert (b"scanning, 1 fake" in seen) is progress
    assert (b"\x1b[3" in seen or b"\x1b[38" in seen) is color
    if "TERM" in env:
        assert b"\x1b" not in seen


def test_no_color_reaches_the_program(program: Run) -> None:
    assert b"\x1b" in program("scan", "fake.jpg", FORCE_COLOR="1").stdout
    assert b"\x1b" not in program("scan", "fake.jpg", FORCE_COLOR="1", NO_COLOR="1").stdout
