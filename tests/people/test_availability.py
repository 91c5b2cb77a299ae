"""Who is there, and when they were last seen."""

from __future__ import annotations

import pytest

from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.ids import AppId
from parley.people.activity import WRITE_EVERY_S, UserActivity
from parley.people.availability import LAPSES_AFTER, Availabilities
from parley.people.model import Presence

MINUTES = LAPSES_AFTER.total_seconds()


class Mirror:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Presence, str | None]] = []

    async def status_changed(
        self, app_id: AppId, user_id: str, status: Presence, custom_status: str | None
    ) -> None:
        self.told.append((user_id, status, custom_status))


async def status(scope: AppScope, user_id: str = "ada") -> Presence:
    return (await Availabilities().get(scope, user_id)).status


async def opened(activity: UserActivity, scope: AppScope) -> None:
    """Ada opens a socket, and that is written down."""
    activity.socket_opened(scope.app_id, "ada")
    await activity.welcome()


async def test_whoever_was_never_seen_is_offline(app_scope: AppScope) -> None:
    found = await Availabilities().get(app_scope, "ada")
    assert (found.status, found.last_seen_at) == ("offline", None)


async def test_what_a_user_chose_is_told(app_scope: AppScope) -> None:
    await Availabilities().go_online(app_scope, "ada", "busy", custom_status="writing", payload={"room": 4})
    found = await Availabilities().get(app_scope, "ada")
    assert (found.status, found.custom_status, found.payload) == ("busy", "writing", {"room": 4})
    assert found.last_seen_at == app_scope.now()


async def test_without_socket_or_request_a_user_is_offline_in_the_end(
    app_scope: AppScope, clock: ManualClock
) -> None:
    await Availabilities().go_online(app_scope, "ada")
    clock.advance(MINUTES - 1)
    assert await status(app_scope) == "online"
    clock.advance(1)
    assert await status(app_scope) == "offline"


async def test_requests_keep_a_user_online(app_scope: AppScope, clock: ManualClock) -> None:
    activity = UserActivity(app_scope.store)
    await Availabilities().go_online(app_scope, "ada", "away")
    clock.advance(MINUTES - 1)
    activity.touch(app_scope.app_id, "ada")
    await activity.flush()
    clock.advance(MINUTES - 1)
    assert await status(app_scope) == "away"


async def test_an_open_socket_keeps_a_user_online(app_scope: AppScope, clock: ManualClock) -> None:
    activity = UserActivity(app_scope.store)
    await opened(activity, app_scope)
    for _ in range(3):
        clock.advance(MINUTES - 1)
        await activity.flush()
    assert await status(app_scope) == "online"
    activity.socket_closed(app_scope.app_id, "ada")
    await activity.flush()
    clock.advance(MINUTES)
    assert await status(app_scope) == "offline"


async def test_two_sockets_are_open_until_both_are_closed(app_scope: AppScope, clock: ManualClock) -> None:
    activity = UserActivity(app_scope.store)
    for _ in range(2):
        await opened(activity, app_scope)
    activity.socket_closed(app_scope.app_id, "ada")
    clock.advance(MINUTES)
    await activity.flush()
    assert await status(app_scope) == "online"


async def test_whoever_went_offline_stays_so_whatever_they_ask(
    app_scope: AppScope, clock: ManualClock
) -> None:
    activity = UserActivity(app_scope.store)
    await Availabilities().go_online(app_scope, "ada")
    await Availabilities().go_offline(app_scope, "ada")
    clock.advance(20)
    activity.touch(app_scope.app_id, "ada")
    await activity.flush()
    found = await Availabilities().get(app_scope, "ada")
    assert (found.status, found.last_seen_at) == ("offline", app_scope.now())


async def test_a_new_socket_ends_being_offline_but_not_being_busy(app_scope: AppScope) -> None:
    activity = UserActivity(app_scope.store)
    await Availabilities().go_offline(app_scope, "ada")
    await opened(activity, app_scope)
    assert await status(app_scope) == "online"
    await Availabilities().go_online(app_scope, "ada", "busy")
    await opened(activity, app_scope)
    assert await status(app_scope) == "busy"


async def test_changes_are_mirrored_and_repetitions_are_not(app_scope: AppScope) -> None:
    mirror = Mirror()
    availabilities = Availabilities(mirror)
    await availabilities.go_online(app_scope, "ada")
    await availabilities.go_online(app_scope, "ada")
    await availabilities.go_online(app_scope, "ada", "away", custom_status="lunch")
    await availabilities.go_offline(app_scope, "ada")
    assert mirror.told == [("ada", "online", None), ("ada", "away", "lunch"), ("ada", "offline", "lunch")]


async def test_a_socket_of_somebody_offline_is_mirrored_once(app_scope: AppScope) -> None:
    mirror = Mirror()
    activity = UserActivity(app_scope.store, mirror)
    for _ in range(2):
        await opened(activity, app_scope)
    assert mirror.told == [("ada", "online", None)]


async def test_activity_is_written_down_now_and_then_only(app_scope: AppScope, clock: ManualClock) -> None:
    activity = UserActivity(app_scope.store)
    activity.touch(app_scope.app_id, "ada")
    await activity.flush()
    first = app_scope.now()
    clock.advance(WRITE_EVERY_S - 1)
    activity.touch(app_scope.app_id, "ada")
    await activity.flush()
    assert (await Availabilities().get(app_scope, "ada")).last_seen_at == first
    clock.advance(1)
    activity.touch(app_scope.app_id, "ada")
    await activity.flush()
    assert (await Availabilities().get(app_scope, "ada")).last_seen_at == app_scope.now()


async def test_an_earlier_time_does_not_replace_a_later_one(app_scope: AppScope, clock: ManualClock) -> None:
    slow = UserActivity(app_scope.store)
    slow.touch(app_scope.app_id, "ada")
    clock.advance(60)
    await Availabilities().go_online(app_scope, "ada")
    await slow.flush()
    assert (await Availabilities().get(app_scope, "ada")).last_seen_at == app_scope.now()


async def test_stopping_writes_what_is_left(app_scope: AppScope) -> None:
    activity = UserActivity(app_scope.store)
    await activity.start()
    activity.touch(app_scope.app_id, "ada")
    await activity.stop()
    assert (await Availabilities().get(app_scope, "ada")).last_seen_at == app_scope.now()


@pytest.mark.parametrize("other", ["bob"])
async def test_apps_and_users_are_kept_apart(
    app_scope: AppScope, other_app_scope: AppScope, other: str
) -> None:
    await Availabilities().go_online(app_scope, "ada")
    assert await status(other_app_scope) == await status(app_scope, other) == "offline"
