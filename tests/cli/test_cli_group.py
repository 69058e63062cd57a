"""All commands and options: help, settings, quick start, completion."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from dfdetect import __version__
from dfdetect.cli.group import COMMANDS, commands
from dfdetect.cli.main import main
from dfdetect.cli.options import option_name, setting_texts, settings_from
from dfdetect.errors import SettingsError
from dfdetect.settings import Settings


def walk(
    command: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from walk(inner, (*words, name))


ALL = dict(walk(commands))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_and_option_has_help(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ALL[words]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts
            assert "`" not in parameter.help
    assert main([*words, "--help"]) == 0
    assert "Usage: dfdetect" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_table_of_commands_agrees_with_the_commands(name: str) -> None:
    assert ALL[(name,)].get_short_help_str(limit=200) == COMMANDS[name][1]


def test_options_of_scan_are_the_settings() -> None:
    options = {p.name: p for p in ALL[("scan",)].params if isinstance(p, click.Option)}
    texts = setting_texts()
    for field in dataclasses.fields(Settings):
        option = options[field.name]
        assert option.opts == [option_name(field.name)]
        assert option.default == field.default
        assert texts[field.name].split()[0] in (option.help or "")
    context = ALL[("scan",)].make_context("scan", ["x"])
    assert settings_from({f.name: context.params[f.name] for f in dataclasses.fields(Settings)}) == Settings()


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--min-face", "64"], "min_face", 64),
        (["--fps", "2.5"], "fps", 2.5),
        (["--start", "1:30"], "start", 90.0),
        (["--end", "1:02:03.5"], "end", 3723.5),
        (["--end", "90"], "end", 90.0),
        (["--engine", "openvino"], "engine", "openvino"),
        (["--heatmaps"], "heatmaps", True),
    ],
)
def test_an_option_becomes_its_setting(words: list[str], name: str, value: object) -> None:
    context = ALL[("scan",)].make_context("scan", ["x", *words])
    settings = settings_from({f.name: context.params[f.name] for f in dataclasses.fields(Settings)})
    assert settings == Settings().replace(**{name: value})


def test_a_wrong_setting_is_named_as_its_option() -> None:
    with pytest.raises(SettingsError, match="--min-face must be a whole number of at least 16, not 3"):
        settings_from({"min_face": 3})
    with pytest.raises(SettingsError, match="must lie after start"):
        settings_from({"start": 5.0, "end": 2.0})


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"dfdetect {__version__}\n"


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["completion", "bash"]])
def test_start_is_light(words: list[str]) -> None:
    program = (
        "import sys; from dfdetect.cli.main import main; code = main(sys.argv[1:]);"
        "sys.stderr.write(' '.join(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    heavy = {
        "numpy",
        "cv2",
        "av",
        "PIL",
        "onnxruntime",
        "torch",
        "rich",
        "dfdetect.results",
        "dfdetect.settings",
    }
    assert heavy.isdisjoint(done.stderr.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_DFDETECT_COMPLETE" in script
    assert "dfdetect" in script


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dfdetect sc", "scan"),
        ("dfdetect scan --eng", "--engine"),
        ("dfdetect scan --engine open", "openvino"),
        ("dfdetect models ver", "verify"),
        ("dfdetect scan --model light clip", "clip"),
        ("dfdetect scan --model li", "light"),
        ("dfdetect models show mt", "mtcnn"),
        ("dfdetect scan --model ./my", "./my"),
    ],
)
def test_completion_answers(line: str, expected: str) -> None:
    env = {
        **os.environ,
        "_DFDETECT_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "dfdetect.cli.main"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # "file" makes the shell complete names of files itself.
    kind = {"clip": "file", "./my": "dir"}.get(expected, "plain")
    assert f"{kind},{expected}" in done.stdout.splitlines()
