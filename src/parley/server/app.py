"""The server as one object: opens everything in order, closes it in reverse."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import structlog

from parley.accounts import service as accounts
from parley.accounts.events import AppSettingsChanged, CredentialRevoked
from parley.accounts.model import CredentialKind
from parley.accounts.scope import Scope
from parley.base.clock import SystemClock
from parley.base.errors import Invalid, ParleyError
from parley.base.events import decode, encode, name_of
from parley.base.ids import OrganizationId, new_uuid
from parley.base.settings import Settings
from parley.base.signing import SignedLinks
from parley.bus import Bus, MemoryBus
from parley.bus.tally import Tally
from parley.channels.files import ChatFiles
from parley.channels.realtime.tokens import ConnectionTokens
from parley.conversations.events import ConversationLeft
from parley.livestreams.events import LivestreamStatusChanged
from parley.media.coturn import CoturnOptions, CoturnProcess
from parley.media.janus.config import JanusOptions
from parley.media.janus.engine import JanusEngine
from parley.media.pool import MediaPool
from parley.media.ports import MediaUnavailable
from parley.media.turn import IceOptions
from parley.meetings.events import MeetingUpdated, ParticipantRemoved
from parley.meetings.history.chat.dump import ChatDumps, History
from parley.meetings.live.placement import Placement
from parley.meetings.live.registry import MeetingRegistry
from parley.meetings.live.routed import RoutedMeetings
from parley.meetings.tokens import ParticipantTokens
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.quality.service import Quality
from parley.quality.watching import EngineStatistics
from parley.recordings.capture import Captures
from parley.recordings.events import RecordingStatusChanged
from parley.recordings.finishing import Finisher
from parley.recordings.service import Recordings
from parley.recordings.storage.delivery import Delivery
from parley.recordings.storage.target import Rules as StorageRules
from parley.recordings.sweeping import Sweeper
from parley.rooms.events import RoomChanged, RoomEnded
from parley.server.block import RealTimeBlock
from parley.server.demo import Demo
from parley.server.housekeeping import Housekeeping
from parley.server.http import build_asgi
from parley.server.lean import without
from parley.server.livestreams import Streaming
from parley.server.network import media_obstacle, unknown_interfaces
from parley.server.text_engines import ConfiguredEngines
from parley.store.blobs import Blobs
from parley.store.core import Store
from parley.store.engine.sqlite import SqliteDatabase
from parley.store.outbox import Announced
from parley.store.ports import Database
from parley.store.schema import migrate
from parley.store.secrets import Vault, load_master_key
from parley.stream.sockets import Route
from parley.webhooks.delivery import Deliveries
from parley.webhooks.dialects import Standard
from parley.webhooks.events import WebhooksChanged
from parley.webhooks.signing import Signer
from parley.wire.realtimekit.client.auth import ParticipantAuth
from parley.wire.realtimekit.client.socket import ClientSockets
from parley.wire.realtimekit.webhook_events import RealtimeKitPayloads

log = structlog.get_logger(__name__)
SHARED_EVENTS = (
    MeetingUpdated,
    ParticipantRemoved,
    RecordingStatusChanged,
    LivestreamStatusChanged,
    RoomChanged,
    RoomEnded,
    WebhooksChanged,
    AppSettingsChanged,
    CredentialRevoked,
    ConversationLeft,
)
EVENTS_TOPIC = "announced"
"""Bus topic of events that other servers act on."""


class DataFolderInUse(ParleyError):
    """Another server runs on the same data folder."""

    code = "data_folder_in_use"


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What is shown once, after the very first start."""

    organization_id: OrganizationId
    token: str | None
    """The API token, if it was made now; it cannot be read again."""


async def open_store(settings: Settings) -> Store:
    """The migrated, opened store of a configuration; its background work is not started."""
    folder = settings.make_folder()
    await migrate(settings.database)
    clock = SystemClock()
    database: Database
    if settings.database_url:
        from parley.store.engine.postgres import PostgresDatabase  # its driver takes 3 MB

        database = PostgresDatabase(settings.database_url)
    else:
        database = SqliteDatabase(folder / "parley.db")
    vault = Vault(load_master_key(settings.secret_key or None, folder / "secret.key"))
    store = Store.over(database, clock, blobs_of(settings), vault)
    await database.open()
    return store


def blobs_of(settings: Settings) -> Blobs:
    """Where the files of a configuration are.

    Raises:
        Invalid: the URL of the storage is none.
    """
    if not settings.storage_url:
        return Blobs.local(settings.folder / "files")
    parts = urlsplit(settings.storage_url)
    if parts.scheme != "s3" or not parts.netloc:
        raise Invalid("The storage URL must look like s3://bucket/prefix.", field="storage_url")
    return Blobs.s3(
        parts.netloc,
        endpoint=settings.storage_endpoint or None,
        region=settings.storage_region,
        access_key=settings.storage_access_key,
        secret_key=settings.storage_secret_key,
        prefix=parts.path.strip("/"),
    )


