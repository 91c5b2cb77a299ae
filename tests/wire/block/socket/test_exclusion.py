"""Apps keep everybody out, or some of their users: 4403, and they stay away (`realtime-block.md` 6.5)."""

from __future__ import annotations

from typing import Any

import pytest

from parley.accounts.app_settings import write
from parley.accounts.exclusion import SECTION, ExclusionSettings
from tests.wire.block.socket.serving import Client, Realtime

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def decide(realtime: Realtime, **settings: Any) -> None:
    async with realtime.scope.change() as change:
        await write(change, SECTION, ExclusionSettings(**settings))


async def is_kept_out(client: Client) -> None:
    told = await client.until(type="error")
    assert (told["error"]["status"], told["error"]["code"], told["fatal"]) == ("403", "forbidden", True)
    assert await client.close_code() == 4403


async def knock(realtime: Realtime, user_id: str) -> Client:
    client = await realtime.open()
    await client.tell("connect", token=realtime.token(user_id))
    return client


@pytest.fixture
def announced(realtime: Realtime) -> None:
    """What is committed is announced to the process."""
    realtime.scope.store.outbox.listen(lambda item: realtime.block.heard(item.event))


@pytest.mark.usefixtures("announced")
async def test_a_banned_user_is_sent_away_and_does_not_come_back(realtime: Realtime) -> None:
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob", "presence:*")
    alice_again = await realtime.connect("alice", "presence:*")
    for client in (alice_again, bob):
        await client.ask("subscribe", channel="presence:room")
        await client.ask("presence.enter", channel="presence:room")
    await decide(realtime, banned_users=["alice"])
    await is_kept_out(alice)
    await is_kept_out(alice_again)
    gone = await bob.until(type="presence", action="leave")  # at once, there is no grace
    assert gone["member"]["user_id"] == "alice"
    await is_kept_out(await knock(realtime, "alice"))
    back = await realtime.open()
    resume = realtime.resume_of(alice)
    await back.tell("connect", token=realtime.token("alice"), resume=resume)
    await is_kept_out(back)
    await bob.ask("publish", channel="public:a", data=1)
    await decide(realtime)
    await realtime.connect("alice")


@pytest.mark.usefixtures("announced")
async def test_a_disabled_app_has_no_clients(realtime: Realtime) -> None:
    alice = await realtime.connect("alice")
    await decide(realtime, disabled=True)
    await is_kept_out(alice)
    await is_kept_out(await knock(realtime, "bob"))
