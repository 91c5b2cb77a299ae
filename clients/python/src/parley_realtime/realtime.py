"""The connection: getting one, keeping it, and getting back to where it was."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import httpx
from websockets.exceptions import WebSocketException

from parley_realtime.channel import Channel, MessageSearch
from parley_realtime.dispatch import Dispatcher, Handler, Handlers, Remove
from parley_realtime.errors import (
    ConnectionEnded,
    ConnectionLost,
    Forbidden,
    RealtimeError,
    RequestTimeout,
    Unauthorized,
    UnauthorizedChannel,
    refusal,
)
from parley_realtime.link import Ended, Link
from parley_realtime.model import (
    ConnectionToken,
    Disconnected,
    Frame,
    State,
    Welcome,
    receipt_of,
    typist_of,
    welcome_of,
)
from parley_realtime.options import LIMITED_DELAY_S, After, Options, TokenSource, after_close, backoff_s
from parley_realtime.requests import Request, Requests
from parley_realtime.rest import Rest
from parley_realtime.subscription import Subscription

log = logging.getLogger("parley_realtime")
NAME = {"name": "parley-realtime-python", "version": "0.1.0"}
SIGNED = ("private:", "presence:")
"""Channels that the application's own server may open."""


class Realtime:
    """Channels over one WebSocket that comes back by itself."""

    def __init__(self, rest: Rest, socket_url: str, options: Options) -> None:
        self.options = options
        self.rest = rest
        self.requests = Requests(options.queue_limit)
        self.messages = MessageSearch(rest)
        """Search, over all channels."""
        self._url = socket_url
        self._state = State.DISCONNECTED
        self._handlers = Handlers()
        self._dispatcher = Dispatcher(options.buffer_limit, self._handlers_caught_up)
        self._channels: dict[str, Channel] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._token: str | None = None
        self._source: TokenSource | None = None
        self._wanted_token: tuple[str | None, Sequence[str] | None] = (None, None)
        self._resume: dict[str, str] | None = None
        self._welcome: Welcome | None = None
        self._link: Link | None = None
        self._is_restored = False
        """Whether requests may be sent: what was subscribed is subscribed again."""
        self._renewals = 0
        """New tokens since the last welcome."""
        self._come_back_after_s: float | None = None
        self._first: asyncio.Future[Welcome] | None = None
        self._kick = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._dispatching: asyncio.Task[None] | None = None

    # --- for applications ---------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Of the connection."""
        return self._state

    @property
    def is_connected(self) -> bool:
        """Whether frames can be sent at once."""
        return self._state is State.CONNECTED

    @property
    def welcome(self) -> Welcome | None:
        """What the server said when it last let us in; None before."""
        return self._welcome

    def on(self, event: str, handler: Handler) -> Remove:
        """Call a function (or coroutine function) when something happens.

        `connected` (`Welcome`), `disconnected` (`Disconnected`), `reconnecting` (the attempt's number), `error`
        (an exception). Handlers are called one after the other, so a slow one delays the rest.
        """
        return self._handlers.add(event, handler)

    async def get_token(
        self, user_id: str | None = None, channels: Sequence[str] | None = None, *, ttl_s: int | None = None
    ) -> ConnectionToken:
        """A connection token, by the API key (and user token) of the client.

        Args:
            user_id: whose; needed with a secret key alone.
            channels: patterns that it opens; None = the app's defaults.
            ttl_s: how long it holds, 60 to 86400.
        """
        self._wanted_token = (user_id, channels)
        return await self.rest.connection_token(user_id, channels, ttl_s)

    async def connect(
        self, token: str | None = None, *, source: TokenSource | None = None, timeout_s: float = 60.0
    ) -> Welcome:
        """Connect, and stay connected.

        Args:
            token: a connection token, or a user token.
            source: asked for a token now (without `token`), and whenever it has expired. By default tokens come
                from the server, as in the last call of `get_token`.
            timeout_s: how long to try.

        Raises:
            ServerRefused: the server does not let us in.
            ConnectionEnded: no connection after `max_reconnect_attempts`.
            RequestTimeout: none within the time.
        """
        if self._supervisor is not None:
            if self._welcome is not None and self.is_connected:
                return self._welcome
            raise RealtimeError("A connection is being made already.", code="already_connecting")
        self._token, self._source = token, source
        if source is None and self.rest.can_get_tokens:
            self._source = self._token_of_server
        return await self._start(timeout_s)

    async def reconnect(self, token: str | None = None, *, timeout_s: float = 60.0) -> None:
        """Use another token for the same user: at once, on the present connection or a new one.

        Raises:
            InvalidToken: it is not one, or is another user's.
        """
        if token is not None:
            self._token = token
        if self._link is not None and self._is_restored:
            if self._token is not None:
                await self.ask(self._credentials("auth", self._token), is_repeatable=True)
        elif self._supervisor is not None:
            self._kick.set()
        else:
            await self._start(timeout_s)

    async def disconnect(self) -> None:
        """Say goodbye. Subscriptions end; what was not sent is lost and raises `ConnectionEnded`."""
        if self._supervisor is not None:
            self._set_state(State.DISCONNECTING)
            link = self._link
            if link is not None:
                await link.close()
            await _cancel(self._supervisor)
            self._supervisor = None
        self._given_up(ConnectionEnded("Disconnected."))
        self._resume = None
        for subscription in self._subscriptions.values():
            subscription.ended(None)
        if self._dispatching is not None:
            done = asyncio.Event()
            self._dispatcher.do(partial(_set, done))
            try:
                async with asyncio.timeout(self.options.heartbeat_timeout_s):
                    await done.wait()  # handlers hear of everything that came before
            except TimeoutError:
                log.warning("handlers did not finish in time")
            await _cancel(self._dispatching)
            self._dispatching = None

    def channel(self, name: str) -> Channel:
        """A channel, subscribed or not."""
        found = self._channels.get(name)
        if found is None:
            subscription = Subscription(name, self._dispatcher, self.options.buffer_limit, self._recover)
            self._subscriptions[name] = subscription
            found = self._channels[name] = Channel(self, subscription)
        return found

    async def subscribe(self, name: str) -> Channel:
        """Listen to a channel; returns when the server has agreed. Twice is fine.

        Raises:
            UnauthorizedChannel: no grant and no signature opens it.
            InvalidRequest: the name.
            LimitExceeded: the plan allows no more channels.
        """
        if not self.requests.is_open:
            raise ConnectionEnded("Not connected.")
        channel = self.channel(name)
        subscription = self._subscriptions[name]
        if subscription.is_wanted and subscription.is_joined:
            return channel
        if subscription.joined is None or subscription.joined.done():
            subscription.joined = asyncio.get_running_loop().create_future()
        if not subscription.is_wanted:
            subscription.is_wanted = True
            if self._link is not None:
                self._link.spawn(self._join(self._link, subscription))
        try:
            async with asyncio.timeout(self.options.request_timeout_s):
                await asyncio.shield(subscription.joined)
        except TimeoutError:
            raise RequestTimeout(f"No answer to the subscription of {name}.") from None
        return channel

    # --- for channels -------------------------------------------------------------------------

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

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Stop listening."""
        was_joined = subscription.is_joined
        subscription.ended(None)
        if was_joined and self._link is not None:
            await self.ask({"type": "unsubscribe", "channel": subscription.channel}, is_repeatable=True)

    def tell(self, frame: Frame) -> None:
        """Send a frame that nobody answers, if there is a connection."""
        if self._link is not None and self._is_restored:
            self._link.tell(frame)

    # --- connecting ---------------------------------------------------------------------------

    async def _start(self, timeout_s: float) -> Welcome:
        self.requests.is_open = True
        if self._dispatching is None:
            self._dispatching = asyncio.create_task(self._dispatcher.run(), name="parley handlers")
        self._first = asyncio.get_running_loop().create_future()
        self._supervisor = asyncio.create_task(self._run(), name="parley connection")
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self._first)
        except TimeoutError:
            await self.disconnect()
            raise RequestTimeout(f"No connection in {timeout_s:g} s.") from None
        except asyncio.CancelledError:
            await self.disconnect()
            raise

    async def _run(self) -> None:
        """Connect again and again; ends when there is no point any more."""
        loop = asyncio.get_running_loop()
        attempt = 0
        failure: RealtimeError
        try:
            while True:
                self._set_state(State.CONNECTING)
                began = loop.time()
                ended = await self._once()
                self._set_state(State.CONNECTING)
                if loop.time() - began > self.options.stable_after_s:
                    attempt = 0
                attempt += 1
                delay = self._delay_s(ended, attempt)
                if delay is None:
                    failure = ended.error or ConnectionEnded(f"Closed: {ended.code} {ended.reason}".strip())
                    break
                self._handlers_hear("disconnected", Disconnected(ended.code, ended.reason, True))
                self._handlers_hear("reconnecting", attempt)
                self._kick.clear()
                try:
                    async with asyncio.timeout(delay):
                        await self._kick.wait()
                except TimeoutError:
                    pass
        except Exception as broken:
            log.exception("the connection's own task failed")
            failure = RealtimeError(f"The client failed: {broken}")
            ended = Ended(None, "internal error")
        self._supervisor = None
        self._given_up(failure)
        self._handlers_hear("disconnected", Disconnected(ended.code, ended.reason, False))
        self._handlers_hear("error", failure)

    def _delay_s(self, ended: Ended, attempt: int) -> float | None:
        """Seconds before the next attempt; None = no more."""
        after, options = after_close(ended.code), self.options
        if not options.auto_reconnect or after is After.STAY_AWAY:
            return None
        if options.max_reconnect_attempts is not None and attempt > options.max_reconnect_attempts:
            return None
        hint, self._come_back_after_s = self._come_back_after_s, None
        usual = backoff_s(options, attempt)
        if after is After.NEW_TOKEN:
            if self._source is None or self._renewals > 1:
                return None
            self._token = None
            return 0.0 if self._renewals == 0 else usual
        if after is After.SLOWLY:
            return max(LIMITED_DELAY_S, usual)
        if after is After.AT_ONCE and attempt == 1:
            return hint or 0.0
        return usual

    async def _once(self) -> Ended:
        """One connection, from the attempt to the end."""
        try:
            async with asyncio.timeout(self.options.connect_timeout_s):
                if self._token is None:
                    if self._source is None:
                        raise Unauthorized(
                            "There is no token to connect with.", code="unauthorized", status=401
                        )
                    self._token = await self._source()
                    self._renewals += 1
                link = await Link.open(self._url, self.options)
                try:
                    told = await link.shake_hands(self._connect_frame(self._token))
                except BaseException:
                    await link.abort()
                    raise
        except (Unauthorized, Forbidden) as refused:
            return Ended(4403, "no token", refused)
        except (OSError, WebSocketException, httpx.HTTPError, RealtimeError) as failed:  # TimeoutError too
            return Ended(None, str(failed) or type(failed).__name__)
        if isinstance(told, Ended):
            return told
        self._link = link
        self._welcomed(link, told)
        try:
            return await link.run(self._received)
        finally:
            self._link, self._is_restored = None, False
            self.requests.connection_lost()
            for subscription in self._subscriptions.values():
                subscription.connection_lost()

    def _connect_frame(self, token: str) -> dict[str, Any]:
        frame = self._credentials("connect", token) | {"client": NAME}
        if self._resume is not None:
            places = {
                name: one.since for name, one in self._subscriptions.items() if one.is_wanted and one.since
            }
            frame["resume"] = {**self._resume, "channels": places}
        return frame

    def _credentials(self, kind: str, token: str) -> dict[str, Any]:
        key = self.rest.api_key
        return {"type": kind, "token": token, **({"api_key": key} if key else {})}

    async def _token_of_server(self) -> str:
        user_id, channels = self._wanted_token
        return (await self.rest.connection_token(user_id, channels, None)).token

    def _welcomed(self, link: Link, told: Frame) -> None:
        self._renewals = 0
        self._welcome = welcome_of(told)
        self._resume = {"session_id": told["session_id"], "resume_token": told["resume_token"]}
        if told["resumed"]:
            for name, place in told["channels"].items():
                subscription = self._subscriptions.get(name)
                if subscription is None or not subscription.is_wanted:
                    link.tell({"type": "unsubscribe", "channel": name})
                elif "epoch" in place:
                    subscription.welcomed(place)
        self._set_state(State.CONNECTED)
        link.spawn(self._restore(link, is_resumed=told["resumed"]))
        if self.options.report_delivered:
            link.spawn(self._report_delivered(link))
        self._handlers_hear("connected", self._welcome)
        if self._first is not None and not self._first.done():
            self._first.set_result(self._welcome)

    async def _restore(self, link: Link, *, is_resumed: bool) -> None:
        """Subscribe to what the server does not know of (any more), then send what waits."""
        for subscription in list(self._subscriptions.values()):
            if subscription.is_wanted and not subscription.is_joined:
                await self._join(link, subscription)
                if not is_resumed and subscription.is_joined and subscription.member_data is not None:
                    data = subscription.member_data
                    link.tell({"type": "presence.enter", "channel": subscription.channel, "data": data})
        self._is_restored = True
        self._flush()

    async def _join(self, link: Link, subscription: Subscription) -> None:
        """Subscribe on the present connection; its outcome is told to the subscription."""
        frame: dict[str, Any] = {"type": "subscribe", "channel": subscription.channel}
        if subscription.since is not None:
            frame["since"] = subscription.since

        def answered(result: Frame) -> None:
            if link is self._link and subscription.is_wanted:
                subscription.welcomed(result)

        try:
            frame |= await self._authorization(subscription.channel)
            number, request = self.requests.add(frame, is_repeatable=False)
            request.answered = answered
            request.is_sent = True
            link.write(request.text)
            await self.requests.wait(number, request, self.options.request_timeout_s)
        except (ConnectionLost, ConnectionEnded):
            return  # the next connection does it
        except RealtimeError as refused:
            subscription.ended(refused)

    async def _authorization(self, channel: str) -> Mapping[str, Any]:
        if not channel.startswith(SIGNED) or self._welcome is None:
            return {}
        authorize: Callable[[str, str, str], Awaitable[Mapping[str, Any]]]
        if self.options.authorize is not None:
            authorize = self.options.authorize
        elif self.options.auth_endpoint is not None:
            authorize = self._ask_endpoint
        else:
            return {}
        told = await authorize(self._welcome.socket_id, channel, self._welcome.user_id)
        return {name: told[name] for name in ("auth", "channel_data") if told.get(name) is not None}

    async def _ask_endpoint(self, socket_id: str, channel: str, user_id: str) -> Mapping[str, Any]:
        assert self.options.auth_endpoint is not None
        body = {"socket_id": socket_id, "channel_name": channel, "user_id": user_id}
        try:
            return await self.rest.ask_elsewhere(
                self.options.auth_endpoint, body, dict(self.options.auth_headers)
            )
        except (httpx.HTTPError, ValueError) as failed:
            raise UnauthorizedChannel(
                f"The application's server did not authorize {channel}: {failed}",
                code="unauthorized_channel",
                status=401,
            ) from failed

    def _recover(self, subscription: Subscription) -> None:
        """Something is missing: ask for what lies behind the place that was seen last."""
        if self._link is not None:
            self._link.spawn(self._join(self._link, subscription))

    def _handlers_caught_up(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.caught_up()

    def _flush(self) -> None:
        if self._link is not None and self._is_restored:
            for request in self.requests.unsent():
                self._link.write(request.text)

    async def _report_delivered(self, link: Link) -> None:
        while True:
            await asyncio.sleep(1.0)
            for one in self._subscriptions.values():
                if one.is_joined and one.tracker.offset > one.reported:
                    one.reported = one.tracker.offset
                    link.tell({"type": "delivered", "channel": one.channel, "offset": one.reported})

    def _given_up(self, error: RealtimeError) -> None:
        self._set_state(State.DISCONNECTED)
        self.requests.is_open = False
        self.requests.fail_all(error)
        for subscription in self._subscriptions.values():
            if subscription.is_wanted:
                subscription.given_up(error)
        if self._first is not None and not self._first.done():
            self._first.set_exception(error)
            self._first.exception()  # whoever waits raises it; nobody need

    def _set_state(self, state: State) -> None:
        self._state = state

    def _handlers_hear(self, event: str, argument: Any) -> None:
        if self._handlers.has(event):
            self._dispatcher.do(partial(self._handlers.call, event, argument))

    # --- frames -------------------------------------------------------------------------------

    def _received(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind in ("ack", "error"):
            if not self.requests.answered(frame) and kind == "error":
                self._handlers_hear("error", refusal([frame["error"]], None, frame.get("retry_after")))
            return
        if kind == "token_expiring":
            if self._link is not None and self._source is not None:
                self._link.spawn(self._renew())
            return
        if kind == "reconnect":
            self._come_back_after_s = frame.get("after_ms", 0) / 1000
            return
        subscription = self._subscriptions.get(frame.get("channel", ""))
        if subscription is None or not subscription.is_wanted:
            return
        if kind in ("message", "event"):
            subscription.published(frame)
        elif kind == "presence":
            subscription.presence(frame)
        elif kind == "typing":
            subscription.emit(f"typing:{frame['action']}", typist_of(frame))
        elif kind == "message:read":
            subscription.emit("message:read", receipt_of(frame))
        elif kind == "unsubscribed":
            told = {"code": frame.get("code"), "detail": frame.get("detail")}
            subscription.ended(refusal([told], None))

    async def _renew(self) -> None:
        """The token ends soon: hand in another one."""
        assert self._source is not None
        try:
            token = await self._source()
            await self.ask(self._credentials("auth", token), is_repeatable=False)
            self._token = token
        except (ConnectionLost, ConnectionEnded):
            return
        except (RealtimeError, httpx.HTTPError) as failed:
            log.warning("the token could not be renewed: %s", failed)
            self._handlers_hear("error", failed)


async def _set(event: asyncio.Event) -> None:
    event.set()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
