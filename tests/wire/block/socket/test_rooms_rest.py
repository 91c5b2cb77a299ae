"""WebRTC rooms over REST, beside the sockets of those who are in them (`realtime-block.md` 15.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio

from parley.base.clock import ManualClock
from parley.base.times import to_ms
from parley.channels.realtime.events import RoomCreated, RoomRecordingReady
from parley.channels.realtime.tokens import OneRoom
from parley.rooms.live import LiveRooms
from parley.rooms.model import Role
from parley.rooms.recordings import Recordings
from parley.store.blobs import Blobs
from parley.wire.asgi import ByPrefix
from parley.wire.block.api import block_api
from parley.wire.block.rooms.recordings import PREFIX, RecordingContent
from tests.http import NO_AUTHORITIES
from tests.wire.block.socket.serving import Realtime, Refused
from tests.wire.realtimekit.serving import serving

ROOMS = "/v1/realtime/webrtc/rooms"


class Rest:
    """Requests of the customer's server (None) and of users."""

    def __init__(self, realtime: Realtime, http: httpx.AsyncClient) -> None:
        self.realtime = realtime
        self.http = http

    async def ask(
        self, who: str | None, method: str, path: str, body: Any = None, *, status: int = 200, **more: Any
    ) -> Any:
        """A request that must have this status; its document."""
        keys = self.realtime.keys
        headers = {"X-Api-Key": keys.secret}
        if who is not None:
            now = to_ms(self.realtime.scope.store.clock.now()) // 1000
            token = jwt.encode({"sub": who, "exp": now + 86_400}, keys.secret, "HS256")
            headers = {"X-Api-Key": keys.publishable, "Authorization": f"Bearer {token}"}
        if body is not None:
            more["json"] = body
        found = await self.http.request(method, path, headers=headers, **more)
        assert found.status_code == status, f"{found.status_code} {found.text}"
        return found.json() if found.content else None

    async def create(self, who: str | None = "alice", **attributes: Any) -> dict[str, Any]:
        """A room's resource."""
        given = {"name": "Room", "settings": {"topology": "mesh"}, **attributes}
        body = {"data": {"type": "webrtc_rooms", "attributes": given}}
        return (await self.ask(who, "POST", ROOMS, body, status=201))["data"]

    async def upload(self, who: str | None, room_id: str, *, status: int = 201, **more: Any) -> Any:
        """A recording's resource, or the refusal."""
        form = {"files": {"file": ("me.webm", b"moving pictures", "video/webm")}, **more}
        found = await self.ask(who, "POST", f"{ROOMS}/{room_id}/recordings", status=status, **form)
        return found.get("data", found)


@pytest_asyncio.fixture
async def rest(realtime: Realtime) -> AsyncIterator[Rest]:
    """The block's routes on the same server process as its sockets."""
    context = realtime.block.context
    content = RecordingContent(context.areas[Recordings])
    async with (
        serving(ByPrefix({PREFIX: content}, block_api(context))) as origin,
        httpx.AsyncClient(base_url=origin, timeout=30, verify=NO_AUTHORITIES) as http,
    ):
        yield Rest(realtime, http)


