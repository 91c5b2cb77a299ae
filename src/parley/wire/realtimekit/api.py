"""The RealtimeKit REST API as one router (`realtimekit.md`).

    endpoint.py   how a route is declared, and the checks before it
    reading.py    bodies and queries into values; error texts
    answers.py    envelopes of success, errors.py those of failure
    apps.py …     one module per area: its shapes and routes

The routes are at `/accounts/{account_id}/realtime/kit/…`; `prefix.StripPrefix` adds `/client/v4`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from litestar import Request, Router
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from parley.wire.realtimekit import (
    active_session,
    apps,
    meetings,
    participants,
    presets,
    sessions,
    webhooks,
)
from parley.wire.realtimekit.endpoint import (
    BODY_LIMIT_BYTES,
    KIT,
    Endpoint,
    RealtimeKitContext,
    Routes,
    answer,
)

AREAS: tuple[Routes, ...] = (
    apps.routes,
    meetings.routes,
    participants.routes,
    presets.routes,
    active_session.routes,
    sessions.routes,
    webhooks.routes,
)


def endpoints(areas: Sequence[Routes] = AREAS) -> list[Endpoint]:
    """Every declared route."""
    return [endpoint for area in areas for endpoint in area.endpoints]


def realtimekit_router(context: RealtimeKitContext, areas: Sequence[Routes] = AREAS) -> Router:
    """The routes, to be mounted at the root.

    Unknown paths and wrong methods are met before any route is: give the application
    `exception_handlers={HTTPException: errors.refuse_http}` for paths of this API.
    """
    return Router(
        path=_typed(KIT),
        route_handlers=[_handler(endpoint, context) for endpoint in endpoints(areas)],
        request_max_body_size=BODY_LIMIT_BYTES,
        include_in_schema=False,  # `openapi.document` describes them
    )


def _handler(endpoint: Endpoint, context: RealtimeKitContext) -> HTTPRouteHandler:
    async def handle(request: Request[Any, Any, Any]) -> ASGIResponse:
        return await answer(endpoint, context, request)

    method = cast("Any", endpoint.method)  # one of the framework's literals
    declare = HTTPRouteHandler(_typed(endpoint.path), http_method=[method], status_code=endpoint.status)
    handler: HTTPRouteHandler = declare(handle)
    return handler


def _typed(path: str) -> str:
    """A path as the framework writes its parameters."""
    return path.replace("_id}", "_id:str}")
