"""A channel: messages, events, who is there, who writes, who has read what."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parley_realtime.dispatch import Handler, Remove, Stream
from parley_realtime.model import (
    Frame,
    Json,
    Member,
    Message,
    Page,
    Published,
    ReadReceipt,
    ReadStatus,
    Triggered,
    instant,
    member_of,
)
from parley_realtime.requests import Request
from parley_realtime.rest import Rest

if TYPE_CHECKING:
    from parley_realtime.session import Session
    from parley_realtime.subscription import Subscription

TYPING_EVERY_S = 2.0


class Channel:
    """One channel of a `Realtime`; made by its `subscribe` and `channel`."""

    def __init__(self, session: Session, subscription: Subscription) -> None:
        self._session = session
        self._subscription = subscription
        self.name = subscription.channel
        """As it was subscribed."""
        self.presence = Presence(session, subscription)
        """Who is there."""
        self.typing = Typing(session, subscription)
        """Who is writing."""
        self.history = History(session.rest, subscription.channel)
        """What was said."""
        self.messages = ReadMarks(session, subscription)
        """Who has read what."""

    @property
    def is_subscribed(self) -> bool:
        """Whether the server has been asked to tell us what happens, and has not refused."""
        return self._subscription.is_wanted

    @property
    def position(self) -> tuple[str, int] | None:
        """Epoch and offset of what was handed on last; None before the first subscription."""
        tracker = self._subscription.tracker
        return (tracker.epoch, tracker.offset) if tracker.epoch else None

    def on(self, event: str, handler: Handler) -> Remove:
        """Call a function (or coroutine function) when something happens; returns how to stop that.

        `message` and custom names (`Message`, or `Event` of a trigger), `reload` (`Reload`: read the history
        again), `presence` and `presence:sync` (all members), `presence:join`, `presence:update`,
        `presence:leave` (`Member`), `typing:start`, `typing:stop` (`Typist`), `message:read` (`ReadReceipt`),
        `error` (why the server ended the subscription). Handlers are called one after the other; when they
        fall far behind, messages are fetched again later, typing and read receipts are dropped.
        """
        return self._subscription.handlers.add(event, handler)

    def listen(self) -> Stream:
        """Every message, event and `Reload` from now on, in order."""
        stream = Stream(self._session.options.buffer_limit, self._subscription.streams.discard)
        self._subscription.streams.add(stream)
        return stream

    async def send(
        self, data: Json, *, event: str = "message", client_id: str | None = None, echo: bool = True
    ) -> Published:
        """Send a message; returns when it is stored.

        While disconnected it waits, in order. It is stored once, however often the connection breaks.

        Args:
            data: at most 32 KiB as JSON.
            event: a name of your own; reserved are `presence` and what begins with `presence:`, `typing:`,
                `message:` or `sys:`.
            client_id: your own name of it: within 24 hours the same is stored once. By default a new one.
            echo: whether it is delivered to this client as well.

        Raises:
            RateLimited: too fast; nothing was stored.
            RequestTimeout: send it again with its `client_id`.
        """
        client_id = client_id or f"c_{secrets.token_hex(12)}"
        frame = {
            "type": "publish",
            "channel": self.name,
            "event": event,
            "data": data,
            "client_id": client_id,
            "echo": echo,
        }
        result = await self._session.ask(
            frame,
            is_repeatable=True,
            prepare=None if echo else lambda request: self._silently(request, client_id),
            client_id=client_id,
        )
        return Published(
            result["id"], result["channel"], result["offset"], instant(result["created_at"]), result["epoch"]
        )

    async def trigger(self, event: str, data: Json = None, *, echo: bool = False) -> Triggered:
        """Send an event to those who listen now; it is not in the history.

        Raises:
            ConnectionLost: the connection broke before the answer; the event may have been sent.
        """
        frame = {
            "type": "trigger",
            "channel": self.name,
            "event": event,
            "data": {} if data is None else data,
            "echo": echo,
        }
        prepare = None if echo else lambda request: self._silently(request, None)
        result = await self._session.ask(frame, is_repeatable=False, prepare=prepare)
        return Triggered(result["channel"], result["offset"], result["epoch"])

    async def unsubscribe(self) -> None:
        """Stop listening; streams end."""
        await self._session.unsubscribe(self._subscription)

    def _silently(self, request: Request, client_id: str | None) -> None:
        """What we send without an echo takes a place that never comes: tell the subscription."""
        done = self._subscription.sending_silently(client_id)

        def lost() -> None:
            request.answered = request.lost = None
            done(None)

        def answered(result: Frame) -> None:
            request.answered = request.lost = None
            done(result)

        request.answered, request.lost = answered, lost


class Presence:
    """Who is there."""

    def __init__(self, session: Session, subscription: Subscription) -> None:
        self._session = session
        self._subscription = subscription

    @property
    def members(self) -> tuple[Member, ...]:
        """As far as we have heard."""
        return tuple(self._subscription.members.values())

    async def enter(self, data: Mapping[str, Any] | None = None) -> Member:
        """Be a member, with what others shall see; entered again after every loss of the connection."""
        given = dict(data or {})
        result = await self._ask("presence.enter", data=given)
        return self._now(result)

    async def update(self, data: Mapping[str, Any]) -> Member:
        """Change what others see: members of `data` are merged, None deletes one."""
        return self._now(await self._ask("presence.update", data=dict(data)))

    async def leave(self) -> None:
        """Be a member no more."""
        await self._ask("presence.leave")
        self._subscription.member_data = None

    async def get_members(self) -> tuple[Member, ...]:
        """Everybody who is there, as the server knows it now."""
        return tuple(map(member_of, (await self._ask("presence.get"))["members"]))

    async def _ask(self, kind: str, **members: Any) -> Any:
        frame = {"type": kind, "channel": self._subscription.channel, **members}
        return await self._session.ask(frame, is_repeatable=True)

    def _now(self, result: Frame) -> Member:
        member = member_of(result["member"])
        self._subscription.member_data = member.data
        return member


class Typing:
    """Who is writing. Both calls are forgotten when there is no connection."""

    def __init__(self, session: Session, subscription: Subscription) -> None:
        self._session = session
        self._subscription = subscription
        self._started = -TYPING_EVERY_S

    def start(self, user_name: str | None = None, data: Mapping[str, Any] | None = None) -> None:
        """The user writes: call it for every key. Others hear of it at most every two seconds, and that it
        has ended by `stop`, by a message, or six seconds after the last call."""
        now = time.monotonic()
        if now - self._started < TYPING_EVERY_S:
            return
        self._started = now
        more = {"user_name": user_name, "data": None if data is None else dict(data)}
        given = {name: value for name, value in more.items() if value is not None}
        self._session.tell({"type": "typing.start", "channel": self._subscription.channel, **given})

    def stop(self) -> None:
        """The user has stopped."""
        self._started = -TYPING_EVERY_S
        self._session.tell({"type": "typing.stop", "channel": self._subscription.channel})


class History:
    """What was said on a channel."""

    def __init__(self, rest: Rest, channel: str) -> None:
        self._rest = rest
        self._channel = channel

    async def fetch(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        order: str = "desc",
    ) -> tuple[Message, ...]:
        """Messages, newest first unless `order` is `asc`. See `page`."""
        return (await self.page(limit=limit, before=before, after=after, order=order)).messages

    async def page(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
        order: str = "desc",
    ) -> Page:
        """The `limit` (1 to 100) messages next to a message, exclusive, and whether there are more.

        Raises:
            NotFound: `before` or `after` is no message of this channel, or nobody has used the channel.
        """
        return await self._rest.history(self._channel, limit=limit, before=before, after=after, order=order)


class ReadMarks:
    """Who has read what."""

    def __init__(self, session: Session, subscription: Subscription) -> None:
        self._session = session
        self._channel = subscription.channel

    async def mark_as_read(self, message_id: str, *, up_to: bool = False) -> ReadReceipt:
        """The user has read a message (`up_to`: and every earlier one); the first time counts.

        Raises:
            NotFound: there is no such message.
        """
        frame = {"type": "read", "channel": self._channel, "message_id": message_id, "up_to": up_to}
        result = await self._session.ask(frame, is_repeatable=True)
        return ReadReceipt(message_id, result["user_id"], self._channel, instant(result["read_at"]), up_to)

    async def get_read_status(self, message_id: str) -> ReadStatus:
        """Who has read a message, and whom it has reached."""
        return await self._session.rest.read_status(self._channel, message_id)


class MessageSearch:
    """Search in what was said."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def search(
        self, query: str, *, channel_id: str | None = None, limit: int = 20, before: str | None = None
    ) -> Page:
        """Messages with all these words, newest first; without a channel in all that the caller may read."""
        return await self._rest.search(query, channel_id=channel_id, limit=limit, before=before)
