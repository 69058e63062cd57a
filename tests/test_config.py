"""Configuration files and the environment: where they are found, what they hold, how mistakes are named."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfdetect.config import OUTPUT, environment, find_config, kinds, load_settings, read_config
from dfdetect.config_values import PREFIX, Kind
from dfdetect.errors import SettingsError
from dfdetect.settings import Settings

HEADS = {"dfdetect.toml": "", "pyproject.toml": "[tool.dfdetect]\n", "setup.cfg": "[dfdetect]\n"}
FIELDS = [field.name for field in dataclasses.fields(Settings)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, in whose folder ``a/b`` we are; home is elsewhere."""
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(root / "a" / "b")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return root


def write(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(HEADS[name] + body, encoding="utf-8")
    return path


def test_every_setting_can_be_configured() -> None:
    assert list(kinds()) == [*FIELDS, *OUTPUT]


@pytest.mark.parametrize("name", HEADS)
def test_each_file_and_both_spellings(project: Path, name: str) -> None:
    word = str if name == "setup.cfg" else json.dumps
    body = (
        f"min-face = 48\nheatmaps = true\nprior = 0.25\nstart = {word('1:30')}\nengine = {word('openvino')}\n"
    )
    write(project, name, "# a remark\n" + body)
    expected = Settings(min_face=48, heatmaps=True, prior=0.25, start=90.0, engine="openvino")
    assert load_settings(env={}) == expected


@pytest.mark.parametrize("name", HEADS)
def test_an_empty_section_says_that_the_search_ends_here(project: Path, name: str) -> None:
    write(project, "dfdetect.toml", "frames = 3\n")
    write(project / "a", name, "")
    assert load_settings(env={}) == Settings()


def test_order_within_a_folder_and_upwards(project: Path) -> None:
    write(project, "setup.cfg", "frames = 3\n")
    assert load_settings(env={}).frames == 3
    write(project, "pyproject.toml", "frames = 4\n")
    assert load_settings(env={}).frames == 4
    write(project, "dfdetect.toml", "frames = 5\n")
    assert load_settings(env={}).frames == 5
    write(project / "a", "setup.cfg", "frames = 6\n")
    assert load_settings(env={}).frames == 6
    found = find_config()
    assert found is not None
    assert found.path == project / "a" / "setup.cfg"


def test_files_about_something_else_are_passed_over(project: Path) -> None:
    write(project, "dfdetect.toml", "frames = 5\n")
    (project / "a" / "pyproject.toml").write_text('[project]\nname = "dfdetect"\n')
    (project / "a" / "setup.cfg").write_text("[metadata]\nname = dfdetect\n")
    (project / "a" / "b" / "pyproject.toml").write_text("this is [no TOML at all")
    assert load_settings(env={}).frames == 5


def test_the_search_ends_at_the_repository_and_at_home(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "dfdetect.toml", "frames = 5\n")
    assert find_config() is None
    (project / ".git").rmdir()
    (project / ".git").write_text("gitdir: elsewhere")  # a worktree
    assert find_config() is None
    (project / ".git").unlink()
    assert find_config() is None, "outside a repository and home only the working directory counts"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings(env={}).frames == 5
    monkeypatch.setenv("HOME", str(project))
    assert find_config() is None
    monkeypatch.chdir(tmp_path)
    assert load_settings(env={}).frames == 5


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        (
            "pyproject.toml",
            "\nmin_fase = 3\n",
            "line 3, [tool.dfdetect]: unknown setting 'min_fase'; did you",
        ),
        (
            "dfdetect.toml",
            "frame = 3\n",
            "dfdetect.toml, line 1: unknown setting 'frame'; did you mean 'frames'?",
        ),
        (
            "setup.cfg",
            "\n# x\nthreshhold : 1\n",
            "line 4, [dfdetect]: unknown setting 'threshhold'; did you mean",
        ),
        ("dfdetect.toml", "xyzzy = 3\n", "unknown setting 'xyzzy'; 'dfdetect config' lists them all"),
        ("dfdetect.toml", "[scan]\nframes = 3\n", "unknown setting 'scan'"),
        ("dfdetect.toml", "[tool.dfdetect]\nframes = 3\n", "at the top, without a section"),
        ("dfdetect.toml", "tool = 5\n", "unknown setting 'tool'"),
        ("dfdetect.toml", "threads = 100000\n", "threads must be at most 256"),
        ("dfdetect.toml", "min_face = 9300000000000000000\n", "min_face must be less than"),
        ("dfdetect.toml", "end = 0\n", "end must be a number of seconds, more than 0"),
        ("dfdetect.toml", "min-face = 30\nmin_face = 30\n", "min_face is there twice"),
        ("dfdetect.toml", 'frames = "8"\n', "line 1: frames must be a whole number, not '8'"),
        ("dfdetect.toml", "frames = 8.0\n", "frames must be a whole number, not 8.0"),
        ("dfdetect.toml", "frames = true\n", "frames must be a whole number, not True"),
        ("dfdetect.toml", "heatmaps = 1\n", "heatmaps must be true or false, not 1"),
        ("dfdetect.toml", "model = 1\n", "model must be a text, not 1"),
        ("dfdetect.toml", 'prior = "half"\n', "prior must be a number"),
        ("dfdetect.toml", 'start = "soon"\n', "start must be a time: seconds (90.5) or"),
        ("dfdetect.toml", "report = [1]\n", "report must be a text or a list of texts"),
        ("dfdetect.toml", "frames = 0\n", "line 1: frames must be a whole number of at least 1, not 0"),
        ("dfdetect.toml", "start = 5\nend = 2\n", "line 2: end (2 s) must lie after start"),
        ("dfdetect.toml", 'device = "cuda"\n', "line 1: device 'cuda' needs engine 'torch'"),
        ("dfdetect.toml", "frames = \n", "is not TOML: Invalid value (at line 1"),
        ("setup.cfg", "frames = many\n", "line 2, [dfdetect]: frames must be a whole number, not 'many'"),
        ("setup.cfg", "strict = maybe\n", "strict must be true or false"),
        ("setup.cfg", "frames = 3\nframes = 3\n", "cannot be read"),
    ],
)
def test_mistakes_are_named_with_their_place(project: Path, name: str, body: str, message: str) -> None:
    path = write(project / "a" / "b", name, body)
    for load in (lambda: load_settings(env={}), lambda: load_settings(path, env={})):
        with pytest.raises(SettingsError) as caught:
            load()
        assert message in str(caught.value)
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "name", [name for name, kind in kinds(output=False).items() if kind is not Kind.TRUTH]
)
def test_every_value_that_settings_refuse_is_named_with_its_place(project: Path, name: str) -> None:
    text = kinds()[name] is Kind.TEXT
    variable = PREFIX + name.upper()
    with pytest.raises(SettingsError, match=rf"^{variable}(: {name})? must be "):
        load_settings(env={variable: " " if text else "-1"})
    write(project / "a" / "b", "pyproject.toml", f"\n{name} = " + ('""' if text else "-1"))
    with pytest.raises(
        SettingsError, match=rf"^pyproject\.toml, line 3, \[tool\.dfdetect\]: {name} must be "
    ):
        load_settings(env={})


