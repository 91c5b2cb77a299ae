"""Who is here, in several processes on one bus."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from parley.base.clock import ManualClock
from parley.base.errors import Unavailable
from parley.base.ids import AppId
from parley.bus.redis import RedisBus
from parley.channels.realtime import presence_nodes
from parley.channels.realtime.presence import GRACE_S
from parley.channels.realtime.presence_nodes import KEEP_S, SILENT_S
from tests.channels.realtime.watching import Cluster, Process
from tests.services import redis_server
from tests.waiting import until

APP = AppId("app")
ROOM = "presence:room"
OTHER = "presence:other"


@pytest_asyncio.fixture
async def cluster(clock: ManualClock) -> AsyncIterator[Cluster]:
    made = Cluster(clock)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def two(cluster: Cluster) -> tuple[Process, Process]:
    """Both watch the channel."""
    a, b = await cluster.add("a"), await cluster.add("b")
    await a.watch(APP, ROOM)
    await b.watch(APP, ROOM)
    return a, b


def reported(*processes: Process) -> list[str]:
    return sorted(itertools.chain.from_iterable(process.reported for process in processes))


# --- views are alike ----------------------------------------------------------------------------


async def test_others_see_join_update_and_leave(two: tuple[Process, Process], cluster: Cluster) -> None:
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", {"name": "Ann"})
    a.presence.update(APP, ROOM, "s1", "ann", {"status": "away"})
    await cluster.settle()
    assert b.seen(APP, ROOM) == a.seen(APP, ROOM) != {}
    a.presence.leave(APP, ROOM, "s1")
    await cluster.settle()
    assert b.actions == a.actions == ["join ann", "update ann", "leave ann"]
    assert [change.session_id for change in a.changes + b.changes] == ["s1"] * 3 + [None] * 3
    assert (a.reported, b.reported) == (a.actions, [])
    assert b.seen(APP, ROOM) == {}


async def test_user_in_two_processes_is_one_member(two: tuple[Process, Process], cluster: Cluster) -> None:
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", {"on": "laptop"})
    await cluster.settle()
    b.presence.enter(APP, ROOM, "s2", "ann", {"on": "phone"})
    await cluster.settle()
    assert a.seen(APP, ROOM) == b.seen(APP, ROOM)
    assert (a.seen(APP, ROOM)["ann"].connections, a.seen(APP, ROOM)["ann"].data["on"]) == (2, "phone")
    b.presence.leave(APP, ROOM, "s2")
    await cluster.settle()
    a.presence.leave(APP, ROOM, "s1")
    await cluster.settle()
    assert a.actions == b.actions == ["join ann", "update ann", "update ann", "leave ann"]
    assert (a.reported, b.reported) == (["join ann", "leave ann"], ["update ann", "update ann"])


async def test_first_snapshot_has_the_members_of_other_processes(cluster: Cluster) -> None:
    a, b = await cluster.add("a"), await cluster.add("b")
    for n in range(3_000):  # more than one message holds
        a.presence.enter(APP, ROOM, f"s{n}", f"u{n}", {"filler": "x" * 100})
    await cluster.settle()
    found = await b.watch(APP, ROOM)
    assert {m.user_id: m for m in found} == a.seen(APP, ROOM)
    assert b.changes == []


async def test_snapshot_by_rest_asks_the_others_too(cluster: Cluster) -> None:
    a, b = await cluster.add("a"), await cluster.add("b")
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    await cluster.settle()
    assert [m.user_id for m in await b.presence.snapshot(APP, ROOM)] == ["ann"]
    await cluster.pass_time(KEEP_S + 3)
    assert not b.presence.rosters
    assert list(a.presence.rosters) == [f"{APP}/{ROOM}"]


async def test_process_that_does_not_answer_delays_a_snapshot_but_does_not_prevent_it(
    cluster: Cluster,
) -> None:
    a, b = await cluster.add("a"), await cluster.add("b")
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    await cluster.settle()
    cluster.cut(a)
    assert await b.watch(APP, ROOM) == []
    cluster.mend(a)
    await cluster.pass_time(3)
    assert b.actions == ["join ann"]
    b.check()


async def test_stopping_ends_the_wait_for_a_snapshot(cluster: Cluster) -> None:
    a, b = await cluster.add("a"), await cluster.add("b")
    cluster.cut(a)
    waiting = asyncio.create_task(b.presence.watch(APP, ROOM))
    await cluster.settle()
    await b.presence.stop()
    with pytest.raises(Unavailable):
        await waiting


async def test_members_before_the_process_knew_of_others_are_exchanged(cluster: Cluster) -> None:
    a = await cluster.add("a")
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    b = await cluster.add("b")
    b.presence.enter(APP, ROOM, "s2", "bob", None)
    await cluster.settle()
    assert list(await b.watch(APP, ROOM)) == list(await a.watch(APP, ROOM))[::-1]
    assert set(a.seen(APP, ROOM)) == {"ann", "bob"}


# --- a session moves ----------------------------------------------------------------------------


async def test_session_resumes_in_another_process_unnoticed(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", {"name": "Ann"})
    await cluster.settle()
    a.presence.detach("s1")
    await cluster.pass_time(GRACE_S - 3)
    b.presence.resume(APP, ROOM, "s1", "ann", {"name": "Ann"})
    await cluster.pass_time(GRACE_S * 3)
    assert a.actions == b.actions == ["join ann"]
    a.presence.drop("s1")  # the old socket is closed at last
    await cluster.settle()
    assert a.actions == b.actions == ["join ann"]
    b.presence.drop("s1")
    await cluster.settle()
    assert a.actions == b.actions == ["join ann", "leave ann"]
    assert (a.reported, b.reported) == (["join ann"], ["leave ann"])


async def test_session_that_goes_on_elsewhere_is_not_the_newest_word_by_that(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", {"on": "laptop"})
    a.presence.enter(APP, ROOM, "s2", "ann", {"on": "phone"})
    await cluster.settle()
    b.presence.resume(APP, ROOM, "s1", "ann", {"on": "laptop"})
    await cluster.settle()
    assert a.seen(APP, ROOM)["ann"].data["on"] == "phone"
    assert a.actions == b.actions == ["join ann", "update ann"]


async def test_last_words_on_the_old_connection_come_too_late(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    a, b = two
    c = await cluster.add("c")
    await c.watch(APP, ROOM)
    a.presence.enter(APP, ROOM, "s1", "ann", {"n": 1})
    await cluster.settle()
    cluster.slow(a)
    a.presence.update(APP, ROOM, "s1", "ann", {"n": 2})
    b.presence.resume(APP, ROOM, "s1", "ann", {"n": 1})
    await cluster.settle()
    cluster.hurry(a)
    await cluster.settle()
    assert a.seen(APP, ROOM) == b.seen(APP, ROOM) == c.seen(APP, ROOM)
    assert c.seen(APP, ROOM)["ann"].data["n"] == 1
    b.presence.drop("s1")
    await cluster.settle()
    assert a.seen(APP, ROOM) == b.seen(APP, ROOM) == c.seen(APP, ROOM) == {}


async def test_entry_heard_of_after_its_session_went_elsewhere_and_left_is_no_ghost(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    a, b = two
    c = await cluster.add("c")
    await c.watch(APP, ROOM)
    cluster.slow(a)
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    b.presence.enter(APP, ROOM, "s1", "ann", None)
    await cluster.settle()
    b.presence.leave(APP, ROOM, "s1")
    await cluster.settle()
    cluster.hurry(a)
    await cluster.settle()
    assert a.seen(APP, ROOM) == b.seen(APP, ROOM) == c.seen(APP, ROOM) == {}


async def test_session_of_a_stopped_process_goes_on_elsewhere(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    a.presence.enter(APP, ROOM, "s2", "bob", None)
    await cluster.settle()
    await a.presence.stop()
    cluster.kill(a)
    await cluster.pass_time(5)
    c = await cluster.add("c")  # the next release: it knows a's members from b
    await c.watch(APP, ROOM)
    c.presence.resume(APP, ROOM, "s1", "ann", None)
    await cluster.settle()
    assert b.actions == ["join ann", "join bob"]
    await cluster.pass_time(SILENT_S)
    assert b.actions == ["join ann", "join bob", "leave bob"]
    assert c.actions == ["leave bob"]
    assert reported(b, c) == ["leave bob"]


# --- reports ------------------------------------------------------------------------------------


async def test_user_leaving_two_processes_at_once_is_reported_once(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    """Each sees the other's leave last; once nobody reported it."""
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    await cluster.settle()
    b.presence.enter(APP, ROOM, "s2", "ann", None)
    await cluster.settle()
    a.presence.leave(APP, ROOM, "s1")
    b.presence.leave(APP, ROOM, "s2")
    await cluster.settle()
    assert a.actions[-1] == b.actions[-1] == "leave ann"
    assert reported(a, b).count("leave ann") == 1


