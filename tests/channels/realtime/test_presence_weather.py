"""Anything that may happen to presence in several processes, in random order."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from parley.channels.realtime.presence import GRACE_S
from parley.channels.realtime.presence_nodes import SILENT_S
from tests.channels.realtime.watching import APP, OTHER, ROOM, Cluster, Process


class Weather:
    """Random steps of ten sessions of four users, and what may happen to their processes."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.rng = random.Random(seed)
        self.names = iter("abcdefghijklmnopqrstuvwxyz")
        self.home: dict[str, Process] = {}
        self.cut: Process | None = None

    async def begin(self) -> None:
        for _ in range(3):
            await self.add()
        self.home = {f"s{n}": self.rng.choice(self.cluster.processes) for n in range(10)}

    async def add(self) -> Process:
        made = await self.cluster.add(next(self.names))
        for channel in (ROOM, OTHER):
            await made.watch(APP, channel)
        return made

    async def step(self) -> None:
        rng = self.rng
        session, channel = rng.choice(list(self.home)), rng.choice((ROOM, OTHER))
        user = f"u{int(session[1:]) % 4}"
        data = {rng.choice("ab"): rng.choice((None, 1, 2))}
        presence = self.home[session].presence
        steps = ("enter", "update", "leave", "drop", "move", "wait", "interest")
        match rng.choices(steps, (7, 5, 2, 1, 2, 2, 1))[0]:
            case "enter":
                presence.enter(APP, channel, session, user, data)
            case "update":
                presence.update(APP, channel, session, user, data)
            case "leave":
                presence.leave(APP, channel, session)
            case "drop":
                presence.drop(session)
            case "move":  # the connection drops, and comes back anywhere
                presence.detach(session)
                await self.cluster.pass_time(rng.choice((0.5, GRACE_S + 1)))
                self.home[session] = rng.choice(self.cluster.processes)
                self.home[session].presence.resume(APP, channel, session, user, data)
            case "wait":
                await self.cluster.pass_time(rng.choice((0.5, 3)))
            case "interest":
                process = rng.choice(self.cluster.processes)
                if process.is_watching(APP, channel):
                    process.unwatch(APP, channel)
                else:
                    await process.watch(APP, channel)

    async def strike(self) -> None:
        """A process is cut off, or killed and replaced."""
        struck = self.rng.choice(self.cluster.processes)
        if self.cut is not None:
            self.cluster.mend(self.cut)
            self.cut = None
        elif self.rng.random() < 0.7:
            self.cluster.cut(struck)
            self.cut = struck
        else:
            self.cluster.kill(struck)
            made = await self.add()
            self.home = {s: made if p is struck else p for s, p in self.home.items()}

    async def end(self) -> None:
        if self.cut is not None:
            self.cluster.mend(self.cut)
        for process in self.cluster.processes:
            for channel in (ROOM, OTHER):
                if not process.is_watching(APP, channel):
                    await process.watch(APP, channel)
        await self.cluster.pass_time(SILENT_S + GRACE_S + 5)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("strikes", [0.0, 0.03], ids=["calm", "faults"])
async def test_every_view_follows_from_its_snapshot_and_all_agree_in_the_end(
    cluster: Cluster, seed: int, strikes: float
) -> None:
    weather = Weather(cluster, seed)
    await weather.begin()
    for _ in range(400):
        await weather.step()
        if weather.rng.random() < strikes:
            await weather.strike()
        if weather.rng.random() < 0.5:
            await asyncio.sleep(0)
        for process in cluster.processes:
            process.check()
    await weather.end()
    first, *others = cluster.processes
    for process in cluster.processes:
        process.check()
    for channel in (ROOM, OTHER):
        for other in others:
            assert other.seen(APP, channel) == first.seen(APP, channel)
        own = {
            entry.session_id
            for process in cluster.processes
            for entry in process.presence.rosters[f"{APP}/{channel}"].entries.values()
            if entry.owner is process.presence._me
        }
        assert own == set(first.presence.rosters[f"{APP}/{channel}"].entries)


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_reported_to_the_world_alternates_for_each_user(cluster: Cluster, seed: int) -> None:
    rng = random.Random(seed)
    log: list[str] = []
    for name in "abc":
        process = await cluster.add(name)
        await process.watch(APP, ROOM)
        told = process.presence._tell
        process.presence._tell = lambda change, told=told: (
            log.append(f"{change.action} {change.member.user_id}") if change.is_origin else None,
            told(change),
        )
    for _ in range(300):
        session = f"{rng.randrange(6)}"
        process = cluster.processes[int(session) % 3]
        user = f"u{int(session) % 2}"
        if rng.random() < 0.5:
            process.presence.enter(APP, ROOM, session, user, None)
        else:
            process.presence.leave(APP, ROOM, session)
        await cluster.settle()
    for user in ("u0", "u1"):
        mine = [line for line in log if line.endswith(user) and not line.startswith("update")]
        assert mine == [f"{action} {user}" for _, action in zip(mine, itertools.cycle(("join", "leave")))]
        assert len(mine) > 8