async def test_a_room_is_made_with_the_documented_defaults(rest: Rest):
    body = {"data": {"type": "webrtc_rooms", "attributes": {"name": "Stand-up"}}}
    made = (await rest.ask("alice", "POST", ROOMS, body, status=201))["data"]
    assert made["type"] == "webrtc_rooms"
    assert made["id"].startswith("room_")
    token = made["attributes"].pop("token")
    assert made["attributes"] == {
        "name": "Stand-up",
        "join_url": f"https://parley.example/rooms/{made['id']}",
        "max_participants": 10,
        "recording_enabled": False,
        "access": "open",
        "settings": {
            "video": {"enabled": True, "quality": "hd"},
            "audio": {"enabled": True, "noise_suppression": True},
            "screen_sharing": {"enabled": True},
            "topology": "sfu",
        },
        "status": "open",
        "created_by": "alice",
        "created_at": "2026-01-01T00:00:00.000Z",
        "ended_at": None,
    }
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["aud"], claims["room"], claims["sub"], claims["role"]) == (
        "webrtc",
        made["id"],
        "alice",
        "host",
    )


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"max_participants": 1}, "max_participants"),
        ({"max_participants": 51}, "max_participants"),
        ({"access": "secret"}, "access"),
        ({"settings": {"video": {"quality": "8k"}}}, "settings/video/quality"),
        ({"settings": {"topology": "star"}}, "settings/topology"),
    ],
)
async def test_a_wrong_room_names_its_field(rest: Rest, attributes: dict[str, Any], pointer: str):
    body = {"data": {"type": "webrtc_rooms", "attributes": {"name": "Room", **attributes}}}
    found = await rest.ask(None, "POST", ROOMS, body, status=422)
    assert found["errors"][0]["source"] == {"pointer": f"/data/attributes/{pointer}"}


async def test_a_user_makes_rooms_for_nobody_else(rest: Rest):
    body = {"name": "Room", "created_by": "bob"}
    await rest.ask("alice", "POST", ROOMS, body, status=403)
    made = (await rest.ask(None, "POST", ROOMS, body, status=201))["data"]
    assert made["attributes"]["created_by"] == "bob"


async def test_a_room_tells_how_many_are_in_it_and_who(rest: Rest):
    made = await rest.create()
    alice = await rest.realtime.connect("alice")
    mine = (await alice.ask("webrtc.join", room_id=made["id"]))["participant"]
    found = (await rest.ask("bob", "GET", f"{ROOMS}/{made['id']}"))["data"]["attributes"]
    assert found["participants_count"] == 1
    assert "token" not in found
    listed = await rest.ask("bob", "GET", f"{ROOMS}/{made['id']}/participants")
    assert listed["data"] == [{"id": mine["id"], "type": "webrtc_participants", "attributes": mine}]


async def test_a_page_of_rooms_has_open_ones_and_ones_own(rest: Rest, clock: ManualClock):
    ids = []
    for who, access in (("alice", "open"), ("alice", "token"), ("bob", "token")):
        ids.append((await rest.create(who, access=access))["id"])
        clock.advance(1)

    async def listed(who: str | None, query: str = "") -> list[str]:
        return [one["id"] for one in (await rest.ask(who, "GET", f"{ROOMS}{query}"))["data"]]

    assert await listed("alice") == [ids[1], ids[0]]
    assert await listed("bob") == [ids[2], ids[0]]
    assert await listed(None) == ids[::-1]
    assert await listed(None, "?records=2&page=2") == [ids[0]]


async def test_a_room_with_tokens_is_hidden_from_those_without(rest: Rest):
    made = await rest.create("alice", access="token")
    path = f"{ROOMS}/{made['id']}"
    await rest.ask("alice", "GET", path)
    for below in ("", "/participants", "/recordings"):
        await rest.ask("bob", "GET", f"{path}{below}", status=404)
    await rest.ask("bob", "POST", f"{path}/join", {}, status=403)
    tokens = rest.realtime.block.context.areas[LiveRooms].tokens
    token = tokens.issue(made["id"], "bob", Role.PARTICIPANT)
    await rest.ask("bob", "GET", f"{path}?token={token}")
    await rest.ask("carol", "GET", f"{path}?token={token}", status=401)


