"""Read receipts over REST."""

from __future__ import annotations

import pytest

from parley.base.clock import ManualClock
from parley.channels.realtime.model import new_publication_id
from tests.wire.block.channels.conftest import Rest

PATH = "/v1/realtime/channels/chat:room/read"


def body(message_id: str, **more: object) -> dict[str, object]:
    return {"data": {"type": "read_receipt", "attributes": {"message_id": message_id, **more}}}


async def test_a_receipt_is_given_once_and_told_to_subscribers(rest: Rest, clock: ManualClock) -> None:
    (said,) = await rest.say("chat:room", "hello")
    ada = await rest.realtime.connect("ada")
    await ada.ask("subscribe", channel="chat:room")
    made = await rest.ask("bob", "POST", PATH, body(said["id"]))
    assert made["data"]["type"] == "read_receipt"
    assert made["data"]["id"].startswith("rr_")
    assert made["data"]["attributes"] == {
        "message_id": said["id"],
        "user_id": "bob",
        "channel_id": "chat:room",
        "read_at": "2026-01-01T00:00:00.000Z",
    }
    assert (await ada.until(type="message:read"))["user_id"] == "bob"
    clock.advance(5)
    assert await rest.ask("bob", "POST", PATH, body(said["id"], user_id="bob")) == made
    assert not [frame for frame in await ada.nothing_more() if frame["type"] == "message:read"]


async def test_the_status_tells_readers_in_order(rest: Rest, clock: ManualClock) -> None:
    said = await rest.say("chat:room", "0", "1", user_id="ada")
    for user_id in ("cem", "bob"):
        clock.advance(1)
        await rest.ask(None, "POST", PATH, body(said[1]["id"], user_id=user_id, up_to=True))
    bob = await rest.realtime.connect("bob")
    await bob.ask("subscribe", channel="chat:room")
    await bob.tell("delivered", channel="chat:room", offset=1)
    await bob.nothing_more()
    path = f"/v1/realtime/channels/chat:room/messages/{said[0]['id']}/read"
    found = (await rest.ask("ada", "GET", path))["data"]
    assert (found["id"], found["type"]) == (said[0]["id"], "read_status")
    assert found["attributes"] == {
        "read_by": ["cem", "bob"],
        "read_count": 2,
        "receipts": [
            {"user_id": "cem", "read_at": "2026-01-01T00:00:01.000Z"},
            {"user_id": "bob", "read_at": "2026-01-01T00:00:02.000Z"},
        ],
        "delivered_to": ["bob"],
        "delivered_count": 1,
    }


async def test_users_read_for_themselves_and_servers_for_anybody(rest: Rest) -> None:
    (said,) = await rest.say("chat:room", "hello")
    assert await rest.refused("ada", "POST", PATH, body(said["id"], user_id="bob")) == (403, "forbidden")
    assert await rest.refused(None, "POST", PATH, body(said["id"])) == (422, "validation_error")
    assert (await rest.refused(None, "POST", PATH, body(said["id"], user_id="x" * 201)))[0] == 422
    await rest.ask(None, "POST", PATH, body(said["id"], user_id="bob"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_not_there_is_not_found(rest: Rest) -> None:
    assert await rest.refused("ada", "POST", PATH, body("msg_x")) == (404, "channel_not_found")
    await rest.say("chat:room", "hello")
    for wrong in ("msg_x", new_publication_id(1)):
        assert await rest.refused("ada", "POST", PATH, body(wrong)) == (404, "not_found")
        path = f"/v1/realtime/channels/chat:room/messages/{wrong}/read"
        assert await rest.refused("ada", "GET", path) == (404, "not_found")
    await rest.say("private:team", "x")
    path = "/v1/realtime/channels/private:team/read"
    assert await rest.refused("ada", "POST", path, body("msg_x")) == (401, "unauthorized_channel")
