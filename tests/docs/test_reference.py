"""The generated reference pages say what the code says."""

from __future__ import annotations

import click

from parley.base.events import event_types
from parley.stream.closing import Close
from scripts.generate_reference import (
    close_codes_page,
    commands_page,
    events_page,
    registered_events,
    settings_page,
)


@click.group()
def sample() -> None:
    """A server of samples."""


@sample.command(context_settings={"auto_envvar_prefix": "SAMPLE"})
@click.option("--port", default=8080, envvar="SAMPLE_TCP_PORT", help="TCP port; 0 picks | finds a free one.")
@click.option("--turn/--no-turn", default=False, help="Start a relay.")
@click.option("--name")
@click.option("--secret", hidden=True)
def serve(port: int, turn: bool, name: str, secret: str) -> None:
    """Run it."""


@sample.command(hidden=True)
def inner() -> None:
    """Nobody needs this."""


def test_a_setting_shows_its_flag_variable_default_and_meaning() -> None:
    expected = "| `--port` | `SAMPLE_TCP_PORT` | `8080` | TCP port; 0 picks \\| finds a free one. |"
    assert expected in settings_page(sample)


def test_a_switch_shows_both_flags_and_the_derived_variable() -> None:
    assert "| `--turn` / `--no-turn` | `SAMPLE_TURN` | `off` | Start a relay. |" in settings_page(sample)


def test_a_setting_without_default_shows_none() -> None:
    assert "| `--name` | `SAMPLE_NAME` |  |  |" in settings_page(sample)


def test_hidden_options_and_commands_stay_hidden() -> None:
    page = commands_page(sample)
    assert "## parley serve" in page
    assert "secret" not in page
    assert "inner" not in page


def test_every_registered_event_has_a_section() -> None:
    page = events_page(registered_events())
    assert event_types()
    for kind in event_types():
        assert f"\n## {kind.name}\n\n{kind.meaning}" in page


def test_every_close_code_says_whether_to_come_back() -> None:
    page = close_codes_page(Close)
    assert "| 1012 | The server restarts, or the meeting moved to another one. | come back |" in page
    assert "| 4001 | Removed from the meeting by a host. | **stay away** |" in page
    assert "| 4401 | The token is invalid or has expired. | come back with a new token |" in page
    assert all(f"| {code.value} | " in page for code in Close)
