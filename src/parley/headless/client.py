"""One participant: joins, comes back when the connection was lost, chats, and leaves."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import aiohttp

from parley.base.errors import ParleyError
from parley.base.tasks import cancel_and_wait
from parley.headless.bootstrap import Invitation, fetch, origin
from parley.headless.errors import CannotJoin, ConnectionLost
from parley.headless.media import Total
from parley.headless.news import Ended, Ending, Joined, News, Reconnected, Reconnecting
from parley.headless.receiving import OnFrame, RemoteTrack
from parley.headless.roster import Person, Roster
from parley.headless.socket import ProtocolSocket
from parley.headless.sources import MediaSource
from parley.headless.visit import Over, Part, Visit
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat

ADMISSION_TIMEOUT_S = 300.0
TEXT_MESSAGE = 0


@dataclass(frozen=True, slots=True)
class Persistence:
    """How often and how fast to come back; the defaults are the official client's."""

    attempts: int = 50
    base_s: float = 1.0
    longest_s: float = 10.0

    def delay_s(self, attempt: int) -> float:
        """Before the attempt of that number, from 1 on: anything up to a bound that doubles (full jitter)."""
        bound = min(self.longest_s, self.base_s * 2.0 ** min(attempt - 1, 30))
        return random.uniform(0, bound)  # noqa: S311 - jitter, no secret


DEFAULT_PERSISTENCE = Persistence()
NEVER_AGAIN = Persistence(attempts=0)
"""Being lost is the end."""


def _ignore(_: News) -> None:
    """Nobody listens."""


