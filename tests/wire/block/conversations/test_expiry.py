"""What expires is not counted any more."""

from __future__ import annotations

from parley.conversations.messages.expiry import handle_expiry
from parley.store.core import Store
from tests.conftest import running
from tests.wire.block.conversations.conftest import Say, Talk
from tests.wire.block.conversations.test_unread import count
from tests.wire.block.serving import Block


async def test_an_expired_message_is_unread_by_nobody(
    block: Block, say: Say, talk: Talk, store: Store, clock
):
    handle_expiry(store)
    context = await talk("ada", "ben", "cem")
    await say("ada", context, "Stays")
    gone = await say("ada", context, "Goes", expires_at="2026-01-01T01:00:00Z")
    await block.ask("ada", "DELETE", f"/messages/{gone['unique_id']}", status=204)
    await block.ask("ada", "PUT", f"/messages/{gone['unique_id']}/recover", {})
    await block.ask("cem", "GET", f"/conversations/{context}")
    await block.ask("ada", "GET", f"/conversations/{context}/summary")
    assert [await count(block, who) for who in ("ben", "cem")] == [2, 0]
    async with running(store):
        clock.advance(3_600)
        store.jobs.wake()
        await until_counted(block, "ben", 1)
    assert [await count(block, who) for who in ("ben", "cem")] == [1, 0]
    summary = await block.ask("ada", "GET", f"/conversations/{context}/summary")
    assert summary["data"]["attributes"]["stats"]["total_messages"] == 1
    await block.ask("ada", "PUT", f"/messages/{gone['unique_id']}/recover", {}, status=404)


async def until_counted(block: Block, who: str, wanted: int) -> None:
    for _ in range(2_000):
        if await count(block, who) == wanted:
            return
    raise AssertionError(f"{who} never had {wanted} unread messages")
