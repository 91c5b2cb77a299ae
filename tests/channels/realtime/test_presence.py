"""Who is here, in one process."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from parley.base.clock import ManualClock
from parley.base.errors import Invalid, NotAllowed, TooLarge
from parley.base.ids import AppId
from parley.base.times import to_ms
from parley.channels.realtime.members import DATA_LIMIT_BYTES, Member
from parley.channels.realtime.presence import GRACE_S
from tests.channels.realtime.watching import Process, pass_time

APP = AppId("app")
ROOM = "presence:room"


@pytest.fixture
def one(clock: ManualClock) -> Process:
    return Process(clock)


def only(process: Process) -> Member:
    (member,) = process.presence.members(APP, ROOM)
    return member


# --- the member object (7.1) --------------------------------------------------------------------


def test_member_carries_what_was_said_and_what_the_server_puts_in(one: Process, clock: ManualClock) -> None:
    clock.advance(1.5)
    member = one.presence.enter(APP, ROOM, "s1", "ann", {"name": "Ann"})
    now = to_ms(clock.now())
    assert member == Member(
        user_id="ann",
        status="online",
        data={"name": "Ann", "user_id": "ann", "status": "online"},
        connections=1,
        joined_ms=now,
        updated_ms=now,
    )
    assert only(one) == member
    assert one.presence.member(APP, ROOM, "ann") == member
    assert one.presence.member(APP, ROOM, "bob") is None


def test_member_is_the_callers_own_copy(one: Process) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"list": [1]}).data["list"].append(2)
    assert only(one).data["list"] == [1]


def test_update_merges_and_null_removes(one: Process, clock: ManualClock) -> None:
    joined = one.presence.enter(APP, ROOM, "s1", "ann", {"name": "Ann", "a": {"x": 1}, "b": 1})
    clock.advance(2)
    member = one.presence.update(APP, ROOM, "s1", "ann", {"status": "away", "a": {"y": 2}, "b": None})
    assert member.data == {"user_id": "ann", "status": "away", "name": "Ann", "a": {"y": 2}}
    assert member.status == "away"
    assert (member.joined_ms, member.updated_ms) == (joined.joined_ms, joined.joined_ms + 2_000)
    assert one.actions == ["join ann", "update ann"]


def test_removed_status_is_the_default_again(one: Process) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"status": "dnd"})
    assert one.presence.update(APP, ROOM, "s1", "ann", {"status": None}).status == "online"
    assert only(one).data == {"user_id": "ann", "status": "online"}


def test_entering_again_replaces_the_data(one: Process) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"name": "Ann"})
    one.presence.enter(APP, ROOM, "s1", "ann", {"mood": "good"})
    assert only(one).data == {"user_id": "ann", "status": "online", "mood": "good"}
    assert one.actions == ["join ann", "update ann"]


def test_update_of_an_absent_user_enters(one: Process) -> None:
    one.presence.update(APP, ROOM, "s1", "ann", {"name": "Ann", "gone": None})
    assert only(one).data == {"user_id": "ann", "status": "online", "name": "Ann"}
    assert one.actions == ["join ann"]


def test_leave_of_an_absent_session_does_nothing(one: Process) -> None:
    assert not one.presence.leave(APP, ROOM, "s1")
    one.presence.enter(APP, ROOM, "s1", "ann", None)
    assert not one.presence.leave(APP, ROOM, "s2")
    assert one.presence.leave(APP, ROOM, "s1")
    assert not one.presence.leave(APP, ROOM, "s1")
    assert one.actions == ["join ann", "leave ann"]


@pytest.mark.parametrize("again", ["enter", "update"])
def test_saying_the_same_again_tells_nothing(one: Process, clock: ManualClock, again: str) -> None:
    before = one.presence.enter(APP, ROOM, "s1", "ann", {"a": 1, "b": 2})
    clock.advance(1)
    assert getattr(one.presence, again)(APP, ROOM, "s1", "ann", {"b": 2, "a": 1}) == before
    assert one.actions == ["join ann"]


def test_one_and_true_are_not_the_same(one: Process) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"a": 1})
    one.presence.update(APP, ROOM, "s1", "ann", {"a": True})
    assert only(one).data["a"] is True
    assert one.actions == ["join ann", "update ann"]


def test_channels_and_apps_are_apart(one: Process) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", None)
    one.presence.enter(APP, "presence:other", "s1", "ann", None)
    one.presence.enter(AppId("other"), ROOM, "s2", "bob", None)
    assert [m.user_id for m in one.presence.members(APP, ROOM)] == ["ann"]
    one.presence.leave(APP, "presence:other", "s1")
    assert only(one).user_id == "ann"


# --- what may not be said -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["enter", "update"])
@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"user_id": "bob"}, NotAllowed),
        ({"user_id": 7}, NotAllowed),
        ({"status": "x" * 33}, Invalid),
        ({"status": ""}, Invalid),
        ({"status": 3}, Invalid),
        (["a"], Invalid),
        ("a", Invalid),
        ({"a": "\ud800"}, Invalid),
        ({"a": object()}, Invalid),
        ({"a": "x" * DATA_LIMIT_BYTES}, TooLarge),
    ],
)
def test_bad_data_is_refused_and_changes_nothing(
    one: Process, method: str, data: Any, error: type[Exception]
) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"name": "Ann"})
    before = only(one)
    with pytest.raises(error):
        getattr(one.presence, method)(APP, ROOM, "s1", "ann", data)
    with pytest.raises(error):
        getattr(one.presence, method)(APP, "presence:other", "s2", "ann", data)
    assert only(one) == before
    assert one.actions == ["join ann"]
    assert list(one.presence.rosters) == [f"{APP}/{ROOM}"]


def test_own_user_id_in_the_data_is_fine(one: Process) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"user_id": "ann", "status": "x" * 32})
    one.presence.update(APP, ROOM, "s1", "ann", {"user_id": None})
    assert only(one).data["user_id"] == "ann"


def test_limit_is_of_the_merged_data_without_what_the_server_puts_in(one: Process) -> None:
    half = DATA_LIMIT_BYTES // 2
    full = {"a": "x" * (half - len('{"a":"')), "b": "x" * (half - len('","b":""}'))}
    assert len(msgspec.json.encode(full)) == DATA_LIMIT_BYTES
    one.presence.enter(APP, ROOM, "s1", "a user with a long name", full)
    with pytest.raises(TooLarge):
        one.presence.update(APP, ROOM, "s1", "a user with a long name", {"c": 1})


def test_deep_nesting_is_refused_or_kept_but_breaks_nothing(one: Process) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises((Invalid, TooLarge)):
        one.presence.enter(APP, ROOM, "s1", "ann", {"a": deep})
    assert one.presence.members(APP, ROOM) == []
    while deep:  # taken apart by hand: its deallocation would nest as deeply
        deep = deep.pop()


# --- several connections of a user --------------------------------------------------------------


def test_user_is_one_member_over_several_connections(one: Process, clock: ManualClock) -> None:
    first = one.presence.enter(APP, ROOM, "s1", "ann", {"on": "laptop"})
    clock.advance(1)
    both = one.presence.enter(APP, ROOM, "s2", "ann", {"on": "phone"})
    assert (both.connections, both.data["on"]) == (2, "phone")
    assert both.joined_ms == first.joined_ms
    one.presence.leave(APP, ROOM, "s2")
    assert (only(one).connections, only(one).data["on"]) == (1, "laptop")
    one.presence.leave(APP, ROOM, "s1")
    assert one.actions == ["join ann", "update ann", "update ann", "leave ann"]


def test_member_has_joined_when_the_first_connection_came_even_if_that_is_gone(
    one: Process, clock: ManualClock
) -> None:
    first = one.presence.enter(APP, ROOM, "s1", "ann", None)
    clock.advance(1)
    one.presence.enter(APP, ROOM, "s2", "ann", None)
    one.presence.leave(APP, ROOM, "s1")
    assert only(one).joined_ms == first.joined_ms


def test_update_on_an_older_connection_is_the_newest_word(one: Process) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"on": "laptop"})
    one.presence.enter(APP, ROOM, "s2", "ann", {"on": "phone"})
    one.presence.update(APP, ROOM, "s1", "ann", {"mood": "good"})
    assert only(one).data["on"] == "phone"
    one.presence.leave(APP, ROOM, "s2")
    assert only(one).data == {"user_id": "ann", "status": "online", "on": "phone", "mood": "good"}


def test_user_may_have_very_many_connections(one: Process) -> None:
    for n in range(5_000):
        one.presence.enter(APP, ROOM, f"s{n}", "ann", {"n": n})
    for n in range(4_999):
        one.presence.leave(APP, ROOM, f"s{n}")
    assert only(one).data["n"] == 4_999


# --- dropped connections (7.2) ------------------------------------------------------------------


def test_detached_session_leaves_after_the_grace(one: Process, clock: ManualClock) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"name": "Ann"})
    one.presence.enter(APP, "presence:other", "s1", "ann", None)
    one.presence.detach("s1")
    pass_time(clock, GRACE_S - 0.5, one)
    assert one.actions == ["join ann", "join ann"]
    assert only(one).connections == 1
    pass_time(clock, 2, one)
    assert one.actions[2:] == ["leave ann", "leave ann"]
    assert one.changes[2].member.data["name"] == "Ann"
    assert one.changes[2].member.connections == 0
    assert one.presence.members(APP, ROOM) == []


@pytest.mark.parametrize("how", ["attach", "resume", "enter"])
def test_session_that_comes_back_within_the_grace_was_never_away(
    one: Process, clock: ManualClock, how: str
) -> None:
    before = one.presence.enter(APP, ROOM, "s1", "ann", {"name": "Ann"})
    one.presence.detach("s1")
    pass_time(clock, GRACE_S - 1, one)
    if how == "attach":
        one.presence.attach("s1")
    else:
        getattr(one.presence, how)(APP, ROOM, "s1", "ann", {"name": "Ann"})
    pass_time(clock, GRACE_S * 2, one)
    assert one.actions == ["join ann"]
    assert only(one) == before


def test_resume_within_the_grace_keeps_newer_words_than_the_callers(one: Process) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"on": "laptop"})
    one.presence.detach("s1")
    assert one.presence.resume(APP, ROOM, "s1", "ann", {"on": "something old"}).data["on"] == "laptop"
    assert one.actions == ["join ann"]


def test_resume_after_the_grace_joins_with_the_last_data(one: Process, clock: ManualClock) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", {"name": "Ann"})
    one.presence.detach("s1")
    pass_time(clock, GRACE_S + 2, one)
    one.presence.resume(APP, ROOM, "s1", "ann", {"name": "Ann"})
    assert one.actions == ["join ann", "leave ann", "join ann"]
    assert only(one).data["name"] == "Ann"


def test_dropped_session_leaves_everything_at_once(one: Process, clock: ManualClock) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", None)
    one.presence.enter(APP, "presence:other", "s1", "ann", None)
    one.presence.detach("s1")
    one.presence.drop("s1")
    one.presence.drop("s1")
    assert one.actions == ["join ann", "join ann", "leave ann", "leave ann"]
    pass_time(clock, GRACE_S * 2, one)
    assert len(one.changes) == 4


def test_detaching_a_session_that_is_nowhere_costs_nothing(one: Process) -> None:
    one.presence.detach("s1")
    one.presence.attach("s1")
    one.presence.drop("s1")
    assert len(one.presence._grace) == 0


def test_nothing_ends_before_a_process_that_stood_still_has_read_its_sockets(
    one: Process, clock: ManualClock
) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", None)
    one.presence.detach("s1")
    clock.advance(60)
    one.presence.turn()
    assert one.actions == ["join ann"]
    one.presence.attach("s1")
    pass_time(clock, 60, one)
    assert one.actions == ["join ann"]


def test_change_names_the_connection_that_caused_it(one: Process) -> None:
    one.presence.enter(APP, ROOM, "s1", "ann", None)
    one.presence.enter(APP, ROOM, "s2", "ann", None)
    one.presence.leave(APP, ROOM, "s1")
    one.presence.drop("s2")
    assert [change.session_id for change in one.changes] == ["s1", "s2", "s1", "s2"]


# --- snapshots and interest ---------------------------------------------------------------------


async def test_snapshot_and_events_since_are_the_next_snapshot(clock: ManualClock) -> None:
    rng = random.Random(3)
    one = Process(clock)
    await one.watch(APP, ROOM)
    for _ in range(3_000):
        session = f"s{rng.randrange(8)}"
        user = f"u{int(session[1:]) % 3}"
        data = {rng.choice("ab"): rng.choice((None, 1, 2))}
        match rng.randrange(8):
            case 0 | 1:
                one.presence.enter(APP, ROOM, session, user, data)
            case 2 | 3:
                one.presence.update(APP, ROOM, session, user, data)
            case 4:
                one.presence.leave(APP, ROOM, session)
            case 5:
                one.presence.detach(session)
            case 6:
                one.presence.resume(APP, ROOM, session, user, data)
            case 7:
                pass_time(clock, rng.choice((0.5, 5)), one)
        one.check()
        assert all(change.is_origin for change in one.changes)
    assert {action.split()[0] for action in one.actions} == {"join", "update", "leave"}


async def test_snapshot_of_an_unwatched_channel(one: Process) -> None:
    assert await one.presence.snapshot(APP, ROOM) == []
    one.presence.enter(APP, ROOM, "s1", "ann", None)
    assert [m.user_id for m in await one.presence.snapshot(APP, ROOM)] == ["ann"]


async def test_channel_that_nobody_needs_is_forgotten(one: Process) -> None:
    await one.presence.watch(APP, ROOM)
    await one.presence.watch(APP, ROOM)
    one.presence.unwatch(APP, ROOM)
    assert one.presence.rosters
    one.presence.enter(APP, ROOM, "s1", "ann", None)
    one.presence.unwatch(APP, ROOM)
    one.presence.unwatch(APP, ROOM)  # once too often
    assert only(one).user_id == "ann"
    one.presence.drop("s1")
    assert (one.presence.rosters, one.presence._sessions) == ({}, {})


async def test_snapshot_of_ten_thousand_members_is_complete_and_in_order_of_coming(one: Process) -> None:
    for n in range(10_000):
        one.presence.enter(APP, ROOM, f"s{n}", f"u{n}", {"name": f"User {n}"})
    found = await one.presence.watch(APP, ROOM)
    assert [m.user_id for m in found] == [f"u{n}" for n in range(10_000)]


async def test_time_is_kept_by_itself_once_started(one: Process, clock: ManualClock) -> None:
    await one.presence.start()
    try:
        one.presence.enter(APP, ROOM, "s1", "ann", None)
        one.presence.detach("s1")
        for _ in range(20):
            clock.advance(1.0)
            one.presence._turned_s = clock.monotonic()
        await one.told("leave ann")
    finally:
        await one.presence.stop()