async def test_what_rest_promises_the_socket_keeps(rest: Rest):
    made = await rest.create("alice", access="token")
    path = f"{ROOMS}/{made['id']}/join"
    ticket = await rest.ask(None, "POST", path, {"user_id": "bob"})
    assert ticket["url"] == "wss://parley.example/v1/realtime/ws"
    assert ticket["ice_servers"] == []
    assert ticket["room"]["id"] == made["id"]
    assert ticket["join_url"] == f"{ticket['room']['join_url']}#token={ticket['token']}"
    bob = await rest.realtime.connect("bob")
    joined = await bob.ask("webrtc.join", room_id=made["id"], token=ticket["token"])
    assert joined["participant"]["id"] == ticket["participant_id"]
    assert joined["participant"]["role"] == "participant"
    hosts = await rest.ask("alice", "POST", path)
    alice = await rest.realtime.connect("alice")
    joined = await alice.ask("webrtc.join", room_id=made["id"], token=hosts["token"])
    assert joined["participant"]["role"] == "host"


async def test_a_token_for_one_room_is_nobody_over_rest(rest: Rest):
    made = await rest.create("alice", access="token")
    token, _ = rest.realtime.block.sockets.tokens.issue(
        rest.realtime.scope.app_id, "live", "guest-1", [], room=OneRoom(made["id"], "host")
    )
    keys = {"X-Api-Key": rest.realtime.keys.publishable, "Authorization": f"Bearer {token}"}
    for path in (f"{ROOMS}/{made['id']}", "/messages"):
        found = await rest.http.get(path, headers=keys)
        assert (found.status_code, found.json()["errors"][0]["code"]) == (401, "invalid_token")


async def test_the_host_and_the_server_end_a_room(rest: Rest):
    for who in ("alice", None):
        made = await rest.create("alice")
        path = f"{ROOMS}/{made['id']}"
        await rest.ask("bob", "DELETE", path, status=403)
        await rest.ask(who, "DELETE", path, status=204)
        await rest.ask(who, "DELETE", path, status=204)
        found = (await rest.ask("bob", "GET", path))["data"]["attributes"]
        assert (found["status"], found["participants_count"]) == ("ended", 0)
        gone = await rest.ask("bob", "POST", f"{path}/join", status=410)
        assert gone["errors"][0]["code"] == "expired"
        bob = await rest.realtime.connect("bob")
        with pytest.raises(Refused, match="410"):
            await bob.ask("webrtc.join", room_id=made["id"])


async def test_a_room_that_a_server_made_is_ended_with_its_token(rest: Rest):
    made = await rest.create(None)
    path = f"{ROOMS}/{made['id']}"
    await rest.ask("bob", "DELETE", f"{path}?token=nonsense", status=401)
    await rest.ask("bob", "DELETE", f"{path}?token={made['attributes']['token']}", status=204)


@pytest.mark.parametrize("room_id", ["room_none", "%00", "room_%27", "%ED%A0%80"])
async def test_a_room_that_is_not_there_is_not_found(rest: Rest, room_id: str):
    for below in ("", "/participants", "/recordings"):
        await rest.ask(None, "GET", f"{ROOMS}/{room_id}{below}", status=404)


async def test_webhooks_hear_of_a_new_room(rest: Rest):
    heard: list[Any] = []
    rest.realtime.scope.store.outbox.listen(lambda item: heard.append(item.event))
    made = await rest.create("alice", max_participants=3, recording_enabled=True)
    await rest.realtime.scope.store.outbox.drain()
    assert heard == [
        RoomCreated(
            room_id=made["id"], name="Room", created_by="alice", max_participants=3, recording_enabled=True
        )
    ]


# --- recordings -------------------------------------------------------------------------------


def path_of(url: str) -> str:
    assert url.startswith("https://parley.example/files/rooms/rec_")
    return url.removeprefix("https://parley.example")


