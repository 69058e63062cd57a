"""Settings from files and variables on the command line, and ``dfdetect config``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest

from dfdetect.cli.config import config as config_command
from dfdetect.cli.main import main
from dfdetect.cli.options import config_name
from dfdetect.cli.scan import scan
from dfdetect.config import OUTPUT, kinds
from dfdetect.config_values import Kind

Capture = pytest.CaptureFixture[str]
TAKERS = (["scan", "x.jpg"], ["evaluate", "x"], ["calibrate", "x"], ["robustness", "x"], ["selftest"])


@pytest.fixture(autouse=True)
def elsewhere(files: Path) -> Path:
    """All tests run in a folder with a file of each outcome, over the fake scan."""
    return files


def write(body: str) -> None:
    Path("dfdetect.toml").write_text(body)


def settings_of(capture: Capture, *words: str) -> dict[str, Any]:
    assert main(["scan", "real.jpg", "--jsonl", *words]) == 0
    settings: dict[str, Any] = json.loads(capture.readouterr().out)["settings"]
    return settings


def shown(capture: Capture, *words: str) -> dict[str, Any]:
    assert main(["config", "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capture.readouterr().out)
    return found


def test_names_are_the_same_everywhere() -> None:
    options = {config_name(option): option for option in scan.params if config_name(option)}
    assert set(options) == set(kinds())
    for name, option in options.items():
        assert option.opts[-1] == "--" + str(name).replace("_", "-")
        assert option.envvar == f"DFDETECT_{name}".upper()


def test_precedence(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(capsys)["frames"] == 8
    write("frames = 9\nmin_face = 51\nheatmaps = true\n")
    assert settings_of(capsys)["frames"] == 9
    monkeypatch.setenv("DFDETECT_FRAMES", "10")
    found = settings_of(capsys)
    assert (found["frames"], found["min_face"], found["heatmaps"]) == (10, 51, True)
    found = settings_of(capsys, "--frames", "11", "--no-heatmaps")
    assert (found["frames"], found["min_face"], found["heatmaps"]) == (11, 51, False)
    found = settings_of(capsys, "--no-config")
    assert (found["frames"], found["min_face"], found["heatmaps"]) == (10, 40, False)


def test_named_files(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write("frames = 9\n")
    Path("other.cfg").write_text("[dfdetect]\nframes = 12\n")
    assert settings_of(capsys, "--config", "other.cfg")["frames"] == 12
    monkeypatch.setenv("DFDETECT_CONFIG", "other.cfg")
    assert settings_of(capsys)["frames"] == 12
    assert settings_of(capsys, "--config", "dfdetect.toml")["frames"] == 9
    assert settings_of(capsys, "--no-config")["frames"] == 8
    monkeypatch.delenv("DFDETECT_CONFIG")
    monkeypatch.setenv("DFDETECT_NO_CONFIG", "1")
    assert settings_of(capsys)["frames"] == 8
    assert settings_of(capsys, "--config", "dfdetect.toml")["frames"] == 9


@pytest.mark.parametrize(
    "words", [["--no-config", "--config", "a"], ["--config", "dfdetect.toml", "--no-config"]]
)
def test_named_and_none_contradict(words: list[str], capsys: Capture) -> None:
    write("")
    assert main(["scan", "real.jpg", *words]) == 2
    assert "contradict" in capsys.readouterr().err


def test_what_a_ci_job_configures(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write('format = "jsonl"\nreport = ["json=a.json", "csv=b.csv"]\nfail_on = "uncertain"\nstrict = true\n')
    assert main(["scan", "uncertain.jpg"]) == 1
    assert json.loads(capsys.readouterr().out)["label"] == "uncertain"
    assert json.loads(Path("a.json").read_text())["summary"]["uncertain"] == 1
    assert Path("b.csv").exists()
    assert main(["scan", "no_face.jpg"]) == 3
    assert main(["scan", "no_face.jpg", "--no-strict"]) == 0
    capsys.readouterr()
    # Reports on the command line are instead of those of the file.
    assert main(["scan", "uncertain.jpg", "--json", "--fail-on", "fake", "--report", "csv=c.csv"]) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["files"] == 1
    assert json.loads(Path("a.json").read_text())["results"][0]["path"] == "no_face.jpg"
    monkeypatch.setenv("DFDETECT_REPORT", "csv=my d.csv json=e.json")
    monkeypatch.setenv("DFDETECT_FAIL_ON", "never")
    assert main(["scan", "fake.jpg"]) == 0
    assert Path("my d.csv").exists()
    assert Path("e.json").exists()


def test_quiet_and_verbose_by_precedence(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write("quiet = true\n")
    assert main(["scan", "real.jpg"]) == 0
    assert capsys.readouterr() == ("", "dfdetect: dfdetect.toml sets quiet\n")
    assert main(["scan", "real.jpg", "--no-quiet"]) == 0
    assert "1 file" in capsys.readouterr().out
    assert main(["scan", "real.jpg", "-v"]) == 0
    assert "model light" in capsys.readouterr().out
    monkeypatch.setenv("DFDETECT_VERBOSE", "1")
    assert main(["scan", "real.jpg"]) == 0
    got = capsys.readouterr()
    assert "model light" in got.out
    assert got.err == "dfdetect: dfdetect.toml sets quiet\n"
    monkeypatch.setenv("DFDETECT_QUIET", "1")
    assert main(["scan", "real.jpg"]) == 2
    assert "contradict" in capsys.readouterr().err
    assert main(["scan", "real.jpg", "-q"]) == 0


@pytest.mark.parametrize("words", TAKERS, ids=lambda words: words[0])
def test_every_command_with_settings_reads_and_names_mistakes(words: list[str], capsys: Capture) -> None:
    write("min_fase = 3\n")
    assert main(words) == 2
    assert (
        "dfdetect.toml, line 1: unknown setting 'min_fase'; did you mean 'min_face'?"
        in capsys.readouterr().err
    )
    # Options of a scan in the same file are not those of the other commands that have the same name.
    write('model = "nosuch"\nreport = ["csv=a"]\njobs = 1\n')
    assert main(words) in (2, 3)
    said, _, rest = capsys.readouterr().err.partition("\n")
    assert said.startswith("dfdetect: dfdetect.toml sets model")
    assert ("report" in said) == (words[0] == "scan")
    assert not re.search("toml|report|csv|jobs", rest)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("min_face = 3\n", "dfdetect.toml, line 1: min_face must be a whole number of at least 16, not 3"),
        ('engine = "tensorrt"\n', "dfdetect.toml, line 1: engine: 'tensorrt' is not one of"),
        ('\nformat = "xml"\n', "dfdetect.toml, line 2: format: 'xml' is not one of"),
        ('report = "jsom=a"\n', "dfdetect.toml, line 1: report: unknown report format 'jsom': did you mean"),
        ('report = "json=-"\n', "dfdetect.toml, line 1: report: what goes to standard output is chosen by"),
        ("jobs = -1\n", "dfdetect.toml, line 1: jobs: must be a whole number of at least 0"),
        ('color = "always"\n', "dfdetect.toml, line 1: color must be true or false"),
    ],
)
@pytest.mark.parametrize("command", [["scan", "real.jpg"], ["config"]], ids=lambda words: words[0])
def test_a_wrong_value_is_named_with_its_place(
    body: str, message: str, command: list[str], capsys: Capture
) -> None:
    write(body)
    assert main(command) == 2
    got = capsys.readouterr()
    assert message in got.err
    assert got.out == ""
    assert main([*command, "--no-config"]) == 0


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DFDETECT_MIN_FACE", "3", "DFDETECT_MIN_FACE: min_face must be a whole number of at least 16"),
        ("DFDETECT_MIN_FACE", "big", "DFDETECT_MIN_FACE must be a whole number, not 'big'"),
        ("DFDETECT_MINFACE", "48", "did you mean DFDETECT_MIN_FACE?"),
        ("DFDETECT_FORMAT", "xml", "DFDETECT_FORMAT: 'xml' is not one of"),
        ("DFDETECT_REPORT", "json", "DFDETECT_REPORT: 'json' is not FORMAT=FILE"),
        ("DFDETECT_QUIET", "maybe", "DFDETECT_QUIET must be true or false"),
    ],
)
def test_a_wrong_variable_is_named(
    variable: str, value: str, message: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["scan", "real.jpg"]) == 2
    assert message in capsys.readouterr().err


def test_a_wrong_word_is_still_named_as_an_option(capsys: Capture) -> None:
    write("min_face = 50\n")
    assert main(["scan", "real.jpg", "--min-face", "3"]) == 2
    assert "dfdetect: --min-face must be a whole number of at least 16" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", [name for name, kind in kinds(output=False).items() if kind is not Kind.TRUTH]
)
def test_every_wrong_word_is_named_as_its_option(name: str, capsys: Capture) -> None:
    option = "--" + name.replace("_", "-")
    assert main(["scan", "real.jpg", f"{option}={'' if kinds()[name] is Kind.TEXT else -1}"]) == 2
    assert re.search(f"{option} must be |Invalid value for '{option}'", capsys.readouterr().err)


def test_help_needs_no_configuration(capsys: Capture) -> None:
    write("min_fase = 3\n")
    assert main(["scan", "--help"]) == 0
    assert "DFDETECT_MIN_FACE=48" in capsys.readouterr().out
    assert main(["models"]) == 0


def test_config_shows_values_and_origins(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(capsys)["config"] is None
    write('min_face = 48\nreport = "csv=a.csv"\nquiet = true\n')
    monkeypatch.setenv("DFDETECT_FRAMES", "16")
    monkeypatch.setenv("DFDETECT_VERSION", "7")
    found = shown(capsys)
    assert found["config"] == str(Path("dfdetect.toml").absolute())
    assert found["ignored"] == ["DFDETECT_VERSION"]
    entries = found["settings"]
    assert list(entries) == list(kinds())
    assert entries["min_face"] == {"value": 48, "origin": "file", "where": "dfdetect.toml, line 1"}
    assert entries["frames"] == {"value": 16, "origin": "environment", "where": "DFDETECT_FRAMES"}
    assert entries["prior"] == {"value": None, "origin": "default", "where": ""}
    assert entries["report"]["value"] == ["csv=a.csv"]
    assert entries["quiet"]["value"] is True
    assert entries["color"]["value"] is None
    assert main(["config"]) == 0
    rows = {
        line.split()[0]: line.split(maxsplit=2)[1:] for line in capsys.readouterr().out.splitlines() if line
    }
    assert rows["configuration"] == ["file:", "dfdetect.toml"]
    assert rows["min_face"] == ["48", "dfdetect.toml, line 1"]
    assert rows["frames"] == ["16", "DFDETECT_FRAMES"]
    assert rows["prior"] == ["-", "default"]


def test_names_that_are_not_utf8_are_valid_json(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("caf\udce9").mkdir()
    monkeypatch.chdir("caf\udce9")
    write("min_face = 48\n")
    monkeypatch.setenv("DFDETECT_REPORT", "csv=\udce9.csv")
    found = shown(capsys)
    assert found["config"].endswith("/caf\ufffd/dfdetect.toml")
    assert found["settings"]["report"]["value"] == ["csv=\ufffd.csv"]
    json.dumps(found, ensure_ascii=False).encode()


def test_config_names_a_model_that_is_not_there(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write('model = "nosuch"\n')
    assert main(["config"]) == 2
    assert "dfdetect.toml, line 1: there is no model 'nosuch'" in capsys.readouterr().err
    monkeypatch.setenv("DFDETECT_MODEL", "light")
    assert main(["config"]) == 0
    monkeypatch.setenv("DFDETECT_MODEL", "none")
    assert main(["config"]) == 2
    assert "DFDETECT_MODEL: there is no model 'none'" in capsys.readouterr().err


def test_what_config_shows_is_what_scan_uses(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write('start = "0:01"\nthreshold = 0.25\nevidence = true\n')
    monkeypatch.setenv("DFDETECT_END", "1:02.5")
    entries = shown(capsys)["settings"]
    used = settings_of(capsys)
    assert {name: entries[name]["value"] for name in used} == used
    assert (used["start"], used["end"]) == (1.0, 62.5)
    assert not set(used) & set(OUTPUT)


def test_config_takes_the_same_file(capsys: Capture) -> None:
    Path("other.toml").write_text("frames = 12\n")
    assert shown(capsys, "--config", "other.toml")["settings"]["frames"]["value"] == 12
    assert shown(capsys, "--no-config")["settings"]["frames"]["value"] == 8
    assert isinstance(config_command, click.Command)