def test_tool_dfdetect_must_be_a_table(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool]\ndfdetect = 3\n")
    with pytest.raises(SettingsError, match="must be a table"):
        find_config()


def test_a_named_file_must_exist_and_be_about_dfdetect(project: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_config("nosuch.toml")
    (project / "pyproject.toml").write_text("[tool.other]\n")
    with pytest.raises(SettingsError, match=r"has no section \[tool.dfdetect\]"):
        read_config(project / "pyproject.toml")
    (project / "other.toml").write_text("frames = 7\n")
    assert load_settings(project / "other.toml", env={}).frames == 7
    (project / "other.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_config(project / "other.toml")


def test_variables_choose_the_file_as_on_the_command_line(project: Path) -> None:
    write(project, "dfdetect.toml", "frames = 5\n")
    (project / "other.toml").write_text("frames = 7\n")
    (Path.home()).mkdir()
    (Path.home() / "mine.toml").write_text("frames = 9\n")
    named = {"DFDETECT_CONFIG": str(project / "other.toml")}
    assert load_settings(env=named).frames == 7
    assert load_settings(env={"DFDETECT_CONFIG": "~/mine.toml"}).frames == 9
    assert load_settings(project / "dfdetect.toml", env=named).frames == 5
    assert load_settings(env={"DFDETECT_NO_CONFIG": "1", "DFDETECT_CONFIG": ""}) == Settings()
    assert load_settings(env={**named, "DFDETECT_NO_CONFIG": "0"}).frames == 7
    write(project, "dfdetect.toml", "frames = [")
    assert load_settings(env={"DFDETECT_NO_CONFIG": "1"}) == Settings()
    for wrong, words in (
        ({"DFDETECT_NO_CONFIG": "x"}, "true or false"),
        ({"DFDETECT_NO_CONFIG": "1"}, "contra"),
    ):
        with pytest.raises(SettingsError, match=words):
            load_settings(env={**named, **wrong})


def test_relative_paths_are_relative_to_the_file(project: Path) -> None:
    body = 'model = "models/mine"\nbaseline = "known.json"\nreport = ["junit=out/a b.xml", "json=/tmp/x"]\n'
    body += 'trust_list = "certs.pem"\n'
    write(project, "dfdetect.toml", body)
    found = find_config()
    assert found is not None
    assert found.values == {
        "model": str(project / "models/mine"),
        "baseline": str(project / "known.json"),
        "report": [f"junit={project / 'out/a b.xml'}", "json=/tmp/x"],
        "trust_list": str(project / "certs.pem"),
    }
    write(project, "dfdetect.toml", 'model = "light"\n')
    assert load_settings(env={}).model == "light", "the name of a shipped model is no path"


@pytest.mark.parametrize("folder", ["", "a/b"])
def test_a_tilde_is_left_to_whoever_opens_the_file(project: Path, folder: str) -> None:
    write(project / folder, "dfdetect.toml", 'baseline = "~/known.json"\ntrust_list = "~/certs.pem"\n')
    found = find_config()
    assert found is not None
    assert found.values == {"baseline": "~/known.json", "trust_list": "~/certs.pem"}


def test_folders_that_may_not_be_entered_hold_no_configuration(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "a" / "b", "dfdetect.toml", "frames = 5\n")
    real = os.stat

    def refuse(path: Any, *rest: Any, **words: Any) -> os.stat_result:
        if str(path).startswith(str(project)):  # permissions would not keep the superuser out
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, *rest, **words)

    monkeypatch.setattr("os.stat", refuse)
    assert find_config() is None
    assert load_settings(env={}) == Settings()


def test_without_a_working_directory_there_is_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write(project, "dfdetect.toml", "frames = 5\n")
    (project / "a" / "b").rmdir()
    assert find_config() is None
    assert load_settings(env={}) == Settings()
    assert load_settings(place, env={}).frames == 5


def test_environment_outranks_the_file(project: Path) -> None:
    write(project, "dfdetect.toml", "frames = 3\nmin_face = 50\n")
    settings = load_settings(env={"DFDETECT_FRAMES": "9", "DFDETECT_HEATMAPS": "on", "DFDETECT_FPS": ""})
    assert (settings.frames, settings.min_face, settings.heatmaps, settings.fps) == (9, 50, True, None)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DFDETECT_FRAMES", "many", "DFDETECT_FRAMES must be a whole number, not 'many'"),
        ("DFDETECT_FRAMES", "0", "DFDETECT_FRAMES: frames must be a whole number of at least 1"),
        ("DFDETECT_STRICT", "maybe", "DFDETECT_STRICT must be true or false"),
        ("DFDETECT_PRIOR", "nan", "DFDETECT_PRIOR: prior must be between 0.00001 and 0.99999"),
        ("DFDETECT_MINFACE", "48", "did you mean DFDETECT_MIN_FACE?"),
        ("DFDETECT_FAILON", "fake", "did you mean DFDETECT_FAIL_ON?"),
        ("DFDETECT_THRESHHOLD", "1", "did you mean DFDETECT_THRESHOLD?"),
        ("DFDETECT_JSON", "1", "DFDETECT_JSON is none of dfdetect's: set DFDETECT_FORMAT=json, and unset it"),
        ("DFDETECT_WRITE_BASELINE", "a.json", "name it on the command line"),
    ],
)
def test_mistakes_in_the_environment(project: Path, variable: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(env={variable: value})
    assert message in str(caught.value)


def test_variables_of_others_are_left_alone(project: Path) -> None:
    env = {"DFDETECT_VERSION": "1.2", "DFDETECT_IMAGE": "x", "DFDETECT_CONFIG": "", "FRAMES": "0"}
    assert load_settings(env=env) == Settings()


def test_lists_in_the_environment() -> None:
    values = environment({"DFDETECT_REPORT": "json=my scan.json  junit=b.xml"})
    assert values == {"report": ["json=my scan.json", "junit=b.xml"]}


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "min_face": st.integers(16, 10_000),
        "frames": st.integers(1, 10_000),
        "fps": st.floats(0.01, 1000),
        "prior": st.floats(1e-5, 0.999),
        "threshold": st.floats(1e-9, 0.999),
        "start": st.integers(0, 50).map(float),
        "end": st.floats(51, 5000).map(lambda value: round(value, 3)),
        "heatmaps": st.booleans(),
        "evidence": st.booleans(),
        "engine": st.sampled_from(["onnxruntime", "openvino", "torch"]),
        "model": st.sampled_from(["light", "standard", "my model", "größer"]),
        "timeout": st.floats(0.5, 1e6),
    },
)


