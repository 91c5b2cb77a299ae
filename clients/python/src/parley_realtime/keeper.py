"""Getting a connection and keeping it: tokens, attempts, delays."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from typing import Any, Protocol

import httpx
from websockets.exceptions import WebSocketException

from parley_realtime.errors import (
    ConnectionEnded,
    RateLimited,
    RealtimeError,
    ServerFailed,
    ServerRefused,
    Unauthorized,
)
from parley_realtime.link import Ended, Link
from parley_realtime.model import Disconnected, Frame, State
from parley_realtime.options import LIMITED_DELAY_S, After, Options, TokenSource, after_close, backoff_s

log = logging.getLogger("parley_realtime")
LEAVE_TIMEOUT_S = 5.0
_NO_TOKEN = 4403  # the same end as if the server had said so: stay away


class Owner(Protocol):
    """Who uses the connection. No method may wait."""

    def connect_frame(self, token: str) -> Frame:
        """What to open with."""
        ...

    def welcomed(self, link: Link, told: Frame) -> None:
        """There is a connection."""
        ...

    def received(self, frame: Frame) -> None:
        """A frame has come."""
        ...

    def lost(self) -> None:
        """There is none any more."""
        ...

    def hear(self, event: str, argument: Any) -> None:
        """Something that applications may want to know."""
        ...

    def given_up(self, error: RealtimeError) -> None:
        """There will be none by itself."""
        ...


class Keeper:
    """One connection after the other."""

    def __init__(self, url: str, options: Options, owner: Owner) -> None:
        self.state = State.DISCONNECTED
        self.token: str | None = None
        self.source: TokenSource | None = None
        self.link: Link | None = None
        """The present connection, after its welcome."""
        self._url = url
        self._options = options
        self._owner = owner
        self._renewals = 0
        """New tokens since the last welcome."""
        self._hint_s: float | None = None
        """When to come back, as the server said."""
        self._kick = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_leaving = False
        """`leave` was called."""

    @property
    def is_running(self) -> bool:
        """Whether it has a connection or tries to get one."""
        return self._task is not None

    def start(self) -> None:
        """Begin."""
        assert self._task is None
        self.is_leaving = False
        self._renewals = 0
        self._task = asyncio.create_task(self._run(), name="parley connection")

    def hurry(self) -> None:
        """Do not wait any longer before the next attempt."""
        self._kick.set()

    def come_back_after(self, delay_s: float) -> None:
        """The server will close the connection, and says when to come back."""
        self._hint_s = delay_s

    async def leave(self) -> None:
        """Say goodbye, and end."""
        task = self._task
        if task is None:
            return
        self.is_leaving = True
        self.state = State.DISCONNECTING
        if self.link is None:
            task.cancel()
        else:
            await self.link.close()
        _, late = await asyncio.wait([task], timeout=LEAVE_TIMEOUT_S)
        for one in late:
            one.cancel()
            await asyncio.wait([one], timeout=LEAVE_TIMEOUT_S)

    async def _run(self) -> None:
        ended, failure = Ended(None, ""), RealtimeError("The client failed.")
        try:
            ended, failure = await self._keep()
        except asyncio.CancelledError:
            failure = ConnectionEnded("Disconnected.")
            raise
        except Exception as broken:
            log.exception("the connection's own task failed")
            failure = RealtimeError(f"The client failed: {broken}")
        finally:
            self._task = None
            self.state = State.DISCONNECTED
            self._owner.given_up(failure)
            self._owner.hear("disconnected", Disconnected(ended.code, ended.reason, False))
            if not self.is_leaving:
                self._owner.hear("error", failure)

    async def _keep(self) -> tuple[Ended, RealtimeError]:
        """Connect again and again, until there is no point any more."""
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            self.state = State.CONNECTING
            began = loop.time()
            ended = await self._once()
            if loop.time() - began > self._options.stable_after_s:
                attempt = 0
            attempt += 1
            if self.is_leaving:
                return ended, ConnectionEnded("Disconnected.")
            delay_s = self._delay_s(ended, attempt)
            if delay_s is None:
                said = f"{ended.code or ''} {ended.reason}".strip()
                return ended, ended.error or ConnectionEnded(f"The connection has ended: {said}.")
            self.state = State.CONNECTING
            self._owner.hear("disconnected", Disconnected(ended.code, ended.reason, True))
            self._owner.hear("reconnecting", attempt)
            self._kick.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._kick.wait()

    def _delay_s(self, ended: Ended, attempt: int) -> float | None:
        """Seconds before the next attempt; None = no more."""
        after, options = after_close(ended.code), self._options
        hint_s, self._hint_s = self._hint_s, None
        if not options.auto_reconnect or after is After.STAY_AWAY:
            return None
        if options.max_reconnect_attempts is not None and attempt > options.max_reconnect_attempts:
            return None
        usual = backoff_s(options, attempt)
        if after is After.NEW_TOKEN:
            if self.source is None or self._renewals > 1:
                return None
            self.token = None
            return usual if self._renewals else 0.0
        if after is After.SLOWLY:
            return max(LIMITED_DELAY_S, usual)
        if after is After.AT_ONCE and attempt == 1:
            return hint_s or 0.0
        return usual

    async def _once(self) -> Ended:
        """One connection, from the attempt to the end."""
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                token = self.token = self.token or await self.new_token()
                link = await Link.open(self._url, self._options)
                try:
                    told = await link.shake_hands(self._owner.connect_frame(token))
                except BaseException:
                    await link.abort()
                    raise
        except (RateLimited, ServerFailed) as passing:
            return Ended(None, passing.message)
        except ServerRefused as refused:
            return Ended(_NO_TOKEN, "no token", refused)
        except (OSError, WebSocketException, httpx.HTTPError, RealtimeError) as failed:  # TimeoutError too
            return Ended(None, str(failed) or type(failed).__name__)
        if isinstance(told, Ended):
            return told
        self._renewals = 0
        self.link = link
        self.state = State.CONNECTED
        try:
            self._owner.welcomed(link, told)
            return await link.run(self._owner.received)
        finally:
            self.link = None
            self._owner.lost()

    async def new_token(self) -> str:
        """Ask the source.

        Raises:
            Unauthorized: there is none.
        """
        if self.source is None:
            raise Unauthorized("There is no token to connect with.", code="unauthorized", status=401)
        self._renewals += 1
        token = self.source()
        return await token if inspect.isawaitable(token) else token
