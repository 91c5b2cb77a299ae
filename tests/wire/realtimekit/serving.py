"""The REST API on a real uvicorn in the test's event loop, the official SDK, and people who join meetings."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cloudflare import AsyncCloudflare, DefaultAsyncHttpxClient
from litestar import Litestar
from litestar.exceptions import HTTPException

from parley.accounts import service as accounts
from parley.accounts.model import CredentialKind, Right
from parley.accounts.scope import AppScope, Scope
from parley.base.ids import MeetingId, ParticipantId, PeerId, new_uuid
from parley.base.signing import SignedLinks
from parley.bus import MemoryBus
from parley.channels.model import MessageKind
from parley.livestreams.service import Livestreams
from parley.media.pool import MediaPool
from parley.meetings.apps import create_app
from parley.meetings.history.chat.dump import DUMP_QUEUE, ChatDumps
from parley.meetings.live.peer import LivePeer
from parley.meetings.live.placement import Placement
from parley.meetings.live.registry import MeetingRegistry
from parley.meetings.live.routed import RoutedMeetings
from parley.meetings.participants import get_participant_with_preset
from parley.meetings.tokens import ParticipantTokens
from parley.quality.service import Quality
from parley.recordings.capture import Captures
from parley.recordings.service import Recordings
from parley.store.core import Store
from parley.store.jobs import Job
from parley.wire.asgi import ByPrefix
from parley.wire.realtimekit.api import API_PREFIX, realtimekit_api
from parley.wire.realtimekit.endpoint import RealtimeKitContext
from parley.wire.realtimekit.errors import refuse_http
from parley.wire.realtimekit.limits import RateLimiter
from parley.wire.realtimekit.prefix import StripPrefix
from parley.wire.realtimekit.reference import reference_router
from tests.http import NO_AUTHORITIES, shut_down

WAIT_S = 30.0


class Silent:
    """A connection that hears everything and says nothing."""

    def __init__(self) -> None:
        self.notices: list[Any] = []
        self.closed: int | None = None

    def notify(self, notice: Any) -> None:
        self.notices.append(notice)

    def close(self, code: int, reason: str) -> None:
        self.closed = code


@dataclass(frozen=True, slots=True)
class Api:
    """A served API, and one tenant who uses it."""

    origin: str
    scope: AppScope
    token: str
    registry: MeetingRegistry
    tokens: ParticipantTokens
    http: httpx.AsyncClient
    """Below the app: `/meetings` and so on."""
    client: AsyncCloudflare

    @property
    def account(self) -> dict[str, str]:
        """The SDK's `account_id` argument."""
        return {"account_id": self.scope.organization_id}

    @property
    def here(self) -> dict[str, str]:
        """The SDK's `account_id` and `app_id` arguments."""
        return {"account_id": self.scope.organization_id, "app_id": self.scope.app_id}

    @property
    def kit(self) -> str:
        """Address of the account's resources."""
        return f"{self.origin}/client/v4/accounts/{self.scope.organization_id}/realtime/kit"

    async def ask(self, method: str, path: str, *, status: int, **more: Any) -> Any:
        """A raw request below the app; the decoded answer, which must have this status."""
        found = await self.http.request(method, path, **more)
        assert found.status_code == status, found.text
        return found.json()

    async def meeting(self, **body: Any) -> str:
        """A new meeting's id."""
        return (await self.ask("POST", "/meetings", status=201, json=body))["data"]["id"]

    async def participant(self, meeting_id: str, custom_id: str, **body: Any) -> str:
        """A new participant's id."""
        body = {"preset_name": "group_call_host", "custom_participant_id": custom_id} | body
        path = f"/meetings/{meeting_id}/participants"
        return (await self.ask("POST", path, status=201, json=body))["data"]["id"]

    async def join(self, meeting_id: str, participant_id: str, *, name: str | None = None) -> LivePeer:
        """Let a participant enter a meeting, or one of its rooms, over a connection of its own."""
        participant, preset, _ = await get_participant_with_preset(self.scope, ParticipantId(participant_id))
        live = await self.registry.open(self.scope, MeetingId(meeting_id))
        peer = live.connections.connect(participant, preset, PeerId(new_uuid()), Silent(), new_uuid())
        assert await live.join(peer, name)
        return peer


POSTS = Path(__file__).parents[2] / "quality" / "posts"
"""What real clients posted about their calls."""


