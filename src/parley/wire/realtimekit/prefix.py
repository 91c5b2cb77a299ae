"""The API below a prefix: clients say `/client/v4/accounts/…`, the routes are at `/accounts/…`."""

from __future__ import annotations

from typing import Any

from litestar.types import ASGIApp, Receive, Send

PREFIX = "/client/v4"


class StripPrefix:
    """Lets an application answer below a prefix as well as without it."""

    def __init__(self, app: ASGIApp, prefix: str = PREFIX) -> None:
        self._app = app
        self._prefix = prefix.rstrip("/")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass on, with a shorter path if it is below the prefix."""
        if scope["type"] in ("http", "websocket"):
            path: str = scope["path"]
            if path.startswith(self._prefix + "/"):
                # In place: uvicorn makes a scope for each request and needs its path no more.
                scope["path"] = path[len(self._prefix) :]
                raw: bytes = scope.get("raw_path") or b""
                if raw.startswith(self._prefix.encode()):
                    scope["raw_path"] = raw[len(self._prefix) :]
        await self._app(scope, receive, send)
