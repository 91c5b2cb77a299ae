"""Who is here, in several processes on one bus."""

from __future__ import annotations

import asyncio

import pytest

from parley.base.clock import ManualClock
from parley.base.errors import Unavailable
from parley.bus.redis import RedisBus
from parley.channels.realtime.presence_nodes import KEEP_S
from tests.channels.realtime.watching import APP, ROOM, Cluster, Process
from tests.services import redis_server
from tests.waiting import until

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
