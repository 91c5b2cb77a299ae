"""The built pages in a real Chromium: they work, and nothing leaves the origin."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import uvicorn
from litestar import Litestar, Request, Response, get
from playwright.async_api import Browser, Page, expect

from parley.web.context import WebContext
from parley.web.files import read_dist
from parley.web.pages import web_router
from parley.web.telemetry import telemetry_router
from tests.media.browser import chromium, chromium_path
from tests.web.conftest import demo_meeting

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not read_dist(), reason="the pages have not been built"),
    pytest.mark.skipif(chromium_path() is None, reason="no Chromium"),
]


@get("/v2/internals/participant-details", sync_to_thread=False)
def refuse(request: Request[Any, Any, Any]) -> Response[dict[str, object]]:
    """Refuse every participant, with the status its token asks for."""
    claims = request.headers["authorization"].removeprefix("Bearer ").split(".")[1]
    status = json.loads(base64.b64decode(claims + "=="))["status"]
    error = {"code": status, "message": f"The server said {status}."}
    return Response({"success": False, "error": error}, status_code=status)


def token(**claims: object) -> str:
    """A participant token as far as the page can tell."""
    payload = base64.b64encode(json.dumps({"meetingId": "6f0c", **claims}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.signature"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def origin() -> AsyncIterator[str]:
    """A running server."""
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://localhost:{listener.getsockname()[1]}"
    app = Litestar(
        [web_router(WebContext(origin, "1.2.3", demo_meeting)), telemetry_router(), refuse],
        openapi_config=None,
    )
    server = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="warning", lifespan="off"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve([listener]))
        yield origin
        server.should_exit = True


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests here."""
    async with chromium() as browser:
        yield browser


@dataclass
class Visit:
    """A page, and what it did."""

    page: Page
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Console errors and warnings (violations of the policy included), and uncaught exceptions."""

    def foreign(self, origin: str) -> list[str]:
        """Requests to anywhere else."""
        own = {urlsplit(origin).netloc, ""}  # data: and blob: have no host
        return [url for url in self.requested if urlsplit(url).netloc not in own]


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """A fresh page that is watched."""
    context = await browser.new_context()
    visit = Visit(await context.new_page())
    visit.page.on("request", lambda request: visit.requested.append(request.url))
    visit.page.on("websocket", lambda opened: visit.requested.append(opened.url))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on(
        "console",
        lambda said: visit.complaints.append(said.text) if said.type in ("error", "warning") else None,
    )
    yield visit
    await context.close()


async def test_start_page_shows_links_of_a_new_meeting(visit: Visit, origin: str) -> None:
    page = visit.page
    await page.goto(origin)
    await page.fill("#title", "Weekly planning")
    await page.click("#start")
    await expect(page.locator("#result h2")).to_have_text("“Weekly planning” is ready")
    links = [await link.get_attribute("href") for link in await page.locator(".link a").all()]
    assert links == [f"{origin}/meet#token=eyJ.host.sig", f"{origin}/meet#token=eyJ.guest.sig"]
    assert await page.locator(".qr img").evaluate_all(
        "images => images.every(image => image.naturalWidth > 0)"
    )
    assert visit.foreign(origin) == []
    assert visit.complaints == []


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("/meet", "missing"),
        ("/meet#token=eyJ", "invalid"),
        (f"/meet#token={token(exp=1)}", "expired"),
        ("/meet/help", "help"),
    ],
)
async def test_page_says_what_it_can_see_by_itself(
    visit: Visit, origin: str, address: str, state: str
) -> None:
    await visit.page.goto(origin + address)
    await expect(visit.page.locator(f"[data-state={state}]")).to_be_visible()
    assert visit.foreign(origin) == []
    assert visit.complaints == []


@pytest.mark.parametrize(
    ("status", "state"), [(401, "invalid"), (403, "closed"), (404, "gone"), (503, "unavailable")]
)
async def test_page_says_why_the_server_refuses(visit: Visit, origin: str, status: int, state: str) -> None:
    await visit.page.goto(f"{origin}/meet#token={token(status=status, exp=time.time() + 60)}")
    shown = visit.page.locator(f"[data-state={state}]")
    await expect(shown).to_be_visible(timeout=60_000)
    await expect(shown.locator(".detail")).to_have_text(f"The server said {status}.")
    assert visit.foreign(origin) == []
    assert not [line for line in visit.complaints if "Content Security Policy" in line]


async def test_token_in_the_query_moves_into_the_fragment(visit: Visit, origin: str) -> None:
    given = token(exp=1)
    await visit.page.goto(f"{origin}/meet?authToken={given}&theme=dark")
    await expect(visit.page.locator("[data-state=expired]")).to_be_visible()
    assert visit.page.url == f"{origin}/meet?theme=dark#token={given}"


async def test_insecure_page_explains_itself(visit: Visit, origin: str) -> None:
    # A browser shows no media devices to a page that is not secure; loopback always is, so they are hidden.
    await visit.page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    await visit.page.goto(f"{origin}/meet#token={token()}")
    await expect(visit.page.locator("[data-state=insecure]")).to_be_visible()


async def test_shim_leads_the_names_of_the_sdk_to_the_origin(visit: Visit, origin: str) -> None:
    await visit.page.goto(f"{origin}/meet")
    visit.requested.clear()
    answers = await visit.page.evaluate(
        """async host => {
          const fetched = await fetch(`https://api.${host}/favicon.svg`);
          const posted = await fetch(new Request(`https://da-collector.${host}/api/v1/message`,
                                                 { method: 'POST', body: '{}' }));
          const beacon = navigator.sendBeacon(`https://api-silos.${host}/otel/logs`, '{}');
          const old = new XMLHttpRequest();
          await new Promise(done => {
            old.onloadend = done; old.open('GET', `https://location.${host}`); old.send();
          });
          const socket = new WebSocket(`wss://socket-edge.${host}/ws?authToken=x`);
          return [fetched.status, posted.status, beacon, old.status, socket.url];
        }""",
        urlsplit(origin).netloc,
    )
    assert answers == [200, 204, True, 204, f"{origin.replace('http', 'ws')}/ws?authToken=x"]
    assert visit.foreign(origin) == []


@pytest.mark.parametrize("name", ["join.wav", "message.wav", "speaker-test.wav"])
async def test_sounds_can_be_played(visit: Visit, origin: str, name: str) -> None:
    await visit.page.goto(f"{origin}/meet")
    seconds = await visit.page.evaluate(
        """url => new Promise((done, fail) => {
          const sound = new Audio(url);
          sound.onloadedmetadata = () => done(sound.duration);
          sound.onerror = () => fail(new Error('not playable'));
        })""",
        f"/meet/kit/{name}",
    )
    assert 0.2 < seconds < 5


async def test_emoji_list_has_the_form_the_kit_reads(visit: Visit, origin: str) -> None:
    await visit.page.goto(f"{origin}/meet")
    found = await visit.page.evaluate(
        """async () => {
          const list = await (await fetch('/meet/kit/emoji.json')).json();
          const found = list.search.matchAll(/([^,]*?grinning[^,]*):(\\d+)/g);
          return [...found].map(match => list.emojis[match[2]]);
        }"""
    )
    assert "😀" in found


async def test_notices_name_every_bundled_package(visit: Visit, origin: str) -> None:
    await visit.page.goto(f"{origin}/notices")
    packages = set(await visit.page.locator("summary b").all_inner_texts())
    assert {"@cloudflare/realtimekit", "@cloudflare/realtimekit-ui", "hls.js", "emojilib"} <= packages
    assert visit.foreign(origin) == []
    assert visit.complaints == []
