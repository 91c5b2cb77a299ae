"""Delivery inside one process, joined per turn of the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from parley.bus.ports import MAX_PAYLOAD_BYTES, Callback, OnGap

log = logging.getLogger("parley.bus")


class LocalSubscription:
    """One callback on one topic; see `ports.Subscription`."""

    __slots__ = ("_callback", "_on_close", "_on_gap", "_topic", "closed")

    def __init__(
        self,
        topic: str,
        callback: Callback,
        on_gap: OnGap | None,
        on_close: Callable[[LocalSubscription], Awaitable[None]],
    ) -> None:
        self._topic = topic
        self._callback = callback
        self._on_gap = on_gap
        self._on_close = on_close
        self.closed = False

    @property
    def topic(self) -> str:
        """See `ports.Subscription.topic`."""
        return self._topic

    async def close(self) -> None:
        """See `ports.Subscription.close`."""
        if not self.closed:
            self.closed = True
            await self._on_close(self)

    def deliver(self, payload: bytes) -> None:
        """Call back, unless closed meanwhile."""
        if self.closed:
            return
        try:
            self._callback(payload)
        except Exception:  # one listener's mistake must not cost the others their message
            log.exception("a subscriber failed", extra={"topic": self._topic})

    def announce_gap(self) -> None:
        """Say that messages may be missing."""
        if self.closed or self._on_gap is None:
            return
        try:
            self._on_gap()
        except Exception:
            log.exception("a subscriber failed on a gap", extra={"topic": self._topic})


class LocalTopics:
    """Who listens to what in this process, and what waits for the next turn."""

    def __init__(self) -> None:
        self._members: dict[str, list[LocalSubscription]] = {}
        # Holds what one turn of the loop published; the loop empties it before it reads another socket.
        self._waiting: list[tuple[str, bytes]] = []

    def __contains__(self, topic: str) -> bool:
        return topic in self._members

    def topics(self) -> list[str]:
        """Topics with at least one subscriber."""
        return list(self._members)

    def add(self, subscription: LocalSubscription) -> bool:
        """Let it hear from now on; True when it is the first of its topic."""
        members = self._members.setdefault(subscription.topic, [])
        members.append(subscription)
        return len(members) == 1

    def remove(self, subscription: LocalSubscription) -> bool:
        """Take it away; True when it was the last of its topic."""
        members = self._members.get(subscription.topic, [])
        if subscription not in members:
            return False
        members.remove(subscription)
        if members:
            return False
        del self._members[subscription.topic]
        return True

    def publish(self, topic: str, payload: bytes) -> None:
        """Deliver in the next turn, in the order published.

        Raises:
            ValueError: the payload is over the limit.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a payload holds at most {MAX_PAYLOAD_BYTES} bytes, not {len(payload)}")
        if topic not in self._members:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append((topic, payload))

    def deliver(self, topic: str, payload: bytes) -> None:
        """Deliver now what came from elsewhere."""
        for subscription in tuple(self._members.get(topic, ())):
            subscription.deliver(payload)

    def announce_gap(self, topic: str | None = None) -> None:
        """Tell the subscribers of one topic, or all."""
        for name in self.topics() if topic is None else [topic]:
            for subscription in tuple(self._members.get(name, ())):
                subscription.announce_gap()

    def clear(self) -> None:
        """Forget everybody, and what waits."""
        for members in self._members.values():
            for subscription in members:
                subscription.closed = True
        self._members.clear()
        self._waiting.clear()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for topic, payload in waiting:
            self.deliver(topic, payload)
