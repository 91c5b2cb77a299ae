from __future__ import annotations

import pytest
from parley_realtime.options import After, Options, after_close, backoff_s

from parley.stream.closing import Close, comes_back

OURS = [
    code for code in Close if code < 4000 or code.name.startswith("REALTIME_")
]  # the others belong to another dialect


@pytest.mark.parametrize("code", OURS, ids=lambda code: code.name)
def test_the_client_reads_close_codes_as_the_server_means_them(code: Close) -> None:
    assert (after_close(int(code)) is not After.STAY_AWAY) == comes_back(code)


def test_a_refused_token_needs_a_new_one() -> None:
    assert after_close(Close.REALTIME_TOKEN) is After.NEW_TOKEN


def test_a_draining_server_is_asked_again_at_once() -> None:
    assert after_close(Close.REALTIME_BEHIND) is After.AT_ONCE


def test_unknown_own_codes_are_decisions() -> None:
    assert after_close(4999) is After.STAY_AWAY
    assert after_close(1099) is After.BACKOFF


@pytest.mark.parametrize(("attempt", "expected"), [(1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (5000, 30.0)])
def test_delays_double_up_to_the_cap_with_jitter(attempt: int, expected: float) -> None:
    found = [backoff_s(Options(), attempt) for _ in range(200)]
    assert all(expected * 0.75 <= delay <= expected * 1.25 for delay in found)
    assert len(set(found)) > 100
