"""Groups and invites over REST (`realtime-block.md` 18.4, 18.5)."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from parley.base.errors import TooMany
from parley.base.ids import new_uuid
from parley.conversations.groups.invites import Invites, UnknownCode
from parley.people.model import Caller
from tests.wire.block.conversations.conftest import Say
from tests.wire.block.serving import Block


async def group(block: Block, who: str | None = "ada", **more: Any) -> dict[str, Any]:
    made = await block.ask(who, "POST", "/groups", {"group": {"name": "Red", **more}}, status=201)
    return made["data"]["attributes"]


async def invite(block: Block, group_id: str, **more: Any) -> str:
    path = f"/groups/{group_id}/invites"
    return (await block.ask("ada", "POST", path, {"invite": more}, status=201))["data"]["attributes"]["code"]


async def code_of(block: Block, who: str | None, code: str, status: int, **body: Any) -> str:
    return (await block.ask(who, "POST", f"/groups/join/{code}", body, status=status))["errors"][0]["code"]


async def test_the_creator_is_a_member_and_codes_are_unique(block: Block):
    first, second = await group(block), await group(block)
    assert first["members"] == [block.person("ada").id]
    assert first["unique_code"] != second["unique_code"]
    body = {"group": {"name": "Blue", "unique_code": first["unique_code"]}}
    refused = await block.ask("ada", "POST", "/groups", body, status=409)
    assert refused["errors"][0]["code"] == "conflict"
    for bare in ({}, {"name": "  "}):
        await block.ask("ada", "POST", "/groups", {"group": bare}, status=422)
    made = await group(block, None, members=["x", "x"])
    assert made["members"] == ["x"]


async def test_only_members_see_a_group(block: Block):
    one = await group(block, members=[block.person("ben").id])
    path = f"/groups/{one['unique_id']}"
    await block.ask("ben", "GET", path)
    await block.ask("eve", "GET", path, status=404)
    assert (await block.ask("eve", "GET", "/groups"))["data"] == []
    await block.ask("eve", "POST", f"{path}/members", {"member_id": block.person("eve").id}, status=404)


async def test_members_may_leave_and_only_managers_remove_others(block: Block):
    ada, ben, cem = (block.person(name).id for name in ("ada", "ben", "cem"))
    path = f"/groups/{(await group(block, members=[ben, cem]))['unique_id']}"
    await block.ask("ben", "DELETE", f"{path}/members/{cem}", status=403)
    await block.ask("ben", "PUT", path, {"group": {"members": [ben]}}, status=403)
    left = await block.ask("ben", "DELETE", f"{path}/members/{ben}")
    assert left["data"]["attributes"]["members"] == [ada, cem]
    emptied = await block.ask("ada", "PUT", path, {"group": {"members": []}})
    assert emptied["data"]["attributes"]["members"] == [ada]


async def test_who_joins_a_group_is_in_its_conversations_until_they_leave(block: Block, say: Say):
    one = (await group(block))["unique_id"]
    ben = block.person("ben").id
    made = await block.ask("ada", "POST", "/conversations", {"group_id": one}, status=201)
    context = made["data"]["id"]
    assert block.events(f"inbox:{block.person('ada').id}") == ["new_group_conversation"]
    await block.ask("ada", "POST", f"/groups/{one}/members", {"groupmember": {"member_id": ben}})
    await say("ben", context, "Here I am")
    mine = await block.ask("ben", "GET", f"/users/{ben}/mygroups/conversations")
    assert [each["id"] for each in mine["data"]] == [context]
    await block.ask("ada", "DELETE", f"/groups/{one}/members/{ben}")
    await block.ask("ben", "GET", f"/conversations/{context}", status=404)
    await block.ask("eve", "POST", "/conversations", {"group_id": one}, status=404)


async def test_search_is_a_part_of_name_or_code_in_either_case(block: Block):
    await group(block, name="Team 100%", code="Alpha")
    await group(block, name="Other", code="beta")
    for text, found in [("team", 1), ("ALPH", 1), ("100%", 1), ("1_0", 0), ("%", 1), ("e", 2)]:
        page = await block.ask("ada", "GET", "/groups", params={"search": text})
        assert page["meta"]["total_count"] == found, text


async def test_what_has_no_value_comes_last_in_both_directions(block: Block):
    for name, code in (("one", "a"), ("two", None), ("three", "c")):
        await group(block, name=name, code=code)
    for order, names in (("code", ["one", "three", "two"]), ("-code", ["three", "one", "two"])):
        found = await block.ask("ada", "GET", "/groups", params={"sort": order})
        assert [each["attributes"]["name"] for each in found["data"]] == names


async def test_groups_of_a_context_are_named_by_attribute_or_payload(block: Block):
    context = (await block.ask("ada", "POST", "/contexts", {}, status=201))["data"]["id"]
    one = await group(block, name="One", context_id=context)
    other = await group(block, name="Two", payload={"context_id": context})
    await group(block, name="Three")
    found = await block.ask("ada", "GET", f"/context/{context}/groups")
    assert {each["id"] for each in found["data"]} == {one["unique_id"], other["unique_id"]}
    await block.ask("eve", "GET", f"/context/{context}/groups", status=404)


async def test_dead_invites_say_why(block: Block, clock):
    one = (await group(block))["unique_id"]
    expiring = await invite(block, one, expires_in_hours=1)
    revoked = await invite(block, one)
    await block.ask("ada", "DELETE", f"/groups/{one}/invites/{revoked}", status=204)
    clock.advance(3_600)
    assert await code_of(block, "ben", expiring, 410) == "expired"
    assert await code_of(block, "ben", revoked, 410) == "revoked"
    assert await code_of(block, "ben", "nonsense", 404) == "invalid_code"
    listed = await block.ask("ada", "GET", f"/groups/{one}/invites", params={"status": "inactive"})
    assert [each["attributes"]["code"] for each in listed["data"]] == [revoked]
    past = {"invite": {"expires_at": "2020-01-01T00:00:00Z"}}
    await block.ask("ada", "POST", f"/groups/{one}/invites", past, status=422)


async def test_no_more_people_join_at_once_than_an_invite_is_good_for(block: Block):
    one = (await group(block))["unique_id"]
    code = await invite(block, one, max_uses=2)
    answers = await asyncio.gather(
        *(block.raw(f"guest {number}", "POST", f"/groups/join/{code}", json={}) for number in range(5))
    )
    assert sorted(each.status_code for each in answers) == [200, 200, 410, 410, 410]
    listed = await block.ask("ada", "GET", f"/groups/{one}/invites")
    assert listed["data"][0]["attributes"]["uses_count"] == 2


async def test_a_user_joins_for_themselves_and_only_managers_invite(block: Block):
    one = (await group(block, members=[block.person("ben").id]))["unique_id"]
    code = await invite(block, one)
    assert await code_of(block, "cem", code, 403, user_unique_id=new_uuid()) == "forbidden"
    assert await code_of(block, None, code, 401) == "unauthorized"
    await block.ask("ben", "POST", f"/groups/{one}/invites", {}, status=403)
    await block.ask("ben", "GET", f"/groups/{one}/invites", status=403)


async def test_guessing_codes_is_limited_by_where_it_comes_from(block: Block):
    for number in range(10):
        assert await code_of(block, f"eve {number}", "x" * 22, 404) == "invalid_code"
    assert await code_of(block, None, "x" * 22, 404, user_unique_id=new_uuid()) == "invalid_code"
    refused = await block.raw("eve", "POST", f"/groups/join/{'x' * 22}", json={})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == ("10", "0")
    assert refused.json()["errors"][0]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("somewhere", "somewhere", True),
    ],
)
async def test_whoever_has_a_network_is_one(block: Block, first: str, second: str, is_one: bool):
    invites, ben = block.context.areas[Invites], Caller(block.person("ben").id, is_server=False)
    for _ in range(10):
        with pytest.raises(UnknownCode):
            await invites.join(block.scope, ben, "x" * 22, str(ben.user_id), address=first)
    with pytest.raises(TooMany if is_one else UnknownCode):
        await invites.join(block.scope, ben, "x" * 22, str(ben.user_id), address=second)


async def test_a_qr_code_is_drawn_as_wanted(block: Block):
    one = (await group(block))["unique_id"]
    path = f"/groups/{one}/invites/{await invite(block, one)}/qr"
    png = await block.raw("ada", "GET", path, headers={"Accept": "image/png"}, params={"size": 200})
    assert png.headers["content-type"] == "image/png"
    width, height = struct.unpack(">II", png.content[16:24])
    assert 100 <= width == height <= 200
    svg = await block.raw("ada", "GET", path, headers={"Accept": "image/svg+xml"})
    assert svg.headers["content-type"] == "image/svg+xml"
    assert b"<svg" in svg.content
    await block.ask("ada", "GET", path, params={"size": 63}, status=422)
    await block.ask("eve", "GET", path, status=404)
