"""Settings as command-line options, generated from `base.settings`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING
from pathlib import Path
from typing import Any, get_type_hints

import click
import msgspec

from parley.base.settings import SETTINGS, Check, Settings, default_data_folder

PREFIX = "PARLEY"


class CommaList(click.ParamType[tuple[str, ...]]):
    """Values separated by commas."""

    name = "value,value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A tuple of texts."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


def _checked(check: Check | None) -> Any:
    """A click callback that refuses what the check does not like."""

    def read(_: click.Context, __: click.Parameter, value: Any) -> Any:
        wrong = check(value) if check is not None else None
        if wrong:
            raise click.BadParameter(f"{value!r} {wrong}.")
        return value

    return read


def _option(name: str, kind: Any, default: Any, facts: Any) -> Callable[[Any], Any]:
    flag = "--" + name.replace("_", "-")
    common: dict[str, Any] = {
        "envvar": f"{PREFIX}_{name.upper()}",
        "show_envvar": True,
        "help": facts["meaning"],
        "callback": _checked(facts["check"]),
    }
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=default, show_default=True, **common)
    if kind is Path:
        shown = "the user's data folder"
        path = click.Path(path_type=Path, file_okay=False)
        return click.option(flag, name, type=path, default=default_data_folder, show_default=shown, **common)
    if kind is int:
        return click.option(flag, name, type=int, default=default, show_default=True, **common)
    if kind is str:
        return click.option(flag, name, default=default, show_default=bool(default), **common)
    return click.option(flag, name, type=CommaList(), default=default, show_default=False, **common)


def setting_options(*names: str) -> Callable[[Any], Any]:
    """Add options for all settings, or for those named, to a command."""

    def add(command: Any) -> Any:
        hints = get_type_hints(Settings)
        for each in reversed(SETTINGS):
            if names and each.name not in names:
                continue
            default = None if each.default is MISSING else each.default
            command = _option(each.name, hints[each.name], default, each.metadata)(command)
        return command

    return add


STORE_OPTIONS = ("data", "database_url", "secret_key", "log_level", "log_json")
"""What commands need that work on the data of a server, running or not."""


def print_json(value: Any) -> None:
    """Print for scripts."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
