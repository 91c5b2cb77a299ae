"""Search over REST."""

from __future__ import annotations

import pytest

from parley.channels.realtime.grants import Op
from tests.wire.block.channels.conftest import Rest

PATH = "/v1/realtime/messages/search"


async def texts(rest: Rest, who: str | None, query: str, **more: object) -> list[str]:
    found = await rest.ask(who, "GET", f"{PATH}?{query}", **more)
    return [one["attributes"]["data"]["text"] for one in found["data"]]


async def test_messages_are_found_newest_first(rest: Rest) -> None:
    said = await rest.say("chat:room", "Hello world", "nothing", "hello, old WORLD")
    found = await rest.ask("ada", "GET", f"{PATH}?query=world+hello&channel_id=chat:room&limit=1")
    assert found["meta"] == {"has_more": True, "total": 2, "query": "world hello"}
    (message,) = found["data"]
    assert (message["id"], message["type"]) == (said[2]["id"], "messages")
    assert message["attributes"]["offset"] == 3
    query = f"query=world+hello&channel_id=chat:room&before={said[2]['id']}"
    assert await texts(rest, "ada", query) == ["Hello world"]


async def test_only_readable_channels_are_searched(rest: Rest) -> None:
    for channel in (
        "chat:room",
        "public:x",
        "private:y",
        "notifications:ada",
        "notifications:bob",
        "inbox:bob",
    ):
        await rest.say(channel, f"word {channel}")
    assert await texts(rest, "ada", "query=word") == [
        "word notifications:ada",
        "word public:x",
        "word chat:room",
    ]
    assert len(await texts(rest, None, "query=word")) == 6
    token = rest.connected("ada", "private:*")
    assert await texts(rest, None, "query=word", headers=token) == ["word private:y", "word public:x"]
    blind = rest.connected("ada", "private:*", ops=frozenset({Op.SUBSCRIBE}))
    assert await texts(rest, None, "query=word", headers=blind) == ["word public:x"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("", (422, "validation_error")),
        ("query=", (422, "validation_error")),
        (f"query={'x' * 201}", (422, "validation_error")),
        ("query=x&limit=0", (422, "validation_error")),
        ("query=%00", (422, "validation_error")),
        ("query=x&channel_id=a%20b", (400, "invalid_channel")),
        ("query=x&channel_id=private:x", (401, "unauthorized_channel")),
        ("query=x&channel_id=chat:nobody", (404, "channel_not_found")),
        ("query=x&before=msg_x", (404, "not_found")),
    ],
)
async def test_wrong_queries_are_refused(rest: Rest, query: str, refusal: tuple[int, str]) -> None:
    assert await rest.refused("ada", "GET", f"{PATH}?{query}") == refusal
