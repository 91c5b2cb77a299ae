"""Processes that are killed, cut off, or stand still."""

from __future__ import annotations

import pytest

from parley.channels.realtime import presence_nodes
from parley.channels.realtime.presence_nodes import SILENT_S
from tests.channels.realtime.watching import APP, ROOM, Cluster, Process, reported


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
