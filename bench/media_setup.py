"""Time from `join()` to the first remote picture in Chromium, against a bare Janus and a hand-written page.

    python -m tests.netns python -m bench.media_setup [--rounds 7]

Both sides have one participant who stays and sends camera and microphone; in each round another one, whose
devices are open already, joins, publishes both, and watches. The clock runs in the page: from the call of
`join()` until `requestVideoFrameCallback` tells of the first picture. Parley's side is `parley serve` and the
official SDK; the other is one Janus process, spoken to over WebSocket by `pages/bare.html`. Same browser,
same network, rounds in turn, medians.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from playwright.async_api import Browser, Page, async_playwright

from bench.figures import Figure, table
from bench.server import ParleyServer, parley
from tests.media.browser import FLAGS, chromium_path
from tests.netns import missing_network

PAGES = Path(__file__).parent / "pages"
SDK = Path(__file__).parent.parent / "web/node_modules/@cloudflare/realtimekit/dist/browser.js"
AT_MOST = 1.5
STEP_S = 20.0
"""Limit of each step of a page."""
_LIBRARIES = {"plugins": "libjanus_videoroom.so", "transports": "libjanus_websockets.so"}
_INTERCEPTED = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"
"""The pages are answered by the browser's driver, so the browser takes them for pages of a public host."""
Join = Callable[[bool], Awaitable[float | None]]
"""Join with a fresh page: True stays, False leaves again and returns milliseconds."""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _janus_libraries() -> Path:
    return next(Path("/usr/lib").glob("*/janus"))


@contextlib.asynccontextmanager
async def _bare_janus(folder: Path) -> AsyncIterator[str]:
    """A Janus with one room; yields the address of its API."""
    port = _free_port()
    libraries = _janus_libraries()
    disabled = {
        kind: ",".join(f.name for f in (libraries / kind).glob("*.so") if f.name != _LIBRARIES.get(kind))
        for kind in ("plugins", "transports", "events", "loggers")
    }
    main = f'general: {{ configs_folder = "{folder}"; debug_level = 2; server_name = "bare"; }}\n'
    main += 'media: { rtp_port_range = "32000-33999"; }\n'
    main += "".join(f'{kind}: {{ disable = "{names}"; }}\n' for kind, names in disabled.items())
    (folder / "janus.jcfg").write_text(main)
    control = f'general: {{ ws = true; ws_port = {port}; ws_ip = "127.0.0.1"; wss = false; }}\n'
    (folder / "janus.transport.websockets.jcfg").write_text(control)
    room = 'room-1: { description = "bench"; publishers = 10; videocodec = "vp8"; notify_joining = false; }\n'
    (folder / "janus.plugin.videoroom.jcfg").write_text(room)
    command = [shutil.which("janus") or "janus", "-F", str(folder), "-C", str(folder / "janus.jcfg")]
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 - takes a millisecond
    try:
        deadline = time.monotonic() + STEP_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if child.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Janus did not start:\n{(folder / 'log').read_text()}") from None
                await asyncio.sleep(0.02)
        yield f"ws://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(10)


@contextlib.asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(),
            args=[*FLAGS, _INTERCEPTED],
            ignore_default_args=["--headless", "--headless=old"],
        )
        try:
            yield browser
        finally:
            await browser.close()


def _ask(server: ParleyServer, path: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"{server.url}/client/v4/accounts/{server.account_id}/realtime/kit{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["data"]


def _tokens(server: ParleyServer, count: int) -> list[str]:
    """One meeting, and so many participants of it."""
    app = _ask(server, "/apps", {"name": "bench"})["app"]["id"]
    meeting = _ask(server, f"/{app}/meetings", {"title": "bench"})["id"]
    people = f"/{app}/meetings/{meeting}/participants"
    return [
        str(
            _ask(server, people, {"preset_name": "group_call_host", "custom_participant_id": f"p{n}"})[
                "token"
            ]
        )
        for n in range(count)
    ]


async def _open(browser: Browser, url: str, html: str) -> Page:
    context = await browser.new_context()
    page = await context.new_page()
    await page.route(
        "**/bench.html", lambda route: route.fulfill(path=PAGES / html, content_type="text/html")
    )
    await page.route("**/sdk.js", lambda route: route.fulfill(path=SDK, content_type="text/javascript"))
    await page.goto(f"{url}/bench.html")
    return page


async def _run(page: Page, prepare: list[Any], join: list[Any]) -> float | None:
    async with asyncio.timeout(2 * STEP_S):
        await page.evaluate("a => prepare(...a)", prepare)
        taken: float | None = await page.evaluate("a => join(...a)", join)
    return taken


def _sides(browser: Browser, server: ParleyServer, tokens: list[str], janus: str) -> dict[str, Join]:
    async def with_parley(stays: bool) -> float | None:
        page = await _open(browser, server.url, "sdk.html")
        taken = await _run(page, [tokens.pop()], [stays])
        if not stays:
            await page.evaluate("() => meeting.leave()")
            await page.context.close()
        return taken

    async def with_janus(stays: bool) -> float | None:
        page = await _open(browser, "http://localhost", "bare.html")
        taken = await _run(page, [janus], [stays])
        if not stays:
            await page.context.close()
        return taken

    return {"parley": with_parley, "janus": with_janus}


async def measure(rounds: int = 7) -> list[Figure]:
    """Run everything.

    Raises:
        RuntimeError: media cannot flow here.
    """
    missing = missing_network()
    if missing is not None:
        raise RuntimeError(missing)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        bare = Path(name) / "janus"
        bare.mkdir()
        flags = ("--no-rate-limits", "--no-demo", "--log-level", "warning")
        async with (
            _bare_janus(bare) as janus,
            parley(Path(name) / "parley", *flags) as server,
            _chromium() as browser,
        ):
            sides = _sides(browser, server, _tokens(server, rounds + 2), janus)
            found: dict[str, list[float]] = {side: [] for side in sides}
            for join in sides.values():
                await join(True)
            for number in range(rounds + 1):  # the first warms up
                for side, join in sides.items():
                    taken = await join(False)
                    assert taken is not None, f"nobody else was there ({side})"
                    if number:
                        found[side].append(taken)
    ours, theirs = (statistics.median(found[side]) for side in ("parley", "janus"))
    spread = f"{min(found['parley']):.0f} to {max(found['parley']):.0f} ms"
    return [
        Figure(
            name="join() to first remote picture, of bare Janus",
            value=ours / theirs,
            at_most=AT_MOST,
            detail=f"{ours:.0f} ({spread}) against {theirs:.0f} ms",
        )
    ]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    print(table(uvloop.run(measure(parser.parse_args().rounds))))


if __name__ == "__main__":
    main()
