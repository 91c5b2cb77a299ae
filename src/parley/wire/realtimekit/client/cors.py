"""Lets official clients on pages of other origins call the client API (section 2)."""

from __future__ import annotations

from typing import Any

PREFIXES = ("/v2/", "/iceservers", "/files/chat/", "/telemetry/", "/otel/", "/api/v1/")
_ALLOW = [
    (b"access-control-allow-origin", b"*"),
    # "*" would not cover Authorization.
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Content-Encoding, tracing-id, traceparent, x-realtimekit-version",
    ),
    (b"access-control-allow-methods", b"GET, POST, PUT, OPTIONS"),
    (b"access-control-max-age", b"600"),
]


class ClientCors:
    """ASGI middleware: answers preflights of the client API and marks all its answers, errors too."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIXES):
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": _ALLOW})
            await send({"type": "http.response.body", "body": b""})
        else:

            async def marked(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "headers": [*message["headers"], *_ALLOW]}
                await send(message)

            await self._app(scope, receive, marked)