def lock_data_folder(folder: Path) -> IO[str]:
    """Keep other servers off a data folder for as long as the returned file is open.

    Raises:
        DataFolderInUse: one runs already.
    """
    handle = (folder / "server.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as taken:
        handle.close()
        raise DataFolderInUse(
            f"Another Parley server is using {folder}. Stop it, or choose another folder with --data."
        ) from taken
    return handle


def place_of(lock: IO[str]) -> str:
    """A name of whoever holds that lock: nobody else can have it, and its successor on this machine will."""
    boot = Path("/proc/sys/kernel/random/boot_id")  # a copy of the folder on another machine is another place
    found = os.fstat(lock.fileno())
    return f"{boot.read_text().strip()}:{found.st_dev}:{found.st_ino}" if boot.exists() else ""


class Parley:
    """Everything one server process holds."""

    def __init__(self, settings: Settings, public_url: str) -> None:
        self.settings = settings
        self.public_url = public_url
        self.media_problem: str | None = None
        """Why nobody hears or sees anybody, if so."""

    async def __aenter__(self) -> Parley:
        """Open; what was opened is closed again when something fails."""
        self._stack = AsyncExitStack()
        try:
            await self._open(self._stack)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close in reverse order."""
        await self._stack.aclose()

    async def _open(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        settings.make_folder()
        place = ""
        try:
            place = place_of(stack.enter_context(lock_data_folder(settings.folder)))
        except DataFolderInUse:
            if not settings.database_url:
                raise  # others may share it: what they share is in their database
        store = self.store = await open_store(settings)
        stack.push_async_callback(store.database.close)
        bus = self.bus = await self._open_bus()
        stack.push_async_callback(bus.close)
        self.scope, self.first_start = await self._bootstrap()

        pool = self.pool = await self._open_media(stack)
        ice = await self._open_relay(stack)
        tokens = self.tokens = await ParticipantTokens.of_store(
            store, lifetime=timedelta(days=settings.token_days)
        )
        node_id = new_uuid()
        placement = Placement(bus, node_id)
        registry = self.registry = MeetingRegistry(store, pool, tokens, placement)
        self.live = RoutedMeetings(registry, bus)
        http = OutgoingHttp(OutgoingPolicy(allow_private=settings.private_webhooks))
        stack.push_async_callback(http.close)
        block_policy = OutgoingPolicy(allow_private=settings.private_outgoing)
        block_http = OutgoingHttp(block_policy)
        stack.push_async_callback(block_http.close)
        operator_http = OutgoingHttp(OutgoingPolicy(allow_private=True))
        stack.push_async_callback(operator_http.close)
        engines = ConfiguredEngines(
            block_http,
            operator_http=operator_http,
            url=settings.ai_url or None,
            model=settings.ai_model or None,
            api_key=settings.ai_key,
        )
        signed_links = SignedLinks(
            await store.vault.server_secret(store.database, store.clock, "signed-links", _random_key)
        )
        recordings = self.recordings = Recordings(
            store, signed_links, public_url=self.public_url, keep=timedelta(days=settings.recording_days)
        )
        self.block = RealTimeBlock(
            store,
            bus,
            block_http,
            node_id,
            await ConnectionTokens.of_store(store),
            public_url=self.public_url,
            links=signed_links,
            webhook_policy=block_policy,
            engines=engines,
            is_alone=not settings.redis_url,
            rate_limits=settings.rate_limits,
            idle_s=settings.idle_seconds,
            pool=pool,
            ice=ice,
            films=recordings,
        )
        keep_chat = timedelta(days=settings.chat_days)
        self.chat_dumps = ChatDumps(store, signed_links, public_url=self.public_url, keep=keep_chat)
        self.chat_dumps.register()
        self.quality = Quality(store.clock, is_limited=settings.rate_limits)
        engine_statistics = EngineStatistics()
        registry.observe(engine_statistics)
        self.captures = Captures(recordings, registry.running_meeting)
        registry.observe(self.captures)
        work = settings.folder / "finishing"
        sweeper = Sweeper(store, recordings, settings.captures, work)
        Finisher(
            store,
            recordings,
            captures=settings.captures,
            work=work,
            http=block_http,
            deliver=Delivery(
                store.vault,
                StorageRules(block_policy, settings.storage_endpoints, settings.storage_known_hosts),
            ),
        ).register()
        self.streaming = Streaming(
            settings,
            store,
            registry,
            block_policy,
            block_http,
            Tally(bus if settings.redis_url else None, f"{node_id}.streams"),
            public_url=self.public_url,
        )
        await self._share_events(stack)
        auth = ParticipantAuth(store, tokens)
        files = ChatFiles(store, signed_links, max_bytes=settings.chat_file_mb * 1_000_000)
        self.sockets = ClientSockets(registry, auth, bus, rate_limits=settings.rate_limits)
        signer = self.signer = await Signer.load(store)
        deliveries = Deliveries(
            store,
            RealtimeKitPayloads(legacy_headers=settings.legacy_webhook_headers),
            http,
            signer,
            also=[Standard(self.block.webhook_events, store.vault, http=block_http)],
            log_kept=timedelta(days=settings.webhook_log_days),
        )
        deliveries.register()
        demo = Demo(self.scope, tokens, bus) if settings.demo else None
        with without(
            "pydantic"
        ):  # Litestar loads it wherever it is installed (8 MB); our models are msgspec's
            self.asgi = build_asgi(self, auth, files, ice, demo)

        await store.start(alone=not settings.database_url, successor_of=place)
        stack.push_async_callback(store.stop)
        await deliveries.schedule()
        await placement.start()
        stack.push_async_callback(placement.stop)
        await self.live.start()
        stack.push_async_callback(self.live.stop)
        await registry.start()
        stack.push_async_callback(registry.stop)
        stack.push_async_callback(self.captures.stop)
        await engine_statistics.start()
        stack.push_async_callback(engine_statistics.stop)
        await self.streaming.open(stack)
        await sweeper.start()
        stack.push_async_callback(sweeper.stop)
        await self.sockets.start()
        stack.push_async_callback(self.sockets.stop)
        await self.block.start(stack)
        history = History(store, keep=timedelta(days=settings.history_days))
        housekeeping = Housekeeping(files, self.block.conversations.files, history)
        await housekeeping.start()
        stack.push_async_callback(housekeeping.stop)

    async def _share_events(self, stack: AsyncExitStack) -> None:
        """Let every server hear what any of them announced."""

        def publish(item: Announced) -> None:
            if isinstance(item.event, SHARED_EVENTS):
                self.bus.publish(EVENTS_TOPIC, f"{name_of(item.event)} {encode(item.event)}".encode())

        def heard(payload: bytes) -> None:
            name, _, body = payload.decode().partition(" ")
            happened = decode(name, body)
            self.registry.heard(happened)
            self.captures.heard(happened)
            self.streaming.heard(happened)
            self.block.heard(happened)

        self.store.outbox.listen(publish)
        subscription = await self.bus.subscribe(EVENTS_TOPIC, heard)
        stack.push_async_callback(subscription.close)

    async def _open_bus(self) -> Bus:
        if self.settings.redis_url:
            from parley.bus.redis import RedisBus  # redis-py takes 6 MB that most servers never need

            return await RedisBus.open(self.settings.redis_url)
        return MemoryBus()

    async def _bootstrap(self) -> tuple[Scope, FirstStart]:
        settings = self.settings
        wanted = OrganizationId(settings.bootstrap_account_id) if settings.bootstrap_account_id else None
        scope, is_new = await accounts.ensure_organization(self.store, wanted)
        token: str | None = None
        if settings.bootstrap_token:
            kind = CredentialKind.API_TOKEN
            await accounts.ensure_credential(scope, kind, "bootstrap", settings.bootstrap_token)
        elif is_new:
            _, token = await accounts.create_credential(scope, CredentialKind.API_TOKEN, "first start")
        return scope, FirstStart(scope.organization_id, token)

    async def _open_media(self, stack: AsyncExitStack) -> MediaPool:
        settings = self.settings
        if not settings.media:
            self.media_problem = "The media engine is switched off (--no-media)."
            return MediaPool({})
        engine = JanusEngine(
            JanusOptions(
                binary=settings.janus_binary or None,
                runtime_folder=settings.folder / "janus",
                captures_folder=settings.captures,
                rtp_ports=settings.rtp_port_range,
                public_addresses=settings.media_addresses,
                interfaces=settings.media_interfaces,
                ice_lite=settings.ice_lite,
            )
        )
        pool = MediaPool({"local": engine})
        stack.push_async_callback(pool.stop)
        try:
            await pool.start()
        except MediaUnavailable as missing:
            self.media_problem = missing.message
            log.warning("no_media_engine", reason=missing.message)
            return pool
        self.media_problem = media_obstacle(settings)
        if self.media_problem:
            log.warning("media_unreachable", reason=self.media_problem)
        if mistake := unknown_interfaces(settings):
            log.warning("media_interfaces_ignored", reason=mistake)
        return pool

    async def _open_relay(self, stack: AsyncExitStack) -> IceOptions:
        settings = self.settings
        urls, secret = settings.ice_urls, settings.turn_secret
        if settings.coturn_address:
            secret = secret or _random_text()
            relay = CoturnProcess(
                CoturnOptions(
                    address=settings.coturn_address,
                    media_addresses=settings.media_addresses or (settings.coturn_address,),
                    secret=secret,
                    port=settings.coturn_port,
                )
            )
            await relay.start()
            stack.push_async_callback(relay.stop)
            urls = (*urls, *relay.urls)
        return IceOptions(urls=urls, secret=secret)

    def socket_routes(self) -> dict[str, Route]:
        """Where sockets are accepted."""
        return {"/ws": self.sockets.route, **self.block.socket_routes()}


def _random_key() -> bytes:
    return secrets.token_bytes(32)


def _random_text() -> str:
    return secrets.token_hex(24)
