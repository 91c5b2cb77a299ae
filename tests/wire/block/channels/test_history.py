"""Histories over REST."""

from __future__ import annotations

from typing import Any

import pytest

from parley.accounts.keys import create_keys
from parley.accounts.model import Environment
from parley.accounts.scope import Scope
from parley.base.clock import ManualClock
from parley.channels.realtime import signatures
from parley.channels.realtime.grants import Op
from parley.channels.realtime.model import new_publication_id
from tests.accounts.tenants import add_app
from tests.wire.block.channels.conftest import Rest
from tests.wire.block.socket.serving import until_turned

PATH = "/v1/realtime/channels/chat:room/messages"
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def ids_and_texts(rest: Rest, query: str = "") -> tuple[list[int], Any]:
    """Texts of a page as numbers, and its meta."""
    found = await rest.ask(None, "GET", f"{PATH}?{query}")
    return [int(one["attributes"]["data"]["text"]) for one in found["data"]], found["meta"]


async def ten(rest: Rest) -> list[str]:
    """Ids of ten messages, `0` to `9`."""
    return [one["id"] for one in await rest.say("chat:room", *map(str, range(10)))]


async def test_a_message_is_shown_as_it_was_published(rest: Rest) -> None:
    (said,) = await rest.say("chat:room", "hello", user_id="ada", event="custom")
    found = await rest.ask("bob", "GET", PATH)
    assert found["data"] == [
        {
            "id": said["id"],
            "type": "messages",
            "attributes": {
                "channel_id": "chat:room",
                "user_id": "ada",
                "event": "custom",
                "data": {"text": "hello"},
                "created_at": "2026-01-01T00:00:00.000Z",
                "offset": 1,
            },
        }
    ]
    epoch = found["meta"].pop("epoch")
    assert epoch
    assert found["meta"] == {"has_more": False, "oldest_id": said["id"], "newest_id": said["id"]}


@pytest.mark.parametrize(
    ("query", "page", "has_more"),
    [
        ("", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], False),
        ("limit=3", [9, 8, 7], True),
        ("limit=3&order=asc", [0, 1, 2], True),
        ("limit=3&before={5}", [4, 3, 2], True),
        ("limit=3&before={5}&order=asc", [2, 3, 4], True),
        ("limit=3&before={3}", [2, 1, 0], False),
        ("limit=3&before={0}", [], False),
        ("limit=3&after={5}", [8, 7, 6], True),
        ("limit=3&after={5}&order=asc", [6, 7, 8], True),
        ("limit=3&after={6}", [9, 8, 7], False),
        ("limit=3&after={9}", [], False),
        ("limit=2&after={2}&before={7}&order=asc", [3, 4], True),
        ("limit=2&after={2}&before={7}", [6, 5], True),
        ("limit=4&after={2}&before={7}", [6, 5, 4, 3], False),
        ("after={7}&before={2}", [], False),
        ("limit=100000000000000000000", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], False),
    ],
)
async def test_pages_lie_next_to_their_cursors(
    rest: Rest, query: str, page: list[int], has_more: bool
) -> None:
    ids = await ten(rest)
    texts, meta = await ids_and_texts(rest, query.format(*ids))
    assert (texts, meta["has_more"]) == (page, has_more)
    expected = (ids[min(page)], ids[max(page)]) if page else (None, None)
    assert (meta["oldest_id"], meta["newest_id"]) == expected


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_following_the_cursor_gives_every_message_once(rest: Rest, order: str) -> None:
    await ten(rest)
    seen: list[int] = []
    query = f"limit=3&order={order}"
    while True:
        texts, meta = await ids_and_texts(rest, query)
        seen += texts
        if not meta["has_more"]:
            break
        cursor = f"after={meta['newest_id']}" if order == "asc" else f"before={meta['oldest_id']}"
        query = f"limit=3&order={order}&{cursor}"
    assert seen == (list(range(10)) if order == "asc" else list(range(9, -1, -1)))


@SQLITE
@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=1.5", "order=up", "limit=%00"])
async def test_a_wrong_query_is_refused(rest: Rest, query: str) -> None:
    await rest.say("chat:room", "0")
    assert await rest.refused(None, "GET", f"{PATH}?{query}") == (422, "validation_error")


@SQLITE
async def test_a_cursor_that_is_no_message_of_the_channel_is_not_found(rest: Rest) -> None:
    await ten(rest)
    (elsewhere,) = await rest.say("chat:elsewhere", "x")
    for cursor in ("x", "msg_", elsewhere["id"], new_publication_id(3), new_publication_id(99)):
        for side in ("before", "after"):
            assert await rest.refused(None, "GET", f"{PATH}?{side}={cursor}") == (404, "not_found")


