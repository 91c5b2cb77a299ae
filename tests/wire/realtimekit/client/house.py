"""A server of the client protocol in the test's own process, and people to send there."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
from litestar import Litestar

from parley.accounts.scope import AppScope, Scope
from parley.base.events import Event
from parley.base.ids import new_uuid
from parley.base.signing import SignedLinks
from parley.bus import Bus, MemoryBus
from parley.channels.files import ChatFiles
from parley.media.pool import MediaPool
from parley.media.turn import IceOptions
from parley.meetings import apps, participants, preset_service, service
from parley.meetings import store as meetings_store
from parley.meetings.live.meeting import LiveMeeting
from parley.meetings.live.peer import merge
from parley.meetings.live.placement import Placement
from parley.meetings.live.registry import MeetingRegistry
from parley.meetings.looks import Looks
from parley.meetings.model import Meeting, Participant
from parley.meetings.presets import Permissions, Preset, PresetConfig
from parley.meetings.tokens import ParticipantTokens
from parley.quality.service import Quality
from parley.store.core import Store
from parley.store.outbox import Announced
from parley.stream.endpoint import Limits
from parley.stream.http import HttpProtocol
from parley.wire.realtimekit.client.auth import ParticipantAuth
from parley.wire.realtimekit.client.cors import ClientCors
from parley.wire.realtimekit.client.http import ClientHttpContext, client_router
from parley.wire.realtimekit.client.livestreams import livestream_router
from parley.wire.realtimekit.client.socket import ClientSockets
from parley.wire.realtimekit.client.telemetry import TelemetryHosts, telemetry_routes
from tests.store.databases import running
from tests.stream.serving import Served, serving
from tests.wire.realtimekit.client.peer import Peer
from tests.wire.realtimekit.serving import recordings_of, streams_of

CHAT_FILE_BYTES = 1_000_000
"""Largest chat file of the server under test."""


def nested(path: str, value: Any) -> dict[str, Any]:
    """`{"a": {"b": value}}` of `"a.b"`."""
    for name in reversed(path.split(".")):
        value = {name: value}
    patch: dict[str, Any] = value
    return patch


class House:
    """The server, one app with its default presets, and helpers that write what REST would write."""

    def __init__(
        self,
        store: Store,
        app: AppScope,
        tokens: ParticipantTokens,
        bus: Bus,
        rate_limits: bool,
        pool: MediaPool,
    ) -> None:
        self.store = store
        self.app = app
        self.tokens = tokens
        self.happened: list[Event] = []
        """Events of committed transactions, in order."""
        self.placement = Placement(bus, new_uuid())
        self.registry = MeetingRegistry(store, pool, tokens, self.placement)
        store.outbox.listen(self._heard)
        self.auth = ParticipantAuth(store, tokens)
        self.sockets = ClientSockets(self.registry, self.auth, bus, rate_limits=rate_limits)
        self.files = ChatFiles(store, SignedLinks(bytes(32)), max_bytes=CHAT_FILE_BYTES)
        self.served: Served | None = None
        self._numbers = itertools.count(1)
        self._peers: list[Peer] = []

    def _heard(self, item: Announced) -> None:
        self.happened.append(item.event)
        self.registry.heard(item.event)

    @property
    def url(self) -> str:
        """`http://host:port` of the server."""
        assert self.served is not None
        return self.served.url(path="", scheme="http")

    # --- what is planned ----------------------------------------------------------------------

    async def meeting(self, title: str = "Standup", **settings: Any) -> Meeting:
        """A new meeting."""
        return await service.create_meeting(self.app, service.MeetingInput(title=title, **settings))

    async def preset(
        self,
        like: str,
        changes: Mapping[str, Any],
        config: Mapping[str, Any] | None = None,
        *,
        app: AppScope | None = None,
    ) -> Preset:
        """A new preset: a default one with some permissions (`{"chat.public.text": False}`) changed."""
        app = app or self.app
        found = await self.preset_named(like, app=app)
        permissions = msgspec.to_builtins(found.permissions)
        for path, value in changes.items():
            permissions = merge(permissions, nested(path, value))
        wanted = preset_service.PresetInput(
            name=f"{like} {next(self._numbers)}",
            config=msgspec.convert(
                merge(msgspec.to_builtins(found.config), dict(config or {})), PresetConfig
            ),
            permissions=msgspec.convert(permissions, Permissions),
            ui=Looks(),
        )
        return await preset_service.create_preset(app, wanted)

    async def preset_named(self, name: str, *, app: AppScope | None = None) -> Preset:
        """A default preset."""
        app = app or self.app
        async with app.change() as change:
            known = await meetings_store.hold_preset_by_name(change, name)
        assert known is not None, name
        return await preset_service.get_preset(app, known.id)

    async def invite(
        self,
        meeting: Meeting,
        preset: str = "group_call_participant",
        *,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> tuple[Participant, str]:
        """A new participant and a token; `changes` are permissions with `__` for dots."""
        if changes or config:
            dotted = {path.replace("__", "."): value for path, value in changes.items()}
            preset = (await self.preset(preset, dotted, config)).name
        number = next(self._numbers)
        given = participants.ParticipantInput(
            custom_participant_id=f"person-{number}",
            preset_name=preset,
            name=name if name is not None else f"Person {number}",
        )
        person = (await participants.add_participant(self.app, meeting, given)).participant
        return person, self.token(person)

    def token(self, person: Participant, **changes: Any) -> str:
        """One more token of a participant."""
        named: dict[str, Any] = {
            "app_id": person.app_id,
            "meeting_id": person.meeting_id,
            "participant_id": person.id,
            "preset_id": person.preset_id,
        }
        return self.tokens.issue(**{**named, **changes})

    # --- who comes ----------------------------------------------------------------------------

    async def connect(self, token: str, **options: Any) -> Peer:
        """Open a socket; closed at the end of the test."""
        peer = await Peer.connect(self.url, token, **options)
        self._peers.append(peer)
        return peer

    async def come(
        self, token: str, *, peer_id: str | None = None, name: str = "", media: bool = True
    ) -> Peer:
        """Connect and join."""
        peer = await self.connect(token, peer_id=peer_id)
        await peer.enter(name=name, media=media)
        return peer

    async def guest(self, meeting: Meeting, preset: str = "group_call_participant", **options: Any) -> Peer:
        """Invite somebody new, who connects and joins."""
        _, token = await self.invite(meeting, preset, **options)
        return await self.come(token)

    async def host(self, meeting: Meeting, **options: Any) -> Peer:
        """Somebody with every permission joins."""
        return await self.guest(meeting, "group_call_host", **options)

    def live(self, meeting: Meeting) -> LiveMeeting | None:
        """The running meeting, if it is in memory."""
        return self.registry.find(self.app, meeting.id)

    def events(self, *kinds: type[Event]) -> list[Any]:
        """What happened so far, of these kinds."""
        return [event for event in self.happened if isinstance(event, kinds)]

    async def leave_all(self) -> None:
        """Close every socket that is still open."""
        await asyncio.gather(*(peer.close() for peer in self._peers if peer.is_open))


@contextlib.asynccontextmanager
async def house_on(
    store: Store,
    app: AppScope,
    *,
    rate_limits: bool = False,
    limits: Limits | None = None,
    lifetime: timedelta = timedelta(days=100),
    pool: MediaPool | None = None,
    bus: Bus | None = None,
) -> AsyncIterator[House]:
    """Serve on a store and app until the block ends, then stop as the server does.

    Without a pool of media engines nobody can open transports; without a bus it has one of its own.
    """
    tokens = await ParticipantTokens.of_store(store, lifetime=lifetime)
    own_bus = MemoryBus()
    bus = bus or own_bus
    house = House(store, app, tokens, bus, rate_limits, pool or MediaPool({}))
    ice = IceOptions(urls=("turn:turn.example.org:3478",), secret="shared")
    context = ClientHttpContext(
        auth=house.auth,
        files=house.files,
        recordings=recordings_of(house.store),
        livestreams=streams_of(house.store),
        ice=ice,
        public_url="http://localhost:1",
    )
    measuring = telemetry_routes(house.auth, Quality(store.clock, is_limited=rate_limits))
    routes = Litestar([client_router(context), livestream_router(context), measuring], openapi_config=None)
    asgi = TelemetryHosts(ClientCors(routes))
    async with running(store):
        await house.placement.start()
        await house.registry.start()
        await house.sockets.start()
        async with serving(
            {"/ws": house.sockets.route}, limits=limits, app=asgi, http=HttpProtocol
        ) as served:
            house.served = served
            try:
                yield house
            finally:
                await house.leave_all()
                await house.sockets.stop()
                await house.registry.stop()
                await house.placement.stop()
                await own_bus.close()


async def new_app(scope: Scope) -> AppScope:
    """An app with the default presets."""
    return scope.app((await apps.create_app(scope, "Test")).id)


@contextlib.asynccontextmanager
async def browser_of(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """HTTP as a client on a page makes it."""
    async with aiohttp.ClientSession(base_url=url, timeout=aiohttp.ClientTimeout(total=20)) as http:
        yield http
