"""Write the reference pages that follow from the code: `generate_reference.py FOLDER`.

- `settings.md`: every option of `parley serve` with its flag, environment variable and default
- `commands.md`: every command with its options
- `events.md`: every event of the registry with its fields
- `close-codes.md`: every close code of a WebSocket
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import msgspec

import parley
from parley.base.events import EventType, event_types
from parley.stream.closing import FIRST_OWN, Close

NOTE = "<!-- Written by scripts/generate_reference.py from the code; edit the code. -->\n"


def cell(text: str) -> str:
    """Text that stays inside one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Text in code style, or nothing."""
    return f"`{text}`" if text else ""


def environment_names(option: click.Option, context: click.Context) -> list[str]:
    """The variables that set an option, explicit ones or the one click derives."""
    if option.envvar is not None:
        return [option.envvar] if isinstance(option.envvar, str) else list(option.envvar)
    if context.auto_envvar_prefix and option.allow_from_autoenv and option.name:
        return [f"{context.auto_envvar_prefix}_{option.name.upper()}"]
    return []


def default_of(option: click.Option, context: click.Context) -> str:
    """What holds when nothing is given, as `--help` words it."""
    if isinstance(option.show_default, str):
        return option.show_default
    value = option.get_default(context, call=True)
    if value is None or value == () or type(value).__name__ == "Sentinel":
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def option_table(context: click.Context) -> str:
    """One row for each option of a command, in the order of its help."""
    rows = ["| Option | Environment | Default | Meaning |", "|---|---|---|---|"]
    for option in context.command.params:
        if not isinstance(option, click.Option) or option.hidden:
            continue
        flags = " / ".join(map(code, [*option.opts, *option.secondary_opts]))
        names = ", ".join(map(code, environment_names(option, context)))
        default = code(default_of(option, context))
        rows.append(f"| {flags} | {names} | {cell(default)} | {cell(option.help or '')} |")
    return "\n".join(rows) + "\n" if len(rows) > 2 else ""


def walk(context: click.Context) -> Iterator[click.Context]:
    """A command and those below it, depth first, hidden ones left out."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                below = click.Context(command, parent=context, info_name=name, **command.context_settings)
                yield from walk(below)


def commands_page(main: click.Command) -> str:
    """Every command with its help and options."""
    parts = [NOTE, "# Commands\n"]
    for context in walk(click.Context(main, info_name="parley", **main.context_settings)):
        usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
        parts += [
            f"## {context.command_path}\n",
            f"{(context.command.help or '').strip()}\n",
            f"```text\n{usage}\n```\n",
            option_table(context),
        ]
    return "\n".join(filter(None, parts))


def settings_page(main: click.Command) -> str:
    """The options of `serve`, which are all settings of the server."""
    for context in walk(click.Context(main, info_name="parley", **main.context_settings)):
        if context.command_path == "parley serve":
            return "\n".join(
                [
                    NOTE,
                    "# Settings\n",
                    "Every setting is an option of `parley serve` and an environment variable; "
                    "the option wins. "
                    'With `make run`, give options as `make run ARGS="--port 9000"`.\n',
                    option_table(context),
                ]
            )
    raise LookupError("there is no command `parley serve`")


def events_page(kinds: list[EventType]) -> str:
    """Every event with its fields."""
    parts = [
        NOTE,
        "# Events\n",
        "What Parley announces inside. An event is written in the same transaction as the change it "
        "tells of, so nothing is announced that did not happen. Each dialect's own names and shapes are on "
        "its page.\n",
    ]
    for kind in kinds:
        rows = [
            f"| `{field.encode_name}` | {code(cell(type_name(field.type)))} |"
            for field in msgspec.structs.fields(kind.shape)
        ]
        parts.append(f"## {kind.name}\n\n{kind.meaning} Since {kind.since}.\n")
        parts.append("\n".join(["| Field | Type |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def close_codes_page(codes: Iterable[Close]) -> str:
    """Every close code, and whether a client comes back."""
    rows = []
    for close in codes:
        advice = " ".join(["come back" if close.comes_back else "**stay away**", close.how]).strip()
        rows.append(f"| {close.value} | {cell(close.meaning)} | {advice} |")
    return "\n".join(
        [
            NOTE,
            "# Close codes\n",
            "Why a WebSocket ended, and what a client does about it. Who comes back waits longer after each "
            "attempt that fails, with jitter, unless the table says how long. Of codes that are not listed, "
            f"those below {FIRST_OWN} mean passing trouble, and those from {FIRST_OWN} on a decision.\n",
            "| Code | Meaning | Client |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def type_name(kind: object) -> str:
    """`str | None`, `datetime`, `Mapping[str, int]`: without module names."""
    if isinstance(kind, type):
        return kind.__name__
    name = getattr(kind, "__name__", None)  # NewType
    if name and not getattr(kind, "__args__", None):
        return str(name)
    return str(kind).replace("typing.", "").replace("collections.abc.", "").replace("datetime.", "")


def registered_events() -> list[EventType]:
    """The whole registry: the `events` module of each package is imported first."""
    for package in pkgutil.iter_modules(parley.__path__, "parley."):
        if package.ispkg and importlib.util.find_spec(f"{package.name}.events"):
            importlib.import_module(f"{package.name}.events")
    return event_types()


def main(folder: Path) -> None:
    """Write all pages; a page that did not change keeps its time."""
    from parley.server.cli import main as command

    pages = {
        "settings.md": settings_page(command),
        "commands.md": commands_page(command),
        "events.md": events_page(registered_events()),
        "close-codes.md": close_codes_page(Close),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
