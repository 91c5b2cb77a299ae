"""Settings over REST."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from parley.wire.block.api import block_api, endpoints
from parley.wire.block.gate import BlockGate
from tests.wire.block.channels.conftest import Rest
from tests.wire.block.socket.serving import Refused

PATH = "/v1/realtime/settings"


async def test_everything_has_a_default(rest: Rest) -> None:
    await rest.plan()
    found = (await rest.ask(None, "GET", PATH))["data"]
    assert found["type"] == "settings"
    assert found["attributes"] == {
        "plan": "free",
        "limits": {"connections": 100, "messages_per_second": 50, "channels": 10, "retention_hours": 24},
        "jwks_url": None,
        "channel_auth_url": None,
        "client_grants": None,
        "default_grants": None,
        "namespaces": {},
        "allowed_origins": None,
        "disabled": False,
        "banned_users": [],
        "digest": {"recency_days": 30, "max_fresh_per_request": 10, "unread_only": True},
        "prompts": {"conversation_summary": None, "conversation_digest": None},
        "ai": {"provider": "extractive", "url": None, "model": None},
    }


async def test_what_is_not_named_stays(rest: Rest) -> None:
    await rest.ask(None, "PUT", PATH, {"default_grants": ["a:{user_id}"], "digest": {"recency_days": 7}})
    changed = {
        "data": {"type": "settings", "attributes": {"client_grants": ["b"], "digest": {"unread_only": False}}}
    }
    await rest.ask(None, "PUT", PATH, changed)
    found = (await rest.ask(None, "GET", PATH))["data"]["attributes"]
    assert (found["default_grants"], found["client_grants"]) == (["a:{user_id}"], ["b"])
    assert found["digest"] == {"recency_days": 7, "max_fresh_per_request": 10, "unread_only": False}
    await rest.ask(None, "PUT", PATH, {"client_grants": None})
    assert (await rest.ask(None, "GET", PATH))["data"]["attributes"]["client_grants"] is None


async def test_a_plan_replaces_the_one_before(rest: Rest) -> None:
    limits = {"plan": "pro", "channels": None, "retention_hours": 1}
    found = (await rest.ask(None, "PUT", PATH, {"plan": limits}))["data"]["attributes"]
    assert found["plan"] == "pro"
    assert (found["limits"]["channels"], found["limits"]["retention_hours"]) == (None, 1)
    found = (await rest.ask(None, "PUT", PATH, {"plan": "starter"}))["data"]["attributes"]
    assert found["limits"]["retention_hours"] == 168


async def test_a_change_holds_at_once(rest: Rest) -> None:
    await rest.say("news:today", "x")
    path = "/v1/realtime/channels/news:today/messages"
    assert (await rest.raw("ada", "GET", path)).status_code == 401
    await rest.ask(None, "PUT", PATH, {"default_grants": ["news:*"]})
    await rest.ask("ada", "GET", path)
    await rest.ask(None, "PUT", PATH, {"namespaces": {"news": {"history": False, "presence": True}}})
    await rest.say("news:today", "y")
    assert len((await rest.ask("ada", "GET", path))["data"]) == 1
    await rest.ask("ada", "GET", "/v1/realtime/channels/news:today/presence")


async def test_a_namespace_keeps_what_is_not_decided_about_it(rest: Rest) -> None:
    decided = {"notifications": {"history": False}, "chat": {"client_publish": False}}
    found = await rest.ask(None, "PUT", PATH, {"namespaces": decided})
    assert found["data"]["attributes"]["namespaces"] == decided
    ada = await rest.realtime.connect("ada", "chat:*", "notifications:*")
    for channel in ("chat:room", "notifications:all"):
        await ada.ask("subscribe", channel=channel)
        with pytest.raises(Refused) as refused:
            await ada.ask("publish", channel=channel, data=1)
        assert refused.value.code == "forbidden"
    await ada.ask("presence.enter", channel="chat:room")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_app_says_which_pages_may_read_its_answers(rest: Rest) -> None:
    async def nothing(*_: Any) -> None:
        raise AssertionError("the path is not the block's")

    gate = BlockGate(block_api(rest.realtime.block.context), endpoints(), nothing)
    transport = httpx.ASGITransport(app=gate)
    async with httpx.AsyncClient(transport=transport, base_url="http://block.example") as page:

        async def readable_by(origin: str) -> str | None:
            headers = {**rest.headers(None), "Origin": origin}
            answer = await page.get(PATH, headers=headers)
            assert answer.status_code == 200
            assert "X-RateLimit-Limit" in answer.headers["access-control-expose-headers"]
            return answer.headers.get("access-control-allow-origin")

        here, elsewhere = "https://app.example:8443", "https://elsewhere.example"
        assert await readable_by(elsewhere) == "*"
        await rest.ask(None, "PUT", PATH, {"allowed_origins": [here]})
        assert (await readable_by(here), await readable_by(elsewhere)) == (here, None)
        asked = await page.options(PATH, headers={"Origin": elsewhere})
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, "*")
        await rest.ask(None, "PUT", PATH, {"allowed_origins": [here, "*"]})
        assert await readable_by(elsewhere) == "*"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"plan": "gold"}, "/plan/plan"),
        ({"plan": 7}, "/plan"),
        ({"plan": {"plan": "pro", "channels": 0}}, "/plan/channels"),
        ({"plan": {"channels": "many"}}, "/plan/channels"),
        ({"channel_auth_url": "ftp://example.com"}, "/channel_auth_url"),
        ({"channel_auth_url": "http://["}, "/channel_auth_url"),
        ({"channel_auth_url": "http://10.0.0.1/auth"}, "/channel_auth_url"),
        ({"jwks_url": "http://localhost:8000/jwks"}, "/jwks_url"),
        ({"ai": {"url": "http://0x7f.1:11434/v1"}}, "/ai/url"),
        ({"ai": {"url": "http://example.com:0/v1"}}, "/ai/url"),
        ({"ai": {"model": "  "}}, "/ai/model"),
        ({"jwks_url": "x"}, "/jwks_url"),
        ({"jwks_url": 1}, "/jwks_url"),
        ({"ai": {"url": "file:///etc/passwd"}}, "/ai/url"),
        ({"ai": {"provider": "magic"}}, "/ai/provider"),
        ({"ai": []}, "/ai"),
        ({"digest": {"max_fresh_per_request": 11}}, "/digest/max_fresh_per_request"),
        ({"prompts": {"conversation_summary": ""}}, "/prompts/conversation_summary"),
        ({"client_grants": ["a b"]}, "/client_grants/0"),
        ({"default_grants": ["ok", "{user}"]}, "/default_grants/1"),
        ({"namespaces": {"a b": {}}}, "/namespaces"),
        ({"allowed_origins": ["https://a.example", "https://a.example/path"]}, "/allowed_origins/1"),
        ({"allowed_origins": ["null"]}, "/allowed_origins/0"),
        ({"namespaces": {"a": {"history": "no"}}}, "/namespaces/history"),
        ({"banned_users": ["ada", ""]}, "/banned_users/1"),
        ({"banned_users": "ada"}, "/banned_users"),
        ({"disabled": "yes"}, "/disabled"),
    ],
)
async def test_what_makes_no_sense_is_named(rest: Rest, body: dict[str, Any], pointer: str) -> None:
    found = await rest.ask(None, "PUT", PATH, body, status=422)
    assert found["errors"][0]["source"] == {"pointer": pointer}
    assert (await rest.ask(None, "GET", PATH))["data"]["attributes"]["plan"] == "enterprise"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_whom_an_app_keeps_out_is_refused_here_too(rest: Rest) -> None:
    path = "/v1/realtime/webrtc/rooms"
    await rest.ask(None, "PUT", PATH, {"banned_users": ["ada"]})
    assert await rest.refused("ada", "GET", path) == (403, "forbidden")
    await rest.ask("ben", "GET", path)
    await rest.ask(None, "PUT", PATH, {"disabled": True})
    assert await rest.refused("ben", "GET", path) == (403, "forbidden")
    await rest.ask(None, "PUT", PATH, {"disabled": False, "banned_users": []})
    await rest.ask("ada", "GET", path)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_settings_are_the_servers(rest: Rest) -> None:
    assert await rest.refused("ada", "GET", PATH) == (403, "forbidden")
    assert await rest.refused("ada", "PUT", PATH, {"plan": "pro"}) == (403, "forbidden")
