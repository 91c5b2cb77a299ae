"""What belongs to a client over all its connections: subscriptions, requests, who hears of what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from parley_realtime.dispatch import Dispatcher, Handlers
from parley_realtime.errors import (
    ConnectionEnded,
    ConnectionLost,
    QueueFull,
    RateLimited,
    RealtimeError,
    RequestTimeout,
    ServerFailed,
    UnauthorizedChannel,
    Unreachable,
    refusal,
)
from parley_realtime.keeper import Keeper
from parley_realtime.link import Link
from parley_realtime.model import Frame, Welcome, receipt_of, typist_of, welcome_of
from parley_realtime.options import Options, backoff_s
from parley_realtime.requests import Request, Requests
from parley_realtime.rest import Rest
from parley_realtime.subscription import Subscription

log = logging.getLogger("parley_realtime")
CLIENT = {"name": "parley-realtime-python", "version": "0.1.0"}
SIGNED = ("private:", "presence:")
"""Channels that the application's own server may open."""
REPORT_EVERY_S = 1.0
"""How often the server is told what has arrived."""
_PASSING = (ServerFailed, RateLimited, RequestTimeout, QueueFull, Unreachable)
"""Refusals of a subscription that we had before: asked again."""


class Session:
    """`keeper.Owner`: what a connection is used for."""

    def __init__(self, rest: Rest, url: str, options: Options) -> None:
        self.rest = rest
        self.options = options
        self.keeper = Keeper(url, options, self)
        rest.token_in_use = lambda: self.keeper.token
        self.requests = Requests(options.queue_limit)
        self.dispatcher = Dispatcher(options.buffer_limit, self._caught_up)
        self.handlers = Handlers()
        self.subscriptions: dict[str, Subscription] = {}
        self.welcome: Welcome | None = None
        self.first: asyncio.Future[Welcome] | None = None
        """Completes with the first connection."""
        self._resume: dict[str, str] | None = None
        self._is_restored = False
        """Whether requests may be sent: what was subscribed is subscribed again."""

    @property
    def link(self) -> Link | None:
        """The present connection."""
        return self.keeper.link

    @property
    def is_restored(self) -> bool:
        """Whether frames are sent at once."""
        return self.link is not None and self._is_restored

    def subscription(self, channel: str) -> Subscription:
        """Of a channel, subscribed or not."""
        found = self.subscriptions.get(channel)
        if found is None:
            found = Subscription(channel, self.dispatcher, self.options.buffer_limit, self.join)
            self.subscriptions[channel] = found
        return found

    def forget(self) -> None:
        """The session is over."""
        self._resume = None
        for subscription in self.subscriptions.values():
            subscription.ended(None)

    def abandon(self, error: RealtimeError) -> None:
        """Nobody tries to connect any more; `reconnect` finds everything as it was."""
        for subscription in self.subscriptions.values():
            if subscription.is_wanted:
                subscription.given_up(error)

    # --- sending ------------------------------------------------------------------------------

    async def ask(
        self,
        frame: Frame,
        *,
        is_repeatable: bool,
        prepare: Callable[[Request], None] | None = None,
        client_id: str | None = None,
    ) -> Any:
        """Send a frame, now or when connected again, and wait for its answer."""
        number, request = self.requests.add(frame, is_repeatable=is_repeatable)
        if prepare is not None:
            prepare(request)
        self._flush()
        return await self.requests.wait(number, request, self.options.request_timeout_s, client_id)

    async def ask_now(self, link: Link, frame: Frame, answered: Callable[[Frame], None] | None = None) -> Any:
        """Send a frame that is for this connection only, and wait for its answer."""
        number, request = self.requests.add(frame, is_repeatable=False)
        request.answered = answered
        request.is_sent = True
        link.write(request.text)
        return await self.requests.wait(number, request, self.options.request_timeout_s)

    def tell(self, frame: Frame) -> None:
        """Send a frame that nobody answers, if there is a connection."""
        if self.link is not None and self._is_restored:
            self.link.tell(frame)

    def credentials(self, kind: str, token: str) -> dict[str, Any]:
        """A frame with a token; a user token needs the key beside it."""
        key = self.rest.api_key
        return {"type": kind, "token": token, **({"api_key": key} if key else {})}

    def _flush(self) -> None:
        if self.link is not None and self._is_restored:
            for request in self.requests.unsent():
                self.link.write(request.text)

    # --- subscribing --------------------------------------------------------------------------

    def join(self, subscription: Subscription) -> None:
        """Subscribe on the present connection, if there is one; the subscription hears of the outcome."""
        if self.link is not None:
            self.link.spawn(self._join(self.link, subscription))

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Stop listening."""
        was_joined, link = subscription.is_joined, self.link
        subscription.ended(None)
        if was_joined and link is not None:
            try:
                await self.ask_now(link, {"type": "unsubscribe", "channel": subscription.channel})
            except (ConnectionLost, ConnectionEnded):
                return  # `welcomed` says it again

    async def _join(self, link: Link, subscription: Subscription, tried: asyncio.Event | None = None) -> None:
        """Subscribe; `tried` is set after the first attempt, whatever came of it."""
        was_joined = subscription.is_joined

        def answered(result: Frame) -> None:
            if link is self.link and subscription.is_wanted:
                subscription.welcomed(result)

        attempt = 0
        try:
            while subscription.is_wanted:
                frame: dict[str, Any] = {"type": "subscribe", "channel": subscription.channel}
                if subscription.since is not None:
                    frame["since"] = subscription.since
                try:
                    frame |= await self._authorization(subscription.channel)
                    await self.ask_now(link, frame, answered)
                except (ConnectionLost, ConnectionEnded):
                    return  # the next connection does it
                except RealtimeError as refused:
                    if subscription.since is None or not isinstance(refused, _PASSING):
                        subscription.ended(refused)
                        return
                    attempt += 1
                    if tried is not None:
                        tried.set()
                    await asyncio.sleep(max(refused.retry_after or 0, backoff_s(self.options, attempt)))
                else:
                    if not was_joined:
                        _enter_again(link, subscription)
                    return
        finally:
            if tried is not None:
                tried.set()

    async def _authorization(self, channel: str) -> Frame:
        """What the application's own server says of a channel."""
        options = self.options
        if not channel.startswith(SIGNED) or self.welcome is None:
            return {}
        socket_id, user_id = self.welcome.socket_id, self.welcome.user_id
        if options.authorize is not None:
            told = await options.authorize(socket_id, channel, user_id)
        elif options.auth_endpoint is not None:
            body = {"socket_id": socket_id, "channel_name": channel, "user_id": user_id}
            try:
                told = await self.rest.ask_elsewhere(options.auth_endpoint, body, options.auth_headers)
            except httpx.TransportError as failed:
                raise Unreachable(f"{options.auth_endpoint}: {failed or type(failed).__name__}") from failed
            except (httpx.HTTPError, ValueError) as refused:
                raise UnauthorizedChannel(
                    f"The application's server did not authorize {channel}: {refused}",
                    code="unauthorized_channel",
                    status=401,
                ) from refused
        else:
            return {}
        return {name: told[name] for name in ("auth", "channel_data") if told.get(name) is not None}

    # --- keeper.Owner -------------------------------------------------------------------------

    def connect_frame(self, token: str) -> Frame:
        """See `Owner.connect_frame`."""
        frame = self.credentials("connect", token) | {"client": CLIENT}
        if self._resume is not None:
            wanted = [one for one in self.subscriptions.values() if one.is_wanted]
            frame["resume"] = {
                **self._resume,
                "channels": {one.channel: one.since for one in wanted if one.since is not None},
            }
        return frame

    def welcomed(self, link: Link, told: Frame) -> None:
        """See `Owner.welcomed`."""
        self.welcome = welcome_of(told)
        self._resume = {"session_id": told["session_id"], "resume_token": told["resume_token"]}
        for name, place in told.get("channels", {}).items():
            subscription = self.subscriptions.get(name)
            if subscription is None or not subscription.is_wanted:
                link.tell({"type": "unsubscribe", "channel": name})
            elif "epoch" in place:  # else the server does not let us in any more: `_restore` asks again
                subscription.welcomed(place)
        link.spawn(self._restore(link))
        if self.options.report_delivered:
            link.spawn(self._report_delivered(link))
        self.hear("connected", self.welcome)
        if self.first is not None and not self.first.done():
            self.first.set_result(self.welcome)

    def lost(self) -> None:
        """See `Owner.lost`."""
        self._is_restored = False
        self.requests.connection_lost()
        for subscription in self.subscriptions.values():
            subscription.connection_lost()

    def given_up(self, error: RealtimeError) -> None:
        """See `Owner.given_up`."""
        self.requests.is_open = False
        self.requests.fail_all(error)
        if not self.keeper.is_leaving:
            self.abandon(error)
        if self.first is not None and not self.first.done():
            self.first.set_exception(error)
            self.first.exception()  # whoever waits raises it; nobody need

    def hear(self, event: str, argument: Any) -> None:
        """See `Owner.hear`."""
        if self.handlers.has(event):
            self.dispatcher.do(partial(self.handlers.call, event, argument))

    def received(self, frame: Frame) -> None:
        """See `Owner.received`."""
        kind = frame["type"]
        if kind in ("ack", "error"):
            if not self.requests.answered(frame) and kind == "error":
                self.hear("error", refusal([frame["error"]], None, frame.get("retry_after")))
        elif kind == "token_expiring":
            if self.link is not None and self.keeper.source is not None:
                self.link.spawn(self._renew())
        elif kind == "reconnect":
            self.keeper.come_back_after(frame.get("after_ms", 0) / 1000)
        elif "channel" in frame:
            subscription = self.subscriptions.get(frame["channel"])
            if subscription is not None and subscription.is_wanted:
                _receive(subscription, kind, frame)

    # --- beside the connection ----------------------------------------------------------------

    async def _restore(self, link: Link) -> None:
        """Subscribe to what the server does not know of (any more), then send what waits."""
        attempts = []
        for subscription in self.subscriptions.values():
            if subscription.is_wanted and not subscription.is_joined:
                tried = asyncio.Event()
                attempts.append(tried.wait())
                link.spawn(self._join(link, subscription, tried))
        await asyncio.gather(*attempts)
        self._is_restored = True
        self._flush()

    async def _report_delivered(self, link: Link) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            for one in self.subscriptions.values():
                if one.is_joined and one.tracker.offset > one.reported:
                    one.reported = one.tracker.offset
                    link.tell({"type": "delivered", "channel": one.channel, "offset": one.reported})

    async def _renew(self) -> None:
        """The token ends soon: hand in another one."""
        try:
            token = await self.keeper.new_token()
            await self.ask(self.credentials("auth", token), is_repeatable=False)
            self.keeper.token = token
        except (ConnectionLost, ConnectionEnded):
            return  # whoever connects next gets a token
        except Exception as failed:  # a source is the application's own
            log.warning("the token could not be renewed: %s", failed)
            self.hear("error", failed)

    def _caught_up(self) -> None:
        for subscription in self.subscriptions.values():
            subscription.caught_up()


def _enter_again(link: Link, subscription: Subscription) -> None:
    """A session that began anew has no members: be one again."""
    data = subscription.entered
    if data is not None:
        link.tell({"type": "presence.enter", "channel": subscription.channel, "data": dict(data)})


def _receive(subscription: Subscription, kind: str, frame: Frame) -> None:
    if kind in ("message", "event"):
        subscription.published(frame)
    elif kind == "presence":
        subscription.presence(frame)
    elif kind == "typing":
        subscription.emit(f"typing:{frame['action']}", typist_of(frame))
    elif kind == "message:read":
        subscription.emit("message:read", receipt_of(frame))
    elif kind == "unsubscribed":
        subscription.ended(refusal([{"code": frame.get("code"), "detail": frame.get("detail")}], None))
