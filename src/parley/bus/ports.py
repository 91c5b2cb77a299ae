"""The contract of a bus, whoever carries it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

Callback = Callable[[bytes], None]
"""Takes one payload.

Runs in the event loop, so it must be quick; what it raises is logged and goes no further.
"""
OnGap = Callable[[], None]
"""Told that messages of this topic may be missing; catch up from the store."""

MAX_PAYLOAD_BYTES = 1 << 20
"""A larger payload belongs in the store, with its id on the bus."""


class Subscription(Protocol):
    """A callback's place on a topic."""

    @property
    def topic(self) -> str:
        """Where it listens."""
        ...

    async def close(self) -> None:
        """Call back no more, from now on. Closing twice is fine."""
        ...


class Lease(Protocol):
    """The right to be the only one doing something, for a while.

    A lease alone cannot stop a holder that slept past its end. So every write made under it carries `fence`,
    and the store refuses a fence lower than the highest it has seen: the sleeper's late write then changes
    nothing.
    """

    @property
    def name(self) -> str:
        """What is held."""
        ...

    @property
    def holder(self) -> str:
        """Who holds it."""
        ...

    @property
    def fence(self) -> int:
        """Higher than that of every earlier lease of this name, expired ones and those before a restart
        included.

        Fits 63 bits. It starts from the server's clock in microseconds, so that a bus that lost its memory
        does not begin again at 1.
        """
        ...

    async def renew(self) -> bool:
        """Begin the full time anew; False when the lease was lost, which is final."""
        ...

    async def release(self) -> None:
        """Let others have it now. Does nothing when it was lost already."""
        ...

    async def still_mine(self) -> bool:
        """Whether the bus still has this very lease."""
        ...


class Bus(Protocol):
    """Publish and subscribe, leases, and facts that expire.

    Waiting methods raise `parley.base.errors.Unavailable` when the carrier does not answer within its time
    limit, and `ValueError` for a time that is not positive. Keys, names and topics are any text without
    control characters.
    """

    @property
    def dropped(self) -> int:
        """Payloads that other processes never got, since the start: for metrics."""
        ...

    async def close(self) -> None:
        """Stop. Closing twice is fine; anything else after it is a programming error."""
        ...

    async def subscribe(self, topic: str, callback: Callback, *, on_gap: OnGap | None = None) -> Subscription:
        """Have `callback` called with every payload published on `topic` from now on, this process's own
        included.

        Payloads of one publisher arrive in the order published. When the carrier is away, this still returns,
        and `on_gap` is called once the topic is live.
        """
        ...

    def publish(self, topic: str, payload: bytes) -> None:
        """Send to all subscribers; returns at once and delivers in a later turn of the event loop.

        Nothing waits for a slow or absent carrier: beyond a bounded buffer payloads are dropped, counted in
        `dropped`, and the subscribers' `on_gap` is called as soon as they can be reached.

        Raises:
            ValueError: the payload is larger than `MAX_PAYLOAD_BYTES`.
        """
        ...

    async def lease(self, name: str, ttl: timedelta, holder: str) -> Lease | None:
        """Take `name` for `ttl`, or None when somebody else holds it.

        A holder that asks again gets a new lease with a higher fence, and its older one is lost: so a
        restarted process need not wait for its former self.
        """
        ...

    async def holder_of(self, name: str) -> str | None:
        """Who holds the lease now, if anybody."""
        ...

    async def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        """Remember `value` for `ttl`, replacing what was there."""
        ...

    async def get(self, key: str) -> bytes | None:
        """What was put, unless its time is over."""
        ...

    async def delete(self, key: str) -> None:
        """Forget it now."""
        ...

    async def take(self, key: str) -> bytes | None:
        """Get and delete in one step: of several takers exactly one gets the value.

        For single-use tickets.
        """
        ...

    async def count(self, key: str, window: timedelta) -> int:
        """Count one use and say how many there were in the current window, this one included.

        The window begins with its first use and is fixed: two windows side by side may let through twice the
        limit within one window's length.
        """
        ...

    async def add_once(self, key: str, ttl: timedelta) -> bool:
        """Whether `key` was not seen within `ttl`; True for exactly one of several callers.

        A guard against replay.
        """
        ...