async def test_what_has_expired_is_not_shown_and_its_cursor_is_the_oldest_place(
    rest: Rest, clock: ManualClock
) -> None:
    await rest.plan(plan="free")
    old = await ten(rest)
    clock.advance(24 * 3600)
    new = [one["id"] for one in await rest.say("chat:room", "10", "11", "12")]
    for _ in range(2):
        assert (await ids_and_texts(rest))[0] == [12, 11, 10]
        assert (await ids_and_texts(rest, f"after={old[4]}&order=asc&limit=2"))[0] == [10, 11]
        assert (await ids_and_texts(rest, f"before={old[4]}"))[0] == []
        assert (await ids_and_texts(rest, f"before={new[1]}"))[0] == [10]
        assert await rest.realtime.block.purge.run() in (10, 0)


async def test_events_are_no_messages(rest: Rest) -> None:
    ada = await rest.realtime.connect("ada")
    await ada.ask("subscribe", channel="chat:room")
    await ada.ask("trigger", channel="chat:room", event="wave", data={})
    sent = await ada.ask("publish", channel="chat:room", data={"text": "1"})
    assert (await ids_and_texts(rest))[0] == [1]
    found = await rest.ask(None, "GET", PATH)
    assert (found["data"][0]["id"], found["data"][0]["attributes"]["user_id"]) == (sent["id"], "ada")


async def test_a_channel_that_was_never_used_is_not_found(rest: Rest) -> None:
    assert await rest.refused(None, "GET", PATH) == (404, "channel_not_found")
    ada = await rest.realtime.connect("ada")
    await ada.ask("subscribe", channel="chat:room")
    found = await rest.ask(None, "GET", PATH)
    assert (found["data"], found["meta"]["oldest_id"], found["meta"]["newest_id"]) == ([], None, None)


@SQLITE
async def test_colons_may_be_escaped_and_names_must_be_names(rest: Rest) -> None:
    await rest.say("chat:room", "0")
    assert (await rest.ask(None, "GET", "/v1/realtime/channels/chat%3Aroom/messages/"))["data"]
    for wrong in ("a%20b", "chat:", "%00", "*", "x" * 201):
        found = await rest.refused(None, "GET", f"/v1/realtime/channels/{wrong}/messages")
        assert found == (400, "invalid_channel")


async def test_every_answer_repeats_the_id_of_its_request(rest: Rest) -> None:
    await rest.say("chat:room", "0")
    asked = {"X-Request-ID": "req_mf3k2a_8d7s6f"}
    for method, path in (
        *(("GET", PATH), ("GET", f"{PATH}?limit=0"), ("GET", "/v1/realtime/channels/a%20b/messages")),
        *(("GET", "/v1/realtime/nothing"), ("POST", PATH)),
    ):
        found = await rest.raw(None, method, path, headers=asked)
        assert found.headers["x-request-id"] == asked["X-Request-ID"]
    assert (found.status_code, found.json()["errors"][0]["code"]) == (405, "method_not_allowed")


async def test_users_read_what_their_grants_open(rest: Rest) -> None:
    for channel in ("chat:room", "public:x", "notifications:ada", "notifications:bob", "other", "private:x"):
        await rest.say(channel, "0")
    allowed = []
    for channel in ("chat:room", "public:x", "notifications:ada", "notifications:bob", "other", "private:x"):
        found = await rest.raw("ada", "GET", f"/v1/realtime/channels/{channel}/messages")
        assert found.status_code in (200, 401)
        allowed.append(found.status_code == 200)
    assert allowed == [True, True, True, False, False, False]


async def test_a_connection_token_opens_its_own_grants_only(rest: Rest) -> None:
    for channel in ("private:team", "chat:room"):
        await rest.say(channel, "0")
    path = "/v1/realtime/channels/private:team/messages"
    await rest.ask(None, "GET", path, headers=rest.connected("ada", "private:*"))
    found = await rest.refused(None, "GET", PATH, headers=rest.connected("ada", "private:*"))
    assert found == (401, "unauthorized_channel")
    blind = rest.connected("ada", "private:*", ops=frozenset({Op.SUBSCRIBE}))
    assert (await rest.refused(None, "GET", path, headers=blind))[0] == 401


