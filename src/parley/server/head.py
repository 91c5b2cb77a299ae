"""HEAD wherever GET is (RFC 9110, section 9.3.2): health checks and `curl -I` ask so."""

from __future__ import annotations

from typing import Any

from litestar.types import ASGIApp, Receive, Send


class HeadAsGet:
    """Lets an application that only knows GET answer HEAD; the server leaves the content out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass on, as GET if it is HEAD."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
