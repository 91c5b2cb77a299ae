"""What `kill -9` costs recordings: of the server, of the media engine, and of what makes the files.

    python -m tests.netns python -m bench recording_kills [--kills 100] [--database sqlite|postgresql]

Headless participants send sound and pictures into meetings that are recorded. Something is killed at a random
moment, up to three times while they are recorded, and again while their files are made; killed servers are
started again, and everything else has to happen by itself. In the end every recording must be there, be
decodable as a whole, be as long as it was recorded for, and hold every voice up to a second before each kill.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import structlog
import uvloop

from bench import processes
from bench.figures import Figure, table
from bench.kill_servers import Balancer, Killed, killed_at_the_end
from bench.recorded_meetings import (
    LOOK_S,
    RIGHT_S,
    Kit,
    RecordedMeeting,
    Verdict,
    Writing,
    meeting,
    speakers,
)
from bench.signalling import has_network
from parley.store.secrets import KEY_BYTES
from tests.services import postgres_server, redis_server

LOST_S = 1.0
PEOPLE = (1, 1, 2)
"""In each of the meetings of a round."""
CONFIGS: Sequence[dict[str, Any]] = (
    {"video_config": {"width": 480, "height": 270}},
    {"video_config": {"width": 320, "height": 180, "codec": "VP8"}},
    {"video_config": {"width": 320, "height": 180}, "audio_config": {"codec": "MP3"}},
)
RECORD_S = 2.0
"""Between two kills, at most; the moment is chosen by chance."""
COMPOSE_S = 1.0
ENGINE = 0.3
"""How often it is the media engine."""
HASTE = 0.25
"""How often something is killed again before all streams are captured."""
NOTHING_LEFT_S = 5.0
"""To wait for a compositor to kill; there is none when everything is made."""
MEDIA_PORTS = "31000-31499"


class Database(NamedTuple):
    """Where the server keeps everything."""

    name: str
    options: tuple[str, ...] = ()


class Attack:
    """Kills what it is told to, and keeps the one server up."""

    def __init__(self, server: Killed, balancer: Balancer, chance: random.Random) -> None:
        self.server = server
        self._balancer = balancer
        self.chance = chance
        self.kills: Counter[str] = Counter()

    async def kill_server(self) -> float:
        """Kill the server and start it again; the time of the kill, seconds since 1970."""
        at = time.time()
        await self.server.kill()
        await self.server.start()
        self.kills["server"] += 1
        return at

    def kill_engine(self) -> float | None:
        """Kill Janus; None if it does not run."""
        at = self._kill("janus", [pid for pid in self._children() if processes.name(pid) == "janus"])
        if at is not None:
            self._balancer.cut()  # participants would need half a minute to notice, and come back now
        return at

    def kill_compositor(self) -> float | None:
        """Kill what makes files; None if nothing does."""
        return self._kill("compositor", self.compositors())

    def compositors(self) -> list[int]:
        """Those that run now."""
        return [pid for pid in self._children() if b"parley.compositor" in _command(pid)]

    def _children(self) -> list[int]:
        return processes.children(self.server.pid)

    def _kill(self, what: str, found: list[int]) -> float | None:
        if not found:
            return None
        at = time.time()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.chance.choice(found), signal.SIGKILL)
            self.kills[what] += 1
            return at
        return None


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def _while_recording(attack: Attack, writing: Writing, meetings: Sequence[RecordedMeeting]) -> None:
    """Kill up to three times, and stop every recording."""
    chance = attack.chance
    streams = sum(each.streams for each in meetings)
    before: set[str] = set()

    async def some_time() -> float | None:
        """When all streams were captured, of a time of any length; None if that was not waited for."""
        begun = None
        if not before or chance.random() > HASTE:
            await writing.until(streams, without=before)
            begun = time.time()
        await asyncio.sleep(chance.uniform(0, RECORD_S))
        return begun

    for _ in range(chance.choice((1, 2, 3))):
        begun = await some_time()
        before = writing.names()
        what, at = "janus", attack.kill_engine() if chance.random() < ENGINE else None
        if at is None:
            what, at = "server", await attack.kill_server()
        if begun is not None:
            for each in meetings:
                each.stretches.append((begun, at, what))
    begun = await some_time()
    for each in meetings:
        if begun is not None:
            each.stretches.append((begun, time.time(), "the stop"))
        await each.stop()
        await asyncio.sleep(chance.uniform(0, 0.5))


async def _while_composing(attack: Attack) -> None:
    chance = attack.chance
    for _ in range(chance.choice((1, 2, 3))):
        deadline = time.monotonic() + NOTHING_LEFT_S
        while not attack.compositors():
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(chance.uniform(0, COMPOSE_S))
        if chance.random() < 0.5:
            attack.kill_compositor()
        else:
            await attack.kill_server()


async def _round(attack: Attack, kit: Kit, writing: Writing) -> list[Verdict]:
    sources = await speakers(sum(PEOPLE))
    numbers = list(sources)
    meetings = []
    for count, config in zip(PEOPLE, CONFIGS, strict=True):
        mine, numbers = numbers[:count], numbers[count:]
        meetings.append(await meeting(kit, {number: sources[number] for number in mine}, config))
    try:
        await _while_recording(attack, writing, meetings)
    finally:
        await asyncio.gather(*(each.leave() for each in meetings))
    await _while_composing(attack)
    return list(await asyncio.gather(*(each.finished() for each in meetings)))


async def run(database: Database, folder: Path, kills: int, seed: int) -> tuple[Counter[str], list[Verdict]]:
    """Kill at least so many times; what was killed, and what became of every recording."""
    print(f"{database.name}, seed {seed}", file=sys.stderr)
    chance = random.Random(seed)
    account, token = secrets.token_hex(16), secrets.token_urlsafe(24)
    environment = {"PARLEY_BOOTSTRAP_ACCOUNT_ID": account, "PARLEY_BOOTSTRAP_TOKEN": token}
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    flags = ("--no-rate-limits", "--rtp-ports", MEDIA_PORTS, "--rtmp-port", "0", "--secret-key", key)
    verdicts: list[Verdict] = []
    async with Balancer(chance) as balancer, aiohttp.ClientSession() as http:
        server = Killed(folder / "data", (*flags, *database.options), balancer, environment)
        attack = Attack(server, balancer, chance)
        async with killed_at_the_end([server]):
            await server.start()
            kit = Kit(http, balancer.url, account, token)
            kit.app = (await kit.ask("POST", "/apps", name="Kills"))["app"]["id"]
            writing = Writing(folder / "data" / "captures")
            while attack.kills.total() < kills:
                began = time.monotonic()
                found = await _round(attack, kit, writing)
                verdicts += found
                _say(attack, found, time.monotonic() - began)
        left = [path.name for path in (folder / "data" / "captures").glob("*.mjr")]
        if left:
            print(f"captures that were left: {', '.join(sorted(left))}", file=sys.stderr)
    return attack.kills, verdicts


def _say(attack: Attack, found: Sequence[Verdict], took_s: float) -> None:
    worst = max(found, key=lambda each: each.lost_s)
    said = [reason for each in found for reason in each.wrong]
    said += [f"lost: {worst.worst}"] if worst.lost_s > LOST_S else []
    wrong = "; ".join(said)
    print(
        f"{attack.kills.total():4} kills  {sum(each.is_playable for each in found)}/{len(found)} playable"
        f"  lost {worst.lost_s:.2f} s  hole {max(each.hole_s for each in found):.2f} s"
        f"  length off by {max(each.off_s for each in found):.2f} s  {took_s:.0f} s  {wrong}".rstrip(),
        file=sys.stderr,
        flush=True,
    )


def figures(name: str, kills: Counter[str], verdicts: Sequence[Verdict]) -> list[Figure]:
    """As lines of a table."""
    killed = ", ".join(f"{count} {what}" for what, count in kills.most_common())
    share = sum(each.is_playable for each in verdicts) / len(verdicts) * 100
    return [
        Figure(
            name=f"{name}: recordings finished and playable",
            value=share,
            unit="%",
            at_least=100,
            detail=f"of {len(verdicts)}; {kills.total()} kills: {killed}",
        ),
        Figure(
            name=f"{name}: most lost before a kill or a stop",
            value=max(each.lost_s for each in verdicts),
            unit="s",
            at_most=LOST_S,
        ),
        Figure(
            name=f"{name}: length against time recorded",
            value=max(each.off_s for each in verdicts),
            unit="s",
            at_most=RIGHT_S,
        ),
    ]


@contextlib.contextmanager
def databases(name: str) -> Iterator[Database]:
    """SQLite, or private PostgreSQL and Redis servers with a new database."""
    if name == "sqlite":
        yield Database("SQLite")
        return
    with postgres_server() as postgres, redis_server() as redis:
        url = postgres.url(postgres.create_database())
        yield Database("PostgreSQL", ("--database-url", url, "--redis-url", redis.url))


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="parley-kills-") as folder:
        yield Path(folder)


def measure(
    kills: int = 100, name: str = "sqlite", seed: int | None = None, keep: Path | None = None
) -> list[Figure]:
    """Run everything."""
    if shutil.which("janus") is None or not has_network():
        raise SystemExit("This needs Janus and a network for media: python -m tests.netns …")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with _folder(keep) as folder, databases(name) as database:
        chosen = secrets.randbits(32) if seed is None else seed
        counted, verdicts = uvloop.run(run(database, folder, kills, chosen))
    return figures(database.name, counted, verdicts)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, help="of what chance decides")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave data and logs there")
    given = parser.parse_args()
    found = measure(given.kills, given.database, given.seed, given.keep)
    print(table(found))
    sys.exit(not all(figure.is_held for figure in found))


if __name__ == "__main__":
    main()
