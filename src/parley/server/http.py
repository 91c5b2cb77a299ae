"""The HTTP side of the server: every dialect's routes and the pages, as one ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Litestar, Response, get
from litestar.exceptions import HTTPException

from parley import __version__
from parley.channels.files import ChatFiles
from parley.media.turn import IceOptions
from parley.web.context import WebContext
from parley.web.pages import web_router
from parley.web.telemetry import telemetry_router
from parley.wire.realtimekit.client.auth import ParticipantAuth
from parley.wire.realtimekit.client.cors import ClientCors
from parley.wire.realtimekit.client.http import ClientHttpContext, client_router

if TYPE_CHECKING:
    from parley.server.app import Parley
    from parley.server.demo import Demo


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
        engines = {name: status.detail for name, status in parley.pool.statuses().items()}
        return Response({"status": "ok", "media": engines})

    client = ClientHttpContext(
        auth=auth, registry=parley.registry, files=files, ice=ice, public_url=parley.public_url
    )
    pages = WebContext(
        public_url=parley.public_url,
        version=__version__,
        create_demo_meeting=demo.create if demo else None,
    )
    app = Litestar(
        route_handlers=[
            live,
            ready,
            client_router(client),
            web_router(pages),
            telemetry_router(),
        ],
        openapi_config=None,
        exception_handlers={HTTPException: _http_error},
    )
    return ClientCors(app)


def _http_error(_: Any, error: HTTPException) -> Response[dict[str, Any]]:
    """What no dialect's route answered."""
    return Response(
        {"success": False, "error": {"code": error.status_code, "message": error.detail}},
        status_code=error.status_code,
    )
