"""Users, availability and notification settings over REST."""

from __future__ import annotations

import pytest

from parley.base.ids import new_uuid
from tests.wire.block.client.driver import run_suite
from tests.wire.block.serving import Block


def attributes(document: dict) -> dict:
    return document["data"]["attributes"]


async def test_a_user_token_makes_its_user_known(block: Block) -> None:
    ada = block.person("ada", role="lead")
    found = await block.ask("ada", "GET", f"/users/{ada.id}")
    assert found["data"]["type"] == "User"
    assert attributes(found)["name"] == "ada"
    assert attributes(found)["role_name"] == "lead"
    assert attributes(found)["unique_id"] == found["data"]["id"] == ada.id


async def test_the_first_registration_is_201_and_the_next_200(block: Block) -> None:
    ada = block.person("ada")
    body = {"user": {"email": "ada@example.com", "username": "countess", "payload": {"team": "engines"}}}
    made = await block.ask("ada", "POST", f"/users/{ada.id}/register", body, status=201)
    assert attributes(made)["payload"] == {"team": "engines"}
    again = await block.ask("ada", "POST", f"/users/{ada.id}/register", {"user": {"name": "Ada"}})
    assert (attributes(again)["name"], attributes(again)["username"]) == ("Ada", "countess")


async def test_users_change_themselves_and_servers_anybody(block: Block) -> None:
    ada, bob = block.person("ada"), block.person("bob")
    await block.ask("ada", "GET", "/users")
    await block.ask("bob", "PUT", f"/users/{ada.id}", {"user": {"name": "x"}}, status=403)
    await block.ask("bob", "PUT", f"/users/{bob.id}", {"user": {"role_name": "lead"}}, status=403)
    after = await block.ask(None, "PUT", f"/users/{ada.id}", {"user": {"role_name": "lead"}})
    assert attributes(after)["role_name"] == "lead"
    await block.ask(None, "PUT", f"/users/{new_uuid()}", {"user": {"name": "x"}}, status=404)


async def test_a_page_of_users_says_where_it_lies(block: Block) -> None:
    for name in ("ada", "bob", "cem"):
        await block.ask(name, "GET", "/users")
    found = await block.ask("ada", "GET", "/users?records=2&page=1&sort=name")
    assert [one["attributes"]["name"] for one in found["data"]] == ["ada", "bob"]
    assert (found["meta"]["total_count"], found["meta"]["total_pages"]) == (3, 2)


@pytest.mark.parametrize(
    ("query", "parameter"), [("sort=secret", "sort"), ("page=0", "page"), ("records=x", "records")]
)
async def test_a_wrong_query_names_its_parameter(block: Block, query: str, parameter: str) -> None:
    found = await block.ask("ada", "GET", f"/users?{query}", status=422)
    assert found["errors"][0]["source"] == {"parameter": parameter}


@pytest.mark.parametrize("path", ["/users/a%00b", "/users/%00/status", "/users/%ED%A0%80"])
async def test_ids_that_no_database_holds_are_not_found(block: Block, path: str) -> None:
    await block.ask("ada", "GET", path, status=404)


async def test_a_picture_that_would_run_as_code_is_refused(block: Block) -> None:
    ada = block.person("ada")
    body = {"user": {"avatar_url": " java\tscript:alert(1)"}}
    found = await block.ask("ada", "POST", f"/users/{ada.id}/register", body, status=422)
    assert found["errors"][0]["source"] == {"pointer": "/user/avatar_url"}


async def test_a_large_payload_is_refused(block: Block) -> None:
    ada = block.person("ada")
    body = {"user": {"payload": {"x": "y" * 33_000}}}
    await block.ask("ada", "POST", f"/users/{ada.id}/register", body, status=413)


async def test_a_server_says_for_whom_it_goes_online(block: Block) -> None:
    ada = block.person("ada")
    body = {"availability": {"status": "busy", "user_unique_id": ada.id}}
    now = await block.ask(None, "POST", "/users/status", body)
    assert (attributes(now)["status"], attributes(now)["user_unique_id"]) == ("busy", ada.id)
    await block.ask(None, "POST", "/users/status", {"availability": {}}, status=401)
    await block.ask("bob", "POST", "/users/status", body, status=403)
    await block.ask(None, "DELETE", f"/users/status?user_unique_id={ada.id}", status=204)
    assert attributes(await block.ask("bob", "GET", f"/users/{ada.id}/status"))["status"] == "offline"


async def test_an_unknown_state_is_refused(block: Block) -> None:
    await block.ask("ada", "POST", "/users/status", {"availability": {"status": "asleep"}}, status=422)


async def test_settings_of_others_are_closed(block: Block) -> None:
    ada = block.person("ada")
    path = f"/users/{ada.id}/notifications/settings"
    await block.ask("bob", "GET", path, status=403)
    assert attributes(await block.ask(None, "GET", path))["timezone"] == "UTC"
    found = await block.ask("ada", "PUT", path, {"notification_settings": {"timezone": "Mars"}}, status=422)
    assert found["errors"][0]["source"] == {"pointer": "/notification_settings/timezone"}


async def test_a_token_without_the_scope_reads_no_settings(block: Block) -> None:
    ada = block.person("ada", scope="conversations:read")
    await block.ask("ada", "GET", f"/users/{ada.id}/notifications/settings", status=403)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_client_manages_users(block: Block) -> None:
    told = await run_suite(
        block, "people", people=["ada", "bob"], services=["availabilities", "notificationSettings"]
    )
    ada = block.person("ada").id
    assert told == {
        "registered": {"uniqueId": ada, "email": "ada@example.com", "name": "Ada", "status": "active"},
        "updated": {"name": "Ada L.", "payload": {"team": "engines"}},
        "listed": {"names": ["Ada L."], "total": 1},
        "never seen": "offline",
        "online": {"status": "online", "customStatus": "here"},
        "seen by bob": "online",
        "afterwards": "offline",
        "defaults": {"email": True, "zone": "UTC"},
        "quiet": {"email": False, "from": "22:00", "to": "07:00", "zone": "Europe/Berlin"},
        "refused": {"status": 403, "code": "forbidden"},
    }