async def test_user_who_leaves_here_while_entering_there_is_reported_in_pairs(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    """The process of the new connection saw no join, because it had not heard of the leave."""
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    await cluster.settle()
    a.presence.leave(APP, ROOM, "s1")
    b.presence.enter(APP, ROOM, "s2", "ann", None)
    await cluster.settle()
    assert a.actions == ["join ann", "leave ann", "join ann"]
    assert "leave ann" not in b.actions
    assert [r for r in reported(a, b) if "update" not in r] == ["join ann", "join ann", "leave ann"]


# --- death, silence, partition ------------------------------------------------------------------


async def test_members_of_a_killed_process_leave_and_the_lowest_reports_it(cluster: Cluster) -> None:
    a, b, c, d = [await cluster.add(name) for name in "abcd"]
    for process in (b, c, d):
        await process.watch(APP, ROOM)
    d.presence.enter(APP, ROOM, "s1", "ann", None)
    c.presence.enter(APP, ROOM, "s2", "bob", None)
    await cluster.settle()
    cluster.kill(d)
    await cluster.pass_time(SILENT_S - 3.5)
    assert "leave ann" not in b.actions + c.actions
    await cluster.pass_time(4)
    assert b.actions[-1] == c.actions[-1] == "leave ann"
    assert set(b.seen(APP, ROOM)) == set(c.seen(APP, ROOM)) == {"bob"}
    assert (b.reported, c.reported) == (["leave ann"], ["join bob"])
    assert a.changes == []  # it does not watch the channel


async def test_lowest_that_saw_the_members_reports_even_if_another_is_closing_down(cluster: Cluster) -> None:
    a, b, c = [await cluster.add(name) for name in "abc"]
    for process in (a, b):
        await process.watch(APP, ROOM)
    c.presence.enter(APP, ROOM, "s1", "ann", None)
    await cluster.settle()
    cluster.kill(c)
    cluster.kill(a)
    await cluster.pass_time(SILENT_S + 1)
    assert b.reported == ["leave ann"]


async def test_process_that_was_cut_off_shortly_catches_up(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    a.presence.enter(APP, ROOM, "s2", "bob", None)
    await cluster.settle()
    cluster.cut(b)
    a.presence.leave(APP, ROOM, "s1")
    a.presence.update(APP, ROOM, "s2", "bob", {"status": "busy"})
    b.presence.enter(APP, ROOM, "s3", "eve", None)
    await cluster.pass_time(2)
    cluster.mend(b)
    await cluster.pass_time(3)
    assert a.seen(APP, ROOM) == b.seen(APP, ROOM)
    assert set(a.seen(APP, ROOM)) == {"bob", "eve"}
    a.check()
    b.check()


async def test_process_that_was_cut_off_for_long_comes_back(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    b.presence.enter(APP, ROOM, "s2", "bob", None)
    await cluster.settle()
    cluster.cut(b)
    await cluster.pass_time(SILENT_S + 3)
    assert set(a.seen(APP, ROOM)) == {"ann"}
    assert set(b.seen(APP, ROOM)) == {"bob"}
    cluster.mend(b)
    await cluster.pass_time(5)
    assert a.seen(APP, ROOM) == b.seen(APP, ROOM)
    assert set(a.seen(APP, ROOM)) == {"ann", "bob"}
    a.check()
    b.check()


async def test_process_that_stood_still_does_not_take_the_others_for_dead(
    two: tuple[Process, Process], cluster: Cluster
) -> None:
    a, b = two
    a.presence.enter(APP, ROOM, "s1", "ann", None)
    b.presence.enter(APP, ROOM, "s2", "bob", None)
    await cluster.settle()
    cluster.processes.remove(b)  # as by SIGSTOP
    cluster.slow(b)
    await cluster.pass_time(SILENT_S + 3)
    assert set(a.seen(APP, ROOM)) == {"ann"}
    cluster.processes.append(b)
    b.presence.turn()
    cluster.hurry(b)
    await cluster.pass_time(5)
    assert b.actions == ["join bob", "join ann"]
    assert a.seen(APP, ROOM) == b.seen(APP, ROOM)
    assert reported(a, b).count("join bob") == 2  # and one leave between: a has reported it
    assert reported(a, b).count("leave bob") == 1


async def test_answer_in_parts_that_lost_one_is_asked_for_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await cluster.add("a"), await cluster.add("b")
    for n in range(2_000):
        a.presence.enter(APP, ROOM, f"s{n}", f"u{n}", {"filler": "x" * 500})
    await cluster.settle()
    lost = []
    decode = presence_nodes.m.decode

    def lose_one(payload: bytes) -> presence_nodes.m.Message:
        message = decode(payload)
        if isinstance(message, presence_nodes.m.Here) and message.is_last and not lost:
            lost.append(message)
            return presence_nodes.m.Beat(message.node, 1)
        return message

    monkeypatch.setattr(presence_nodes.m, "decode", lose_one)
    await b.watch(APP, ROOM)
    await cluster.pass_time(5)
    assert lost
    assert b.seen(APP, ROOM) == a.seen(APP, ROOM)
    b.check()


# --- anything ------------------------------------------------------------------------------------


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


# --- through Redis ------------------------------------------------------------------------------


async def test_processes_on_redis_agree_also_after_losing_it(clock: ManualClock) -> None:
    with redis_server() as server:
        buses = [await RedisBus.open(server.url, health_s=0.5) for _ in range(3)]
        processes = [Process(clock, bus, name) for bus, name in zip(buses, "abc", strict=True)]

        def agree(users: set[str]) -> str:
            views = [process.seen(APP, ROOM) for process in processes]
            if all(view == views[0] for view in views) and set(views[0]) == users:
                return ""
            for process in processes:
                clock.advance(0.005)
                process.presence.turn()
            return f"{[sorted(view) for view in views]} but {sorted(users)}"

        try:
            for process in processes:
                await process.presence.start()
            processes[0].presence.enter(APP, ROOM, "s0", "u0", {"n": 0})
            for process in processes:
                await process.watch(APP, ROOM)
            for n, process in enumerate(processes):
                process.presence.enter(APP, ROOM, f"s{n}", f"u{n}", {"n": n})
            processes[1].presence.update(APP, ROOM, "s1", "u1", {"status": "away"})
            await until(lambda: agree({"u0", "u1", "u2"}))
            server.stop()
            await until(lambda: "still up" if any(bus.is_up for bus in buses) else "")
            processes[0].presence.leave(APP, ROOM, "s0")
            processes[1].presence.update(APP, ROOM, "s1", "u1", {"status": "busy"})
            processes[2].presence.enter(APP, ROOM, "s3", "u3", None)
            server.start()
            await until(lambda: agree({"u1", "u2", "u3"}))
            for process in processes:
                process.check()
            assert processes[0].seen(APP, ROOM)["u1"].status == "busy"
        finally:
            for process in processes:
                await process.presence.stop()
            for bus in buses:
                await bus.close()
