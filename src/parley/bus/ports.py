"""The contract of a bus, whoever carries it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NamedTuple, Protocol

Callback = Callable[[bytes], None]
"""Takes one payload.

Runs in the event loop, so it must be quick; what it raises is logged and goes no further.
"""
OnGap = Callable[[], None]
"""Told that messages of this topic may be missing; catch up from the store."""

MAX_PAYLOAD_BYTES = 1 << 20
"""A larger payload belongs in the store, with its id on the bus."""
MAX_NAMES = 500
"""In one call of `share` or `draw`."""


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


class Wanted(NamedTuple):
    """How large a holder's part of a shared number is to be."""

    amount: int
    limit: int | None = None
    """That the parts of all holders together may reach."""
    least: int = 0
    """What the holder has already, and keeps even over the limit."""


class Part(NamedTuple):
    """What became of it."""

    own: int
    """As much of the amount as fits under the limit."""
    others: int
    """The parts of all other living holders."""


class Parts(NamedTuple):
    """A holder's parts as the bus has them now."""

    is_known: bool
    """Whether the bus still had what the holder said before; if not, all of it has to be said again."""
    by_name: Mapping[str, Part]


class Draw(NamedTuple):
    """Tokens to take out of a bucket."""

    tokens: int
    rate: int
    """What the bucket holds, and what comes back to it per second."""


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

    async def share(self, holder: str, wanted: Mapping[str, Wanted], ttl: timedelta) -> Parts:
        """Say how large this holder's parts are of numbers that several holders make up together.

        One step for each name: of several holders that want the last of a number exactly one gets it. All
        parts of a holder count until `ttl` after its last call, whatever that call was about: one without any
        names keeps them. At most `MAX_NAMES` names.
        """
        ...

    async def withdraw(self, holder: str) -> None:
        """Forget all parts of a holder now."""
        ...

    async def draw(self, draws: Mapping[str, Draw]) -> dict[str, float]:
        """Take tokens out of shared buckets, and say what is left in each.

        Tokens are taken even where there are not enough: less than none is a debt, which is paid off at the
        bucket's rate and never grows beyond what the bucket holds. At most `MAX_NAMES` names.
        """
        ...
