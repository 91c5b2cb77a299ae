"""From arrivals to instants of capture."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from parley.compositor.timing import ClockFinder, Counter

RATE = 90_000
Arrival = tuple[float, float, int, int]
"""Captured and arrived in milliseconds, SSRC, timestamp."""


def errors(arrivals: Sequence[Arrival]) -> list[float]:
    """Milliseconds between the instants found and the true ones, for each packet."""
    finder, counter = ClockFinder(RATE), Counter(RATE)
    for _, arrived_ms, ssrc, timestamp in arrivals:
        finder.take(arrived_ms, ssrc, timestamp)
    clock = finder.finish()
    return [
        clock.wall_ms(counter.place(arrived_ms, ssrc, timestamp)) - captured_ms
        for captured_ms, arrived_ms, ssrc, timestamp in arrivals
    ]


def sent(
    seconds: float,
    delay_ms: Callable[[float], float],
    *,
    start_ms: float = 0,
    ssrc: int = 1,
    first: int = 0,
    rate: float = RATE,
) -> list[Arrival]:
    captured = [start_ms + n * 100 / 3 for n in range(round(seconds * 30))]
    return [
        (ms, ms + delay_ms(ms), ssrc, (first + round((ms - start_ms) * rate / 1000)) % 2**32)
        for ms in captured
    ]


def test_jitter_does_not_move_packets() -> None:
    chance = random.Random(1)
    found = errors(sent(60, lambda _: 25 + abs(chance.gauss(0, 30))))
    assert all(24 <= error <= 30 for error in found)


def test_clock_that_drifts_is_followed() -> None:
    chance = random.Random(2)
    found = errors(sent(600, lambda _: 20 + chance.random() * 40, rate=RATE * (1 + 150e-6)))
    assert all(15 <= error <= 27 for error in found)


def test_count_may_wrap() -> None:
    found = errors(sent(20, lambda _: 20, first=2**32 - RATE))
    assert all(abs(error - 20) < 1 for error in found)


def test_new_source_and_new_count_are_placed_by_their_own_arrivals() -> None:
    parts = [
        *sent(5, lambda _: 20, first=7_000),
        *sent(5, lambda _: 20, start_ms=5_000, ssrc=2, first=3_000_000_000),
        *sent(5, lambda _: 20, start_ms=15_000, ssrc=2, first=50_000_000),
    ]
    assert all(abs(error - 20) < 1 for error in errors(parts))


def test_sender_that_counted_nothing_during_a_pause_is_placed_after_it() -> None:
    parts = [*sent(5, lambda _: 20), *sent(5, lambda _: 20, start_ms=65_000, first=5 * RATE)]
    assert all(abs(error - 20) < 1 for error in errors(parts))


def test_network_that_stalls_moves_nothing() -> None:
    """Five seconds of packets arrive at once, each later than the one before by nothing."""
    found = errors(sent(30, lambda ms: max(15_000 - ms, 20) if ms >= 10_000 else 20))
    assert all(19 <= error <= 21 for error in found)


def test_packets_out_of_order_have_their_own_instants() -> None:
    parts = sent(10, lambda _: 20)
    parts[100], parts[101] = parts[101], parts[100]
    assert all(abs(error - 20) < 1 for error in errors(parts))
