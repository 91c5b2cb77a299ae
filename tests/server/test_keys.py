"""`parley keys` of the Real Time Block, with and without a server that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import jwt

from tests.server.process import parley, serving

SETTINGS = "/v1/realtime/settings"


async def told(data: Path, *arguments: str) -> Any:
    """What a command prints for scripts."""
    done = await parley("keys", *arguments, "--data", str(data), "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


async def test_a_pair_of_keys_is_made_for_an_app_of_its_own(tmp_path: Path) -> None:
    live = await told(tmp_path, "create", "--dialect", "block")
    test = await told(tmp_path, "create", "--dialect", "block", "--environment", "test")
    assert live["publishable_key"].startswith("pk_live_")
    assert live["secret_key"].startswith("sk_live_")
    assert test["secret_key"].startswith("sk_test_")
    assert live["app_name"] == test["app_name"] == "Real Time Block"
    assert live["websocket_url"] == live["url"].replace("http", "ws") + "/v1/realtime/ws"
    listed = await told(tmp_path, "list")
    kinds = sorted((one["kind"], one["environment"]) for one in listed if one["kind"].endswith("_key"))
    assert [environment for _, environment in kinds] == ["live", "test", "live", "test"]
    assert live["secret_key"] not in json.dumps(listed)


async def test_a_third_secret_key_is_refused_until_one_is_revoked(tmp_path: Path) -> None:
    for _ in range(2):
        await told(tmp_path, "create", "--dialect", "block")
    refused = await parley("keys", "create", "--dialect", "block", "--data", str(tmp_path))
    assert refused.code == 1
    assert "revoke one first" in refused.err
    assert "Traceback" not in refused.err
    listed = await told(tmp_path, "list")
    secret = next(one for one in listed if one["kind"] == "secret_key")
    assert (await parley("keys", "revoke", secret["id"], "--data", str(tmp_path))).out == "Revoked.\n"
    await told(tmp_path, "create", "--dialect", "block")


async def test_tokens_are_signed_with_the_apps_key(tmp_path: Path) -> None:
    refused = await parley("keys", "token", "--user", "ada", "--data", str(tmp_path))
    assert refused.code == 1
    assert "parley keys create" in refused.err
    keys = await told(tmp_path, "create", "--dialect", "block")
    made = await told(tmp_path, "token", "--user", "ada", "--user-name", "Ada", "--channels", "a,b:*")
    claims = jwt.decode(made["user_token"], keys["secret_key"], ["HS256"])
    assert (claims["sub"], claims["name"]) == ("ada", "Ada")
    connection = jwt.decode(made["connection_token"], options={"verify_signature": False})
    assert [grant["pattern"] for grant in connection["ch"]] == ["a", "b:*"]


async def test_keys_and_tokens_made_beside_a_running_server_hold_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, httpx.AsyncClient(base_url=server.url) as http:
        keys = await told(tmp_path, "create", "--dialect", "block")
        as_server = {"X-Api-Key": keys["secret_key"]}
        answer = await http.get(SETTINGS, headers=as_server)
        assert (answer.status_code, answer.json()["data"]["attributes"]["plan"]) == (200, "free")
        published = await http.post(
            "/v1/realtime/publish",
            json={"channel": "chat:room", "data": {"text": "hello"}},
            headers=as_server,
        )
        assert published.status_code == 202
        made = await told(tmp_path, "token", "--user", "ada")
        as_user = {"X-Api-Key": keys["publishable_key"], "Authorization": f"Bearer {made['user_token']}"}
        history = await http.get("/v1/realtime/channels/chat:room/messages", headers=as_user)
        assert [one["attributes"]["data"]["text"] for one in history.json()["data"]] == ["hello"]
        token = await http.post("/v1/realtime/tokens", json={}, headers=as_user)
        assert token.json()["data"]["attributes"]["url"].endswith("/v1/realtime/ws")
        listed = await told(tmp_path, "list")
        secret = next(one for one in listed if one["kind"] == "secret_key")
        await parley("keys", "revoke", secret["id"], "--data", str(tmp_path))
        assert (await http.get(SETTINGS, headers=as_server)).status_code == 401
