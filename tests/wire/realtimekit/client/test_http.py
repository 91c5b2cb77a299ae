"""What a client asks beside its socket: bootstrap, relay servers, CORS, and files in chat."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from parley.meetings.model import Meeting
from parley.wire.realtimekit.client.events import Room
from tests.wire.realtimekit.client.house import CHAT_FILE_BYTES, House, browser_of
from tests.wire.realtimekit.client.peer import Peer

DETAILS = "/v2/internals/participant-details"
UPLOAD = "/v2/meetings/chat-upload"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def nulls(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [name for name, each in value.items() if each is None or nulls(each)]
    return [each for each in value if each is None or nulls(each)] if isinstance(value, list) else []


async def test_details_name_everything_a_client_begins_with(house: House, meeting: Meeting) -> None:
    person, token = await house.invite(meeting, name="Ada")
    async with browser_of(house.url) as http, http.get(DETAILS, headers=bearer(token)) as answer:
        data = (await answer.json())["data"]
    assert data["participant"] == {
        "id": person.id,
        "name": "Ada",
        "custom_participant_id": person.custom_participant_id,
        "organization_id": house.app.app_id,
    }
    assert data["meeting"] == {"id": meeting.id, "title": "Standup"}
    assert data["socket"] == {"base_uri": urlsplit(house.url).netloc}
    assert data["preset"]["permissions"]["plugins"]["config"] == {}
    assert set(data["preset"]["permissions"]["media"]) == {"audio", "video", "screenshare"}
    assert data["preset"]["config"]["view_type"] == "GROUP_CALL"


async def test_the_socket_is_where_the_request_came_in(house: House, meeting: Meeting) -> None:
    _, token = await house.invite(meeting)
    headers = {**bearer(token), "Host": "api.rtc.example.org:8443"}
    async with browser_of(house.url) as http, http.get(DETAILS, headers=headers) as answer:
        assert (await answer.json())["data"]["socket"] == {"base_uri": "rtc.example.org:8443"}


async def test_members_without_a_value_are_left_out(house: House, meeting: Meeting) -> None:
    """The client copies them into text fields; null in one of them makes its join fail (section 4)."""
    _, token = await house.invite(meeting, name="")
    async with browser_of(house.url) as http, http.get(DETAILS, headers=bearer(token)) as answer:
        data = (await answer.json())["data"]
    assert nulls(data["participant"]) == nulls(data["meeting"]) == []
    assert "picture" not in data["participant"]


async def test_relay_servers_are_given_to_participants_only(house: House, meeting: Meeting) -> None:
    _, token = await house.invite(meeting)
    async with browser_of(house.url) as http:
        async with http.get("/iceservers", headers=bearer(token)) as answer:
            (server,) = (await answer.json())["iceServers"]
            assert server["urls"] == ["turn:turn.example.org:3478"]
            assert server["username"]
            assert server["credential"]
        async with http.get("/iceservers") as answer:
            assert answer.status == 401
            assert (await answer.json())["success"] is False


@pytest.mark.parametrize(
    "path", [DETAILS, "/iceservers", UPLOAD, "/files/chat/x/y", "/v2/nothing", "/otel/logs"]
)
async def test_pages_of_other_origins_may_ask(house: House, path: str) -> None:
    async with browser_of(house.url) as http:
        wish = {"Origin": "https://example.org", "Access-Control-Request-Method": "PUT"}
        async with http.options(path, headers=wish) as answer:
            assert answer.status == 204
            assert answer.headers["access-control-allow-origin"] == "*"
            allowed = {name.strip() for name in answer.headers["access-control-allow-headers"].split(",")}
            assert {"Authorization", "Content-Type", "tracing-id", "traceparent"} <= allowed
            assert "PUT" in answer.headers["access-control-allow-methods"]
        async with http.get(path, headers={"Origin": "https://example.org"}) as answer:
            assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic eyJ", "eyJ", "Bearer eyJ x", "Bearer \xff", "bearer null"]
)
async def test_headers_that_carry_no_token_are_refused(house: House, header: str) -> None:
    async with browser_of(house.url) as http, http.get(DETAILS, headers={"Authorization": header}) as answer:
        assert answer.status == 401
        assert (await answer.json())["success"] is False


async def test_old_clients_find_no_plugins(house: House) -> None:
    async with browser_of(house.url) as http, http.get("/v2/plugins/user") as answer:
        assert (await answer.json())["data"] == {"plugins": []}


# --- files -------------------------------------------------------------------------------------


async def reserve(http: aiohttp.ClientSession, peer: Peer, name: str = "cat.png") -> tuple[str, str]:
    """Paths to put and to get a file."""
    body = {"roomUUID": peer.meeting_id, "filename": name}
    async with http.post(UPLOAD, json=body, headers=bearer(peer.token)) as answer:
        assert answer.status == 200, await answer.text()
        data = (await answer.json())["data"]
    put, get = urlsplit(data["put_location"]), urlsplit(data["get_location"])
    return f"{put.path}?{put.query}", f"{get.path}?{get.query}"


async def status_of_put(http: aiohttp.ClientSession, path: str, data: Any, kind: str = "image/png") -> int:
    async with http.put(path, data=data, headers={"Content-Type": kind}) as answer:
        return answer.status


async def test_a_file_goes_up_once_and_comes_down(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    async with browser_of(house.url) as http:
        put, get = await reserve(http, peer)
        async with http.get(get) as early:
            assert early.status == 404
        assert await status_of_put(http, put, b"picture") == 200
        assert await status_of_put(http, put, b"another") == 409
        async with http.get(get) as answer:
            assert await answer.read() == b"picture"
            assert answer.content_type == "image/png"
            assert answer.headers["content-disposition"].startswith("inline")
            assert answer.headers["x-content-type-options"] == "nosniff"
        for asked, status, content in (("bytes=1-2", 206, b"ic"), ("bytes=9-", 416, b"")):
            async with http.get(get, headers={"Range": asked}) as part:
                assert (part.status, await part.read()) == (status, content)


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "x" * 300]
)
async def test_what_a_browser_could_run_is_only_downloaded(house: House, meeting: Meeting, kind: str) -> None:
    peer = await house.guest(meeting)
    async with browser_of(house.url) as http:
        put, get = await reserve(http, peer, "page.html")
        assert await status_of_put(http, put, b"<script>alert(1)</script>", kind) == 200
        async with http.get(get) as answer:
            assert answer.content_type == "application/octet-stream"
            assert answer.headers["content-disposition"].startswith("attachment")
            assert "sandbox" in answer.headers["content-security-policy"]


async def test_files_over_the_limit_are_not_kept(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)

    async def unannounced() -> Any:
        for _ in range(CHAT_FILE_BYTES // 50_000 + 1):
            yield bytes(50_000)

    async with browser_of(house.url) as http:
        put, get = await reserve(http, peer)
        with contextlib.suppress(aiohttp.ClientError):  # the server may hang up while the rest is being sent
            assert await status_of_put(http, put, unannounced()) == 413
        async with http.get(get) as answer:
            assert answer.status == 404
        assert await status_of_put(http, put, b"x") == 200


async def test_links_work_for_what_they_were_made_for_only(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    async with browser_of(house.url) as http:
        put, get = await reserve(http, peer)
        other_put, _ = await reserve(http, peer)
        file_id, other_id = put.split("/")[3], other_put.split("/")[3]
        wrong = [
            put.split("?")[0],
            put.replace(file_id, other_id),
            put.replace("expires=", "expires=9"),
            put.replace("signature=", "signature=A"),
            put[:-2],
            f"{put.split('?')[0]}?{get.split('?')[1]}",
            put.replace("expires=", "expires=-"),
            put.replace("expires=", "expires=\N{SUPERSCRIPT TWO}"),
        ]
        for path in wrong:
            assert await status_of_put(http, path, b"x") == 403, path
        async with http.get(put) as answer:
            assert answer.status == 403
        house.store.clock.advance(601)  # type: ignore[attr-defined]
        assert await status_of_put(http, put, b"x") == 403
        async with http.get(f"{get}x") as answer:
            assert answer.status == 403
            assert (await answer.json())["success"] is False


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "a/b\0c.png",
        'x"; filename="y.exe',
        "\r\nSet-Cookie: a=b",
        "\N{CAT FACE}" * 300,
    ],
)
async def test_file_names_stay_names(house: House, meeting: Meeting, name: str) -> None:
    peer = await house.guest(meeting)
    async with browser_of(house.url) as http:
        put, get = await reserve(http, peer, name)
        assert await status_of_put(http, put, b"x") == 200
        async with http.get(get) as answer:
            assert answer.status == 200
            assert "set-cookie" not in answer.headers
            shown = answer.headers["content-disposition"]
            assert all(bad not in shown for bad in ("/", "\\", "\r", "\n", ';"', "..%2F"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"filename":1}',
        b'{"filename":""}',
        b'{"filename":"\\u0000"}',
        b"[" * 50_000,
    ],
)
async def test_uploads_that_name_no_file_are_refused(house: House, meeting: Meeting, body: bytes) -> None:
    peer = await house.guest(meeting)
    async with (
        browser_of(house.url) as http,
        http.post(UPLOAD, data=body, headers=bearer(peer.token)) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["success"] is False


async def test_an_oversized_body_is_refused(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    async with (
        browser_of(house.url) as http,
        http.post(UPLOAD, data=json.dumps({"filename": "x" * 70_000}), headers=bearer(peer.token)) as answer,
    ):
        assert answer.status == 413


async def test_only_who_is_inside_and_may_send_files_uploads(house: House, meeting: Meeting) -> None:
    _, token = await house.invite(meeting)
    no_files = await house.guest(meeting, chat__public__files=False, chat__private__files=False)
    left = await house.guest(meeting)
    await left.ask(Room.LEAVE)
    outside = await house.connect(token)
    async with browser_of(house.url) as http:
        for peer in (outside, no_files, left):
            async with http.post(UPLOAD, json={"filename": "x"}, headers=bearer(peer.token)) as answer:
                assert answer.status == 403
                assert (await answer.json())["success"] is False