@given(SETTINGS)
def test_any_settings_are_the_same_from_every_place(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("config")
    plain = {name: str(value) for name, value in values.items()}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()]
    expected = Settings(**values)
    for name in ("dfdetect.toml", "pyproject.toml"):
        assert load_settings(write(folder, name, "".join(lines)), env={}) == expected
    body = "".join(f"{name} = {value}\n" for name, value in plain.items())
    assert load_settings(write(folder, "setup.cfg", body), env={}) == expected
    empty = write(folder, "dfdetect.toml", "")
    env = {PREFIX + name.upper(): value for name, value in plain.items()}
    assert load_settings(empty, env=env) == expected


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_beyond_all_bounds_is_no_number(tmp_path: Path, digits: int) -> None:
    (tmp_path / "dfdetect.toml").write_text(f"timeout = 1{'0' * digits}\n")
    with pytest.raises(SettingsError, match=r"dfdetect\.toml"):
        read_config(tmp_path / "dfdetect.toml")


def test_natural_values_of_python_are_taken() -> None:
    made = Settings(
        model=Path("models") / "light",  # type: ignore[arg-type]
        frames=np.int64(4),  # type: ignore[arg-type]
        threshold=np.float32(0.5),
        fps=Fraction(5, 2),  # type: ignore[arg-type]
        trust_list=Path("a.pem"),  # type: ignore[arg-type]
    )
    assert made == Settings(model="models/light", frames=4, threshold=0.5, fps=2.5, trust_list="a.pem")
    assert [type(made.as_dict()[name]) for name in ("frames", "threshold", "fps")] == [int, float, float]
    assert type(Settings(timeout=np.float64(3)).timeout) is float
    assert json.loads(json.dumps(made.as_dict())) == made.as_dict()
    for name, value in (("frames", np.bool_(True)), ("frames", np.float64(4)), ("model", b"light")):
        with pytest.raises(SettingsError, match=f"{name} must be"):
            Settings(**{name: value})  # type: ignore[arg-type]


def test_a_changed_copy_names_mistakes() -> None:
    with pytest.raises(SettingsError, match="did you mean 'frames'"):
        Settings().replace(frmaes=3)
    with pytest.raises(SettingsError, match="device must be 'cpu', 'cuda'"):
        Settings(engine="torch", device="cudaxyz")
    assert Settings(engine="torch", device="cuda:1").device == "cuda:1"
