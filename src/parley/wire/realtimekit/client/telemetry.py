"""What official clients tell of themselves beside the call (rtk-client-protocol section 2).

Each kind has a host of its own, such as `da-collector.<base>`; pages with the shim use folders below
`/telemetry` of one origin instead. `TelemetryHosts` makes them one. Call statistics are kept
(`parley.quality`); client logs are taken and dropped (`web.telemetry`): both stay on this host.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get, post

from parley.base.errors import ParleyError, TooLarge
from parley.quality.service import Quality
from parley.wire.realtimekit.client.auth import ParticipantAuth
from parley.wire.realtimekit.client.http import answer, refused

FOLDER = "/telemetry"
HOSTS = ("da-collector", "location", "location-legacy", "api-silos")
_HOSTS = {name.encode(): name for name in HOSTS}
BODY_LIMIT_BYTES = 1 << 20
"""A hundred statistics of a call of a hundred; those of a call of four take 7 KB."""


class TelemetryHosts:
    """ASGI middleware: requests to the hosts above become requests to their folders."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "http":
            host = next((value for key, value in scope["headers"] if key == b"host"), b"")
            named = _HOSTS.get(host.split(b".", 1)[0])
            if named is not None:
                path = f"{FOLDER}/{named}{scope['path']}".rstrip("/")
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


def telemetry_routes(auth: ParticipantAuth, quality: Quality) -> Router:
    """The routes, to be mounted at the root."""

    @post(["/api/v1/message", f"{FOLDER}/da-collector/api/v1/message"], status_code=200)
    async def statistics(request: Request[Any, Any, Any]) -> Response[bytes]:
        claims, scope = await auth.of_header(request.headers)
        quality.allow(claims.participant_id)
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > BODY_LIMIT_BYTES:
                raise TooLarge("The statistics are too large.")
        await quality.take(scope, claims.participant_id, bytes(data))
        return answer({})

    @get(f"{FOLDER}/location")
    async def location(request: Request[Any, Any, Any]) -> Response[bytes]:
        return answer(_whereabouts(request))

    @post(f"{FOLDER}/location-legacy", status_code=200)
    async def location_legacy(request: Request[Any, Any, Any]) -> Response[bytes]:
        return answer(_whereabouts(request))

    return Router(
        path="/",
        route_handlers=[statistics, location, location_legacy],
        exception_handlers={ParleyError: refused},
        include_in_schema=False,
    )


def _whereabouts(request: Request[Any, Any, Any]) -> dict[str, str]:
    """What a client wants to know before it measures: its address; where that is nobody here knows.

    Clients take no answer without coordinates, and keep only the first half of an IPv4 address.
    """
    nowhere = dict.fromkeys(("city", "region", "country", "org", "postal", "timezone"), "")
    return {"loc": "0.0000,0.0000", "ip": request.client.host if request.client else "", **nowhere}
