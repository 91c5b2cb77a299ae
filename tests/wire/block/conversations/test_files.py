"""Files of conversations: links, uploads, and what browsers are told about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from parley.base.clock import ManualClock
from parley.base.ids import new_uuid
from parley.conversations.files.model import DOWNLOAD_TIME, MAX_BYTES, PLACE_KEPT, UPLOAD_TIME
from parley.conversations.files.service import MessageFiles
from tests.waiting import DEADLINE_S
from tests.wire.block.client.driver import run_suite
from tests.wire.block.conversations.test_tasks import conversation
from tests.wire.block.serving import PUBLIC_URL, Block

PICTURE = b"\x89PNG not really"


async def presign(block: Block, who: str, where: str, **members: Any) -> dict[str, Any]:
    body = {"file": {"filename": "plan.png", "content_type": "image/png", **members}}
    found = await block.ask(who, "PUT", f"/conversations/{where}/presign", body)
    data: dict[str, Any] = found["data"]
    assert data["fields"] == {}
    return data


async def put(block: Block, url: str, content: Any = PICTURE, **more: Any) -> httpx.Response:
    assert url.startswith(PUBLIC_URL)
    return await block.http.put(url.removeprefix(PUBLIC_URL), content=content, **more)


async def fetch(block: Block, url: str) -> httpx.Response:
    assert url.startswith(PUBLIC_URL)
    return await block.http.get(url.removeprefix(PUBLIC_URL))


async def create(block: Block, who: str, where: str, *, status: int = 201, **members: Any) -> Any:
    body = {"message_file": {"name": "Plan.png", **members}}
    found = await block.ask(who, "POST", f"/conversations/{where}/files", body, status=status)
    return found["data"]["attributes"] if status == 201 else found


@pytest.fixture
async def where(block: Block) -> str:
    """A conversation of Ada and Ben."""
    return await conversation(block, "ada", "ben")


async def test_a_file_is_put_and_created_and_got(block: Block, where: str) -> None:
    place = await presign(block, "ada", where)
    assert (await put(block, place["upload_url"])).status_code == 200
    made = await create(block, "ada", where, url=place["file_url"], payload={"page": 1})
    assert (made["name"], made["original_name"], made["size"]) == ("Plan.png", "plan.png", len(PICTURE))
    assert (made["status"], made["content_type"], made["payload"]) == ("active", "image/png", {"page": 1})
    found = await block.ask("ben", "GET", f"/conversations/{where}/files/{made['unique_id']}")
    content = await fetch(block, found["data"]["attributes"]["url"])
    assert content.content == PICTURE
    assert content.headers["content-type"] == "image/png"
    assert content.headers["content-disposition"] == "inline; filename*=UTF-8''Plan.png"
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert content.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "nonsense", None])
async def test_what_a_browser_would_run_is_only_downloaded(
    block: Block, where: str, kind: str | None
) -> None:
    place = await presign(block, "ada", where, filename='x"\n/.html', content_type=kind)
    headers = {"content-type": "text/html"}
    assert (await put(block, place["upload_url"], b"<script>", headers=headers)).status_code == 200
    content = await fetch(block, place["file_url"])
    assert content.headers["content-type"] == "application/octet-stream"
    assert content.headers["content-disposition"].startswith("attachment; filename*=UTF-8''x%22")


async def test_a_link_to_upload_works_once(block: Block, where: str) -> None:
    place = await presign(block, "ada", where)
    assert (await put(block, place["upload_url"])).status_code == 200
    again = await put(block, place["upload_url"], b"other")
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "conflict")
    assert (await fetch(block, place["file_url"])).content == PICTURE


async def test_a_link_to_upload_works_for_fifteen_minutes(
    block: Block, where: str, clock: ManualClock
) -> None:
    place = await presign(block, "ada", where)
    assert place["expires_at"] == "2026-01-01T00:15:00.000Z"
    clock.advance(UPLOAD_TIME.total_seconds() + 1)
    assert (await put(block, place["upload_url"])).status_code == 403


async def test_a_link_to_download_ends_and_a_fresh_one_is_given(
    block: Block, where: str, clock: ManualClock
) -> None:
    place = await presign(block, "ada", where)
    await put(block, place["upload_url"])
    made = await create(block, "ada", where, url=place["file_url"])
    clock.advance(DOWNLOAD_TIME.total_seconds() + 1)
    assert (await fetch(block, place["file_url"])).status_code == 403
    headers = {"X-Api-Key": block.keys.secret}
    path = f"/conversations/{where}/files/{made['unique_id']}"
    fresh = (await block.http.get(path, headers=headers)).json()["data"]["attributes"]["url"]
    assert (await fetch(block, fresh)).content == PICTURE


async def test_links_are_for_one_file_and_one_method(block: Block, where: str) -> None:
    place, other = await presign(block, "ada", where), await presign(block, "ada", where)
    await put(block, place["upload_url"])
    query = place["upload_url"].partition("?")[2]
    other_path = other["upload_url"].partition("?")[0]
    assert (await put(block, f"{other_path}?{query}")).status_code == 403
    assert (await fetch(block, place["upload_url"])).status_code == 403
    assert (await put(block, place["file_url"])).status_code == 403
    assert (await fetch(block, place["file_url"].partition("?")[0])).status_code == 403


@pytest.mark.parametrize("path", ["/files/messages/x", "/files/messages/%00/x", "/files/messages/a/b/c"])
async def test_other_paths_are_refused(block: Block, path: str) -> None:
    assert (await block.http.get(path)).status_code in (403, 404)
    assert (await block.http.delete(path)).status_code in (404, 405)


async def test_a_page_of_another_origin_may_ask(block: Block) -> None:
    answer = await block.http.options(f"/files/messages/{new_uuid()}/x")
    assert answer.status_code == 204
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_size_over_the_limit_is_refused_when_it_is_announced(block: Block, where: str) -> None:
    body = {"file": {"filename": "x", "size": MAX_BYTES + 1}}
    await block.ask("ada", "PUT", f"/conversations/{where}/presign", body, status=413)
    place = await presign(block, "ada", where)
    target = place["upload_url"].removeprefix(PUBLIC_URL)
    where_to = httpx.URL(block.origin)
    reader, writer = await asyncio.open_connection(where_to.host, where_to.port)
    head = f"PUT {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {MAX_BYTES + 1}\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(DEADLINE_S):
        assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_more_than_was_announced_is_not_kept(block: Block, where: str) -> None:
    block.context.areas[MessageFiles].max_bytes = 1_000_000

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(500_000)

    place = await presign(block, "ada", where)
    assert (await put(block, place["upload_url"], pieces())).status_code == 413
    assert (await fetch(block, place["file_url"])).status_code == 404
    assert (await put(block, place["upload_url"])).status_code == 200


async def test_an_empty_file_is_a_file(block: Block, where: str) -> None:
    place = await presign(block, "ada", where)
    assert (await put(block, place["upload_url"], b"")).status_code == 200
    content = await fetch(block, place["file_url"])
    assert (content.status_code, content.content) == (200, b"")


async def test_a_file_may_be_elsewhere(block: Block, where: str) -> None:
    url = "https://cdn.example.com/plan.png"
    made = await create(block, "ada", where, url=url, size=7, content_type="image/png")
    assert (made["url"], made["size"], made["status"]) == (url, 7, "active")
    found = await create(block, "ada", where, url="javascript:alert(1)", status=422)
    assert found["errors"][0]["source"] == {"pointer": "/message_file/url"}


async def test_a_place_is_made_a_file_once_and_by_whoever_asked_for_it(block: Block, where: str) -> None:
    place = await presign(block, "ada", where)
    await create(block, "ben", where, url=place["file_url"], status=404)
    await create(block, "ada", where, url=place["file_url"])
    await create(block, "ada", where, url=place["file_url"], status=409)
    elsewhere = await conversation(block, "ada", "ben")
    other = await presign(block, "ada", where)
    await create(block, "ada", elsewhere, url=other["file_url"], status=404)


async def test_a_file_made_before_its_content_waits_for_it(block: Block, where: str) -> None:
    place = await presign(block, "ada", where)
    made = await create(block, "ada", where, url=place["file_url"])
    assert made["status"] == "pending"
    await put(block, place["upload_url"])
    found = await block.ask("ada", "GET", f"/conversations/{where}/files/{made['unique_id']}")
    assert found["data"]["attributes"]["status"] == "active"


async def test_strangers_have_no_files_there(block: Block, where: str) -> None:
    made = await create(block, "ada", where, url="https://example.com/x")
    path = f"/conversations/{where}/files/{made['unique_id']}"
    await block.ask("eve", "GET", path, status=404)
    await block.ask("eve", "DELETE", path, status=404)
    await create(block, "eve", where, status=404)
    await block.ask("eve", "PUT", f"/conversations/{where}/presign", {"filename": "x"}, status=404)
    await block.ask("ben", "DELETE", path, status=403)
    await block.ask("ada", "GET", f"/conversations/{where}/files/unknown", status=404)


async def test_a_deleted_file_is_gone_with_its_content(block: Block, where: str) -> None:
    place = await presign(block, "ada", where)
    await put(block, place["upload_url"])
    made = await create(block, "ada", where, url=place["file_url"])
    await block.ask("ada", "DELETE", f"/conversations/{where}/files/{made['unique_id']}", status=204)
    assert (await fetch(block, place["file_url"])).status_code == 404


async def test_places_that_nobody_made_files_of_are_swept(
    block: Block, where: str, clock: ManualClock
) -> None:
    kept, left = await presign(block, "ada", where), await presign(block, "ada", where)
    for place in (kept, left):
        await put(block, place["upload_url"])
    await create(block, "ada", where, url=kept["file_url"])
    files = block.context.areas[MessageFiles]
    assert await files.sweep() == 0
    clock.advance(PLACE_KEPT.total_seconds())
    assert await files.sweep() == 1
    assert (await fetch(block, kept["file_url"])).status_code == 200
    assert (await fetch(block, left["file_url"])).status_code == 404


async def test_a_file_belongs_to_a_message_of_its_conversation(block: Block, where: str) -> None:
    body = {"message": {"context_id": where, "content": "See the plan"}}
    message = (await block.ask("ada", "POST", "/messages", body, status=201))["data"]["id"]
    made = await create(block, "ada", where, url="https://example.com/x", message_unique_id=message)
    assert made["message_unique_id"] == message
    for unknown in (new_uuid(), "x"):
        await create(block, "ada", where, message_unique_id=unknown, status=422)
    found = await block.ask("ben", "GET", f"/conversations/{where}?include=message_files&with=files")
    assert [one["id"] for one in found["included"] if one["type"] == "MessageFile"] == [made["unique_id"]]
    assert found["files"][0]["uniqueId"] == made["unique_id"]


# --- forms ----------------------------------------------------------------------------------------


async def send_form(block: Block, where: str, *, status: int = 201, **more: Any) -> Any:
    answer = await block.raw("ada", "POST", f"/conversations/{where}/files", **more)
    assert answer.status_code == status, answer.text
    return answer.json()["data"]["attributes"] if status == 201 else answer.json()


async def test_a_form_carries_the_file_itself(block: Block, where: str) -> None:
    made = await send_form(
        block,
        where,
        files={"file": ("plan.png", PICTURE * 9_000, "image/png")},
        data={"message_file[name]": "The plan", "payload": '{"page": 1}'},
    )
    assert (made["name"], made["original_name"], made["payload"]) == ("The plan", "plan.png", {"page": 1})
    assert (made["status"], made["size"]) == ("active", len(PICTURE) * 9_000)
    assert (await fetch(block, made["url"])).content == PICTURE * 9_000


BOUNDARY = "multipart/form-data; boundary=x"
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello'


async def test_fields_may_stand_behind_the_file(block: Block, where: str) -> None:
    field = b'\r\n--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nGreeting\r\n--x--\r\n'
    made = await send_form(block, where, content=FILE + field, headers={"content-type": BOUNDARY})
    assert made["name"] == "Greeting"
    assert (await fetch(block, made["url"])).content == b"hello"


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data", FILE, 400),
        (BOUNDARY, b"", 400),
        (BOUNDARY, FILE, 400),
        (BOUNDARY, b"--y--", 400),
        (BOUNDARY, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n', 422),
        (
            BOUNDARY,
            FILE + b'\r\n--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n\0\r\n--x--\r\n',
            422,
        ),
        (
            BOUNDARY,
            FILE + b'\r\n--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--\r\n',
            400,
        ),
        (
            BOUNDARY,
            FILE + b'\r\n--x\r\nContent-Disposition: form-data; name="payload"\r\n\r\n[]\r\n--x--\r\n',
            422,
        ),
        (
            BOUNDARY,
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + bytes(70_000) + b"\r\n" + FILE,
            413,
        ),
    ],
)
async def test_a_form_that_is_not_in_order_is_refused(
    block: Block, where: str, kind: str, body: bytes, status: int
) -> None:
    await send_form(block, where, content=body, headers={"content-type": kind}, status=status)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_client_manages_files(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    told = await run_suite(
        block, "files", people=["ada", "ben"], services=["messageFiles"], context=where, public=PUBLIC_URL
    )
    assert told == {
        "put": 200,
        "created": {
            "name": "plan.png",
            "contentType": "image/png",
            "size": 5,
            "status": "active",
            "payload": {"page": 1},
        },
        "same": True,
        "content": "hello",
        "gone": {"status": 404, "code": "not_found"},
    }
