"""Options made from `Settings`, so that names, defaults and descriptions never differ from it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from dfdetect import settings as settings_module
from dfdetect.cli.common import Function
from dfdetect.errors import SettingsError
from dfdetect.settings import DETECTORS, ENGINES, Settings

_CHOICES: Mapping[str, tuple[str, ...]] = {"engine": ENGINES, "detector": DETECTORS}
_METAVARS = {"model": "NAME|FOLDER", "device": "DEVICE"}


if TYPE_CHECKING:
    FloatType = click.ParamType[float]
else:
    FloatType = click.ParamType  # generic only from click 8.5 on


class Seconds(FloatType):
    """A time in a video: ``90``, ``90.5``, ``1:30`` or ``1:02:03``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds as a float."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", str(value).strip())
        if match is None:
            self.fail(
                f"'{value}' is not a time; write seconds (90.5) or minutes and seconds (1:30).", param, ctx
            )
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds


def settings_options(function: Function) -> Function:
    """One option per setting, with its name, default and description."""
    hints = typing.get_type_hints(Settings)
    texts = setting_texts()
    # Decorators apply from the inside out; reversed, the help lists them in the order of `Settings`.
    for field in reversed(dataclasses.fields(Settings)):
        function = _option(field, hints[field.name], texts.get(field.name, ""))(function)
    return function


def settings_subset(*names: str) -> Callable[[Function], Function]:
    """The same, for some of the settings only."""

    def decorate(function: Function) -> Function:
        hints = typing.get_type_hints(Settings)
        texts = setting_texts()
        fields = {field.name: field for field in dataclasses.fields(Settings)}
        for name in reversed(names):
            function = _option(fields[name], hints[name], texts.get(name, ""))(function)
        return function

    return decorate


def settings_from(values: Mapping[str, Any]) -> Settings:
    """The settings from the values of the options; `SettingsError` names the option as the user wrote it."""
    try:
        return Settings.from_mapping(values)
    except SettingsError as error:
        raise SettingsError(_in_words_of_options(str(error), values)) from error


def option_name(setting: str) -> str:
    """``min_face`` → ``--min-face``."""
    return "--" + setting.replace("_", "-")


def setting_texts() -> dict[str, str]:
    """Name of each setting → its description, read from the docstrings below the fields."""
    try:
        tree = ast.parse(inspect.getsource(settings_module))
    except (OSError, SyntaxError):
        return {}  # an installation without sources still works, with barer help
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Settings").body
    return {
        field.target.id: _plain(text.value.value)
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _option(field: dataclasses.Field[Any], hint: Any, text: str) -> Callable[[Function], Function]:
    name, default = field.name, field.default
    if hint is bool:
        return click.option(option_name(name), name, is_flag=True, default=default, help=text)
    return click.option(
        option_name(name),
        name,
        type=_type(name, hint),
        default=default,
        show_default=default is not None,
        metavar=_METAVARS.get(name),
        help=text,
    )


def _type(name: str, hint: Any) -> click.ParamType[Any] | type:
    if name in _CHOICES:
        return click.Choice(_CHOICES[name])
    if name in ("start", "end"):
        return Seconds()
    kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]
    assert len(kinds) == 1
    assert isinstance(kinds[0], type)
    return kinds[0]


def _plain(text: str) -> str:
    """A docstring as help: without markup, on one line, other settings named as options."""
    text = re.sub(r"``(.+?)``", r"\1", " ".join(text.split())).replace(" None: ", " default: ")
    return re.sub(r"`(\w+)`", lambda match: option_name(match[1]), text)


def _in_words_of_options(message: str, names: Iterable[str]) -> str:
    for name in names:
        if message.startswith((f"{name} must", f"{name} (")):
            return option_name(name) + message[len(name) :]
    return message
