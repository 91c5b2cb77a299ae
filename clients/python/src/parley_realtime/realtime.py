"""Channels over one WebSocket that comes back by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from parley_realtime.channel import Channel, MessageSearch
from parley_realtime.dispatch import Handler, Remove
from parley_realtime.errors import ConnectionEnded, RealtimeError, RequestTimeout
from parley_realtime.model import ConnectionToken, State, Welcome
from parley_realtime.options import Options, TokenSource
from parley_realtime.rest import Rest
from parley_realtime.session import Session

log = logging.getLogger("parley_realtime")
HANDLERS_TIMEOUT_S = 10.0
"""How long `disconnect` waits for handlers."""


class Realtime:
    """The connection of a `Client`, and its channels."""

    def __init__(self, rest: Rest, socket_url: str, options: Options) -> None:
        self.messages = MessageSearch(rest)
        """Search, over all channels."""
        self._rest = rest
        self._session = Session(rest, socket_url, options)
        self._channels: dict[str, Channel] = {}
        self._wanted_token: tuple[str | None, Sequence[str] | None, int | None] = (None, None, None)
        self._dispatching: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """Of the connection."""
        return self._session.keeper.state

    @property
    def is_connected(self) -> bool:
        """Whether the state is `connected`."""
        return self.state is State.CONNECTED

    @property
    def welcome(self) -> Welcome | None:
        """What the server said when it last let us in; None before."""
        return self._session.welcome

    def on(self, event: str, handler: Handler) -> Remove:
        """Call a function (or coroutine function) when something happens; returns how to stop that.

        `connected` (`Welcome`), `disconnected` (`Disconnected`), `reconnecting` (the attempt's number),
        `error` (an exception). Handlers are called one after the other, so a slow one delays the rest.
        """
        return self._session.handlers.add(event, handler)

    async def get_token(
        self,
        user_id: str | None = None,
        channels: Sequence[str] | None = None,
        *,
        ttl_s: int | None = None,
    ) -> ConnectionToken:
        """A connection token, by the client's API key and user token, or its secret key.

        Args:
            user_id: whose; needed with a secret key.
            channels: patterns that it opens; None = the app's defaults.
            ttl_s: how long it holds, 60 to 86400; None = the server's default, an hour.

        Raises:
            UnauthorizedChannel: one of the patterns may not be handed out.
        """
        self._wanted_token = (user_id, channels, ttl_s)
        return await self._rest.connection_token(user_id, channels, ttl_s)

    async def connect(
        self, token: str | None = None, *, source: TokenSource | None = None, timeout_s: float = 60.0
    ) -> Welcome:
        """Connect, and stay connected.

        Args:
            token: a connection token, or a user token.
            source: asked for a token now (without `token`), and whenever it has expired. By default tokens
                come from the server, for whom `get_token` was called last.
            timeout_s: how long to try.

        Raises:
            ServerRefused: the server does not let us in.
            ConnectionEnded: no connection after `Options.max_reconnect_attempts`.
            RequestTimeout: none within the time.
        """
        keeper = self._session.keeper
        if keeper.is_running:
            if keeper.link is not None and self.welcome is not None:
                return self.welcome
            raise RealtimeError("A connection is being made already.", code="already_connecting")
        keeper.token = token
        keeper.source = source or (self._token_of_server if self._rest.can_get_tokens else None)
        return await self._start(timeout_s)

    async def reconnect(self, token: str | None = None, *, timeout_s: float = 60.0) -> None:
        """Connect again at once with what was there before, perhaps with another token for the same user.

        While connected, only the token is handed in.

        Raises:
            InvalidToken: it is not one, or is another user's.
        """
        session, keeper = self._session, self._session.keeper
        if keeper.link is not None:
            if token is not None:
                await session.ask(session.credentials("auth", token), is_repeatable=True)
                keeper.token = token
            return
        if token is not None:
            keeper.token = token
        if keeper.is_running:
            keeper.hurry()
        else:
            await self._start(timeout_s)

    async def disconnect(self) -> None:
        """Say goodbye. Subscriptions end; requests without an answer raise `ConnectionEnded`.

        Handlers hear of everything that came before. May be called twice.
        """
        session = self._session
        await session.keeper.leave()
        session.forget()
        dispatching, self._dispatching = self._dispatching, None
        if dispatching is None:
            return
        done = asyncio.Event()

        async def end() -> None:
            done.set()

        session.dispatcher.do(end)
        try:
            async with asyncio.timeout(HANDLERS_TIMEOUT_S):
                await done.wait()
        except TimeoutError:
            log.warning("handlers did not finish in %g s", HANDLERS_TIMEOUT_S)
        dispatching.cancel()
        await asyncio.gather(dispatching, return_exceptions=True)

    def channel(self, name: str) -> Channel:
        """A channel, subscribed or not."""
        found = self._channels.get(name)
        if found is None:
            found = self._channels[name] = Channel(self._session, self._session.subscription(name))
        return found

    async def subscribe(self, name: str) -> Channel:
        """Listen to a channel; returns when the server has agreed. Subscribing twice is fine.

        Raises:
            UnauthorizedChannel: no grant and no signature opens it.
            InvalidRequest: the name.
            LimitExceeded: the plan allows no more channels.
        """
        session = self._session
        if not session.requests.is_open:
            raise ConnectionEnded("Not connected.")
        channel, subscription = self.channel(name), session.subscription(name)
        if subscription.is_wanted and subscription.is_joined:
            return channel
        if subscription.joined is None or subscription.joined.done():
            subscription.joined = asyncio.get_running_loop().create_future()
        if not subscription.is_wanted:
            subscription.is_wanted = True
            session.join(subscription)
        timeout_s = session.options.request_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(subscription.joined)
        except TimeoutError:
            raise RequestTimeout(f"No answer to the subscription of {name} in {timeout_s:g} s.") from None
        return channel

    async def _start(self, timeout_s: float) -> Welcome:
        session = self._session
        session.requests.is_open = True
        if self._dispatching is None:
            self._dispatching = asyncio.create_task(session.dispatcher.run(), name="parley handlers")
        first = session.first = asyncio.get_running_loop().create_future()
        session.keeper.start()
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(first)
        except TimeoutError:
            await session.keeper.leave()
            late = RequestTimeout(f"No connection in {timeout_s:g} s.")
            session.abandon(late)
            raise late from None
        except asyncio.CancelledError:
            await session.keeper.leave()
            session.abandon(ConnectionEnded("Connecting was cancelled."))
            raise

    async def _token_of_server(self) -> str:
        return (await self._rest.connection_token(*self._wanted_token)).token