async def test_a_recording_is_uploaded_announced_listed_and_downloaded(rest: Rest):
    heard: list[Any] = []
    rest.realtime.scope.store.outbox.listen(lambda item: heard.append(item.event))
    made = await rest.create(recording_enabled=True)
    uploaded = await rest.upload("alice", made["id"], data={"duration_seconds": "12.6"})
    attributes = dict(uploaded["attributes"])
    url = attributes.pop("url")
    assert attributes == {
        "room_id": made["id"],
        "content_type": "video/webm",
        "size_bytes": 15,
        "duration_seconds": 13,
        "created_at": "2026-01-01T00:00:00.000Z",
    }
    listed = await rest.ask("bob", "GET", f"{ROOMS}/{made['id']}/recordings")
    assert listed["data"] == [uploaded]
    got = await rest.http.get(path_of(url))
    assert (got.status_code, got.content) == (200, b"moving pictures")
    assert got.headers["content-type"] == "video/webm"
    assert got.headers["x-content-type-options"] == "nosniff"
    head = await rest.http.head(path_of(url))
    assert (head.status_code, head.headers["content-length"]) == (200, "15")
    await rest.realtime.scope.store.outbox.drain()
    (ready,) = [event for event in heard if isinstance(event, RoomRecordingReady)]
    assert (ready.recording_id, ready.url, ready.size_bytes) == (uploaded["id"], url, 15)


async def test_a_link_works_for_seven_days_and_for_its_recording(rest: Rest, clock: ManualClock):
    made = await rest.create(recording_enabled=True)
    one, two = [await rest.upload("alice", made["id"]) for _ in range(2)]
    path = path_of(one["attributes"]["url"])
    for wrong in (path.replace(one["id"], two["id"]), path.partition("?")[0], path[:-3]):
        assert (await rest.http.get(wrong)).status_code == 403
    assert (await rest.http.put(path, content=b"x")).status_code == 405
    clock.advance(7 * 24 * 3600 + 1)
    assert (await rest.http.get(path)).status_code == 403


async def test_a_page_is_only_downloaded(rest: Rest):
    made = await rest.create(recording_enabled=True)
    evil = {"files": {"file": ("x.html", b"<script>alert(1)</script>", "text/html")}}
    uploaded = await rest.upload("alice", made["id"], **evil)
    got = await rest.http.get(path_of(uploaded["attributes"]["url"]))
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment")


async def test_a_room_that_is_not_recorded_takes_no_recording(rest: Rest):
    made = await rest.create()
    assert (await rest.upload("alice", made["id"], status=403))["errors"][0]["code"] == "forbidden"


async def test_only_whoever_takes_part_uploads(rest: Rest):
    made = await rest.create(recording_enabled=True)
    await rest.upload("bob", made["id"], status=403)
    ticket = await rest.ask("bob", "POST", f"{ROOMS}/{made['id']}/join")
    bob = await rest.realtime.connect("bob")
    await bob.ask("webrtc.join", room_id=made["id"])
    await rest.upload("bob", made["id"])
    await bob.ask("webrtc.leave", room_id=made["id"])
    await rest.upload("bob", made["id"], status=403)
    await rest.upload("bob", made["id"], params={"token": ticket["token"]})


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"files": {"other": ("x", b"x")}}, 422),
        ({"files": {"file": ("x.webm", b"", "video/webm")}}, 422),
        ({"data": {"duration_seconds": "soon"}}, 422),
        ({"data": {"duration_seconds": "nan"}}, 422),
        ({"data": {"duration_seconds": "-1"}}, 422),
        ({"files": None, "json": {"file": "x"}}, 400),
        ({"files": {"file": ("x.webm", b"x" * 101, "video/webm")}}, 413),
    ],
    ids=["no file", "empty", "no number", "not a number", "before the beginning", "no form", "too large"],
)
async def test_a_wrong_upload_is_refused_and_leaves_nothing(
    rest: Rest, blobs: Blobs, tmp_path: Any, more: dict[str, Any], status: int
):
    rest.realtime.block.context.areas[Recordings].max_bytes = 100
    made = await rest.create(recording_enabled=True)
    await rest.upload("alice", made["id"], status=status, **more)
    assert [each for each in (tmp_path / "blobs").rglob("*") if each.is_file()] == []
    assert (await rest.ask(None, "GET", f"{ROOMS}/{made['id']}/recordings"))["data"] == []
