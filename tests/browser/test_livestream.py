"""Live streams in a browser: the host's button, viewers with the official UI kit, the page of a stream."""

from __future__ import annotations

from typing import Any

from playwright.async_api import expect

from tests.browser.conftest import Stage
from tests.browser.kit import MEETING, PATIENCE_MS, KitPage
from tests.media.browser import until

LIVE_HOST, LIVE_VIEWER = "livestream_host", "livestream_viewer"
PLAYING = """(() => {
    const walk = root => [...root.querySelectorAll('*')].flatMap(
        node => [node, ...(node.shadowRoot ? walk(node.shadowRoot) : [])]);
    const videos = walk(document).filter(node => node.tagName === 'VIDEO');
    const video = videos.find(video => video.src.startsWith('blob:') && video.videoWidth >= 640);
    return video ? video.currentTime : 0;
})()"""
"""How far the player of HLS has come, in seconds."""


GREEN = """(() => {
    const video = document.querySelector('video');
    const canvas = document.createElement('canvas');
    canvas.width = 64; canvas.height = 36;
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 64, 36);
    const pixels = context.getImageData(0, 0, 64, 36).data;
    let green = 0;
    for (let at = 0; at < pixels.length; at += 4) green += pixels[at + 1] > pixels[at] + 40 ? 1 : 0;
    return green;
})()"""
"""How much of the picture is the green of Chromium's camera, of 2304."""


async def _shows_camera(page: Any) -> None:
    """Wait until the host's camera, which is sent in layers, is seen in the stream."""

    async def reason() -> str:
        green = await page.evaluate(GREEN)
        return "" if green > 400 else f"{green} green pixels"

    await until(reason, PATIENCE_MS / 1000)


async def _plays_on(page: Any) -> None:
    """Wait until a picture of the stream's size moves on."""
    seen = [0.0]

    async def reason() -> str:
        now = await page.evaluate(PLAYING)
        first = seen[0] or now
        seen[0] = first
        return "" if now > first + 1 else f"the player is at {now} s"

    await until(reason, PATIENCE_MS / 1000)


async def test_a_host_streams_and_viewers_watch(stage: Stage) -> None:
    expect.set_options(timeout=PATIENCE_MS)
    meeting = await stage.meeting("Show")
    kits: list[KitPage] = []
    for name, preset in (("Hana", LIVE_HOST), ("Vera", LIVE_VIEWER)):
        invitation = await stage.customer.invite(meeting, name, preset)
        kits.append(await KitPage.open(stage.browser, stage.server.url, invitation.token))
    host, viewer = kits
    await host.join()
    await host.until(f"{MEETING}.self.roomJoined")
    await host.page.locator("rtk-livestream-toggle rtk-controlbar-button").first.click()
    await viewer.join()
    await _plays_on(viewer.page)
    watched = await viewer.page.evaluate(f"{MEETING}.livestream.playbackUrl")
    assert await viewer.page.evaluate(f"{MEETING}.livestream.ingestionCredentials") is None

    page = await stage.browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(f"{stage.server.url}/watch/{watched.split('/hls/')[1].split('/')[0]}")
    await _plays_on(page)
    await expect(page.get_by_text("LIVE", exact=True)).to_be_visible()
    await _shows_camera(page)

    await host.until(f"{MEETING}.livestream.state === 'LIVESTREAMING'")
    await host.until(f"{MEETING}.livestream.viewerCount === 2")
    await host.page.evaluate(f"{MEETING}.livestream.stop()")
    await viewer.until(f"{MEETING}.livestream.state === 'IDLE'")
    await viewer.until(f"{MEETING}.livestream.viewerCount === 0")
    await expect(page.get_by_text("The stream has ended")).to_be_visible()
    await page.close()
    for kit in kits:
        await kit.close()
        assert kit.foreign() == []
    assert not [said for said in complaints if "404" not in said]  # it asks whether the stream goes on
