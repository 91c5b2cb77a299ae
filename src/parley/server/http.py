"""The HTTP side of the server: every dialect's routes and the pages, as one ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException, InternalServerException

from parley import __version__
from parley.channels.files import ChatFiles
from parley.media.turn import IceOptions
from parley.server.demo_chat import DemoChat
from parley.server.head import HeadAsGet
from parley.server.room_visits import RoomVisits
from parley.web.context import WebContext
from parley.web.pages import web_router
from parley.web.telemetry import telemetry_router
from parley.wire.asgi import AsgiApp, ByPrefix
from parley.wire.block.api import block_api
from parley.wire.block.api import endpoints as block_endpoints
from parley.wire.block.conversations.file_content import PREFIX as FILES_PREFIX
from parley.wire.block.conversations.file_content import FileContent
from parley.wire.block.gate import BlockGate
from parley.wire.block.rooms.recordings import PREFIX as RECORDINGS_PREFIX
from parley.wire.block.rooms.recordings import RecordingContent
from parley.wire.realtimekit.api import API_PREFIX, realtimekit_api
from parley.wire.realtimekit.client.auth import ParticipantAuth
from parley.wire.realtimekit.client.cors import ClientCors
from parley.wire.realtimekit.client.http import ClientHttpContext, client_router
from parley.wire.realtimekit.client.livestreams import livestream_router
from parley.wire.realtimekit.client.recordings import recording_router
from parley.wire.realtimekit.client.telemetry import TelemetryHosts, telemetry_routes
from parley.wire.realtimekit.downloads import PREFIX as DOWNLOADS_PREFIX
from parley.wire.realtimekit.downloads import Downloads
from parley.wire.realtimekit.endpoint import RealtimeKitContext
from parley.wire.realtimekit.errors import refuse_http
from parley.wire.realtimekit.hls import PREFIX as HLS_PREFIX
from parley.wire.realtimekit.hls import HlsFiles
from parley.wire.realtimekit.limits import WindowLimiter
from parley.wire.realtimekit.prefix import StripPrefix
from parley.wire.realtimekit.reference import reference_router
from parley.wire.realtimekit.webhooks import key_handler

if TYPE_CHECKING:
    from parley.server.app import Parley
    from parley.server.demo import Demo

log = structlog.get_logger(__name__)


def build_asgi(
    parley: Parley, auth: ParticipantAuth, files: ChatFiles, ice: IceOptions, demo: Demo | None
) -> Any:
    """The application to give to uvicorn."""

    @get("/health/live", include_in_schema=False, sync_to_thread=False)
    def live() -> dict[str, str]:
        """The process runs."""
        return {"status": "ok"}

    @get("/health/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, Any]]:
        """The process can serve: its database answers; the media engine is told, but does not decide."""
        await parley.store.ping()
        engines = {name: status.detail for name, status in parley.pool.statuses().items()}
        return Response({"status": "ok", "media": engines})

    settings = parley.settings
    api = RealtimeKitContext(
        store=parley.store,
        tokens=parley.tokens,
        live=parley.live,
        recordings=parley.recordings,
        chat_dumps=parley.chat_dumps,
        quality=parley.quality,
        livestreams=parley.streaming.streams,
        limiter=WindowLimiter(parley.bus, parley.store.clock.monotonic) if settings.rate_limits else None,
        accepts_key_header=settings.api_key_header,
    )
    client = ClientHttpContext(
        auth=auth,
        files=files,
        recordings=parley.recordings,
        livestreams=parley.streaming.streams,
        ice=ice,
        public_url=parley.public_url,
    )
    pages = WebContext(
        public_url=parley.public_url,
        version=__version__,
        create_demo_meeting=demo.create if demo else None,
        admit_to_demo_chat=DemoChat(demo, parley.block.context.tokens, parley.bus).admit if demo else None,
        visit_room=RoomVisits(
            parley.store, parley.block.rooms.live, parley.block.context.tokens, parley.bus, demo
        ).visit,
    )
    app = Litestar(
        route_handlers=[
            live,
            ready,
            reference_router(prefix=settings.api_prefix),
            key_handler(parley.signer),
            client_router(client),
            recording_router(client),
            livestream_router(client),
            web_router(pages),
            telemetry_routes(auth, parley.quality),
            telemetry_router(),
        ],
        openapi_config=None,
        logging_config=None,  # it would replace the handlers that the server has configured
        exception_handlers={HTTPException: refuse_http, Exception: _unexpected},
    )
    others = BlockGate(block_api(parley.block.context), block_endpoints(), ClientCors(HeadAsGet(app)))
    apart: dict[str, AsgiApp] = {
        API_PREFIX: realtimekit_api(api),
        FILES_PREFIX: FileContent(parley.block.conversations.files),
        HLS_PREFIX: HlsFiles(parley.streaming.playback),
        DOWNLOADS_PREFIX: Downloads(parley.recordings),
        RECORDINGS_PREFIX: RecordingContent(parley.block.rooms.recordings),
    }
    return TelemetryHosts(StripPrefix(ByPrefix(apart, otherwise=others), settings.api_prefix))


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A mistake of ours: logged here, told without details."""
    log.error("request_failed", path=request.scope["path"], exc_info=error)
    return refuse_http(request, InternalServerException(detail="Internal error"))
