"""Reading the settings: from the environment and secrets files, with every mistake named."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import SettingsError as SourceError

from app.settings.groups import Group
from app.settings.model import DELIMITER, OF_THE_PROCESS, PREFIX, Settings, SettingsError, secrets_directory


def load_settings(**given: Any) -> Settings:
    """Read all settings; raises `SettingsError` with one line for each variable that is not right.

    `given` goes before the environment, for whoever has the values already.
    """
    directory = secrets_directory(os.environ)
    files = {file.name: "" for file in directory.iterdir()} if directory.is_dir() else {}
    refuse_unknown({**files, **os.environ})
    try:
        return Settings(**given)
    except SourceError as error:
        raise SettingsError(_unreadable_line(error)) from error
    except ValidationError as error:
        lines = [_line(item["loc"], item["msg"]) for item in error.errors(include_input=False)]
        raise SettingsError("\n".join(lines)) from error


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raise `SettingsError`, naming each variable with our prefix that means nothing to us."""
    unknown = unknown_variables(environment)
    if unknown:
        raise SettingsError("\n".join(_unknown_line(name) for name in unknown))


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """List the variables with our prefix that mean nothing to us."""
    known = {name for name, _, _ in described_settings()}
    return sorted(
        name
        for name in environment
        if name.upper().startswith(PREFIX)
        and name.upper() not in known
        and name not in OF_THE_PROCESS
        and not name.upper().startswith(f"{PREFIX}PROVIDERS{DELIMITER}")
    )


def described_settings() -> Iterator[tuple[str, str, str]]:
    """Give (variable, default, description) of each setting, in the order of declaration."""
    yield from _described(Settings, PREFIX)


def _described(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
            yield from _described(field.annotation, f"{variable}{DELIMITER}")
        else:
            yield variable, _default(field.is_required(), field.default), field.description or ""


def _default(required: bool, value: Any) -> str:
    if required:
        return "(required)"
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if value is None or not isinstance(value, (str, int, float, tuple)):
        return ""
    # Lists are read as JSON, so they are shown as such.
    return f"[{', '.join(f'{part:g}' for part in value)}]" if isinstance(value, tuple) else str(value)


def _line(location: tuple[int | str, ...], message: str) -> str:
    if not location:
        return f"Settings: {message}"
    variable = PREFIX + DELIMITER.join(str(part).upper() for part in location)
    # A secret's length is counted in characters, whatever the library calls them.
    return f"{variable}: {message.removeprefix('Value error, ').replace(' items ', ' characters ')}"


def _unreadable_line(error: SourceError) -> str:
    """Name the variables among which one is not JSON: the library names their field only."""
    prefix = PREFIX + str(error).partition('"')[2].partition('"')[0].upper()
    names = sorted(name for name in os.environ if name.upper().startswith(prefix))
    return f"{', '.join(names)}: cannot be read; a list is written as JSON, such as [1, 4, 15]."


def _unknown_line(name: str) -> str:
    near = difflib.get_close_matches(name, [known for known, _, _ in described_settings()], n=1, cutoff=0.7)
    return f"{name}: there is no such setting." + (f" Did you mean {near[0]}?" if near else "")
