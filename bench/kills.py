"""What `kill -9` of servers costs those who talk: messages lost, stored twice, out of order, gaps unreported.

    python -m bench kills [--kills 200] [--database sqlite|postgresql]

Publishers send to two channels without pause and resend what was not acknowledged; listeners resume. On
SQLite the only server is killed at a random moment under load and started again; on PostgreSQL and Redis one
of two is, chosen by chance, and clients come back to either. At the end everything acknowledged must be in
the log, once, where the acknowledgement said; every listener must have had every place in order, or been told
of a gap.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import random
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import structlog
import uvloop
from sqlalchemy import select

from bench.figures import Figure, table
from bench.kill_load import FrameListener, Listener, Publisher, Pulse
from bench.kill_servers import Balancer, Killed, killed_at_the_end
from parley.accounts import app_settings
from parley.accounts import service as accounts
from parley.accounts.plans import PlanSettings
from parley.base.settings import Settings
from parley.channels.realtime.grants import Grant
from parley.channels.realtime.tokens import ConnectionTokens
from parley.server.app import open_store
from parley.store.query import SystemQuery
from parley.store.schema.channels import publications
from parley.store.secrets import KEY_BYTES
from tests.services import postgres_server, redis_server

DATABASES = ("sqlite", "postgresql")
CHANNELS = ["chat:kills-a", "chat:kills-b"]
PUBLISHERS = 4
LISTENERS = 4
CUTS = 0.5
"""How often all connections break once more before a kill, so that sessions are resumed as well."""
LOAD_S = 1.0
"""Load between two kills, at most; the moment is chosen by chance."""
QUIET_S = 60.0
"""How long listeners may take to have everything, at the end."""
_LOG = SystemQuery(
    select(
        publications.c.channel, publications.c.offset, publications.c.id, publications.c.client_id
    ).order_by(publications.c.channel, publications.c.offset)
)
AnyListener = Listener | FrameListener


class Stored(NamedTuple):
    """A row of the log."""

    channel: str
    offset: int
    id: str
    client_id: str | None


class Outcome(NamedTuple):
    """Everything that was counted."""

    kills: int
    acknowledged: int
    stored: int
    refused: int
    lost: int
    """Acknowledged, and not in the log where the acknowledgement said."""
    twice: int
    holes: int
    """Places of a channel without a message."""
    out_of_order: int
    """Places that a listener saw twice, too late or with another message than the log has there; messages of
    a publisher behind later ones of its own."""
    unreported: int
    never_arrived: int
    """Of those behind the last place a listener had when everything was over."""
    reported: int
    resumed: int
    began_anew: int
    longest_silence_s: float

    def figures(self, database: str) -> list[Figure]:
        """As lines of a table."""
        rows = (
            ("acknowledged messages lost", self.lost, f"of {self.acknowledged:,}; {self.kills} kills"),
            ("messages stored twice", self.twice, f"of {self.stored:,}"),
            ("places without a message", self.holes, ""),
            ("order violations", self.out_of_order, f"{LISTENERS} listeners"),
            ("gaps unreported", self.unreported, f"{self.reported} reported"),
            ("publications that never arrived", self.never_arrived, ""),
        )
        return [
            Figure(name=f"{database}: {name}", value=value, unit="", at_most=0, detail=detail)
            for name, value, detail in rows
        ] + [
            Figure(
                name=f"{database}: longest time without an acknowledgement",
                value=self.longest_silence_s,
                unit="s",
                detail=f"{self.resumed} sessions resumed, {self.began_anew} begun anew, "
                f"{self.refused} messages refused",
            )
        ]


class Database(NamedTuple):
    """Where servers keep everything, and how many there are."""

    name: str
    url: str
    """Empty = SQLite."""
    bus_url: str
    processes: int


async def _prepare(settings: Settings) -> Callable[[str], str]:
    """An app without limits; returns what makes a connection token for a user."""
    store = await open_store(settings)
    try:
        scope, _ = await accounts.ensure_organization(store)
        async with scope.change() as change:
            app = await accounts.add_app(change, "kills")
        async with scope.app(app.id).change() as change:
            await app_settings.write(change, "plan", PlanSettings(plan="enterprise"))
        tokens = await ConnectionTokens.of_store(store)
    finally:
        await store.database.close()

    def token(user_id: str) -> str:
        made, _ = tokens.issue(app.id, "live", user_id, [Grant("chat:*")], ttl=timedelta(hours=24))
        return made

    return token


async def _read_log(settings: Settings) -> list[Stored]:
    store = await open_store(settings)
    try:
        return [Stored(*row) for row in await store.database.all(_LOG)]
    finally:
        await store.database.close()


async def _kill_again_and_again(
    balancer: Balancer,
    servers: Sequence[Killed],
    kills: int,
    publishers: Sequence[Publisher],
    chance: random.Random,
) -> None:
    def answered() -> int:
        return sum(len(one.acknowledged) for one in publishers)

    for number in range(1, kills + 1):
        before = answered()
        async with asyncio.timeout(QUIET_S):
            # Under load: somebody was answered since the last kill.
            while answered() == before:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        await asyncio.sleep(chance.uniform(0, LOAD_S))
        if chance.random() < CUTS:
            balancer.cut()
            await asyncio.sleep(chance.uniform(0, LOAD_S))
        victim = chance.choice(servers)
        await victim.kill()
        await victim.start()
        if number % 20 == 0:
            print(f"{number} kills, {answered():,} messages", file=sys.stderr, flush=True)


async def _until_all_have(listeners: Sequence[AnyListener], last: dict[str, int]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(QUIET_S):
            while any(  # noqa: ASYNC110 - nobody tells
                seen.offset < last.get(name, 0) for one in listeners for name, seen in one.seen.items()
            ):
                await asyncio.sleep(0.05)


def judge(
    log: Sequence[Stored],
    publishers: Sequence[Publisher],
    listeners: Sequence[AnyListener],
    kills: int,
    longest_silence_s: float,
) -> Outcome:
    """Compare what publishers were told and listeners saw with the log."""
    places = {(row.channel, row.offset): row for row in log}
    last = {
        channel: max((row.offset for row in log if row.channel == channel), default=0) for channel in CHANNELS
    }
    acknowledged = [one for publisher in publishers for one in publisher.acknowledged]
    lost = sum(
        (row := places.get((one.channel, one.offset))) is None
        or (row.id, row.client_id) != (one.id, one.client_id)
        for one in acknowledged
    )
    own_ids = Counter(row.client_id for row in log)
    out_of_order = 0
    for publisher in publishers:
        numbers = [
            int(row.client_id.rpartition("-")[2])
            for row in log
            if row.client_id is not None and row.client_id.startswith(f"{publisher.name}-")
        ]
        out_of_order += sum(later < earlier for earlier, later in pairwise(numbers))
    seen = [(name, one) for listener in listeners for name, one in listener.seen.items()]
    for name, one in seen:
        out_of_order += one.decreased
        out_of_order += sum(
            (row := places.get((name, offset))) is None or row.id != id_ for offset, id_ in one.ids.items()
        )
    return Outcome(
        kills=kills,
        acknowledged=len(acknowledged),
        stored=len(log),
        refused=sum(one.refused for one in publishers),
        lost=lost,
        twice=sum(count - 1 for count in own_ids.values()),
        holes=sum(last.values()) - len(places),
        out_of_order=out_of_order,
        unreported=sum(one.unreported for _, one in seen),
        never_arrived=sum(last[name] - one.offset for name, one in seen),
        reported=sum(one.reported for _, one in seen),
        resumed=sum(one.resumed[True] for one in listeners),
        began_anew=sum(one.resumed[False] for one in listeners),
        longest_silence_s=longest_silence_s,
    )


async def _talk(
    balancer: Balancer,
    token: Callable[[str], str],
    servers: Sequence[Killed],
    kills: int,
    chance: random.Random,
) -> tuple[list[Publisher], list[AnyListener], float]:
    pulse, url = Pulse(), balancer.url
    publishers = [
        Publisher(url, token(f"p{n}"), f"p{n}", CHANNELS[n % len(CHANNELS)], pulse, chance)
        for n in range(PUBLISHERS)
    ]
    kinds = (Listener, FrameListener)
    listeners: list[AnyListener] = [kinds[n % 2](url, token(f"l{n}"), CHANNELS) for n in range(LISTENERS)]
    async with asyncio.TaskGroup() as listening:
        ears = [listening.create_task(one.run()) for one in listeners]
        async with asyncio.timeout(QUIET_S):
            while not all(seen.epoch for one in listeners for seen in one.seen.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        async with asyncio.TaskGroup() as talking:
            for one in publishers:
                talking.create_task(one.run())
            await _kill_again_and_again(balancer, servers, kills, publishers, chance)
            await asyncio.sleep(LOAD_S)
            for one in publishers:
                one.stop()
        last = {
            channel: max(
                ack.offset for one in publishers for ack in one.acknowledged if ack.channel == channel
            )
            for channel in CHANNELS
        }
        await _until_all_have(listeners, last)
        for ear in ears:
            ear.cancel()
    return publishers, listeners, pulse.longest_s


async def run(database: Database, folder: Path, kills: int, seed: int) -> Outcome:
    """Kill so many times, and count; the folder may hold nothing before."""
    print(f"{database.name}, seed {seed}", file=sys.stderr)
    chance = random.Random(seed)
    settings = Settings(
        data=folder / "0", database_url=database.url, redis_url=database.bus_url, secret_key=_new_key()
    )
    options = ["--no-media", "--secret-key", settings.secret_key, "--log-level", "warning"]
    if database.url:
        options += ["--database-url", database.url, "--redis-url", database.bus_url]
    token = await _prepare(settings)
    async with Balancer(chance) as balancer:
        servers = [Killed(folder / str(n), tuple(options), balancer) for n in range(database.processes)]
        async with killed_at_the_end(servers):
            for server in servers:
                await server.start()
            publishers, listeners, silence_s = await _talk(balancer, token, servers, kills, chance)
    return judge(await _read_log(settings), publishers, listeners, kills, silence_s)


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


@contextlib.contextmanager
def databases(name: str) -> Iterator[Database]:
    """SQLite, or private PostgreSQL and Redis servers with a new database."""
    if name == "sqlite":
        yield Database("SQLite", "", "", 1)
        return
    with postgres_server() as postgres, redis_server() as redis:
        yield Database("PostgreSQL", postgres.url(postgres.create_database()), redis.url, 2)


def measure(kills: int = 200, names: Sequence[str] = DATABASES, seed: int | None = None) -> list[Figure]:
    """Run everything."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    figures = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="parley-kills-") as folder, databases(name) as database:
            chosen = secrets.randbits(32) if seed is None else seed
            outcome = uvloop.run(run(database, Path(folder), kills, chosen))
            figures += outcome.figures(database.name)
    return figures


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--database", choices=DATABASES, help="by default both, one after the other")
    parser.add_argument("--seed", type=int, help="of what chance decides")
    given = parser.parse_args()
    figures = measure(given.kills, [given.database] if given.database else DATABASES, given.seed)
    print(table(figures))
    sys.exit(not all(figure.is_held for figure in figures))


if __name__ == "__main__":
    main()
