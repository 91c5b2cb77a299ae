"""Where the SDK's other telemetry ends: on this server, unread.

The client posts its own logs and call statistics (rtk-client-protocol section 2); the shim leads them to
`/telemetry/<service>/`. Statistics have routes of their own (`wire.realtimekit.client.telemetry`); everything
else is accepted, so that no browser console fills with errors, and dropped.
"""

from litestar import Response, Router, route
from litestar.enums import HttpMethod

from parley.web.responses import AnyRequest

_BODY_MAX = 1 << 20  # bytes; the client sends batches of some kilobytes


def telemetry_router() -> Router:
    """Answers 204 to everything under `/telemetry` that nobody else answers."""

    @route(
        "/{path:path}",
        http_method=[HttpMethod.GET, HttpMethod.POST],
        status_code=204,
        include_in_schema=False,
        request_max_body_size=_BODY_MAX,
    )
    async def drop(request: AnyRequest) -> Response[None]:
        """Read what was sent, within the limit, and forget it."""
        await request.body()
        return Response(None, status_code=204, headers={"Cache-Control": "no-store"})

    return Router(path="/telemetry", route_handlers=[drop])
