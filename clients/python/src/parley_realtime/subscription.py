"""A channel as the connection sees it: joined or not, what was seen, what is missing."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from parley_realtime.dispatch import Dispatcher, Handlers, Stream
from parley_realtime.errors import ConnectionEnded, RealtimeError
from parley_realtime.model import Frame, Item, Member, Reload, event_of, member_of, message_of
from parley_realtime.tracker import Tracker, Verdict

log = logging.getLogger("parley_realtime")


class Subscription:
    """Publications are delivered once and in order, or a `Reload` is."""

    def __init__(
        self, channel: str, dispatcher: Dispatcher, limit: int, recover: Callable[[Subscription], None]
    ) -> None:
        """Prepare.

        Args:
            channel: its name.
            dispatcher: calls the handlers.
            limit: items that may wait for a stream's reader.
            recover: asked to subscribe again from the place of the tracker.
        """
        self.channel = channel
        self.handlers = Handlers()
        self.tracker = Tracker()
        self.is_wanted = False
        self.is_joined = False
        """The server knows of it on the present connection."""
        self.joined: asyncio.Future[None] | None = None
        """Completes when it is."""
        self.is_recovering = False
        self.member_data: Mapping[str, Any] | None = None
        """What the user said on entering; None when it has not."""
        self.members: dict[str, Member] = {}
        self.reported = 0
        """The offset that the server was told of last."""
        self.own_pending: set[str] = set()
        """Messages of ours without an echo that are not acknowledged."""
        self._numbers = itertools.count()
        self._unacked: set[int] = set()
        """Publications of ours without an echo."""
        self._held: deque[Frame] = deque()
        """Publications behind a place that has not come."""
        self._held_for: set[int] = set()
        """Which of ours may have that place."""
        self._held_at = -1
        """The place before that one."""
        self._limit = limit
        self._dispatcher = dispatcher
        self._recover = recover
        self._parts: list[Member] = []
        self.streams: set[Stream] = set()

    # --- joining ------------------------------------------------------------------------------

    @property
    def since(self) -> dict[str, Any] | None:
        """The place to continue from; None at the first time."""
        if not self.tracker.epoch:
            return None
        return {"epoch": self.tracker.epoch, "offset": self.tracker.offset}

    @property
    def entered(self) -> Mapping[str, Any] | None:
        """What to enter with on a new connection; None when there is nothing to enter."""
        return self.member_data if self.is_joined else None

    def welcomed(self, told: Frame) -> None:
        """The server has joined us to the channel; what was missed follows, or cannot be had.

        Args:
            told: `epoch`, `offset`, `recovered`, and perhaps `reason`.
        """
        self.is_joined = True
        self.is_recovering = False
        self._hold_nothing()
        epoch, offset = told["epoch"], told["offset"]
        if told.get("recovered") is False:
            self.tracker.set(epoch, offset)
            self.reported = 0
            self.deliver(Reload(self.channel, told.get("reason", "expired"), epoch, offset), "reload")
        elif not self.tracker.epoch:
            self.tracker.set(epoch, offset)
        if self.joined is not None and not self.joined.done():
            self.joined.set_result(None)

    def connection_lost(self) -> None:
        """The connection is gone; a new one will join again."""
        self.is_joined = False
        self.is_recovering = False
        self._hold_nothing()

    def given_up(self, error: RealtimeError) -> None:
        """There is no connection and none is tried for; `reconnect` may bring everything back."""
        self.connection_lost()
        self._fail_waiting(error)
        self._end_streams(error)

    def ended(self, error: RealtimeError | None) -> None:
        """It is over: unsubscribed (None), or the server refused or ended it."""
        self.is_wanted = self.is_joined = False
        self.member_data = None
        self.members.clear()
        self.tracker = Tracker()
        self._fail_waiting(error)
        if error is not None:
            self._dispatcher.do(partial(self.handlers.call, "error", error))
        self._end_streams(error)

    def _fail_waiting(self, error: RealtimeError | None) -> None:
        joined, self.joined = self.joined, None
        if joined is not None and not joined.done():
            joined.set_exception(error or ConnectionEnded("Unsubscribed."))
            joined.exception()  # whoever waits raises it; nobody need

    def _end_streams(self, error: RealtimeError | None) -> None:
        async def end() -> None:
            for stream in streams:
                stream.end(error)
                self.streams.discard(stream)

        streams = tuple(self.streams)

        self._dispatcher.do(end)

    # --- publications -------------------------------------------------------------------------

    def published(self, frame: Frame) -> None:
        """Take a `message` or `event` frame."""
        if self.is_recovering or not self.is_joined:
            return  # all of it comes again, behind the place of the tracker
        verdict = self.tracker.judge(frame["epoch"], frame["offset"])
        if verdict is Verdict.DROP:
            return
        if verdict is Verdict.MISSING:
            self._missing(frame)
            return
        if self._dispatcher.is_full():
            self.is_recovering = True  # `caught_up` asks for it again
            return
        self.tracker.seen(frame["offset"])
        if frame["type"] == "message":
            if frame.get("client_id") in self.own_pending:
                return  # replayed before its acknowledgement; we asked for no echo
            message = message_of(frame)
            self.deliver(message, message.event)
        else:
            event = event_of(frame)
            self.deliver(event, event.event)

    def _missing(self, frame: Frame) -> None:
        """A place is left out: perhaps by a publication of ours, whose acknowledgement is on its way."""
        if self._held_at != self.tracker.offset:  # else it is the gap we know
            self._held_at = self.tracker.offset
            self._held_for = set(self._unacked)
        if self._held_for and frame["epoch"] == self.tracker.epoch and len(self._held) < self._limit:
            self._held.append(frame)
            return
        self._hold_nothing()
        self.is_recovering = True
        self._recover(self)

    def _hold_nothing(self) -> None:
        self._held.clear()
        self._held_for = set()
        self._held_at = -1

    def caught_up(self) -> None:
        """Handlers have time again."""
        if self.is_recovering and self.is_joined:
            self._recover(self)

    def sending_silently(self, client_id: str | None) -> Callable[[Frame | None], None]:
        """A publication without an echo is about to be sent; call the result with the acknowledgement (None:
        there will be none)."""
        number = next(self._numbers)
        self._unacked.add(number)
        if client_id is not None:
            self.own_pending.add(client_id)

        def done(result: Frame | None) -> None:
            self._unacked.discard(number)
            self._held_for.discard(number)
            if client_id is not None:
                self.own_pending.discard(client_id)
            if result is not None:
                self.tracker.skip(result["epoch"], result["offset"])
            self._judge_held()

        return done

    def _judge_held(self) -> None:
        held, self._held = self._held, deque()
        for frame in held:
            self.published(frame)

    def deliver(self, item: Item, event: str) -> None:
        """Hand on a publication or reload: to handlers, then to streams."""

        async def hand_on() -> None:
            await self.handlers.call(event, item)
            for stream in tuple(self.streams):
                stream.put(item)

        self._dispatcher.do(hand_on)

    def emit(self, event: str, argument: Any) -> None:
        """Tell handlers of something that is no publication; dropped when they are far behind."""
        if not self.handlers.has(event):
            return
        if self._dispatcher.is_full():
            log.warning("handlers are too slow: %s on %s was dropped", event, self.channel)
            return
        self._dispatcher.do(partial(self.handlers.call, event, argument))

    # --- members ------------------------------------------------------------------------------

    def presence(self, frame: Frame) -> None:
        """Take a `presence` frame."""
        if self._dispatcher.is_full():
            self.is_recovering = True  # subscribing again brings all members
        action = frame["action"]
        if action == "sync":
            if frame.get("part", 1) == 1:
                self._parts = []
            self._parts += map(member_of, frame["members"])
            if frame.get("part", 1) < frame.get("parts", 1):
                return
            self.members = {member.user_id: member for member in self._parts}
            self._parts = []
            self.emit("presence:sync", tuple(self.members.values()))
        else:
            member = member_of(frame["member"])
            if action == "leave":
                self.members.pop(member.user_id, None)
            else:
                self.members[member.user_id] = member
            self.emit(f"presence:{action}", member)
        self.emit("presence", tuple(self.members.values()))
