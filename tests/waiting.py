"""Waiting for what other tasks and processes do, without guessing how long they take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

DEADLINE_S = 30.0  # generous: only a failing test waits that long


async def until(reason: Callable[[], str], *, deadline_s: float = DEADLINE_S) -> None:
    """Poll until `reason` is empty; fail with the last reason after the deadline."""
    end = time.monotonic() + deadline_s
    while why := reason():
        assert time.monotonic() < end, f"after {deadline_s} s: {why}"
        await asyncio.sleep(0.005)
