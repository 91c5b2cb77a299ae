"""A customer's web site on an origin of its own: pages that load the shim and the SDK, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent
PACKAGES = FOLDER / "node_modules"
SDK_FILE = "dist/browser.js"


def missing_clients() -> str | None:
    """Why the official clients cannot be loaded; None if they are there."""
    if all((PACKAGES / f"realtimekit-{major}" / SDK_FILE).exists() for major in (1, 2)):
        return None
    return "the official clients are not installed; run `npm ci` in tests/browser"


@asynccontextmanager
async def customer_site(parley_url: str) -> AsyncIterator[str]:
    """The site's origin; `/v1/` and `/v2/` are pages with that major version of the SDK.

    A page takes the shim from `parley_url`, or from the address that its query parameter `parley` names.
    """
    page = (FOLDER / "person.html").read_text()

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name == "sdk.js":
            return web.FileResponse(PACKAGES / f"realtimekit-{request.match_info['major']}" / SDK_FILE)
        if name == "person.js":
            return web.FileResponse(FOLDER / "person.js")
        origin = request.query.get("parley", parley_url)
        return web.Response(text=page.replace("{{parley}}", origin), content_type="text/html")

    app = web.Application()
    app.router.add_get("/v{major:[12]}/{name:.*}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://localhost:{port}"
    finally:
        await runner.cleanup()
