"""Settings from a configuration file and from the environment.

A setting has one name everywhere: ``Settings(min_face=48)`` in Python, ``--min-face 48`` on the command
line, ``DFDETECT_MIN_FACE=48`` in the environment and ``min_face = 48`` (or ``min-face``) in a file.  The
command line outranks the environment, that a configuration file, and that the defaults.

The file is the first of ``dfdetect.toml`` (keys at the top level), ``pyproject.toml``
(``[tool.dfdetect]``) and ``setup.cfg`` (``[dfdetect]``) that is about dfdetect, in the working directory or
above it, up to the root of the repository (which holds ``.git``) or the home directory.  Outside both only
the working directory is searched: what lies in a folder shared with others must not steer a scan.  Relative
paths in a file are relative to it.  Besides the settings it may hold the options of ``dfdetect scan`` named
in `OUTPUT`; the reports of a file that nobody has named must lie in its folder, and one above the working
directory counts only if it and ``.git`` belong to the user, the system or the working directory's owner.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from dfdetect.config_values import PREFIX, Kind, from_text, from_toml, variable
from dfdetect.errors import SettingsError
from dfdetect.names import near, printable
from dfdetect.settings import Settings

FILES = ("dfdetect.toml", "pyproject.toml", "setup.cfg")
"""Where a folder's configuration may be, the first one first."""
_WAY_OUT = "correct it, or leave it out of account with --no-config"


OUTPUT: Mapping[str, Kind] = {
    "format": Kind.TEXT,
    "report": Kind.LIST,
    "fail_on": Kind.TEXT,
    "strict": Kind.TRUTH,
    "baseline": Kind.TEXT,
    "jobs": Kind.WHOLE,
    "ordered": Kind.TRUTH,
    "quiet": Kind.TRUTH,
    "verbose": Kind.WHOLE,
    "color": Kind.TRUTH,
}
"""Options of ``dfdetect scan`` that a file may hold beside the settings."""
_NO_SETTINGS = ("config", "no_config")  # variables that say where the settings are
COMMAND_LINE_ONLY: Mapping[str, str] = {
    "json": "set DFDETECT_FORMAT=json",
    "jsonl": "set DFDETECT_FORMAT=jsonl",
    "files_from": "name it on the command line",
    "null": "name it on the command line",
    "resume": "name it on the command line",
    "write_baseline": "name it on the command line",
    "debug": "name it on the command line",
}
"""Options of ``dfdetect scan`` that no variable stands for, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration file holds, checked for names and types (not yet for ranges)."""

    path: Path
    section: str
    """``[tool.dfdetect]``; empty where the keys stand at the top level."""
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    """Name → line, as far as it was found."""
    found: bool = False
    """By a search: the user has not named it, and may not know of it."""

    @property
    def title(self) -> str:
        """The file and the section."""
        return " ".join(filter(None, (_shown(self.path), self.section)))

    def where(self, name: str) -> str:
        """``pyproject.toml, line 12, [tool.dfdetect]``."""
        line = f"line {self.lines[name]}" if name in self.lines else ""
        return ", ".join(filter(None, (_shown(self.path), line, self.section)))


def load_settings(
    path: str | os.PathLike[str] | None = None, env: Mapping[str, str] | None = None
) -> Settings:
    """The settings of a configuration file and of `env` (None: ``os.environ``).

    Without a `path` the file is the one that ``DFDETECT_CONFIG`` names, none with ``DFDETECT_NO_CONFIG``,
    else the one that a search finds.  Raises `SettingsError` that names the file, its line and the key, or
    the variable.
    """
    variables = os.environ if env is None else env
    config = _chosen(variables) if path is None else read_config(path)
    known = kinds(output=False)
    values = {name: value for name, value in (config.values if config else {}).items() if name in known}
    origins = {name: config.where(name) for name in values} if config else {}
    for name, value in environment(variables).items():
        if name in known:
            values[name], origins[name] = value, variable(name)
    try:
        return Settings.from_mapping(values)
    except SettingsError as error:
        if error.setting not in origins:
            raise
        raise SettingsError(f"{origins[error.setting]}: {error}") from error


