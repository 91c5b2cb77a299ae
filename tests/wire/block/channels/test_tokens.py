"""Connection tokens over REST."""

from __future__ import annotations

import pytest

from parley.accounts.app_settings import write
from parley.channels.realtime.grants import Op
from parley.channels.realtime.settings import ChannelSettings
from tests.wire.block.channels.conftest import Rest

PATH = "/v1/realtime/tokens"


def wrapped(**attributes: object) -> dict[str, object]:
    return {"data": {"type": "connection_tokens", "attributes": attributes}}


async def test_a_token_connects_a_socket(rest: Rest) -> None:
    body = wrapped(user_id="ada", channels=["chat:*"], ttl=600, user_info={"name": "Ada"})
    made = (await rest.ask(None, "POST", PATH, body, status=201))["data"]
    attributes = made["attributes"]
    assert made["type"] == "connection_tokens"
    assert made["id"].startswith("ct_")
    assert (attributes["user_id"], attributes["channels"]) == ("ada", ["chat:*"])
    assert attributes["url"] == "wss://parley.example/v1/realtime/ws"
    assert attributes["expires_at"] == "2026-01-01T00:10:00.000Z"
    client = await rest.realtime.open()
    await client.tell("connect", token=attributes["token"])
    assert (await client.until(type="welcome"))["user_id"] == "ada"
    await client.ask("subscribe", channel="chat:room")


async def test_a_bare_body_and_none_at_all_are_accepted(rest: Rest) -> None:
    made = await rest.ask("ada", "POST", PATH, {"user_id": "ada", "channels": []}, status=201)
    assert made["data"]["attributes"]["channels"] == []
    made = await rest.ask("ada", "POST", PATH, status=201)
    assert made["data"]["attributes"]["channels"] == ["public:*", "chat:*", "notifications:ada", "inbox:ada"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "info"),
    [
        ({}, {"name": "Ada L."}),
        ({"user_info": {"name": "Countess", "age": 36}}, {"name": "Countess", "age": 36}),
    ],
)
async def test_a_users_own_token_has_the_name_of_the_user_token(
    rest: Rest, body: dict[str, object], info: dict[str, object]
) -> None:
    token = rest.user_token("ada", name="Ada L.")
    headers = {"X-Api-Key": rest.realtime.keys.publishable, "Authorization": f"Bearer {token}"}
    made = await rest.http.post(PATH, json=body, headers=headers)
    claims = rest.realtime.block.sockets.tokens.verify(made.json()["data"]["attributes"]["token"])
    assert claims.info == info


async def test_grants_may_be_narrow(rest: Rest) -> None:
    asked = [{"pattern": "chat:*", "ops": ["subscribe", "history"]}, {"pattern": "other:*"}]
    made = await rest.ask("ada", "POST", PATH, {"channels": asked}, status=201)
    assert made["data"]["attributes"]["channels"] == [
        {"pattern": "chat:*", "ops": ["history", "subscribe"]},
        "other:*",
    ]
    claims = rest.realtime.block.sockets.tokens.verify(made["data"]["attributes"]["token"])
    assert claims.ch[0].ops == {Op.HISTORY, Op.SUBSCRIBE}


async def test_users_make_tokens_of_their_own(rest: Rest) -> None:
    assert await rest.refused("ada", "POST", PATH, {"user_id": "bob"}) == (403, "forbidden")
    await rest.ask(None, "POST", PATH, {"user_id": "bob"}, status=201)
    assert await rest.refused(None, "POST", PATH, {}) == (422, "validation_error")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "pattern", ["private:*", "private:team", "presence:*", "presence:room-1", "inbox:bob", "inbox:*"]
)
async def test_clients_may_not_ask_for_what_is_guarded(rest: Rest, pattern: str) -> None:
    assert await rest.refused("ada", "POST", PATH, {"channels": ["chat:*", pattern]}) == (
        403,
        "unauthorized_channel",
    )
    await rest.ask(None, "POST", PATH, {"user_id": "ada", "channels": [pattern]}, status=201)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("pattern", ["presence:chat:*", "inbox:ada", "notifications:ada", "*", "p*"])
async def test_clients_may_ask_for_the_rest(rest: Rest, pattern: str) -> None:
    await rest.ask("ada", "POST", PATH, {"channels": [pattern]}, status=201)


