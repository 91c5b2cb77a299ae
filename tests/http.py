"""HTTP inside a test's own event loop: a server that ends at once, and what clients need that use no TLS."""

from __future__ import annotations

import asyncio
import ssl

import uvicorn

SHUTDOWN_TIMEOUT_S = 30.0  # generous: only a failing test waits that long
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For `httpx` clients of plain HTTP; left to themselves, each of them reads all authorities first."""


async def shut_down(server: uvicorn.Server) -> None:
    """As `uvicorn.Server.shutdown`, which sleeps a tenth of a second although nobody is there any more."""
    for listening in server.servers:
        listening.close()
    state = server.server_state
    for connection in list(state.connections):
        connection.shutdown()
    async with asyncio.timeout(SHUTDOWN_TIMEOUT_S):
        while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.001)