@SQLITE
async def test_nothing_of_another_app_is_of_use(rest: Rest, scope: Scope) -> None:
    """Not its channels, cursors, connection tokens, user tokens or sockets."""
    theirs = await add_app(scope, "Theirs")
    keys = await create_keys(theirs, theirs.app_id, Environment.LIVE)
    ids = await ten(rest)
    server, visitor = {"X-Api-Key": keys.secret}, {"X-Api-Key": keys.publishable}
    for path in (PATH, f"{PATH}?before={ids[5]}", f"{PATH}/{ids[5]}/read"):
        assert await rest.refused(None, "GET", path, headers=server) == (404, "channel_not_found")
    body = {"channel": "chat:room", "data": {"text": "theirs"}}
    await rest.ask(None, "POST", "/v1/realtime/publish", body, status=202, headers=server)
    found = await rest.ask(None, "GET", PATH, headers=server)
    assert [one["attributes"]["data"]["text"] for one in found["data"]] == ["theirs"]
    for cursor in (f"before={ids[5]}", f"after={ids[0]}", f"after={ids[9]}"):
        assert await rest.refused(None, "GET", f"{PATH}?{cursor}", headers=server) == (404, "not_found")
    for token in (rest.connected("ada", "chat:*")["Authorization"], rest.headers("ada")["Authorization"]):
        refused = await rest.refused(None, "GET", PATH, headers={**visitor, "Authorization": token})
        assert refused == (401, "invalid_token")
    found = await rest.ask(None, "GET", "/v1/realtime/messages/search?query=5", headers=server)
    assert found["data"] == []


async def test_the_authorization_of_a_socket_opens_guarded_channels(rest: Rest) -> None:
    data = '{"user_id":"ada","user_info":{"name":"Ádà"}}'
    app_id, key = rest.scope.app_id, rest.realtime.keys.secret.encode()
    ada, bob = await rest.realtime.connect("ada"), await rest.realtime.connect("bob")
    socket_id, other = ada.welcome["socket_id"], bob.welcome["socket_id"]
    for channel, text in (("private:team", None), ("presence:room", None), ("presence:room", data)):
        await rest.say(channel, "0")
        path = f"/v1/realtime/channels/{channel}/messages"
        signature = signatures.sign(key, socket_id, channel, text)
        header = f"{socket_id} {app_id}:{signature}" + (f" {text}" if text else "")
        await rest.ask("ada", "GET", path, headers={"X-Channel-Auth": header.encode()})
        wrong = f"{other} {app_id}:{signature}" + (f" {text}" if text else "")
        for refused in (wrong.encode(), header.replace(signature, "0" * 64).encode()):
            found = await rest.refused("ada", "GET", path, headers={"X-Channel-Auth": refused})
            assert found == (401, "unauthorized_channel")
    found = await rest.refused("bob", "GET", path, headers={"X-Channel-Auth": header.encode()})
    assert found == (401, "unauthorized_channel")  # the data names somebody else


@SQLITE
async def test_an_authorization_is_of_no_use_to_others_or_after_its_socket(rest: Rest) -> None:
    await rest.say("private:team", "0")
    path = "/v1/realtime/channels/private:team/messages"
    ada = await rest.realtime.connect("ada")
    shown = {}
    for socket_id in (ada.welcome["socket_id"], "socket_of_nobody"):
        signature = signatures.sign(rest.realtime.keys.secret.encode(), socket_id, "private:team")
        shown[socket_id] = {"X-Channel-Auth": f"{socket_id} {rest.scope.app_id}:{signature}"}
    own = shown[ada.welcome["socket_id"]]
    await rest.ask("ada", "GET", path, headers=own)
    refused = (401, "unauthorized_channel")
    assert await rest.refused("bob", "GET", path, headers=own) == refused
    assert await rest.refused("ada", "GET", path, headers=shown["socket_of_nobody"]) == refused
    await ada.close()
    await until_turned(lambda: not rest.realtime.block.sockets.connections)
    assert await rest.refused("ada", "GET", path, headers=own) == refused


@SQLITE
@pytest.mark.parametrize(
    "header", [b"x", b"socket_1 x:y \xff\xfe", b"a b c d", b"socket_1 \xf0\x9f\x8e\x89:\xff"]
)
async def test_hostile_authorizations_are_refused(rest: Rest, header: bytes) -> None:
    await rest.say("private:team", "0")
    path = "/v1/realtime/channels/private:team/messages"
    found = await rest.raw("ada", "GET", path, headers={"X-Channel-Auth": header})
    assert found.status_code in (401, 422)