async def test_the_app_may_say_itself_what_clients_ask_for(rest: Rest) -> None:
    settings = ChannelSettings(
        client_grants=["private:team-*", "chat:{user_id}"], default_grants=["a:{user_id}"]
    )
    async with rest.scope.change() as change:
        await write(change, "channels", settings)
    for pattern in ("private:team-7", "private:team-*", "chat:ada"):
        await rest.ask("ada", "POST", PATH, {"channels": [pattern]}, status=201)
    for pattern in ("private:*", "private:teams", "chat:bob", "chat:*", "public:x"):
        assert (await rest.refused("ada", "POST", PATH, {"channels": [pattern]}))[0] == 403
    made = await rest.ask("ada", "POST", PATH, {}, status=201)
    assert made["data"]["attributes"]["channels"] == ["a:ada"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ttl": 59}, "/data/attributes/ttl"),
        ({"ttl": 86_401}, "/data/attributes/ttl"),
        ({"ttl": "3600"}, "/data/attributes/ttl"),
        ({"channels": "chat:*"}, "/data/attributes/channels"),
        ({"channels": [{"pattern": "a", "ops": ["fly"]}]}, "/data/attributes/channels/0/ops/0"),
        ({"channels": ["a b"]}, "/data/attributes/channels/0"),
        ({"channels": ["a"] * 101}, "/data/attributes/channels"),
        ({"channels": ["a" * 201]}, "/data/attributes/channels/0"),
        ({"user_id": ""}, None),
    ],
)
async def test_what_is_wrong_is_named(rest: Rest, body: dict[str, object], pointer: str | None) -> None:
    found = await rest.ask(None, "POST", PATH, wrapped(**{"user_id": "ada", **body}), status=422)
    if pointer is not None:
        assert found["errors"][0]["source"]["pointer"] == pointer


async def test_large_user_info_is_refused(rest: Rest) -> None:
    body = {"user_info": {"x": "y" * 5_000}}
    assert await rest.refused("ada", "POST", PATH, body) == (413, "payload_too_large")


async def test_a_connection_token_makes_no_other(rest: Rest) -> None:
    """It could be exchanged for the default grants, for ever."""
    found = await rest.refused(None, "POST", PATH, {}, headers=rest.connected("ada", "chat:one"))
    assert found == (401, "unauthorized")


async def test_a_user_called_star_gets_nobody_elses_notifications(rest: Rest) -> None:
    made = await rest.ask("*", "POST", PATH, {}, status=201)
    assert made["data"]["attributes"]["channels"] == ["public:*", "chat:*"]


async def test_nobody_without_a_token(rest: Rest) -> None:
    headers = {"X-Api-Key": rest.realtime.keys.publishable}
    assert await rest.refused(None, "POST", PATH, {}, headers=headers) == (401, "unauthorized")


async def test_the_published_client_gets_flat_members(rest: Rest) -> None:
    body = {"websocket_token": {"channel": "chat:room", "user_id": "ada"}}
    found = await rest.raw("ada", "POST", "/api/websocket_tokens", json=body)
    assert (found.status_code, found.headers["content-type"]) == (201, "application/json")
    data = found.json()["data"]
    assert (data["channel"], data["url"]) == ("chat:room", "wss://parley.example/v1/realtime/ws")
    assert data["expiresAt"] == "2026-01-01T01:00:00.000Z"
    claims = rest.realtime.block.sockets.tokens.verify(data["token"])
    assert (claims.sub, [grant.pattern for grant in claims.ch]) == ("ada", ["chat:room"])
    assert (data["type"], data["attributes"]["token"]) == ("websocket_tokens", data["token"])
    default = await rest.ask("ada", "POST", "/api/websocket_tokens", {"websocket_token": {}}, status=201)
    assert default["data"]["channel"] is None


async def test_whoever_a_user_token_names_is_a_user_of_the_app(rest: Rest) -> None:
    assert (await rest.raw(None, "GET", "/users/ada")).status_code == 404
    await rest.ask("ada", "POST", "/v1/realtime/tokens", {}, status=201)
    client = await rest.realtime.open()
    token = rest.user_token("ben", name="Ben")
    await client.tell("connect", token=token, api_key=rest.realtime.keys.publishable)
    await client.until(type="welcome")
    await rest.raw(
        "ada", "GET", "/v1/realtime/channels/chat:room/messages", headers=rest.connected("visitor")
    )
    found = (await rest.ask(None, "GET", "/users"))["data"]
    assert {one["id"]: one["attributes"]["name"] for one in found} == {"ada": None, "ben": "Ben"}
