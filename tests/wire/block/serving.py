"""The Real Time Block on a real uvicorn in the test's event loop, and people with tokens of their own.

An area is served when its routes are in `parley.wire.block.api.AREAS`; the services it looks up come from
`SERVICES`, one line for each domain.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from parley.accounts.app_settings import AppSettings
from parley.accounts.keys import NewKeys, create_keys
from parley.accounts.model import Environment
from parley.accounts.scope import AppScope
from parley.accounts.user_tokens import UserTokens
from parley.base.ids import new_uuid
from parley.base.signing import SignedLinks
from parley.base.times import to_ms
from parley.bus import MemoryBus
from parley.channels.realtime.access import ChannelAccess
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import Publication
from parley.channels.realtime.tokens import ConnectionTokens
from parley.conversations.files.service import MessageFiles
from parley.conversations.services import conversation_services
from parley.conversations.settings import AiSettings
from parley.conversations.summaries.service import Summaries
from parley.conversations.tasks.service import Tasks
from parley.conversations.threads.service import Threads
from parley.insight.ports import TextEngine
from parley.notifications.service import Notifications
from parley.notifications.sources import Sources
from parley.notifications.web import WebNotifications
from parley.outgoing.http import OutgoingPolicy
from parley.people.activity import UserActivity
from parley.people.availability import Availabilities
from parley.people.service import People
from parley.rooms.meetings.service import Meetings
from parley.rooms.recordings import Recordings
from parley.rooms.tokens import RoomTokens
from parley.server.text_engines import ConfiguredEngines
from parley.store.core import Store
from parley.webhooks.endpoints import Endpoints
from parley.wire.asgi import ByPrefix
from parley.wire.block.api import block_api
from parley.wire.block.channels.tokens import SocketAddress
from parley.wire.block.conversations.file_content import PREFIX, FileContent
from parley.wire.block.endpoint import Context
from parley.wire.block.webhooks.events import EVENT_NAMES
from tests.http import NO_AUTHORITIES
from tests.wire.realtimekit.serving import WAIT_S, serving

TOKEN_S = 86_400
PUBLIC_URL = "https://block.example"
SOCKET_URL = "wss://block.example/v1/realtime/ws"


class ChosenEngines:
    """The engine of the settings, unless a test puts another one here."""

    def __init__(self) -> None:
        self.instead: TextEngine | None = None
        self._configured = ConfiguredEngines(NoHttp())

    def engine(self, settings: AiSettings) -> TextEngine:
        return self.instead or self._configured.engine(settings)


@dataclass(frozen=True, slots=True)
class Parts:
    """What services are made of."""

    store: Store
    settings: AppSettings
    log: PublicationLog
    bus: MemoryBus
    engines: ChosenEngines
    room_tokens: RoomTokens


def people_services(parts: Parts) -> Iterable[Any]:
    """Users, and what is addressed to them."""
    people, sources = People(), Sources()
    threads = Threads(parts.log)
    return (
        Tasks(threads),
        MessageFiles(parts.store, SignedLinks(bytes(32)), threads, public_url=PUBLIC_URL),
        people,
        sources,
        Availabilities(),
        UserActivity(parts.store),
        Notifications(parts.log, sources),
        WebNotifications(parts.log, people),
        Endpoints(EVENT_NAMES, OutgoingPolicy(allow_private=False)),
    )


def conversations(parts: Parts) -> Iterable[Any]:
    """Conversations."""
    return conversation_services(
        parts.log,
        parts.settings,
        parts.bus,
        People(),
        parts.engines,
        public_url=PUBLIC_URL,
        sources=Sources(),
        tasks=Tasks(Threads(parts.log)),
    )


def channels(parts: Parts) -> Iterable[Any]:
    """What tokens for channels need."""
    return parts.settings, ChannelAccess(parts.settings, Threads(parts.log)), SocketAddress(SOCKET_URL)


def meetings(parts: Parts) -> Iterable[Any]:
    """Meetings."""
    return (
        Meetings(parts.room_tokens, public_url=PUBLIC_URL),
        Recordings(parts.store, SignedLinks(bytes(32)), public_url=PUBLIC_URL),
    )


SERVICES: list[Callable[[Parts], Iterable[Any]]] = [channels, people_services, conversations, meetings]
"""Each gives the services of a domain."""


class NoHttp:
    """Nothing of these tests asks anybody outside."""

    async def request(self, method: str, url: str, **_: Any) -> Any:
        raise AssertionError(f"{method} {url} was asked for")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a user token."""

    id: str
    token: str