def _chosen(env: Mapping[str, str]) -> Config | None:
    """The configuration that variables choose, as ``--config`` and ``--no-config`` do."""
    named, refused = (env.get(variable(name), "") for name in _NO_SETTINGS)
    try:
        if refused and from_text(Kind.TRUTH, refused):
            if named:
                raise SettingsError("DFDETECT_CONFIG and DFDETECT_NO_CONFIG contradict each other: unset one")
            return None
    except ValueError as error:
        message = f"{PREFIX}NO_CONFIG must be {Kind.TRUTH.value}, not '{printable(refused)}'"
        raise SettingsError(message) from error
    return read_config(os.path.expanduser(named)) if named else find_config()


def find_config() -> Config | None:
    """The configuration that holds for work in this folder, or None; `SettingsError` if it is not right."""
    try:
        start = Path().absolute()
    except OSError:  # the working directory is gone
        return None
    for place in _upwards(start):
        for name in FILES:
            path = place / name
            # Not the methods of `Path`, which raise for a folder that may not be entered.
            ours = place == start or _is_trusted(path, start)
            if os.path.isfile(path) and ours and (config := _read(path)) is not None:
                return dataclasses.replace(config, found=True)
    return None


def read_config(path: str | os.PathLike[str]) -> Config:
    """The configuration in a named file; `SettingsError` if it cannot be read, holds none or a wrong one."""
    place = Path(path)
    config = _read(place)
    if config is None:
        raise SettingsError(f"{_shown(place)} has no section {_section(place)}; add it, or name another file")
    return config


def environment(env: Mapping[str, str]) -> dict[str, Any]:
    """The values of the variables that dfdetect knows; empty ones count as unset.

    A name that nearly is one of them is refused (`SettingsError`); all others may belong to somebody else.
    """
    check_names(env)
    values = {}
    for name, kind in kinds().items():
        if text := env.get(variable(name)):
            try:
                values[name] = from_text(kind, text)
            except ValueError as error:
                message = f"{variable(name)} must be {kind.value}, not '{printable(text)}'"
                raise SettingsError(message) from error
    return values


def check_names(env: Mapping[str, str]) -> None:
    """Refuse variables whose names are near misses, or those of other options (`SettingsError`)."""
    for name in sorted(foreign_names(env)):
        if env[name] and (instead := COMMAND_LINE_ONLY.get(name.upper().removeprefix(PREFIX).lower())):
            raise SettingsError(
                f"the environment variable {printable(name)} is none of dfdetect's: {instead}, and unset it"
            )
        if meant := difflib.get_close_matches(name.upper(), _variables(), n=1, cutoff=0.87):
            raise SettingsError(
                f"the environment variable {printable(name)} is none of dfdetect's; did you mean {meant[0]}? "
                "Otherwise unset it"
            )


