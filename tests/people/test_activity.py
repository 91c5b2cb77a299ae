"""When users were last seen; arrivals of many are written together."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.ids import AppId
from parley.people import activity as module
from parley.people.activity import UserActivity
from parley.people.availability import LAPSES_AFTER, Availabilities
from parley.people.model import Presence
from parley.store.core import Store
from tests.waiting import until

Told = tuple[AppId, str, Presence, str | None]


class Mirror:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    async def status_changed(
        self, app_id: AppId, user_id: str, status: Presence, custom_status: str | None
    ) -> None:
        self.told.append((app_id, user_id, status, custom_status))


async def test_whoever_opens_a_socket_is_online(store: Store, app_scope: AppScope) -> None:
    mirror, availabilities = Mirror(), Availabilities()
    activity = UserActivity(store, mirror)
    await activity.start()
    activity.socket_opened(app_scope.app_id, "ada")
    await until(lambda: "" if mirror.told else "nobody was told")
    assert mirror.told == [(app_scope.app_id, "ada", "online", None)]
    assert (await availabilities.get(app_scope, "ada")).status == "online"
    await activity.stop()


async def test_only_those_who_were_not_there_change(
    store: Store, app_scope: AppScope, other_app_scope: AppScope, clock: ManualClock
) -> None:
    mirror, availabilities = Mirror(), Availabilities()
    activity = UserActivity(store, mirror)
    await availabilities.go_online(app_scope, "lapsed", "away", custom_status="lunch")
    clock.advance(LAPSES_AFTER.total_seconds())
    await availabilities.go_online(app_scope, "busy", "busy")
    await availabilities.go_online(app_scope, "gone", "online")
    await availabilities.go_offline(app_scope, "gone")
    app_id, other_id = app_scope.app_id, other_app_scope.app_id
    for user_id in ("busy", "gone", "lapsed", "new"):
        activity.socket_opened(app_id, user_id)
    activity.socket_opened(other_id, "busy")
    await activity.welcome()
    assert sorted(mirror.told) == sorted(
        [
            (app_id, "gone", "online", None),
            (app_id, "lapsed", "away", "lunch"),
            (app_id, "new", "online", None),
            (other_id, "busy", "online", None),
        ]
    )
    shown = {name: await availabilities.get(app_scope, name) for name in ("busy", "gone", "lapsed", "new")}
    assert {name: one.status for name, one in shown.items()} == {
        "busy": "busy",
        "gone": "online",
        "lapsed": "away",
        "new": "online",
    }
    assert {one.last_seen_at for one in shown.values()} == {clock.now()}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_storm_of_arrivals_is_written_in_few_transactions(
    store: Store, app_scope: AppScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror()
    activity = UserActivity(store, mirror)
    begun = 0
    begin = store.database.transaction

    def counted() -> AbstractAsyncContextManager[Any]:
        nonlocal begun
        begun += 1
        return begin()

    monkeypatch.setattr(store.database, "transaction", counted)
    for number in range(2_000):
        activity.socket_opened(app_scope.app_id, f"user-{number}")
    await activity.welcome()
    assert begun == 2_000 / module.BATCH
    assert len(mirror.told) == 2_000
