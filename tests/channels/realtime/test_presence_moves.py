"""Sessions that go from one process to another, and what is reported when words about them cross."""

from __future__ import annotations

from parley.channels.realtime.presence import GRACE_S
from parley.channels.realtime.presence_nodes import SILENT_S
from tests.channels.realtime.watching import APP, ROOM, Cluster, Process, reported

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
