"""Members over REST."""

from __future__ import annotations

import pytest

from tests.wire.block.channels.conftest import Rest

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_members_are_listed(rest: Rest) -> None:
    ada = await rest.realtime.connect("ada")
    await ada.ask("subscribe", channel="chat:room")
    member = (await ada.ask("presence.enter", channel="chat:room", data={"name": "Ada", "status": "away"}))[
        "member"
    ]
    found = await rest.ask("bob", "GET", "/v1/realtime/channels/chat:room/presence")
    assert found == {
        "data": [{"id": "ada", "type": "presence_members", "attributes": member}],
        "meta": {"count": 1},
    }
    await ada.ask("presence.leave", channel="chat:room")
    assert (await rest.ask("bob", "GET", "/v1/realtime/channels/chat:room/presence"))["meta"] == {"count": 0}


async def test_some_channels_have_no_members(rest: Rest) -> None:
    await rest.say("public:x", "0")
    await rest.say("private:x", "0")
    path = "/v1/realtime/channels/{}/presence"
    assert await rest.refused("ada", "GET", path.format("public:x")) == (400, "invalid_channel")
    assert await rest.refused("ada", "GET", path.format("private:x")) == (401, "unauthorized_channel")
    assert await rest.refused("ada", "GET", path.format("chat:nobody")) == (404, "channel_not_found")
