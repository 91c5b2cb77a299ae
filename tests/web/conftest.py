"""A small build, a server that offers it, and a demo that makes meetings with made-up tokens."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from parley.web.context import DemoLink, DemoMeeting, WebContext
from parley.web.pages import web_router

PUBLIC_URL = "https://meet.example.org"
PAGE = '<!doctype html><meta name="parley" content="" /><title>{}</title>'
Client = TestClient[Litestar]
OpenSite = Callable[[WebContext], Client]


async def demo_meeting(title: str, kind: str) -> DemoMeeting:
    """A meeting with a host and one other role."""
    other = "Participant" if kind == "group_call" else "Viewer"
    links = (
        DemoLink("Host", f"{kind}_host", "eyJ.host.sig"),
        DemoLink(other, f"{kind}_guest", "eyJ.guest.sig"),
    )
    return DemoMeeting("6f0c", title, links)


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """What a build leaves behind, in small."""
    folder = tmp_path / "dist"
    script = b"console.log(1);" * 200
    files = {
        "index.html": PAGE.format("start").encode(),
        "chat.html": PAGE.format("chat").encode(),
        "room.html": PAGE.format("room").encode(),
        "meet.html": PAGE.format("meet").encode(),
        "notices.html": b"<!doctype html><title>Third-party notices</title>",
        "favicon.svg": b"<svg/>",
        "assets/start-0a1b.js": script,
        "assets/start-0a1b.js.gz": gzip.compress(script),
        "assets/font-0a1b.woff2": b"wOF2",
        "meet/shim.js": b"(()=>{})();",
        "meet/kit/join.wav": b"RIFF",
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def open_site(dist: Path) -> Iterator[OpenSite]:
    """Opens the pages of that build for a context."""
    with ExitStack() as stack:

        def open_site(context: WebContext, folder: Path = dist) -> Client:
            app = Litestar([web_router(context, folder)], openapi_config=None)
            return stack.enter_context(TestClient(app, base_url=PUBLIC_URL))

        yield open_site


@pytest.fixture
def site(open_site: OpenSite) -> Client:
    """The pages with the demo switched on."""
    return open_site(WebContext(PUBLIC_URL, "1.2.3", demo_meeting))
