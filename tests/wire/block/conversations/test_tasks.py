"""Tasks over REST, and those that summaries find."""

from __future__ import annotations

from typing import Any

import pytest

from parley.accounts.keys import create_keys
from parley.accounts.model import Environment
from parley.base.clock import ManualClock
from parley.base.ids import new_uuid
from parley.conversations.tasks.service import Tasks, key_of
from tests.wire.block.client.driver import run_suite
from tests.wire.block.serving import Block


async def conversation(block: Block, *people: str, **more: Any) -> str:
    """A conversation of these people."""
    body = {"conversation": {"participants": [block.person(name).id for name in people], **more}}
    made = await block.ask(people[0], "POST", "/conversations", body, status=201)
    id_: str = made["data"]["id"]
    return id_


async def file_task(block: Block, who: str | None, where: str, **members: Any) -> dict[str, Any]:
    body = {"task": {"description": "Book a room", **members}}
    made = await block.ask(who, "POST", f"/conversations/{where}/tasks", body, status=201)
    attributes: dict[str, Any] = made["data"]["attributes"]
    return attributes


async def described(block: Block, who: str | None, path: str) -> list[str]:
    found = await block.ask(who, "GET", path)
    return [one["attributes"]["description"] for one in found["data"]]


async def test_a_task_is_its_users_own(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    made = await file_task(block, "ada", where, priority="high")
    assert (made["priority"], made["status"], made["user_unique_id"]) == (
        "high",
        "pending",
        block.person("ada").id,
    )
    assert await described(block, "ada", f"/conversations/{where}/tasks") == ["Book a room"]
    assert await described(block, "ben", f"/conversations/{where}/tasks") == []
    assert await described(block, None, f"/conversations/{where}/tasks") == ["Book a room"]
    await block.ask("ben", "PUT", f"/tasks/{made['unique_id']}?action_type=complete", {}, status=404)
    await block.ask("ben", "DELETE", f"/tasks/{made['unique_id']}", status=404)


async def test_a_task_of_nobody_in_particular_is_everybodys_there(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    made = await file_task(block, None, where)
    assert made["user_unique_id"] is None
    assert await described(block, "ben", f"/conversations/{where}/tasks") == ["Book a room"]
    await block.ask("ben", "PUT", f"/tasks/{made['unique_id']}?action_type=complete", {})
    await block.ask("eve", "PUT", f"/tasks/{made['unique_id']}?action_type=reopen", {}, status=404)


async def test_strangers_see_and_file_nothing(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    await block.ask("eve", "GET", f"/conversations/{where}/tasks", status=404)
    body = {"task": {"description": "x"}}
    await block.ask("eve", "POST", f"/conversations/{where}/tasks", body, status=404)
    await block.ask("ada", "POST", f"/conversations/{new_uuid()}/tasks", body, status=404)
    await block.ask("eve", "GET", f"/users/{block.person('ada').id}/tasks", status=403)


async def test_the_other_environment_has_neither_tasks_nor_files_of_this_one(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    task = (await file_task(block, "ada", where))["unique_id"]
    body = {"message_file": {"name": "x", "url": "https://example.com/x"}}
    made = await block.ask("ada", "POST", f"/conversations/{where}/files", body, status=201)
    keys = await create_keys(block.scope, block.keys.app.id, Environment.TEST)
    headers = {"X-Api-Key": keys.secret}
    for method, path in (
        ("PUT", f"/tasks/{task}"),
        ("DELETE", f"/tasks/{task}"),
        ("GET", f"/conversations/{where}/tasks"),
        ("GET", f"/conversations/{where}/files/{made['data']['id']}"),
        ("GET", f"/users/{block.person('ada').id}"),
    ):
        await block.ask(None, method, path, headers=headers, status=404)
    listed = await block.ask(None, "GET", f"/users/{block.person('ada').id}/tasks", headers=headers)
    assert listed["data"] == []


async def test_a_task_goes_through_its_states_and_back(block: Block, clock: ManualClock) -> None:
    where = await conversation(block, "ada", "ben")
    path = f"/tasks/{(await file_task(block, 'ada', where))['unique_id']}"

    async def step(name: str) -> tuple[Any, ...]:
        found = (await block.ask("ada", "PUT", f"{path}?action_type={name}", {}))["data"]["attributes"]
        return found["status"], found["completed_at"], found["dismissed_at"]

    assert await step("complete") == ("completed", "2026-01-01T00:00:00.000Z", None)
    clock.advance(1)
    assert await step("complete") == ("completed", "2026-01-01T00:00:00.000Z", None)
    assert await step("dismiss") == ("dismissed", None, "2026-01-01T00:00:01.000Z")
    assert await step("reopen") == ("pending", None, None)


@pytest.mark.parametrize(
    ("query", "members"),
    [
        ("?action_type=complete", {"description": "x"}),
        ("?action_type=postpone", {}),
        ("", {"priority": "soon"}),
        ("", {"description": "  "}),
    ],
)
async def test_what_makes_no_sense_is_refused(block: Block, query: str, members: dict[str, Any]) -> None:
    where = await conversation(block, "ada", "ben")
    made = await file_task(block, "ada", where)
    await block.ask("ada", "PUT", f"/tasks/{made['unique_id']}{query}", {"task": members}, status=422)


async def test_a_users_tasks_are_found_by_what_their_conversation_is_about(block: Block) -> None:
    about = {"reference": "order-7", "source": "shop", "source_type": "order", "source_id": "7"}
    one = await conversation(block, "ada", "ben", reference="order-7")
    other = await conversation(block, "ada", "ben")
    await file_task(block, "ada", one, description="First")
    await file_task(block, "ada", other, description="Second")
    path = f"/users/{block.person('ada').id}/tasks"
    assert await described(block, "ada", path) == ["Second", "First"]
    assert await described(block, "ada", f"{path}?reference={about['reference']}") == ["First"]
    assert await described(block, "ada", f"{path}?context_unique_id={other}") == ["Second"]
    assert await described(block, "ada", f"{path}?source_type=order") == []
    assert await described(block, "ada", f"{path}?status=completed") == []


async def test_action_items_become_tasks_once(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    ada = block.person("ada").id
    tasks = block.context.areas[Tasks]
    first = await file_task(block, "ada", where, description="Book a room!")
    await block.ask("ada", "PUT", f"/tasks/{first['unique_id']}?action_type=dismiss", {})
    items = ["book  a ROOM", "Write the minutes", "write the minutes.", " ", "…"]
    await tasks.found(block.scope, where, ada, items, "summary")
    await tasks.found(block.scope, where, ada, items, "summary")
    found = await described(block, "ada", f"/conversations/{where}/tasks")
    assert sorted(found) == ["Book a room!", "Write the minutes", "…"]
    await tasks.found(block.scope, where, block.person("ben").id, ["Write the minutes"], "summary")
    assert await described(block, "ben", f"/conversations/{where}/tasks") == ["Write the minutes"]


async def test_conversations_with_urgent_tasks_are_known(block: Block) -> None:
    one, other = await conversation(block, "ada", "ben"), await conversation(block, "ada", "ben")
    urgent = await file_task(block, "ada", one, priority="urgent")
    await file_task(block, "ada", other, priority="high")
    tasks, ada = block.context.areas[Tasks], block.person("ada").id
    assert await tasks.urgent(block.scope, ada, [one, other]) == {one}
    await block.ask("ada", "PUT", f"/tasks/{urgent['unique_id']}?action_type=complete", {})
    assert await tasks.urgent(block.scope, ada, [one, other]) == frozenset()


async def test_tasks_are_included_in_their_conversation(block: Block) -> None:
    where = await conversation(block, "ada", "ben")
    made = await file_task(block, "ada", where)
    found = await block.ask("ada", "GET", f"/conversations/{where}?include=tasks")
    assert [(one["type"], one["id"]) for one in found["included"]] == [("Task", made["unique_id"])]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Book a room", "  book A   room!", True),
        ("Ｂook a room", "Book a room", True),  # noqa: RUF001 - a full-width letter
        ("Book a room", "Book two rooms", False),
        ("…", "!", False),
    ],
)
def test_texts_that_say_the_same_have_one_key(one: str, other: str, same: bool) -> None:
    assert (key_of(one) == key_of(other)) is same


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_client_manages_tasks(block: Block) -> None:
    where = await conversation(block, "ada", "ben", reference="order-7")
    told = await run_suite(block, "tasks", people=["ada", "ben"], services=["tasks"], context=where)
    assert told == {
        "created": {"description": "Book a room", "priority": "normal", "status": "pending", "there": True},
        "updated": {"description": "Book two rooms", "priority": "urgent"},
        "completed": ["completed", True],
        "dismissed": ["dismissed", True],
        "reopened": "pending",
        "of the conversation": 1,
        "of the user": 1,
        "afterwards": 0,
        "refused": {"status": 404, "code": "not_found"},
    }
