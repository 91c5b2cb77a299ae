"""`parley join`: the command; see `crew.py` for what it does."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click
import msgspec

from parley.headless.errors import CannotJoin

if TYPE_CHECKING:
    from parley.headless.crew import Outcome

DEFAULT_URL = "http://localhost:7800"
MAX_COUNT = 1_000


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """What `parley join` is told."""

    token: str
    url: str = DEFAULT_URL
    media: str = "tone"
    """"tone", "watch" (receive only), "none" (signalling only), or the path of a media file."""
    seconds: float | None = None
    """How long to stay once everybody has joined; None: until stopped, or until the session ends."""
    count: int = 1
    """So many peers with the same token."""
    name: str | None = None
    say: str | None = None
    """A chat message to send after joining."""
    decode: bool = False
    as_json: bool = False
    """Print nothing but a summary, as JSON."""


def _summary(outcomes: list[Outcome]) -> str:
    return msgspec.json.format(msgspec.json.encode([asdict(outcome) for outcome in outcomes])).decode()


async def _main(options: JoinOptions) -> int:
    # Only here: the media libraries take a while to load, and the server's command line imports this module.
    from parley.headless.crew import run

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        outcomes = await run(options, click.echo, stop)
    except CannotJoin as error:
        click.echo(error.message, err=True)
        return 1
    if options.as_json:
        click.echo(_summary(outcomes))
    bad = [outcome for outcome in outcomes if not outcome.is_good]
    if bad and options.count > 1:
        click.echo(f"{len(bad)} of {options.count} participants did not join and leave cleanly.", err=True)
    return 1 if bad else 0


@click.command("join")
@click.argument("token", envvar="PARLEY_TOKEN")
@click.option(
    "--url",
    default=DEFAULT_URL,
    show_default=True,
    envvar="PARLEY_PUBLIC_URL",
    show_envvar=True,
    help="Address of the server.",
)
@click.option(
    "--media",
    default="tone",
    show_default=True,
    help="tone, watch (only receive), none (no media connections), or a media file.",
)
@click.option("--for", "seconds", type=click.FloatRange(min=0), help="Leave so many seconds after joining.")
@click.option(
    "--count", default=1, show_default=True, type=click.IntRange(1, MAX_COUNT), help="Join so many times."
)
@click.option("--name", help="Shown instead of the participant's name.")
@click.option("--say", help="Send this chat message after joining.")
@click.option("--decode", is_flag=True, help="Decode what is received instead of only counting it.")
@click.option("--json", "as_json", is_flag=True, help="Print only a summary, as JSON.")
@click.pass_context
def join_command(context: click.Context, /, **given: Any) -> None:
    """Join a meeting as a participant without a browser.

    TOKEN is a participant token (environment: PARLEY_TOKEN). Stops on Ctrl-C, after --for, or with the
    session. A lost connection is made again, and streams are published anew.
    The exit code is 0 when everybody joined and left cleanly, otherwise 1.
    """
    context.exit(asyncio.run(_main(JoinOptions(**given))))
