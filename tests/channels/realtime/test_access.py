"""Who may use which channel: the table of 13.4."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from parley.accounts import service as accounts
from parley.accounts.app_settings import AppSettings, write
from parley.accounts.keys import NewKeys, create_keys
from parley.accounts.model import App, Environment
from parley.accounts.scope import AppScope
from parley.channels.realtime.access import ChannelAccess, Credentials, UnauthorizedChannel
from parley.channels.realtime.grants import ALL, Grant, Grants, Op, default_grants
from parley.channels.realtime.settings import ChannelSettings
from parley.channels.realtime.signatures import canonical, sign

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
USER, SOCKET = "ada", "socket_1"


class Members:
    """Ada belongs to one conversation."""

    async def is_member(self, scope: AppScope, conversation_id: str, user_id: str) -> bool:
        return (conversation_id, user_id) == ("hers", USER)


class Desk:
    """Asks for channels with what is shown."""

    def __init__(self, scope: AppScope, app: App, keys: NewKeys) -> None:
        self.scope, self.app, self.key = scope, app, keys.secret.encode()
        self.access = ChannelAccess(AppSettings(scope.store.clock), Members())

    def signed(self, channel: str, data: dict[str, Any] | None = None) -> str:
        text = None if data is None else canonical(data)
        return f"{self.app.public_id}:{sign(self.key, SOCKET, channel, text)}"

    async def ops(self, channel: str, *patterns: str, **shown: Any) -> frozenset[Op] | None:
        """What may be done; None = refused."""
        grants = Grants([Grant(pattern) for pattern in patterns])
        try:
            found = await self.access.permission(
                self.scope, self.app, channel, Credentials(USER, grants, SOCKET, **shown)
            )
        except UnauthorizedChannel:
            return None
        return found.ops


@pytest_asyncio.fixture
async def desk(app_scope: AppScope) -> Desk:
    keys = await create_keys(app_scope, app_scope.app_id, Environment.LIVE)
    _, app = await accounts.app_and_scope(app_scope.store, app_scope.app_id, "test")
    return Desk(app_scope, app, keys)


@pytest.mark.parametrize(
    ("channel", "granted", "by_default", "signed", "nothing"),
    [
        ("public:x", True, True, True, True),
        ("private:x", True, False, True, False),
        ("presence:x", True, False, True, False),
        ("chat:x", True, True, True, False),
        ("notifications:ada", True, True, True, False),
        ("notifications:bob", True, False, True, False),
        ("other", True, False, True, False),
        ("conversation:hers", True, True, False, True),
        ("conversation:theirs", False, False, False, False),
        ("inbox:ada", True, True, False, True),
        ("inbox:bob", False, False, False, False),
    ],
)
async def test_the_decision_table(
    desk: Desk, channel: str, granted: bool, by_default: bool, signed: bool, nothing: bool
) -> None:
    defaults = [grant.pattern for grant in default_grants(USER)]
    data = {"user_id": USER} if channel.startswith("presence:") else None
    decisions = (
        await desk.ops(channel, channel),
        await desk.ops(channel, *defaults),
        await desk.ops(channel, auth=desk.signed(channel, data), channel_data=data),
        await desk.ops(channel),
    )
    assert [each == ALL for each in decisions] == [granted, by_default, signed, nothing]
    assert all(each in (ALL, None) for each in decisions)


@pytest.mark.parametrize("channel", ["public:x", "private:x", "chat:x"])
async def test_an_authorization_that_is_wrong_refuses_what_a_grant_would_allow(
    desk: Desk, channel: str
) -> None:
    assert await desk.ops(channel, channel, auth="app:wrong") is None
    assert await desk.ops(channel, channel, auth="") is None


async def test_a_presence_channel_wants_to_know_who_comes(desk: Desk) -> None:
    auth = desk.signed("presence:x")
    assert await desk.ops("presence:x", auth=auth) is None
    assert await desk.ops("presence:x", auth=auth, wants_membership=False) == ALL


async def test_the_info_of_a_signature_makes_a_member(desk: Desk) -> None:
    data = {"user_id": USER, "user_info": {"name": "Ada"}}
    shown = Credentials(USER, Grants([]), SOCKET, desk.signed("presence:x", data), data)
    found = await desk.access.permission(desk.scope, desk.app, "presence:x", shown)
    assert found.user_info == {"name": "Ada"}


async def test_keys_of_another_environment_sign_nothing(desk: Desk) -> None:
    test_keys = await create_keys(desk.scope, desk.scope.app_id, Environment.TEST)
    desk.key = test_keys.secret.encode()
    assert await desk.ops("private:x", auth=desk.signed("private:x")) is None


async def test_the_apps_default_grants_replace_the_built_in(desk: Desk) -> None:
    async with desk.scope.change() as change:
        await write(change, "channels", ChannelSettings(default_grants=["team:{user_id}:*", "x"]))
    found = await desk.access.default_grants(desk.scope, USER)
    assert [grant.pattern for grant in found] == ["team:ada:*", "x"]
    assert [grant.pattern for grant in await desk.access.default_grants(desk.scope, "*")] == ["x"]