class HeadlessClient:
    """A participant without a browser.

    `join` once, `leave` once (also after an error or when `ended` is set; it may be repeated). As a context
    manager it leaves at the end. In between a lost connection is made again, with the same peer id, and
    streams are published anew; not after the server's word that it is over (`stream.closing`).

    Args:
        token: participant token; the same one may be used by several clients, each is a peer of its own.
        base_url: where the server is, for example `http://localhost:7800`.
        name: shown instead of the participant's own name.
        media: what to publish (`sources.NOTHING`: only watch); None for signalling without media connections.
        on_news: told what happens, in order; must not block.
        on_frame: gets every decoded frame of every stream; without it streams are only counted.
        http: session to use; None makes one.
        persistence: how to come back.
    """

    def __init__(
        self,
        token: str,
        base_url: str,
        *,
        name: str | None = None,
        media: MediaSource | None = None,
        on_news: Callable[[News], None] = _ignore,
        on_frame: OnFrame | None = None,
        http: aiohttp.ClientSession | None = None,
        persistence: Persistence = DEFAULT_PERSISTENCE,
    ) -> None:
        self._token = token
        self._base = origin(base_url)
        self.on_news = on_news
        """May be replaced before joining."""
        self._http = http
        self._own_http: aiohttp.ClientSession | None = None
        self._persistence = persistence
        self.peer_id = str(uuid.uuid4())
        self._roster = Roster(self.peer_id)
        self._part = Part(self.peer_id, name, media, self._roster, lambda news: self.on_news(news), on_frame)
        self._visit: Visit | None = None
        self._staying: asyncio.Task[None] | None = None
        self._past: dict[tuple[str, str], Total] = {}
        """What arrived during earlier visits."""
        self._admission_timeout = ADMISSION_TIMEOUT_S
        self._is_left = False
        self.invitation: Invitation | None = None
        """Who we are; known after the first step of joining."""
        self.name = name or ""
        """As others see it."""
        self.join_s = 0.0
        """From the open socket to being in the meeting, connections and first streams included."""
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        """Set once when the participation is over, for whatever reason."""

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    # --- what the owner sees ------------------------------------------------------------------

    @property
    def people(self) -> dict[str, Person]:
        """The others, by peer id."""
        return self._roster.people

    @property
    def tracks(self) -> dict[str, RemoteTrack]:
        """Streams that arrive now, by producer id."""
        media = self._visit.media if self._visit is not None else None
        return media.tracks if media is not None else {}

    @property
    def publishes(self) -> list[str]:
        """Kinds of streams we publish."""
        media = self._visit.media if self._visit is not None else None
        return media.publishes if media is not None else []

    @property
    def socket(self) -> ProtocolSocket | None:
        """For requests that have no method here; None while not connected."""
        return self._visit.socket if self._visit is not None else None

    def totals(self) -> list[Total]:
        """What arrived until now, earlier connections included."""
        totals = {key: replace(total) for key, total in self._past.items()}
        if self._visit is not None and self._visit.media is not None:
            _merge(totals, self._visit.media.totals())
        return list(totals.values())

    # --- joining and leaving ------------------------------------------------------------------

    async def join(self, *, admission_timeout: float = ADMISSION_TIMEOUT_S) -> None:
        """Enter the meeting; returns when media flows, or could flow. A first attempt is not repeated.

        Raises:
            CannotJoin: bad token, server not reachable, refused, not admitted; the message says which.
        """
        self._admission_timeout = admission_timeout
        try:
            visit = await self._enter(is_return=False)
        except CannotJoin:
            await self.leave()
            raise
        except ParleyError as error:
            await self.leave()
            raise CannotJoin(error.message) from error
        except BaseException:
            await self.leave()
            raise
        self.join_s = asyncio.get_running_loop().time() - visit.opened_at
        self.on_news(Joined(tuple(person.name for person in self.people.values())))
        self._staying = asyncio.create_task(self._stay(visit), name=f"presence of {self.peer_id}")

    async def _enter(self, *, is_return: bool) -> Visit:
        """Begin a visit, which `_visit` is from then on, however it goes on."""
        http = self._http or self._own_http
        if http is None:
            http = self._own_http = aiohttp.ClientSession()
        invitation = self.invitation = await fetch(http, self._base, self._token)
        visit = self._visit = Visit(self._part, invitation, is_return=is_return)
        self.name = visit.name
        await visit.enter(http, self._base, admission_timeout=self._admission_timeout)
        self.name = visit.name
        return visit

    async def _stay(self, visit: Visit) -> None:
        """Begin another visit whenever one was lost, until there is no point in it."""
        while True:
            over = await asyncio.shield(visit.over)
            if not over.may_return or not self._persistence.attempts:
                self._end(over.ended)
                return
            lost_at = asyncio.get_running_loop().time()
            self.on_news(Reconnecting(over.ended.reason))
            returned = await self._come_back(over)
            if isinstance(returned, Ended):
                self._end(returned)
                return
            visit, attempts = returned
            self.on_news(Reconnected(asyncio.get_running_loop().time() - lost_at, attempts))

    async def _come_back(self, over: Over) -> tuple[Visit, int] | Ended:
        """The next visit and how many attempts it took, or why there is none."""
        reason = over.ended.reason
        for attempt in range(1, self._persistence.attempts + 1):
            await self._drop_visit()
            await asyncio.sleep(self._persistence.delay_s(attempt))
            try:
                return await self._enter(is_return=True), attempt
            except CannotJoin as error:
                if error.is_final:
                    return Ended(Ending.REFUSED, error.message)
                reason = error.message
            except ParleyError as error:
                reason = error.message
            if self._visit is not None and self._visit.over.done():
                told = self._visit.over.result()
                if not told.may_return:  # kicked while coming back, for example
                    return told.ended
        times = self._persistence.attempts
        return Ended(
            Ending.LOST, f"The connection was lost, and {times} attempts to come back failed: {reason}"
        )

    async def _drop_visit(self) -> None:
        """Close what is left of the present visit, and keep its counts."""
        visit = self._visit
        if visit is not None:
            await visit.close()
            if visit.media is not None:
                _merge(self._past, visit.media.totals())
            self._visit = None

    async def leave(self) -> None:
        """Leave as a person would: streams paused, the server told, everything closed. May be repeated."""
        if self._is_left:
            return
        self._is_left = True
        await cancel_and_wait([self._staying])
        await self._drop_visit()
        if self._own_http is not None:
            await self._own_http.close()
        self._end(Ended(Ending.LEFT, Ending.LEFT.sentence))

    def _end(self, ended: Ended) -> None:
        if not self.ended.done():
            self.ended.set_result(ended)
            self.on_news(ended)

    # --- talking ------------------------------------------------------------------------------

    async def send_chat(self, text: str) -> None:
        """Post to everybody; it comes back as `ChatReceived`.

        Raises:
            ConnectionLost: not in a meeting (any more, or at present).
        """
        socket = self.socket
        if socket is None:
            raise ConnectionLost("Not in a meeting.")
        await socket.tell(
            Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest(payload_type=TEXT_MESSAGE, payload=text)
        )

    async def pause(self, kind: str, *, paused: bool = True) -> None:
        """Mute ("audio") or turn off the picture ("video"), or the opposite; not before having joined."""
        media = self._visit.media if self._visit is not None else None
        if media is not None:
            await media.pause(kind, paused=paused)


def _merge(totals: dict[tuple[str, str], Total], others: Iterable[Total]) -> None:
    for other in others:
        key = (other.peer_id, other.kind)
        totals.setdefault(key, Total(*key)).merge(other)
