from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.base.clock import ManualClock
from parley.base.times import from_ms, iso_from_ms, iso_ms, to_ms, truncate_ms

INSTANTS = st.datetimes(timezones=st.just(UTC))


@given(INSTANTS)
def test_an_instant_loses_less_than_a_millisecond_in_storage(at):
    assert timedelta(0) <= at - from_ms(to_ms(at)) < timedelta(milliseconds=1)
    assert truncate_ms(truncate_ms(at)) == truncate_ms(at)


def test_the_wire_form_is_utc_with_milliseconds():
    at = datetime(2031, 4, 2, 11, 15, 30, 250_999, tzinfo=timezone(timedelta(hours=2)))
    assert iso_ms(at) == "2031-04-02T09:15:30.250Z"


@given(INSTANTS)
def test_the_wire_form_is_the_same_from_what_is_stored(at):
    assert iso_from_ms(to_ms(at)) == iso_ms(at)


def test_a_manual_clock_moves_only_when_told():
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    before = clock.now()
    clock.advance(1.5)
    assert clock.now() - before == timedelta(seconds=1.5)
    assert clock.monotonic() == 1.5
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


def test_a_manual_clock_needs_a_time_zone():
    with pytest.raises(ValueError, match="time zone"):
        ManualClock(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
