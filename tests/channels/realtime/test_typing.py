"""Who is writing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from parley.base.clock import ManualClock
from parley.base.errors import Invalid, TooLarge
from parley.base.ids import AppId
from parley.bus import MemoryBus
from parley.channels.realtime.typing import ELSEWHERE_S, StopReason, Typing, TypingAction, TypingChange
from tests.waiting import until

APP = AppId("app")
ROOM = "chat:room"


class Seen:
    """One process and what it was told."""

    def __init__(self, clock: ManualClock, bus: MemoryBus | None = None, node: str = "n") -> None:
        self.changes: list[TypingChange] = []
        self.typing = Typing(clock, bus, node, self.changes.append)

    @property
    def actions(self) -> list[tuple[str, str | None]]:
        return [(c.action.value, c.reason.value if c.reason else None) for c in self.changes]


@pytest.fixture
def one(clock: ManualClock) -> Seen:
    return Seen(clock)


@pytest_asyncio.fixture
async def two(clock: ManualClock) -> AsyncIterator[tuple[Seen, Seen]]:
    """Two processes on one bus."""
    bus = MemoryBus(clock)
    a, b = Seen(clock, bus, "a"), Seen(clock, bus, "b")
    await a.typing.open()
    await b.typing.open()
    yield a, b
    await a.typing.close()
    await b.typing.close()


def pass_time(clock: ManualClock, seconds: float, *seen: Seen) -> None:
    for _ in range(round(seconds / 0.25)):
        clock.advance(0.25)
        for process in seen:
            process.typing.turn()


def test_start_is_told_with_name_extra_and_the_socket_that_must_not_get_it(one: Seen) -> None:
    one.typing.start(APP, ROOM, "s1", "ann", "Ann", {"in": "thread"})
    assert one.changes == [
        TypingChange(
            app_id=APP,
            channel=ROOM,
            action=TypingAction.START,
            user_id="ann",
            user_name="Ann",
            extra={"in": "thread"},
            socket_id="s1",
        )
    ]


def test_further_starts_are_refreshed_at_most_every_three_seconds(one: Seen, clock: ManualClock) -> None:
    for _ in range(13):  # 0, 0.5 .. 6 s
        one.typing.start(APP, ROOM, "s1", "ann", "Ann")
        pass_time(clock, 0.5, one)
    assert one.actions == [("start", None)] * 3


def test_spell_ends_six_seconds_after_the_last_start(one: Seen, clock: ManualClock) -> None:
    one.typing.start(APP, ROOM, "s1", "ann", "Ann")
    pass_time(clock, 2.0, one)
    one.typing.start(APP, ROOM, "s1", "ann", "Ann")
    pass_time(clock, 5.75, one)
    assert one.actions == [("start", None)]
    pass_time(clock, 0.75, one)
    assert one.actions == [("start", None), ("stop", "timeout")]
    assert one.changes[1].user_name == "Ann"
    assert one.changes[1].socket_id == "s1"
    assert len(one.typing) == 0


@pytest.mark.parametrize("reason", list(StopReason))
def test_stop_is_told_once_with_its_reason(one: Seen, reason: StopReason) -> None:
    one.typing.start(APP, ROOM, "s1", "ann", "Ann")
    one.typing.stop(APP, ROOM, "ann", reason)
    one.typing.stop(APP, ROOM, "ann", reason)
    assert one.actions == [("start", None), ("stop", reason.value)]


def test_stop_of_a_user_who_is_not_writing_tells_nothing(one: Seen) -> None:
    one.typing.start(APP, ROOM, "s1", "ann", "Ann")
    one.typing.stop(APP, ROOM, "bob")
    one.typing.stop(APP, "chat:other", "ann")
    one.typing.stop(AppId("other"), ROOM, "ann")
    assert one.actions == [("start", None)]


def test_stop_repeats_the_name_that_others_have_heard(one: Seen) -> None:
    one.typing.start(APP, ROOM, "s1", "ann", "Ann")
    one.typing.start(APP, ROOM, "s1", "ann", "Annabel")  # not broadcast
    one.typing.stop(APP, ROOM, "ann")
    assert [c.user_name for c in one.changes] == ["Ann", "Ann"]


def test_lost_connection_ends_all_its_spells(one: Seen) -> None:
    one.typing.start(APP, ROOM, "s1", "ann", "Ann")
    one.typing.start(APP, "chat:other", "s1", "ann", "Ann")
    one.typing.start(APP, ROOM, "s2", "bob", "Bob")
    one.typing.gone("s1")
    one.typing.gone("s1")
    assert [(c.channel, c.user_id, c.reason) for c in one.changes[3:]] == [
        ("chat:other", "ann", StopReason.DISCONNECT),
        (ROOM, "ann", StopReason.DISCONNECT),
    ]


def test_unsubscribing_ends_the_spell_in_that_channel_alone(one: Seen) -> None:
    one.typing.start(APP, ROOM, "s1", "ann", "Ann")
    one.typing.start(APP, "chat:other", "s1", "ann", "Ann")
    one.typing.left(APP, ROOM, "s1")
    assert one.changes[2].channel == ROOM
    assert len(one.typing) == 1


def test_two_sockets_of_a_user_are_one_spell_of_the_last_that_spoke(one: Seen) -> None:
    one.typing.start(APP, ROOM, "s1", "ann", "Ann")
    one.typing.start(APP, ROOM, "s2", "ann", "Ann")
    one.typing.gone("s1")
    assert one.actions == [("start", None)]
    one.typing.gone("s2")
    assert one.actions == [("start", None), ("stop", "disconnect")]
    assert one.changes[1].socket_id is None  # s2 has seen the start of s1


def test_names_and_extras_have_limits(one: Seen) -> None:
    for name in ("", "x" * 257):
        with pytest.raises(Invalid):
            one.typing.start(APP, ROOM, "s1", "ann", name)
    with pytest.raises(TooLarge):
        one.typing.start(APP, ROOM, "s1", "ann", "Ann", {"x": "y" * 5_000})
    assert one.changes == []


def test_many_spells_leave_nothing_behind(one: Seen, clock: ManualClock) -> None:
    for n in range(2_000):
        one.typing.start(APP, ROOM, f"s{n}", f"u{n}", "Somebody")
    pass_time(clock, 7, one)
    assert len(one.changes) == 4_000
    assert (len(one.typing), one.typing._sockets, len(one.typing._ours)) == (0, {}, 0)


# --- two processes ------------------------------------------------------------------------------


async def heard(seen: Seen, number: int) -> None:
    await until(lambda: "" if len(seen.changes) >= number else f"{seen.changes}")
    assert len(seen.changes) == number


async def test_other_process_shows_the_same(two: tuple[Seen, Seen]) -> None:
    a, b = two
    a.typing.start(APP, ROOM, "s1", "ann", "Ann", {"k": 1})
    await heard(b, 1)
    a.typing.stop(APP, ROOM, "ann", StopReason.MESSAGE)
    await heard(b, 2)
    assert b.actions == a.actions == [("start", None), ("stop", "message")]
    assert [c.user_name for c in b.changes] == ["Ann", "Ann"]
    assert b.changes[0].extra == {"k": 1}
    assert b.changes[0].socket_id is None


async def test_spell_of_a_dead_process_ends_by_itself(two: tuple[Seen, Seen], clock: ManualClock) -> None:
    a, b = two
    a.typing.start(APP, ROOM, "s1", "ann", "Ann")
    await heard(b, 1)
    pass_time(clock, ELSEWHERE_S - 0.25, b)  # a does not turn any more
    assert b.actions == [("start", None)]
    pass_time(clock, 0.75, b)
    assert b.actions == [("start", None), ("stop", "timeout")]


async def test_long_spell_does_not_end_elsewhere_between_refreshes(
    two: tuple[Seen, Seen], clock: ManualClock
) -> None:
    a, b = two
    for number in range(1, 5):
        a.typing.start(APP, ROOM, "s1", "ann", "Ann")
        await heard(b, number)
        pass_time(clock, 2.75, a, b)
        a.typing.start(APP, ROOM, "s1", "ann", "Ann")  # extends, without a word to b
        pass_time(clock, 5.75, a, b)
    assert {action for action, _ in b.actions} == {"start"}


async def test_user_who_moves_to_another_process_does_not_stop_there(
    two: tuple[Seen, Seen], clock: ManualClock
) -> None:
    a, b = two
    a.typing.start(APP, ROOM, "s1", "ann", "Ann")
    await heard(b, 1)
    pass_time(clock, 2.0, a, b)
    b.typing.start(APP, ROOM, "s2", "ann", "Ann")
    await until(lambda: "" if not len(a.typing._ours) else "a still keeps the time")
    a.typing.gone("s1")
    pass_time(clock, 5.0, a, b)
    assert a.actions == b.actions == [("start", None)]
    pass_time(clock, 1.5, a, b)
    await heard(a, 2)
    assert a.actions == b.actions == [("start", None), ("stop", "timeout")]


async def test_connection_that_ends_while_another_begins_to_write_ends_nothing_there(
    two: tuple[Seen, Seen], clock: ManualClock
) -> None:
    a, b = two
    a.typing.start(APP, ROOM, "s1", "ann", "Ann")
    await heard(b, 1)
    pass_time(clock, 1.0, a, b)
    a.typing.gone("s1")
    b.typing.start(APP, ROOM, "s2", "ann", "Ann")
    await heard(a, 3)
    assert a.actions == [("start", None), ("stop", "disconnect"), ("start", None)]
    assert b.actions == [("start", None)]
    assert (len(a.typing), len(b.typing)) == (1, 1)


async def test_message_sent_through_another_process_ends_the_spell(two: tuple[Seen, Seen]) -> None:
    a, b = two
    a.typing.start(APP, ROOM, "s1", "ann", "Ann")
    await heard(b, 1)
    b.typing.stop(APP, ROOM, "ann", StopReason.MESSAGE)
    await heard(a, 2)
    assert a.actions == b.actions == [("start", None), ("stop", "message")]
    assert a.changes[1].socket_id == "s1"
