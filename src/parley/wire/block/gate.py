"""Where the dialect's paths begin, and which pages may call them (`realtime-block.md` 1.2)."""

from __future__ import annotations

from typing import Any

from parley.wire.asgi import AsgiApp, Header, Receive, RestApi, Send
from parley.wire.block.endpoint import Endpoint

_ALLOW: list[Header] = [
    (b"access-control-allow-origin", b"*"),  # the first: apps may say otherwise
    (
        b"access-control-allow-headers",
        b"X-Api-Key, X-App-Id, AppId, Authorization, tenant-id, X-Request-ID, X-Channel-Auth, Content-Type,"
        b" Accept",
    ),
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE, OPTIONS"),
    (
        b"access-control-expose-headers",
        b"X-Request-ID, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset,"
        b" X-Idempotency-Status",
    ),
    (b"access-control-max-age", b"600"),
]


class BlockGate:
    """ASGI: the dialect's paths go to its routes, with answers that pages may read; all others pass."""

    def __init__(self, api: RestApi, endpoints: list[Endpoint], otherwise: AsgiApp) -> None:
        self._api = api
        self._otherwise = otherwise
        paths = [endpoint.path.split("/") for endpoint in endpoints]
        self._whole = frozenset("/".join(path) for path in paths if len(path) == 2)
        """Such as `/health`, below which others have paths too."""
        self._words = frozenset(path[1] for path in paths if len(path) > 2) - {"health"}

    def owns(self, path: str) -> bool:
        """Whether a path is the dialect's, known or not."""
        first = path[1:].partition("/")[0]
        return first in self._words or path.rstrip("/") in self._whole

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not self.owns(scope["path"]):
            await self._otherwise(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": _ALLOW})
            await send({"type": "http.response.body", "body": b""})
        else:

            async def marked(message: Any) -> None:
                if message["type"] == "http.response.start":
                    headers = message["headers"]
                    # An answer that varies has said already which pages may read it.
                    more = _ALLOW[1:] if any(name == b"vary" for name, _ in headers) else _ALLOW
                    message = {**message, "headers": [*headers, *more]}
                await send(message)

            await self._api(scope, receive, marked)
