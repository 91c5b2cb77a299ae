"""What clients tell of themselves beside the call: by folder, and by the host names that they build."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from parley.accounts.scope import Scope
from parley.base.ids import PeerId, new_uuid
from parley.meetings.history import service as history
from parley.meetings.model import Meeting
from parley.quality.model import CallData, Stream
from parley.quality.service import BURST, Quality
from parley.store.core import Store
from tests.wire.realtimekit.client.house import House, browser_of, house_on, new_app
from tests.wire.realtimekit.client.peer import Peer

POSTS = Path(__file__).parents[3] / "quality" / "posts"
FOLDER, HOST = "/telemetry/da-collector/api/v1/message", "/api/v1/message"


async def come(house: House, meeting: Meeting) -> tuple[Peer, str]:
    """Somebody in the meeting, and their token."""
    _, token = await house.invite(meeting)
    return await house.come(token), token


def post_of(name: str, peer: Peer) -> bytes:
    """What a real client posted, as if this peer had."""
    return json.dumps(json.loads((POSTS / f"{name}.json").read_text()) | {"peerId": peer.id}).encode()


async def send(
    http: aiohttp.ClientSession, token: str, body: bytes, path: str = FOLDER, **headers: str
) -> int:
    wanted = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
    async with http.post(path, data=io.BytesIO(body), headers=wanted) as answer:
        return answer.status


async def measured(house: House, peer: Peer) -> CallData:
    found = await history.get_peer(house.app, PeerId(peer.id))
    return await Quality(house.store.clock).call_of(house.app, found.session_id, found.id)


@pytest.mark.parametrize(
    ("path", "headers"), [(FOLDER, {}), (HOST, {}), (HOST, {"Host": "da-collector.rtc.example.org:8443"})]
)
async def test_statistics_are_kept(
    house: House, meeting: Meeting, path: str, headers: dict[str, str]
) -> None:
    peer, token = await come(house, meeting)
    async with browser_of(house.url) as http:
        for name in ("joined", "measured"):
            assert await send(http, token, post_of(name, peer), path, **headers) == 200
    call = await measured(house, peer)
    assert call.metadata.sdk_version == "1.5.1"
    assert [sample["packets_received"] for sample in call.samples[Stream.AUDIO_CONSUMER]] == [1034]


async def test_statistics_of_somebody_else_are_refused(house: House, meeting: Meeting) -> None:
    peer, _ = await come(house, meeting)
    _, token = await come(house, meeting)
    async with browser_of(house.url) as http:
        assert await send(http, token, post_of("joined", peer)) == 403
    assert (await measured(house, peer)).metadata.sdk_version == ""


async def test_statistics_need_a_token(house: House, meeting: Meeting) -> None:
    peer, _ = await come(house, meeting)
    async with browser_of(house.url) as http:
        assert await send(http, "forged", post_of("joined", peer)) == 401


async def test_statistics_of_nobody_are_refused(
    house: House, meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley.quality.service.TRY_EVERY_S", 0.001)
    _, token = await come(house, meeting)
    body = json.dumps({"peerId": new_uuid(), "payload": {"entries": []}}).encode()
    async with browser_of(house.url) as http:
        assert await send(http, token, body) == 404


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"peerId":"p","payload":' + b"[" * 200_000])
async def test_other_bodies_are_refused(house: House, meeting: Meeting, body: bytes) -> None:
    _, token = await come(house, meeting)
    async with browser_of(house.url) as http:
        assert await send(http, token, body) == 400


async def test_endless_statistics_are_refused(house: House, meeting: Meeting) -> None:
    _, token = await come(house, meeting)
    async with browser_of(house.url) as http:
        assert await send(http, token, b" " * ((1 << 20) + 1)) == 413


async def test_a_flood_of_statistics_is_refused(store: Store, scope: Scope, logged: list[Any]) -> None:
    async with house_on(store, await new_app(scope), rate_limits=True) as house:
        peer, token = await come(house, await house.meeting())
        body = json.dumps({"peerId": peer.id, "payload": {"entries": []}}).encode()
        async with browser_of(house.url) as http:
            statuses = [await send(http, token, body) for _ in range(int(BURST) + 1)]
        assert statuses == [200] * int(BURST) + [429]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/telemetry/location", {}),
        ("POST", "/telemetry/location-legacy/?token=3c&peerId=1", {}),
        ("GET", "/", {"Host": "location.rtc.example.org"}),
        ("POST", "/?token=3c&peerId=1", {"Host": "location-legacy.rtc.example.org"}),
    ],
)
async def test_clients_are_told_enough_to_measure(
    house: House, method: str, path: str, headers: dict[str, str]
) -> None:
    async with browser_of(house.url) as http, http.request(method, path, headers=headers) as answer:
        assert answer.headers["access-control-allow-origin"] == "*"
        told = await answer.json()
    assert len(told["loc"]) > 5  # or they do not measure
    assert told["ip"] == "127.0.0.1"
    assert not any(told[name] for name in ("city", "region", "country", "org", "postal", "timezone"))
