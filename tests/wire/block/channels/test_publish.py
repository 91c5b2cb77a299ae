"""Publishing over REST."""

from __future__ import annotations

from typing import Any

import pytest

from parley.base.clock import ManualClock
from parley.wire.block import endpoint
from tests.wire.block.channels.conftest import Rest

PATH, BATCH = "/v1/realtime/publish", "/v1/realtime/publish/batch"


async def test_subscribers_get_a_message_of_nobody(rest: Rest) -> None:
    ada = await rest.realtime.connect("ada", "notifications:*")
    await ada.ask("subscribe", channel="notifications:all")
    attributes = {
        "channel": "notifications:all",
        "event": "announcement",
        "data": {"title": "Hello", "n": 1.5},
    }
    body = {"data": {"type": "broadcast", "attributes": attributes}}
    made = (await rest.ask(None, "POST", PATH, body, status=202))["data"]
    assert made["type"] == "broadcast"
    assert made["attributes"] == {
        "channel": "notifications:all",
        "event": "announcement",
        "offset": 1,
        "created_at": "2026-01-01T00:00:00.000Z",
        "subscribers": 1,
    }
    frame = await ada.until(type="message")
    assert (frame["id"], frame["event"], frame["user_id"]) == (made["id"], "announcement", None)
    assert frame["data"] == {"title": "Hello", "n": 1.5}


async def test_the_rest_has_defaults(rest: Rest) -> None:
    made = await rest.ask(None, "POST", PATH, {"channel": "chat:room"}, status=202)
    assert made["data"]["attributes"]["event"] == "message"
    (message,) = (await rest.ask(None, "GET", "/v1/realtime/channels/chat:room/messages"))["data"]
    assert message["attributes"]["data"] == {}
    assert message["attributes"]["user_id"] is None


@pytest.mark.parametrize("data", [None, 0, "text", [1, {"a": None}], {"ключ": "значение 🎉"}, 10**30, -0.5])
async def test_data_is_any_json_and_comes_back_as_it_was(rest: Rest, data: Any) -> None:
    await rest.ask(None, "POST", PATH, {"channel": "chat:room", "data": data}, status=202)
    (message,) = (await rest.ask(None, "GET", "/v1/realtime/channels/chat:room/messages"))["data"]
    assert message["attributes"]["data"] == data


async def test_a_client_id_sent_again_stores_nothing(rest: Rest) -> None:
    body = {"channel": "chat:room", "client_id": "c-1", "user_id": "ada"}
    first = await rest.ask(None, "POST", PATH, body, status=202)
    again = await rest.ask(None, "POST", PATH, body, status=202)
    assert first["data"]["id"] == again["data"]["id"]


async def test_a_socket_may_be_left_out(rest: Rest) -> None:
    ada, bob = await rest.realtime.connect("ada"), await rest.realtime.connect("bob")
    for client in (ada, bob):
        await client.ask("subscribe", channel="public:news")
    await rest.say("public:news", "x", exclude_socket_id=ada.welcome["socket_id"])
    await bob.until(type="message")
    assert await ada.nothing_more() == []


async def test_what_is_ephemeral_is_not_in_the_history(rest: Rest) -> None:
    ada = await rest.realtime.connect("ada")
    await ada.ask("subscribe", channel="public:news")
    await rest.say("public:news", "x", ephemeral=True)
    await ada.until(type="message")
    assert (await rest.ask(None, "GET", "/v1/realtime/channels/public:news/messages"))["data"] == []


