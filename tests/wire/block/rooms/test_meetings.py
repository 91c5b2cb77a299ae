"""Meetings over REST, and the rooms they are held in."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from parley.accounts.keys import create_keys
from parley.accounts.model import Environment
from parley.base.clock import ManualClock
from parley.base.ids import new_uuid
from parley.rooms import service as rooms
from parley.rooms import store as room_store
from parley.rooms.events import RoomChanged
from parley.rooms.model import Recording, RoomStatus
from parley.store.outbox import Announced
from tests.waiting import until
from tests.wire.block.client.driver import run_suite
from tests.wire.block.conversations.test_tasks import conversation
from tests.wire.block.serving import PUBLIC_URL, Block


async def plan(block: Block, who: str | None = "ada", **members: Any) -> dict[str, Any]:
    """A meeting's attributes."""
    body = {"meeting": {"title": "Launch", **members}}
    made: dict[str, Any] = (await block.ask(who, "POST", "/meetings", body, status=201))["data"]["attributes"]
    return made


async def take(block: Block, who: str | None, meeting: dict[str, Any], step: str, **more: Any) -> Any:
    """Start it, end it, come in: the answer."""
    return await block.ask(who, "POST", f"/meetings/{meeting['unique_id']}/{step}", {}, **more)


async def change(block: Block, who: str | None, meeting: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Its attributes afterwards."""
    body = {"meeting": members}
    found = await block.ask(who, "PUT", f"/meetings/{meeting['unique_id']}", body)
    attributes: dict[str, Any] = found["data"]["attributes"]
    return attributes


async def look(block: Block, who: str | None, meeting: dict[str, Any]) -> dict[str, Any]:
    found = await block.ask(who, "GET", f"/meetings/{meeting['unique_id']}")
    attributes: dict[str, Any] = found["data"]["attributes"]
    return attributes


async def titles(block: Block, who: str | None, query: str = "") -> list[str]:
    found = await block.ask(who, "GET", f"/meetings{query}")
    return [one["attributes"]["title"] for one in found["data"]]


async def group(block: Block, owner: str, *members: str) -> str:
    body = {"group": {"name": "Team", "members": [block.person(name).id for name in members]}}
    id_: str = (await block.ask(owner, "POST", "/groups", body, status=201))["data"]["id"]
    return id_


async def test_a_meeting_is_made_with_the_documented_defaults(block: Block) -> None:
    made = await plan(block)
    room = made["external_meeting_id"]
    assert {name: made[name] for name in made if name != "unique_id"} == {
        "title": "Launch",
        "description": None,
        "host_unique_id": block.person("ada").id,
        "conversation_unique_id": None,
        "group_unique_id": None,
        "scheduled_at": None,
        "started_at": None,
        "ended_at": None,
        "duration": None,
        "meeting_type": "video",
        "meeting_url": f"{PUBLIC_URL}/rooms/{room}",
        "external_meeting_id": room,
        "provider": "parley",
        "max_participants": 10,
        "is_recording": False,
        "recording_url": None,
        "status": "pending",
        "meeting_status": "scheduled",
        "enabled": True,
        "payload": None,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    }


async def test_a_meeting_has_a_room_that_asks_for_tokens(block: Block) -> None:
    made = await plan(block, title="  Launch ", max_participants=4, is_recording=True, meeting_type="audio")
    room = await rooms.get_room(block.scope, made["external_meeting_id"])
    assert (room.name, room.max_participants, room.recording_enabled) == ("Launch", 4, True)
    assert (room.access, room.created_by, room.settings.video.enabled) == (
        "token",
        block.person("ada").id,
        False,
    )


async def test_what_is_changed_of_a_meeting_is_changed_of_its_room(block: Block) -> None:
    made = await plan(block, description="x", payload={"a": 1})
    after = await change(
        block, "ada", made, title="Landing", max_participants=3, is_recording=True, description=None
    )
    assert (after["title"], after["description"], after["payload"]) == ("Landing", None, {"a": 1})
    room = await rooms.get_room(block.scope, made["external_meeting_id"])
    assert (room.name, room.max_participants, room.recording_enabled) == ("Landing", 3, True)


async def test_whoever_records_hears_of_a_change_of_mind(block: Block) -> None:
    heard: list[tuple[str, bool]] = []

    def listen(item: Announced) -> None:
        if isinstance(item.event, RoomChanged):
            heard.append((item.event.room_id, item.event.recording_enabled))

    block.scope.store.outbox.listen(listen)
    made = await plan(block)
    for changes in (
        {"title": "Landing"},
        {"is_recording": True},
        {"title": "Orbit"},
        {"is_recording": False},
    ):
        await change(block, "ada", made, **changes)
    room_id = made["external_meeting_id"]
    await until(lambda: "" if len(heard) >= 2 else f"heard {heard}")
    assert heard == [(room_id, True), (room_id, False)]


async def test_a_meeting_lasts_from_start_to_end(block: Block, clock: ManualClock) -> None:
    made = await plan(block)
    started = (await take(block, "ada", made, "start"))["data"]["attributes"]
    assert (started["status"], started["meeting_status"]) == ("active", "active")
    clock.advance(90.5)
    again = (await take(block, "ada", made, "start"))["data"]["attributes"]
    assert again["started_at"] == started["started_at"] == "2026-01-01T00:00:00.000Z"
    ended = (await take(block, "ada", made, "end"))["data"]["attributes"]
    assert (ended["status"], ended["meeting_status"], ended["duration"]) == ("inactive", "ended", 90)
    assert ended["ended_at"] == "2026-01-01T00:01:30.500Z"
    clock.advance(1)
    assert (await take(block, "ada", made, "end"))["data"]["attributes"] == ended
    assert (await rooms.get_room(block.scope, made["external_meeting_id"])).status is RoomStatus.ENDED


async def test_what_is_over_does_not_begin_again(block: Block) -> None:
    made = await plan(block)
    await take(block, "ada", made, "end", status=409)
    await take(block, "ada", made, "start")
    await take(block, "ada", made, "end")
    await take(block, "ada", made, "start", status=409)
    await take(block, "ada", made, "session", status=409)
    for members in ({"status": "active"}, {"status": "pending"}, {"scheduled_at": "2026-02-01T00:00:00Z"}):
        path = f"/meetings/{made['unique_id']}"
        await block.ask("ada", "PUT", path, {"meeting": members}, status=409)
    assert (await change(block, "ada", made, status="inactive"))["meeting_status"] == "ended"


async def test_a_status_starts_ends_and_cancels(block: Block) -> None:
    made = await plan(block)
    assert (await change(block, "ada", made, status="pending"))["meeting_status"] == "scheduled"
    assert (await change(block, "ada", made, status="active"))["started_at"] is not None
    assert (await change(block, "ada", made, status="inactive"))["duration"] == 0
    other = await plan(block)
    over = await change(block, "ada", other, status="inactive")
    assert (over["status"], over["meeting_status"], over["ended_at"]) == ("inactive", "cancelled", None)
    assert (await rooms.get_room(block.scope, other["external_meeting_id"])).status is RoomStatus.ENDED
    await take(block, "ada", other, "start", status=409)
    await take(block, "ada", other, "end", status=409)


async def test_a_meeting_that_is_not_enabled_is_closed_until_it_is(block: Block) -> None:
    made = await plan(block)
    await change(block, "ada", made, enabled=False)
    await take(block, "ada", made, "session", status=409)
    await take(block, "ada", made, "start", status=409)
    await change(block, "ada", made, enabled=True)
    await take(block, "ada", made, "start")


async def test_a_meeting_ends_with_its_room(block: Block, clock: ManualClock) -> None:
    active, planned = await plan(block), await plan(block)
    await take(block, "ada", active, "start")
    clock.advance(5)
    for made in (active, planned):
        await rooms.end_room(block.scope, made["external_meeting_id"])
    found = await look(block, "ada", active)
    assert (found["meeting_status"], found["duration"]) == ("ended", 5)
    assert (await look(block, "ada", planned))["meeting_status"] == "cancelled"


async def test_a_session_lets_in_whoever_sees_the_meeting(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    made = await plan(block, conversation_unique_id=where)
    for name, role in (("ada", "host"), ("ben", "participant")):
        session = await take(block, name, made, "session")
        assert session.keys() == {"session_id", "token", "join_url", "expires_at"}
        assert session["session_id"] == made["external_meeting_id"]
        assert session["join_url"] == f"{made['meeting_url']}#token={session['token']}"
        assert session["expires_at"] == "2026-01-01T02:00:00.000Z"
        user = block.person(name).id
        passed = block.parts.room_tokens.check(session["token"], session["session_id"], user)
        assert passed.role.value == role
    await take(block, "eve", made, "session", status=404)


async def test_a_server_gets_sessions_for_others(block: Block) -> None:
    made = await plan(block)
    path = f"/meetings/{made['unique_id']}/session"

    async def claims(**members: Any) -> tuple[Any, Any]:
        token = (await block.ask(None, "POST", path, members))["token"]
        told = jwt.decode(token, options={"verify_signature": False})
        return told.get("sub"), told["role"]

    ada, ben = block.person("ada").id, block.person("ben").id
    assert await claims() == (None, "participant")
    assert await claims(user_unique_id=ben) == (ben, "participant")
    assert await claims(user_unique_id=ada) == (ada, "host")
    await block.ask("ada", "POST", path, {"user_unique_id": ben}, status=403)


async def test_only_the_host_and_servers_change_a_meeting(block: Block) -> None:
    made = await plan(block, conversation_unique_id=await conversation(block, "ada", "ben"))
    path = f"/meetings/{made['unique_id']}"
    for who, status in (("ben", 403), ("eve", 404)):
        await block.ask(who, "PUT", path, {"meeting": {"title": "x"}}, status=status)
        await take(block, who, made, "start", status=status)
        await take(block, who, made, "end", status=status)
        await block.ask(who, "DELETE", path, status=status)
    await take(block, None, made, "start")
    await take(block, None, made, "end")
    assert (await change(block, None, made, title="Landing"))["title"] == "Landing"


async def test_a_deleted_meeting_is_gone_with_its_room(block: Block) -> None:
    made = await plan(block)
    await block.ask("ada", "DELETE", f"/meetings/{made['unique_id']}", status=204)
    await block.ask("ada", "GET", f"/meetings/{made['unique_id']}", status=404)
    assert (await rooms.get_room(block.scope, made["external_meeting_id"])).status is RoomStatus.ENDED


async def test_members_of_a_group_see_its_meetings_while_they_are_in_it(block: Block) -> None:
    team = await group(block, "ada", "ben")
    made = await plan(block, group_unique_id=team.upper())
    assert made["group_unique_id"] == team
    assert await titles(block, "ben", f"?group_unique_id={team}") == ["Launch"]
    assert await titles(block, "eve", f"?group_unique_id={team}") == []
    await block.ask("ada", "DELETE", f"/groups/{team}/members/{block.person('ben').id}", status=200)
    assert await titles(block, "ben") == []
    await block.ask("ben", "GET", f"/meetings/{made['unique_id']}", status=404)
    assert await titles(block, "ada") == ["Launch"]


async def test_a_deleted_conversation_invites_nobody(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    made = await plan(block, conversation_unique_id=where)
    assert await titles(block, "ben") == ["Launch"]
    await block.ask(None, "DELETE", f"/conversations/{where}", status=204)
    assert await titles(block, "ben") == []
    assert (await look(block, "ada", made))["conversation_unique_id"] == where


async def test_a_meeting_is_planned_where_one_is_a_member(block: Block) -> None:
    where, team = await conversation(block, "ada", "ben"), await group(block, "ada")
    for who, members in (
        ("eve", {"conversation_unique_id": where}),
        ("eve", {"group_unique_id": team}),
        ("ada", {"conversation_unique_id": new_uuid()}),
        (None, {"group_unique_id": new_uuid()}),
    ):
        body = {"meeting": {"title": "Launch", **members}}
        await block.ask(who, "POST", "/meetings", body, status=404)
    made = await plan(block, None, conversation_unique_id=where, host_unique_id=block.person("ben").id)
    assert made["host_unique_id"] == block.person("ben").id
    assert (await plan(block, None))["host_unique_id"] is None
    body = {"meeting": {"title": "Launch", "host_unique_id": block.person("ben").id}}
    await block.ask("ada", "POST", "/meetings", body, status=403)


async def test_a_conversation_is_named_by_its_free_text_as_well(block: Block) -> None:
    message = {"message": {"context_id": "order 7", "content": "Hello"}}
    await block.ask("ada", "POST", "/messages", message, status=201)
    made = await plan(block, conversation_unique_id="order 7")
    assert made["conversation_unique_id"] != "order 7"
    assert await titles(block, "ada", "?conversation_unique_id=order%207") == ["Launch"]
    assert await titles(block, "ada", f"?conversation_unique_id={made['conversation_unique_id']}") == [
        "Launch"
    ]
    assert await titles(block, "ada", "?conversation_unique_id=order%208") == []


async def test_lists_are_filtered_and_sorted(block: Block, clock: ManualClock) -> None:
    first = await plan(block, title="First", scheduled_at="2026-03-01T10:00:00+01:00")
    clock.advance(1)
    await plan(block, title="Second", scheduled_at="2026-02-01T10:00:00Z")
    clock.advance(1)
    gone = await plan(block, title="Third")
    await take(block, "ada", first, "start")
    await change(block, "ada", gone, status="inactive")
    assert await titles(block, "ada") == ["Third", "Second", "First"]
    assert await titles(block, "ada", "?sort=scheduled_at") == ["Third", "Second", "First"]
    assert await titles(block, "ada", "?sort=-title&records=2") == ["Third", "Second"]
    assert await titles(block, "ada", "?status=pending") == ["Second"]
    assert await titles(block, "ada", "?status=active") == ["First"]
    assert await titles(block, "ada", "?status=inactive") == ["Third"]
    assert await titles(block, "ada", "?status=cancelled") == ["Third"]
    assert await titles(block, "ada", "?status=ended") == []
    assert await titles(block, "ada", "?status=archived") == []
    assert await titles(block, "ada", "?scheduled_after=2026-03-01T09:00:00Z") == ["First"]
    assert await titles(block, "ada", "?scheduled_before=2026-03-01T09:00:00Z") == ["Second"]
    assert await titles(block, None, f"?host_unique_id={block.person('ben').id}") == []
    meta = (await block.ask("ada", "GET", "/meetings?page=2&records=2"))["meta"]
    assert (meta["total_count"], meta["total_pages"], meta["current_page"]) == (3, 2, 2)


@pytest.mark.parametrize(
    "query", ["sort=payload", "scheduled_after=soon", "scheduled_before=2026-01-01", "page=0"]
)
async def test_a_wrong_query_names_its_parameter(block: Block, query: str) -> None:
    found = await block.ask("ada", "GET", f"/meetings?{query}", status=422)
    assert found["errors"][0]["source"] == {"parameter": query.partition("=")[0]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", " "),
        ("title", "x" * 256),
        ("max_participants", 1),
        ("max_participants", 51),
        ("scheduled_at", "tomorrow"),
        ("scheduled_at", "2026-01-01T00:00:00"),
        ("is_recording", "yes"),
        ("meeting_url", "https://example.com/x"),
        ("meeting_url", "javascript:alert(1)"),
        ("external_meeting_id", "7"),
    ],
)
async def test_a_wrong_meeting_names_its_field(block: Block, field: str, value: Any) -> None:
    made = await plan(block)
    body = {"meeting": {"title": "Launch", field: value}}
    for method, path in (("POST", "/meetings"), ("PUT", f"/meetings/{made['unique_id']}")):
        found = await block.ask("ada", method, path, body, status=422)
        assert found["errors"][0]["source"] == {"pointer": f"/meeting/{field}"}


async def test_a_meeting_has_a_title_and_a_small_payload(block: Block) -> None:
    await block.ask("ada", "POST", "/meetings", {"meeting": {}}, status=422)
    body = {"meeting": {"title": "Launch", "payload": {"x": "y" * 33_000}}}
    await block.ask("ada", "POST", "/meetings", body, status=413)
    made = await plan(block)
    path = f"/meetings/{made['unique_id']}"
    await block.ask("ada", "PUT", path, {"meeting": {"status": "archived"}}, status=422)
    await block.ask("ada", "PUT", path, {"meeting": {"title": None}}, status=422)


async def test_a_meeting_of_another_provider_is_kept_but_not_held(block: Block) -> None:
    made = await plan(
        block, provider="elsewhere", meeting_url="https://example.com/7", external_meeting_id="7"
    )
    assert (made["meeting_url"], made["external_meeting_id"]) == ("https://example.com/7", "7")
    await take(block, "ada", made, "session", status=409)
    await change(block, "ada", made, meeting_url="https://example.com/8")
    await take(block, "ada", made, "start")
    ended = (await take(block, "ada", made, "end"))["data"]["attributes"]
    assert (ended["meeting_status"], ended["meeting_url"]) == ("ended", "https://example.com/8")
    await block.ask("ada", "DELETE", f"/meetings/{made['unique_id']}", status=204)


async def test_the_newest_recording_of_the_room_is_told(block: Block, clock: ManualClock) -> None:
    made = await plan(block, is_recording=True)
    for number in range(2):
        recording = Recording(
            id=f"rec_{number}",
            app_id=block.scope.app_id,
            room_id=made["external_meeting_id"],
            blob_key=f"rooms/{number}",
            content_type="video/webm",
            size_bytes=1,
            duration_seconds=None,
            created_at=block.scope.now(),
        )
        async with block.scope.change() as changing:
            await room_store.insert_recording(changing, recording)
        clock.advance(1)
    assert (await look(block, "ada", made))["recording_url"].startswith(f"{PUBLIC_URL}/files/rooms/rec_1?")


async def test_the_other_environment_has_no_meetings_of_this_one(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    made = await plan(block, conversation_unique_id=where)
    keys = await create_keys(block.scope, block.keys.app.id, Environment.TEST)
    headers = {"X-Api-Key": keys.secret}
    path = f"/meetings/{made['unique_id']}"
    for method, there in (
        ("GET", path),
        ("PUT", path),
        ("DELETE", path),
        ("POST", f"{path}/start"),
        ("POST", f"{path}/end"),
        ("POST", f"{path}/session"),
    ):
        await block.ask(None, method, there, headers=headers, status=404)
    body = {"meeting": {"title": "Launch", "conversation_unique_id": where}}
    await block.ask(None, "POST", "/meetings", body, headers=headers, status=404)
    assert (await block.ask(None, "GET", "/meetings", headers=headers))["data"] == []


async def test_a_token_without_the_scope_plans_nothing(block: Block) -> None:
    made = await plan(block)
    block.person("ada", scope="conversations:read")
    await block.ask("ada", "POST", "/meetings", {"meeting": {"title": "x"}}, status=403)
    await take(block, "ada", made, "start", status=403)
    await take(block, "ada", made, "session")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_client_manages_meetings(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    told = await run_suite(
        block, "meetings", people=["ada", "ben", "eve"], services=["meetings"], context=where
    )
    meta = told["listed"].pop()
    assert (meta["totalCount"], meta["totalPages"]) == (2, 2)
    assert told == {
        "created": [
            *("Launch", "All about it", True, True, "2026-05-01T09:00:00.000Z", "video", "parley"),
            *(5, True, "pending", True, {"a": 1}),
        ],
        "got": ["Launch", True],
        "updated": ["Landing", "2026-05-02T09:00:00.000Z", 7, False, {"b": 2}],
        "listed": [["Landing"]],
        "found": [True],
        "inGroup": 0,
        "started": ["active", True],
        "session": [True, True, True, "2026-01-01T02:00:00.000Z"],
        "ended": ["inactive", True, 0],
        "notTheirs": {"status": 403, "code": "forbidden"},
        "again": {"status": 409, "code": "conflict"},
        "unseen": {"status": 404, "code": "not_found"},
        "gone": {"status": 404, "code": "not_found"},
        "left": [True],
    }