async def measure(api: Api, peer: LivePeer, name: str) -> None:
    """Have somebody's client post one of them."""
    body = json.loads((POSTS / f"{name}.json").read_text()) | {"peerId": peer.id}
    quality = Quality(api.scope.store.clock)
    await quality.take(api.scope, peer.participant.id, json.dumps(body).encode())


async def ended(api: Api, *said: str) -> tuple[str, str]:
    """Meeting and session of a call of a minute in which Ann said these things."""
    meeting = await api.meeting(title="Weekly")
    ann = await api.join(meeting, await api.participant(meeting, "c-ann"), name="Ann")
    live = await api.registry.open(api.scope, MeetingId(meeting))
    for text in said:
        await live.chat.send_to_all(ann, MessageKind.TEXT, text)
    assert live.session is not None
    session = live.session.id
    api.scope.store.clock.advance(60)  # type: ignore[attr-defined]
    await api.client.realtime_kit.active_session.kick_all_participants(meeting, **api.here)
    return meeting, session


async def dump(api: Api, session: str) -> None:
    """What the job does that ending the session has enqueued."""
    job = Job(1, DUMP_QUEUE, session, api.scope.app_id, {"session_id": session}, 0)
    await dumps_of(api.scope.store).dump(job)


async def token_for(scope: Scope, *rights: Right, **more: Any) -> str:
    """A fresh API token."""
    _, secret = await accounts.create_credential(
        scope, CredentialKind.API_TOKEN, "test", rights=frozenset(rights or Right), **more
    )
    return secret


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve an application on a free port until the block ends."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="off", log_config=None, access_log=False, ws="none"
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        await shut_down(server)


async def _no_ingest() -> None:
    """Pretends that RTMP is taken somewhere."""


def streams_of(store: Store) -> Livestreams:
    """Live streams that nobody plays."""
    return Livestreams(
        store,
        public_url="http://parley.test",
        ingest_server="rtmp://parley.test:1935/live/",
        open_ingest=_no_ingest,
    )


def recordings_of(store: Store) -> Recordings:
    """Recordings whose links nobody follows."""
    return Recordings(store, SignedLinks(b"tests"), public_url="http://parley.test", keep=timedelta(days=7))


def dumps_of(store: Store) -> ChatDumps:
    """Chat of ended sessions; whoever wants files to be written runs the jobs."""
    return ChatDumps(store, SignedLinks(b"tests"), public_url="http://parley.test", keep=timedelta(days=7))


@contextlib.asynccontextmanager
async def serving_api(
    store: Store, scope: Scope, *, limiter: RateLimiter | None = None, accepts_key_header: bool = False
) -> AsyncIterator[Api]:
    """The whole API for an organization with one app."""
    tokens = await ParticipantTokens.of_store(store)
    bus = MemoryBus()
    placement = Placement(bus, "here")
    registry = MeetingRegistry(store, MediaPool({}), tokens, placement)
    live = RoutedMeetings(registry, bus)
    recordings = recordings_of(store)
    context = RealtimeKitContext(
        store=store,
        tokens=tokens,
        live=live,
        recordings=recordings,
        chat_dumps=dumps_of(store),
        quality=Quality(store.clock),
        livestreams=streams_of(store),
        limiter=limiter,
        accepts_key_header=accepts_key_header,
    )
    pages = Litestar(
        [reference_router()], openapi_config=None, exception_handlers={HTTPException: refuse_http}
    )
    app = ByPrefix({API_PREFIX: realtimekit_api(context)}, otherwise=pages)
    app_scope = scope.app((await create_app(scope, "Kit")).id)
    token = await token_for(scope)
    captures = Captures(recordings, registry.running_meeting)
    registry.observe(captures)
    store.outbox.listen(lambda item: registry.heard(item.event))
    store.outbox.listen(lambda item: captures.heard(item.event))
    await live.start()
    await registry.start()
    try:
        async with serving(StripPrefix(app)) as origin:
            base = f"{origin}/client/v4"
            below = f"{base}/accounts/{scope.organization_id}/realtime/kit/{app_scope.app_id}"
            async with (
                httpx.AsyncClient(
                    base_url=below,
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=WAIT_S,
                    verify=NO_AUTHORITIES,
                ) as http,
                AsyncCloudflare(
                    api_token=token,
                    base_url=base,
                    max_retries=0,
                    http_client=DefaultAsyncHttpxClient(verify=NO_AUTHORITIES, timeout=WAIT_S),
                    _strict_response_validation=True,
                ) as client,
            ):
                yield Api(origin, app_scope, token, registry, tokens, http, client)
    finally:
        await captures.stop()
        await registry.stop()
        await live.stop()
        await bus.close()