async def test_only_servers_publish(rest: Rest) -> None:
    assert await rest.refused("ada", "POST", PATH, {"channel": "chat:room"}) == (403, "forbidden")
    assert await rest.refused("ada", "POST", BATCH, {"messages": []}) == (403, "forbidden")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, (422, "validation_error")),
        ({"channel": ""}, (400, "invalid_channel")),
        ({"channel": "a b"}, (400, "invalid_channel")),
        ({"channel": "public:"}, (400, "invalid_channel")),
        ({"channel": "a" * 201}, (400, "invalid_channel")),
        ({"channel": 7}, (422, "validation_error")),
        ({"channel": "a", "event": "presence"}, (400, "invalid_event")),
        ({"channel": "a", "event": "sys:x"}, (400, "invalid_event")),
        ({"channel": "a", "event": ""}, (400, "invalid_event")),
        ({"channel": "a", "event": "é"}, (400, "invalid_event")),
        ({"channel": "a", "data": "x" * 32_767}, (413, "payload_too_large")),
        ({"channel": "a", "client_id": "x" * 129}, (422, "validation_error")),
        ({"channel": "a", "user_id": ""}, (422, "validation_error")),
        ({"channel": "a", "data": "nul \x00"}, (422, "validation_error")),
    ],
)
async def test_what_cannot_be_published_is_refused(
    rest: Rest, body: dict[str, Any], refusal: tuple[int, str]
) -> None:
    assert await rest.refused(None, "POST", PATH, body) == refusal


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_wrong_field_is_named(rest: Rest) -> None:
    wrong = {"event": 7, "data": 1, "client_id": "", "ephemeral": "yes"}
    body = {"data": {"type": "broadcast", "attributes": wrong}}
    found = await rest.ask(None, "POST", PATH, body, status=422)
    assert [error["source"]["pointer"].rpartition("/") for error in found["errors"]] == [
        ("/data/attributes", "/", name) for name in ("channel", "event", "client_id", "ephemeral")
    ]
    body = {"messages": [{"channel": "chat:room"}, wrong]}
    found = await rest.ask(None, "POST", BATCH, body, status=422)
    assert [error["source"]["pointer"] for error in found["errors"]] == [
        f"/messages/1/{name}" for name in ("channel", "event", "client_id", "ephemeral")
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_publishing_has_the_rate_of_messages_and_not_that_of_requests(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "REQUESTS_PER_MINUTE", 1)
    monkeypatch.setattr(endpoint, "SERVER_FACTOR", 2)
    for _ in range(4):
        await rest.ask(None, "POST", PATH, {"channel": "chat:room"}, status=202)
        await rest.ask(None, "POST", BATCH, {"messages": [{"channel": "chat:room"}]}, status=202)
    answers = [await rest.raw(None, "GET", "/v1/realtime/settings") for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    refused = answers[-1]
    assert refused.json()["errors"][0]["code"] == "rate_limit_exceeded"
    assert int(refused.headers["retry-after"]) >= 1
    assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == ("2", "0")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b'"x"', b"\xff", b'{"channel":"a","data":"\\ud800"}', b"[" * 5_000]
)
async def test_what_is_no_json_object_is_a_bad_request(rest: Rest, raw: bytes) -> None:
    found = await rest.raw(None, "POST", PATH, content=raw)
    assert (found.status_code, found.json()["errors"][0]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_megabyte_is_refused(rest: Rest) -> None:
    text = "x" * (1 << 20)
    assert await rest.refused(None, "POST", PATH, {"channel": "a", "data": text}) == (
        413,
        "payload_too_large",
    )
    messages = [{"channel": "a", "data": text}]
    assert await rest.refused(None, "POST", BATCH, {"messages": messages}) == (422, "validation_error")
    messages = [{"channel": "a", "data": text}] * 4
    assert await rest.refused(None, "POST", BATCH, {"messages": messages}) == (413, "payload_too_large")


async def test_the_rate_is_told_and_then_held(rest: Rest, clock: ManualClock) -> None:
    await rest.plan(messages_per_second=2)
    answers = [await rest.raw(None, "POST", PATH, json={"channel": "chat:room"}) for _ in range(3)]
    assert [one.status_code for one in answers] == [202, 202, 429]
    now = int(clock.now().timestamp())
    assert [
        tuple(one.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset"))
        for one in answers
    ] == [("2", "1", str(now + 1)), ("2", "0", str(now + 1)), ("2", "0", str(now + 1))]
    assert answers[2].headers["retry-after"] == "1"
    assert answers[2].json()["errors"][0]["code"] == "rate_limit_exceeded"
    clock.advance(1)
    await rest.ask(None, "POST", PATH, {"channel": "chat:room"}, status=202)


async def test_a_batch_is_published_in_order(rest: Rest) -> None:
    messages = [{"channel": f"chat:{n % 2}", "event": "e", "data": {"text": str(n)}} for n in range(5)]
    body = {"data": {"type": "batch_broadcast", "attributes": {"messages": messages}}}
    made = (await rest.ask(None, "POST", BATCH, body, status=202))["data"]
    assert (made["type"], made["attributes"]["accepted"]) == ("batch_broadcast", 5)
    assert [(one["channel"], one["offset"]) for one in made["attributes"]["results"]] == [
        ("chat:0", 1),
        ("chat:1", 1),
        ("chat:0", 2),
        ("chat:1", 2),
        ("chat:0", 3),
    ]
    found = await rest.ask(None, "GET", "/v1/realtime/channels/chat:0/messages?order=asc")
    assert [one["attributes"]["data"]["text"] for one in found["data"]] == ["0", "2", "4"]


async def test_one_wrong_message_refuses_the_whole_batch(rest: Rest) -> None:
    messages: list[Any] = [{"channel": "chat:room"} for _ in range(8)]
    messages[3] = {"channel": "not a channel"}
    messages[4] = {"channel": "chat:room", "event": "presence"}
    messages[5] = {"channel": "chat:room", "data": "x" * 33_000}
    messages[6] = {"event": "e"}
    messages[7] = "text"
    body = {"data": {"type": "batch_broadcast", "attributes": {"messages": messages}}}
    found = await rest.ask(None, "POST", BATCH, body, status=422)
    pointers = [
        error["source"]["pointer"].removeprefix("/data/attributes/messages/") for error in found["errors"]
    ]
    assert pointers == ["3/channel", "4/event", "5/data", "6/channel", "7"]
    assert {error["code"] for error in found["errors"]} == {"validation_error"}
    assert await rest.refused(None, "GET", "/v1/realtime/channels/chat:room/messages") == (
        404,
        "channel_not_found",
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("messages", [None, [], {}, "x", [{"channel": "a"}] * 101])
async def test_a_batch_has_1_to_100_messages(rest: Rest, messages: Any) -> None:
    found = await rest.ask(None, "POST", BATCH, {"messages": messages}, status=422)
    assert found["errors"][0]["source"] == {"pointer": "/messages"}


async def test_the_rate_of_a_batch_is_taken_at_once(rest: Rest) -> None:
    await rest.plan(messages_per_second=5)
    three = {"messages": [{"channel": "chat:room"}] * 3}
    answers = [await rest.raw(None, "POST", BATCH, json=three) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 429]
    assert [one.headers["x-ratelimit-remaining"] for one in answers] == ["2", "2"]
    six = await rest.ask(None, "POST", BATCH, {"messages": [{"channel": "chat:room"}] * 6}, status=429)
    assert six["errors"][0]["detail"].endswith("never 6 at once.")
    found = await rest.ask(None, "GET", "/v1/realtime/channels/chat:room/messages")
    assert len(found["data"]) == 3


async def test_a_full_batch_fits(rest: Rest) -> None:
    messages = [{"channel": "chat:room", "data": "x" * 32_000} for _ in range(100)]
    made = await rest.ask(None, "POST", BATCH, {"messages": messages}, status=202)
    assert made["data"]["attributes"]["accepted"] == 100
