"""The Real Time Block of one server process: its parts, put together and started in order."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from typing import Any

from parley.accounts.app_settings import AppSettings
from parley.accounts.events import AppSettingsChanged, CredentialRevoked
from parley.accounts.exclusion import SECTION as EXCLUSION
from parley.accounts.live import LiveCredentials
from parley.accounts.rates import MessageRates
from parley.accounts.user_tokens import UserTokens
from parley.base.events import Event
from parley.base.signing import SignedLinks
from parley.bus import Bus
from parley.bus.tally import Tally
from parley.channels.realtime.access import ChannelAccess
from parley.channels.realtime.authorizer import HttpAuthorizer
from parley.channels.realtime.feed import Feeds
from parley.channels.realtime.history import History
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.presence import Presence
from parley.channels.realtime.publishing import Publisher
from parley.channels.realtime.purging import Purge
from parley.channels.realtime.receipts import Receipts
from parley.channels.realtime.retention import Retention
from parley.channels.realtime.search.indexer import Indexer
from parley.channels.realtime.search.service import Search
from parley.channels.realtime.tokens import ConnectionTokens
from parley.channels.realtime.typing import Typing
from parley.conversations.events import ConversationLeft
from parley.conversations.ports import Engines
from parley.conversations.threads.service import Threads
from parley.media.pool import MediaPool
from parley.media.turn import IceOptions
from parley.outgoing.http import OutgoingPolicy
from parley.outgoing.ports import Http
from parley.recordings.service import Recordings as Films
from parley.server.conversations import Conversations
from parley.server.request_signatures import RequestSignatures
from parley.server.rooms import Rooms
from parley.store.core import Store
from parley.stream.hub import Hub
from parley.stream.sockets import Route
from parley.webhooks.endpoints import Endpoints
from parley.webhooks.events import WebhooksChanged
from parley.webhooks.interest import Interest
from parley.webhooks.live import LiveEvents, PublicationEvents
from parley.wire.block.channels.tokens import SocketAddress
from parley.wire.block.endpoint import Context
from parley.wire.block.socket.ending import conversation_left
from parley.wire.block.socket.frames import publication_frame
from parley.wire.block.socket.open_sockets import OpenSockets
from parley.wire.block.socket.server import IDLE_S, PATH, BlockSockets
from parley.wire.block.webhooks.events import EVENT_NAMES, BlockEvents

NO_SERVERS = IceOptions()


class RealTimeBlock:
    """Channels, their sockets and their REST."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        http: Http,
        node_id: str,
        tokens: ConnectionTokens,
        *,
        public_url: str,
        links: SignedLinks,
        webhook_policy: OutgoingPolicy,
        engines: Engines,
        is_alone: bool,
        rate_limits: bool = True,
        idle_s: float = IDLE_S,
        pool: MediaPool | None = None,
        ice: IceOptions = NO_SERVERS,
        films: Films | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            store: where everything is.
            bus: what other processes hear us through.
            http: reaches customers' servers.
            node_id: names this process.
            tokens: connection tokens.
            public_url: where clients reach this server.
            links: signs links to files.
            webhook_policy: where webhooks may go.
            engines: write summaries.
            is_alone: whether this is the only server process on the store.
            rate_limits: whether requests are counted.
            idle_s: silence after which a socket is closed.
            pool: forwards the media of rooms; without one only rooms of topology `mesh` have any.
            ice: servers that browsers are told of.
            films: records rooms; None where nothing is recorded.
        """
        shared = None if is_alone else bus
        self.settings = AppSettings(store.clock)
        self.hub = Hub()
        # Only this run of the process: what an earlier one held ends by itself.
        self.tally = Tally(shared, f"{node_id}.{secrets.token_hex(4)}")
        counted = None if is_alone else self.tally
        self.feeds = Feeds(store, self.hub, publication_frame, shared, counted)
        self.log = PublicationLog(store, self.feeds.announced)
        names = self.webhook_events = BlockEvents()
        self.interest = Interest(store.clock)
        self.log.in_same_change(PublicationEvents(store, self.interest, names.public_name))
        self.live_events = LiveEvents(store, self.interest, names.public_name)
        store.outbox.listen(self.interest.heard)
        self.rates = MessageRates(store.clock, shared)
        self.publisher = Publisher(self.log, self.settings, self.rates)
        self.credentials = LiveCredentials(store)
        endpoints = Endpoints(EVENT_NAMES, webhook_policy)
        self.access = ChannelAccess(
            self.settings, Threads(self.log), HttpAuthorizer(http, RequestSignatures(endpoints))
        )
        users = UserTokens(self.settings, http, store.clock)
        self.sockets = BlockSockets(
            store,
            self.hub,
            self.feeds,
            self.publisher,
            self.access,
            self.settings,
            users,
            tokens,
            self.credentials,
            self.tally,
            idle_s=idle_s,
        )
        self.presence = Presence(store.clock, shared, node_id, self.sockets.present)
        self.typing = Typing(store.clock, shared, node_id, self.sockets.typed)
        self.sockets.presence, self.sockets.typing = self.presence, self.typing
        self.rooms = Rooms(
            store,
            self.hub,
            self.presence,
            shared,
            node_id,
            pool or MediaPool({}),
            ice,
            links,
            public_url,
            films,
        )
        self.sockets.rooms = self.rooms.sockets
        self.sockets.announce = self.rooms.sockets.announce = self.live_events.tell
        self.conversations = Conversations(
            store, bus, self.log, self.settings, self.sockets, engines, links, public_url
        )
        self.sockets.admission.activity = self.conversations.activity
        self.sockets.people = self.conversations.people
        self.retention = Retention(self.settings)
        self.receipts = self.sockets.receipts = Receipts(store, self.retention, shared, self.sockets.read_by)
        self.open_sockets = OpenSockets(self.sockets.sessions, shared)
        self.indexer = Indexer(store)
        self.purge = Purge(store, self.retention)
        self.purge.register()
        services: tuple[Any, ...] = (
            self.settings,
            self.feeds,
            self.log,
            self.publisher,
            self.access,
            self.presence,
            self.open_sockets,
            History(self.retention),
            Search(self.retention),
            self.receipts,
            *self.rooms.services,
            *self.conversations.services,
            endpoints,
            SocketAddress(f"{public_url.replace('http', 'ws', 1)}{PATH}"),
        )
        self.context = Context(
            store=store,
            users=users,
            tokens=tokens,
            bus=bus,
            rate_limits=rate_limits,
            areas={type(service): service for service in services},
        )

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin; the stack ends it in reverse."""
        await self.tally.start()
        stack.push_async_callback(self.tally.stop)
        stack.push_async_callback(self.rates.stop)
        await self.credentials.start()
        stack.push_async_callback(self.credentials.stop)
        await self.live_events.start()
        stack.push_async_callback(self.live_events.stop)
        await self.conversations.start(stack)
        await self.feeds.start()
        stack.push_async_callback(self.feeds.stop)
        stack.push_async_callback(self.log.stop)
        await self.presence.start()
        stack.push_async_callback(self.presence.stop)
        await self.rooms.start(stack)
        await self.typing.open()
        stack.push_async_callback(self.typing.close)
        await self.receipts.start()
        stack.push_async_callback(self.receipts.stop)
        await self.open_sockets.start()
        stack.push_async_callback(self.open_sockets.stop)
        await self.purge.schedule()
        await self.indexer.start()
        stack.push_async_callback(self.indexer.stop)
        await self.sockets.start()
        stack.push_async_callback(self.sockets.stop)

    def heard(self, happened: Event) -> None:
        """Something was announced, by this process or another."""
        if isinstance(happened, CredentialRevoked):
            self.credentials.revoked(happened.credential_id)
        if isinstance(happened, AppSettingsChanged):
            self.settings.forget(happened.app_id)
            if happened.section == EXCLUSION:
                self.sockets.exclusion_changed(happened.app_id)
        if isinstance(happened, WebhooksChanged):
            self.interest.forget(happened.app_id)
        if isinstance(happened, ConversationLeft):
            conversation_left(self.sockets, happened)
        self.rooms.heard(happened)

    def socket_routes(self) -> dict[str, Route]:
        """Where sockets are accepted."""
        return {PATH: self.sockets.route}
