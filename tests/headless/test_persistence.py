"""How long a participant waits before it comes back."""

from __future__ import annotations

from parley.headless.client import DEFAULT_PERSISTENCE, Persistence


def test_waits_are_spread_up_to_a_bound_that_doubles():
    patient = Persistence(base_s=1, longest_s=10)
    for attempt, bound in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (50, 10), (10_000, 10)):
        waits = [patient.delay_s(attempt) for _ in range(200)]
        assert 0 <= min(waits) < bound / 4
        assert bound * 3 / 4 < max(waits) <= bound


def test_the_defaults_are_those_of_the_official_client():
    """`rtk-client-protocol` section 5."""
    assert Persistence(attempts=50, base_s=1, longest_s=10) == DEFAULT_PERSISTENCE