@dataclass(frozen=True, slots=True)
class Block:
    """The served block, and one app that uses it."""

    origin: str
    scope: AppScope
    """Of the keys' environment."""
    keys: NewKeys
    parts: Parts
    context: Context
    http: httpx.AsyncClient
    published: list[Publication]
    """Everything published since the start."""
    people: dict[str, Person] = field(default_factory=dict)

    def person(self, name: str, **claims: Any) -> Person:
        """Somebody of that name; `claims` go into the token (`role`, `scope`, …)."""
        found = self.people.get(name)
        if found is None or claims:
            id_ = found.id if found else new_uuid()
            found = self.people[name] = Person(id_, self.token(id_, name=name, **claims))
        return found

    def token(self, user_id: str, **claims: Any) -> str:
        """A user token as the customer's server would sign it."""
        now = to_ms(self.scope.store.clock.now()) // 1000
        return jwt.encode({"sub": user_id, "exp": now + TOKEN_S, **claims}, self.keys.secret, "HS256")

    def headers(self, who: str | None) -> dict[str, str]:
        """Of a person (publishable key and token), or of the customer's server (None)."""
        if who is None:
            return {"X-Api-Key": self.keys.secret}
        return {"X-Api-Key": self.keys.publishable, "Authorization": f"Bearer {self.person(who).token}"}

    async def raw(self, who: str | None, method: str, path: str, **more: Any) -> httpx.Response:
        """Any request."""
        headers = {**self.headers(who), **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def ask(
        self, who: str | None, method: str, path: str, body: Any = None, *, status: int = 200, **more: Any
    ) -> Any:
        """A request that must have this status; the decoded answer."""
        if body is not None:
            more["json"] = body
        found = await self.raw(who, method, path, **more)
        assert found.status_code == status, f"{found.status_code} {found.text}"
        return found.json() if found.content else None

    def events(self, channel: str) -> list[str]:
        """Names of what was published on a channel, in order."""
        return [one.event for one in self.published if one.channel == channel]


@contextlib.asynccontextmanager
async def serving_block(store: Store, scope: AppScope, *, rate_limits: bool = False) -> AsyncIterator[Block]:
    """Serve every area for the live environment of an app."""
    published: list[Publication] = []
    settings = AppSettings(store.clock)
    bus = MemoryBus()
    log = PublicationLog(store, published.extend)
    parts = Parts(store, settings, log, bus, ChosenEngines(), RoomTokens(store))
    await parts.room_tokens.open()
    keys = await create_keys(scope, scope.app_id, Environment.LIVE)
    services = [service for make in SERVICES for service in make(parts)]
    context = Context(
        store,
        UserTokens(settings, NoHttp(), store.clock),
        await ConnectionTokens.of_store(store),
        bus,
        rate_limits,
        {type(service): service for service in services},
    )
    try:
        async with (
            serving(
                ByPrefix({PREFIX: FileContent(context.areas[MessageFiles])}, block_api(context))
            ) as origin,
            httpx.AsyncClient(base_url=origin, timeout=WAIT_S, verify=NO_AUTHORITIES) as http,
        ):
            yield Block(origin, scope.app(keys.app.id), keys, parts, context, http, published)
    finally:
        await context.areas[Summaries].stop()
        await log.stop()
        await bus.close()
