"""Leases on a timing wheel."""

from __future__ import annotations

import random

from parley.channels.realtime.leases import Leases


def test_lease_ends_after_its_term_and_not_before() -> None:
    leases = Leases[str](6.0, tick_s=0.5, now_s=100.0)
    leases.touch("a", 100.3)
    assert leases.expire(106.2) == []
    assert "a" in leases
    assert leases.expire(107.3) == ["a"]
    assert "a" not in leases


def test_touch_begins_the_term_anew() -> None:
    leases = Leases[str](6.0, tick_s=0.5, now_s=0.0)
    leases.touch("a", 0.0)
    leases.touch("a", 5.0)
    assert leases.expire(10.9) == []
    assert leases.expire(12.0) == ["a"]


def test_dropped_lease_is_not_named() -> None:
    leases = Leases[str](1.0, tick_s=0.5, now_s=0.0)
    leases.touch("a", 0.0)
    assert leases.drop("a")
    assert not leases.drop("a")
    assert leases.expire(100.0) == []


def test_long_pause_ends_everything_in_order() -> None:
    leases = Leases[str](1.0, tick_s=0.5, now_s=0.0)
    leases.touch("a", 0.0)
    leases.touch("b", 0.6)
    assert leases.expire(1e6) == ["a", "b"]
    leases.touch("a", 1e6)
    assert leases.expire(1e6 + 0.9) == []


def test_member_that_comes_and_goes_takes_no_more_room() -> None:
    leases = Leases[str](6.0, tick_s=0.5, now_s=0.0)
    for step in range(10_000):
        now = step * 0.1
        leases.touch("a", now)
        leases.drop("a")
        leases.expire(now)
    assert sum(map(len, leases._spokes)) <= len(leases._spokes)


def test_any_order_of_steps_agrees_with_a_plain_dictionary() -> None:
    rng = random.Random(7)
    leases = Leases[int](3.0, tick_s=0.25, now_s=0.0)
    touched: dict[int, float] = {}
    now = 0.0
    for _ in range(5_000):
        now += rng.choice((0.0, 0.05, 0.3, 1.7))
        member = rng.randrange(50)
        step = rng.random()
        if step < 0.5:
            leases.touch(member, now)
            touched[member] = now
        elif step < 0.6:
            assert leases.drop(member) == (touched.pop(member, None) is not None)
        else:
            expired = leases.expire(now)
            for one in expired:
                assert now - touched.pop(one) >= 3.0
            assert all(now - at < 3.5 for at in touched.values())
    assert len(leases) == len(touched)
