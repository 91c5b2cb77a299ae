"""Messages survive `kill -9` of servers under load: what `python -m bench kills` does 200 times, a few times.

The outcome is judged by `bench.kills`; that its judgement can fail is tested here as well.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from bench import kills
from bench.kill_load import Acknowledged, FrameListener, Publisher, Pulse, Seen

pytestmark = pytest.mark.faults

KILLS = 6
LIMIT_S = 240.0
"""A net for machines under load; it takes a quarter of a minute."""


@pytest.mark.parametrize("database", kills.DATABASES)
async def test_nothing_acknowledged_is_lost_and_no_gap_goes_unreported(database: str, tmp_path: Path) -> None:
    with kills.databases(database) as chosen:
        async with asyncio.timeout(LIMIT_S):
            outcome = await kills.run(chosen, tmp_path, KILLS, random.randrange(1 << 32))
    assert outcome.acknowledged > KILLS
    assert [figure.name for figure in outcome.figures(chosen.name) if not figure.is_held] == [], outcome
    assert outcome.began_anew >= kills.LISTENERS


def judged(
    *,
    log: list[tuple[int, str]],
    acknowledged: list[tuple[int, str]] = (),  # type: ignore[assignment]
    seen: Seen | None = None,
) -> kills.Outcome:
    """The judgement on one publisher and one listener of one channel; places with a client's ids."""
    channel = kills.CHANNELS[0]
    publisher = Publisher("http://127.0.0.1:1", "token", "p", channel, Pulse(), random.Random(1))
    publisher.acknowledged = [
        Acknowledged(channel, own, f"id of {own}", offset, "p", 0) for offset, own in acknowledged
    ]
    listener = FrameListener("http://127.0.0.1:1", "token", [channel])
    if seen is not None:
        listener.seen[channel] = seen
    else:
        listener.seen[channel].offset = max((offset for offset, _ in log), default=0)
    rows = [kills.Stored(channel, offset, f"id of {own}", own) for offset, own in log]
    return kills.judge(rows, [publisher], [listener], 1, 0.0)


def saw(*offsets: int, first: int = 0) -> Seen:
    seen = Seen()
    seen.began("e", first)
    for offset in offsets:
        seen.took("e", offset, f"id of p-{offset}")
    return seen


LOG = [(1, "p-1"), (2, "p-2"), (3, "p-3")]


def test_all_is_well_when_it_is() -> None:
    outcome = judged(log=LOG, acknowledged=LOG, seen=saw(1, 2, 3))
    assert all(figure.is_held for figure in outcome.figures("x"))


def test_an_acknowledged_message_that_is_not_in_the_log_is_lost() -> None:
    assert judged(log=LOG, acknowledged=[*LOG, (4, "p-4")]).lost == 1


def test_an_acknowledged_message_at_another_place_is_lost() -> None:
    assert judged(log=LOG, acknowledged=[(2, "p-3")]).lost == 1


def test_a_message_that_is_stored_twice_is_counted() -> None:
    assert judged(log=[*LOG, (4, "p-3")]).twice == 1


def test_a_place_without_a_message_is_counted() -> None:
    assert judged(log=[(1, "p-1"), (3, "p-3")]).holes == 1


def test_messages_of_a_publisher_that_changed_places_are_counted() -> None:
    assert judged(log=[(1, "p-2"), (2, "p-1")]).out_of_order == 1


def test_what_a_listener_saw_twice_or_too_late_is_counted() -> None:
    assert judged(log=LOG, seen=saw(1, 2, 2, 1, 3)).out_of_order == 2


def test_another_message_than_the_log_has_is_counted() -> None:
    seen = saw(1, 2)
    seen.took("e", 3, "id of another")
    assert judged(log=LOG, seen=seen).out_of_order == 1


def test_a_gap_that_nobody_reported_is_counted() -> None:
    assert judged(log=LOG, seen=saw(1, 3)).unreported == 1


def test_a_gap_that_was_reported_is_none() -> None:
    seen = saw(1)
    seen.reloaded("e", 2)
    seen.took("e", 3, "id of p-3")
    outcome = judged(log=LOG, seen=seen)
    assert (outcome.unreported, outcome.reported) == (0, 1)


def test_what_never_arrived_is_counted() -> None:
    assert judged(log=LOG, seen=saw(1)).never_arrived == 2
