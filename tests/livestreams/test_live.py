"""A meeting of participants without browsers, streamed by a real server; played as any player does."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests import netns
from tests.browser.customer import HOST, Customer, Meeting
from tests.browser.server import PROGRAM, ParleyServer
from tests.livestreams.watching import DEADLINE_S, Watched, decode

pytestmark = [
    pytest.mark.media,
    pytest.mark.skipif(shutil.which("janus") is None, reason="janus is not installed"),
    pytest.mark.skipif(netns.missing_network() is not None, reason=str(netns.missing_network())),
]


class Venue:
    """A server, its customer, and people in a meeting."""

    def __init__(self, server: ParleyServer, customer: Customer, folder: Path) -> None:
        self.server, self.customer, self.folder = server, customer, folder
        self.http = httpx.AsyncClient(headers={"Authorization": f"Bearer {server.api_token}"}, timeout=60)
        self._people: list[asyncio.subprocess.Process] = []

    async def join(self, meeting: Meeting, name: str) -> asyncio.subprocess.Process:
        """Somebody with a camera and a tone."""
        invitation = await self.customer.invite(meeting, name, HOST)
        person = await asyncio.create_subprocess_exec(
            *(str(PROGRAM), "join", invitation.token, "--url", self.server.url),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._people.append(person)
        return person

    async def ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """A request to the REST API below the app."""
        answer = await self.http.request(method, self.customer.address(self.server.url) + path, **more)
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def is_status(self, stream_id: str, wanted: str) -> dict[str, Any]:
        """Wait until a stream is that far."""
        end = time.monotonic() + DEADLINE_S
        while True:
            found = await self.ask("GET", f"/livestreams/{stream_id}")
            if found["livestream"]["status"] == wanted:
                return found
            assert time.monotonic() < end, found
            await asyncio.sleep(0.2)

    async def plays(self, stream_id: str, viewer: str = "") -> tuple[Watched, str]:
        """What the newest segment shows, and the address of the playlist."""
        base = f"{self.server.url}/hls/{stream_id}/"
        if not viewer:
            entrance = await self.http.get(base + "index.m3u8")
            assert entrance.is_success, entrance.text
            viewer = entrance.text.splitlines()[-1]
        playlist = await self.http.get(base + viewer)
        assert playlist.is_success, playlist.text
        segment = [line for line in playlist.text.splitlines() if ".ts" in line][-1]
        content = await self.http.get(base + segment)
        assert content.headers["access-control-allow-origin"] == "*"
        path = self.folder / "segment.ts"
        path.write_bytes(content.content)
        return decode(path), viewer

    async def shows_life(self, stream_id: str, is_alive: bool = True) -> None:
        """Wait for a segment with a moving picture and sound, or with neither."""
        end = time.monotonic() + DEADLINE_S
        while True:
            watched, _ = await self.plays(stream_id)
            if watched.pictures and watched.moves is is_alive and (watched.loudest > 0.05) is is_alive:
                return
            assert time.monotonic() < end, f"{watched.loudest}, {watched.moves}"
            await asyncio.sleep(0.3)

    def encoders(self) -> list[int]:
        """Process ids."""
        found = []
        for pid in self.server.children():
            words = Path(f"/proc/{pid}/cmdline")
            if words.exists() and b"parley.livestreams.encoder" in words.read_bytes():
                found.append(pid)
        return found

    async def close(self) -> None:
        """Everybody goes home."""
        for person in self._people:
            if person.returncode is None:
                person.send_signal(signal.SIGTERM)
        for person in self._people:
            try:
                await asyncio.wait_for(person.wait(), 20)
            except TimeoutError:
                person.kill()
                await person.wait()
        await self.http.aclose()


@pytest_asyncio.fixture
async def venue(tmp_path: Path) -> AsyncIterator[Venue]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 45_000 + 200 * worker
    server = ParleyServer(tmp_path / "data", rtp_ports=f"{first}-{first + 199}")
    await server.start()
    try:
        customer = await Customer.open(server.url, server.account_id, server.api_token)
        made = Venue(server, customer, tmp_path)
        try:
            yield made
        finally:
            await made.close()
            await customer.close()
    finally:
        await server.stop()


async def test_a_meeting_is_streamed_through_crashes_until_it_is_stopped(venue: Venue):
    meeting = await venue.customer.create_meeting("Concert", live_stream_on_start=True)
    await venue.join(meeting, "Ann")
    stream_id = ""
    end = time.monotonic() + DEADLINE_S
    while not stream_id:  # begins by itself
        rows = (await venue.ask("GET", "/livestreams"))["livestreams"]
        stream_id = rows[0]["id"] if rows else ""
        assert time.monotonic() < end
        await asyncio.sleep(0.2)
    await venue.is_status(stream_id, "LIVE")
    await venue.shows_life(stream_id)

    os.kill(venue.encoders()[0], signal.SIGKILL)
    while not (found := venue.encoders()):
        assert time.monotonic() < end + DEADLINE_S
        await asyncio.sleep(0.1)
    assert len(found) == 1
    await venue.shows_life(stream_id)

    await venue.server.kill()
    await venue.server.start()
    again = await venue.is_status(stream_id, "LIVE")
    assert again["paging"]["total_count"] == 1  # the same run goes on
    while not venue.encoders():
        assert time.monotonic() < end + 2 * DEADLINE_S
        await asyncio.sleep(0.1)
    await venue.shows_life(stream_id)

    _, viewer = await venue.plays(stream_id)
    await venue.ask("POST", f"/meetings/{meeting.id}/active-livestream/stop")
    stopped = await venue.is_status(stream_id, "IDLE")
    assert stopped["session"]["ingest_seconds"] > 0
    while (await venue.http.get(f"{venue.server.url}/hls/{stream_id}/index.m3u8")).status_code != 404:
        assert time.monotonic() < end + 3 * DEADLINE_S
        await asyncio.sleep(0.2)
    while True:  # those who watch see its end
        playlist = await venue.http.get(f"{venue.server.url}/hls/{stream_id}/{viewer}")
        if "#EXT-X-ENDLIST" in playlist.text:
            break
        assert time.monotonic() < end + 3 * DEADLINE_S
        await asyncio.sleep(0.2)
    while venue.encoders():
        assert time.monotonic() < end + 3 * DEADLINE_S
        await asyncio.sleep(0.2)
    while (await venue.ask("GET", f"/livestreams/{stream_id}"))["session"]["viewer_seconds"] < 1:
        assert time.monotonic() < end + 3 * DEADLINE_S
        await asyncio.sleep(0.2)


async def test_what_a_paused_recording_sends_elsewhere_shows_nobody(venue: Venue):
    meeting = await venue.customer.create_meeting("Council")
    await venue.join(meeting, "Ann")
    out = {"rtmp_url": "rtmp://nobody.example/live/key"}
    recording = await venue.ask(
        "POST", "/recordings", json={"meeting_id": meeting.id, "rtmp_out_config": out}
    )
    stream_id = (await venue.ask("GET", "/livestreams"))["livestreams"][0]["id"]
    await venue.is_status(stream_id, "LIVE")
    await venue.shows_life(stream_id)

    for action, is_alive in (("pause", False), ("resume", True)):
        await venue.ask("PUT", f"/recordings/{recording['id']}", json={"action": action})
        await venue.shows_life(stream_id, is_alive)