def foreign_names(env: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that dfdetect does not know."""
    known = _variables()
    return [name for name in env if name.upper().startswith(PREFIX) and name not in known]


def _variables() -> list[str]:
    """The variables that dfdetect knows."""
    return [variable(name) for name in (*kinds(), *_NO_SETTINGS)]


@cache
def kinds(output: bool = True) -> Mapping[str, Kind]:
    """Name of every setting, and (`output`) of the other options of a scan → what it must be."""
    plain = {str: Kind.TEXT, bool: Kind.TRUTH, int: Kind.WHOLE, float: Kind.NUMBER}
    found = {
        name: plain[next(kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None))]
        for name, hint in typing.get_type_hints(Settings).items()
    }
    found |= dict.fromkeys(("start", "end"), Kind.TIME)
    return {**found, **OUTPUT} if output else found


def _upwards(folder: Path) -> Iterator[Path]:
    """The folder and those above it, as far as they are the user's own."""
    chain = [folder, *folder.parents]
    try:
        home = Path.home()
    except RuntimeError:  # a system account without one
        home = None
    for count, place in enumerate(chain, start=1):
        if place == home or _is_trusted(place / ".git", folder):
            return iter(chain[:count])
    return iter(chain[:1])


def _is_trusted(path: Path, folder: Path) -> bool:
    """Whether it is there, and was made by this user, the system's, or whoever owns the working directory.

    Else anybody could steer the scans of all that work below a folder shared with others.  Windows does not
    tell owners this way: there it must lie in the home directory.
    """
    try:
        owner, ours = os.stat(path).st_uid, os.stat(folder).st_uid
        if sys.platform == "win32":
            return path.is_relative_to(Path.home())
    except (OSError, RuntimeError):  # a system account has no home
        return False
    return owner in (os.geteuid(), 0, ours)


def _section(path: Path) -> str:
    if path.suffix in (".cfg", ".ini"):
        return "[dfdetect]"
    return "[tool.dfdetect]" if path.name == "pyproject.toml" else ""


def _read(path: Path) -> Config | None:
    """None if the file has no part for dfdetect."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"{_shown(path)} cannot be read: {reason}; {_WAY_OUT}") from error
    section = _section(path)
    # A file of somebody else's need not even be well-formed.
    if section and "dfdetect" not in text:
        return None
    cfg = path.suffix in (".cfg", ".ini")
    values = _cfg_values(path, text) if cfg else _toml_values(path, text, section)
    if values is None:
        return None
    draft = Config(path, section, lines=_line_numbers(text, section))
    return dataclasses.replace(draft, values=_checked(values, draft, from_text if cfg else from_toml))


def _toml_values(path: Path, text: str, section: str) -> Mapping[str, Any] | None:
    import tomllib

    try:
        found: Any = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also an int of thousands of digits
        raise SettingsError(f"{_shown(path)} is not TOML: {error}; {_WAY_OUT}") from error
    if section:
        tools = found.get("tool", {})
        found = tools.get("dfdetect") if isinstance(tools, dict) else None
        if found is not None and not isinstance(found, dict):
            raise SettingsError(f"{_shown(path)}: tool.dfdetect must be a table, as in {section}; {_WAY_OUT}")
    elif "dfdetect" in found or (isinstance(found.get("tool"), dict) and "dfdetect" in found["tool"]):
        raise SettingsError(f"{_shown(path)}: here the settings stand at the top, without a section")
    return typing.cast("Mapping[str, Any] | None", found)


def _cfg_values(path: Path, text: str) -> Mapping[str, str] | None:
    import configparser

    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{_shown(path)} cannot be read: {reason}; {_WAY_OUT}") from error
    return dict(parser["dfdetect"]) if parser.has_section("dfdetect") else None


def _checked(values: Mapping[str, Any], draft: Config, convert: Any) -> dict[str, Any]:
    """The values under their names; `SettingsError` for a name that is unknown or a value of a wrong type."""
    known = kinds()
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        where = draft.where(name)
        if name not in known:
            hint = near(name.lower(), known) or "'dfdetect config' lists them all"
            raise SettingsError(f"{where}: unknown setting '{printable(key)}'; {hint}")
        if name in found:
            raise SettingsError(f"{where}: {name} is there twice, with - and with _")
        try:
            found[name] = _from_here(name, convert(known[name], value), draft.path.parent)
        except ValueError as error:
            shown = printable(f"{value!r:.60}")
            raise SettingsError(f"{where}: {name} must be {known[name].value}, not {shown}") from error
    return found


def _from_here(name: str, value: Any, folder: Path) -> Any:
    """Relative paths are relative to the file's folder; ``~`` is left to whoever opens them."""
    here = _working_directory()
    folder = folder.absolute() if here is not None else folder
    if folder == here:
        return value

    def absolute(path: str) -> str:
        return path if not path or path.startswith("~") else os.path.join(folder, path)

    if name in ("baseline", "trust_list"):
        return absolute(value)
    if name == "report":
        halves = (item.partition("=") for item in value)
        return [form + equals + absolute(path) for form, equals, path in halves]
    # A name without a slash is that of a shipped model.
    return absolute(value) if name == "model" and re.search(r"[/\\]", value) else value


def _line_numbers(text: str, section: str) -> dict[str, int]:
    current = ""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*(\[[^\[\]]*\])\s*(?:[#;].*)?$", line):
            current = re.sub(r"[\s\"']", "", header[1])
        elif current == section and (key := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*[=:]", line)):
            found.setdefault(key[1].replace("-", "_"), number)
    return found


def _shown(path: Path) -> str:
    """The path for people: relative if it lies below the working directory."""
    here = _working_directory()
    inside = here is not None and path.absolute().is_relative_to(here)
    return printable(os.path.relpath(path) if inside else str(path))


def _working_directory() -> Path | None:
    """None if it has been removed."""
    try:
        return Path.cwd()
    except OSError:
        return None
