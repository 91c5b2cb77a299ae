"""Notifications and their sources."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from parley.accounts.scope import AppScope
from parley.accounts.user_tokens import User
from parley.base.clock import ManualClock
from parley.base.errors import NotAllowed, NotFound, TooLarge
from parley.base.paging import PageRequest
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import Publication
from parley.notifications.model import NewNotification, NewWebNotification, NotificationChange
from parley.notifications.service import Notifications
from parley.notifications.sources import Sources
from parley.notifications.web import WebNotifications
from parley.people.model import Caller
from parley.people.preferences import SettingsChange, change_settings
from parley.people.service import People
from parley.store.core import Store

SERVER = Caller(None, is_server=True)
ADA, BOB, EVE = (Caller(name, is_server=False) for name in ("ada", "bob", "eve"))
PAGE = PageRequest(size=100)


class Published:
    """Everything that was announced."""

    def __init__(self) -> None:
        self.all: list[Publication] = []

    def on(self, channel: str) -> list[dict[str, Any]]:
        return [msgspec.json.decode(one.data) for one in self.all if one.channel == channel]


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def notifications(store: Store, published: Published) -> Notifications:
    return Notifications(PublicationLog(store, published.all.extend), Sources())


@pytest.fixture
def web(store: Store, published: Published) -> WebNotifications:
    return WebNotifications(PublicationLog(store, published.all.extend), People())


def new(**more: Any) -> NewNotification:
    return NewNotification(content="Your order has shipped", **{"target_id": "ada", **more})


async def test_a_new_notification_is_unread_and_published_to_its_target(
    app_scope: AppScope, notifications: Notifications, published: Published
) -> None:
    made = await notifications.create(app_scope, BOB, new(payload={"order": 7}))
    assert (made.status, made.read_at, made.created_by) == ("pending", None, "bob")
    (told,) = published.on("notifications:ada")
    assert (told["unique_id"], told["payload"], told["read"]) == (made.id, {"order": 7}, False)
    assert (published.all[0].event, published.all[0].user_id) == ("notification", "bob")


async def test_whoever_wants_nothing_in_the_app_finds_it_in_the_list_only(
    app_scope: AppScope, notifications: Notifications, published: Published
) -> None:
    await change_settings(app_scope, ADA, "ada", SettingsChange(in_app_enabled=False))
    made = await notifications.create(app_scope, SERVER, new(multichannel=True))
    assert published.all == []
    assert made.channels == ["push", "email", "sms"]
    assert (await notifications.page(app_scope, ADA, PAGE)).rows == [made]


async def test_a_target_that_cannot_name_a_channel_is_stored_all_the_same(
    app_scope: AppScope, notifications: Notifications, published: Published
) -> None:
    made = await notifications.create(app_scope, SERVER, new(target_id="Warehouse #4"))
    assert (await notifications.get(app_scope, SERVER, made.id)).target_id == "Warehouse #4"
    assert published.all == []


async def test_what_is_too_large_to_publish_is_not_stored(
    app_scope: AppScope, notifications: Notifications
) -> None:
    with pytest.raises(TooLarge):
        await notifications.create(app_scope, SERVER, new(payload={"x": "y" * 33_000}))
    assert (await notifications.page(app_scope, SERVER, PAGE)).total == 0


async def test_target_and_author_see_a_notification_and_nobody_else(
    app_scope: AppScope, other_app_scope: AppScope, notifications: Notifications
) -> None:
    made = await notifications.create(app_scope, BOB, new())
    for caller in (ADA, BOB, SERVER):
        assert (await notifications.get(app_scope, caller, made.id)) == made
        assert (await notifications.page(app_scope, caller, PAGE)).total == 1
    assert (await notifications.page(app_scope, EVE, PAGE, target_id="ada")).total == 0
    for scope, caller in ((app_scope, EVE), (other_app_scope, SERVER)):
        for refused in (
            notifications.get(scope, caller, made.id),
            notifications.mark(scope, caller, made.id, is_read=True),
            notifications.delete(scope, caller, made.id),
            notifications.change(scope, caller, made.id, NotificationChange(content="x")),
        ):
            with pytest.raises(NotFound):
                await refused


@pytest.mark.parametrize("id_", ["", "unknown", "a\0b", "0d4c1c52-2f7d-4b53-9a0f-1f6a2d3e4c55"])
async def test_unknown_ids_are_not_found(
    app_scope: AppScope, notifications: Notifications, web: WebNotifications, id_: str
) -> None:
    with pytest.raises(NotFound):
        await notifications.get(app_scope, SERVER, id_)
    with pytest.raises(NotFound):
        await web.get(app_scope, SERVER, id_)
    with pytest.raises(NotFound):
        await Sources().get(app_scope, id_)


async def test_reading_keeps_the_first_time_and_unreading_clears_it(
    app_scope: AppScope, notifications: Notifications, clock: ManualClock
) -> None:
    made = await notifications.create(app_scope, BOB, new())
    first = app_scope.now()
    await notifications.mark(app_scope, ADA, made.id, is_read=True)
    clock.advance(5)
    again = await notifications.mark(app_scope, ADA, made.id, is_read=True)
    assert (again.status, again.read_at, again.updated_by) == ("active", first, "ada")
    assert (await notifications.page(app_scope, ADA, PAGE, status="pending")).total == 0
    unread = await notifications.mark(app_scope, ADA, made.id, is_read=False)
    assert (unread.status, unread.read_at) == ("pending", None)


async def test_only_the_target_reads_and_only_the_author_writes(
    app_scope: AppScope, notifications: Notifications
) -> None:
    made = await notifications.create(app_scope, BOB, new())
    with pytest.raises(NotAllowed):
        await notifications.mark(app_scope, BOB, made.id, is_read=True)
    with pytest.raises(NotAllowed):
        await notifications.change(app_scope, ADA, made.id, NotificationChange(content="x"))
    after = await notifications.change(app_scope, ADA, made.id, NotificationChange(status="archived"))
    assert after.status == "archived"
    after = await notifications.change(app_scope, BOB, made.id, NotificationChange(content="x", url=None))
    assert (after.content, after.status) == ("x", "archived")


async def test_a_status_that_means_read_is_read(app_scope: AppScope, notifications: Notifications) -> None:
    made = await notifications.create(app_scope, BOB, new())
    after = await notifications.change(app_scope, BOB, made.id, NotificationChange(status="active"))
    assert after.read_at == app_scope.now()


async def test_expired_and_deleted_notifications_are_gone(
    app_scope: AppScope, notifications: Notifications, clock: ManualClock
) -> None:
    soon = app_scope.now() + timedelta(seconds=10)
    brief = await notifications.create(app_scope, SERVER, new(expires_at=soon))
    hidden = await notifications.create(app_scope, SERVER, new())
    await notifications.change(app_scope, SERVER, hidden.id, NotificationChange(status="deleted"))
    removed = await notifications.create(app_scope, SERVER, new())
    await notifications.delete(app_scope, ADA, removed.id)
    assert [one.id for one in (await notifications.page(app_scope, ADA, PAGE)).rows] == [brief.id]
    clock.advance(10)
    assert (await notifications.page(app_scope, ADA, PAGE)).total == 0
    for id_ in (brief.id, hidden.id, removed.id):
        with pytest.raises(NotFound):
            await notifications.get(app_scope, SERVER, id_)


async def test_a_source_is_one_row_however_often_it_is_named(
    app_scope: AppScope, notifications: Notifications
) -> None:
    named = {"source_type": "order", "source_id": "7", "source_alias": "Order seven"}
    first = await notifications.create(app_scope, SERVER, new(**named))
    second = await notifications.create(app_scope, SERVER, new(**{**named, "source_alias": "Another"}))
    other = await notifications.create(app_scope, SERVER, new(**{**named, "source_type": "invoice"}))
    assert first.source_unique_id == second.source_unique_id != other.source_unique_id
    assert first.source_unique_id is not None
    source = await Sources().get(app_scope, first.source_unique_id)
    assert (source.source_type, source.external_id, source.name) == ("order", "7", "Order seven")


async def test_sources_of_another_app_are_others(
    app_scope: AppScope, other_app_scope: AppScope, notifications: Notifications
) -> None:
    mine = await notifications.create(app_scope, SERVER, new(source_id="7"))
    theirs = await notifications.create(other_app_scope, SERVER, new(source_id="7"))
    assert mine.source_unique_id != theirs.source_unique_id
    assert mine.source_unique_id is not None
    with pytest.raises(NotFound):
        await Sources().get(other_app_scope, mine.source_unique_id)


# --- web ------------------------------------------------------------------------------------------


async def known(scope: AppScope, *names: str) -> None:
    for name in names:
        await People().ensure_user(scope, User(id=name, expires_at=1 << 40))


HELLO = NewWebNotification(title="Hello", tags=["a"], payload={"n": 1})


async def test_a_web_notification_goes_to_a_known_user(
    app_scope: AppScope, web: WebNotifications, published: Published
) -> None:
    await known(app_scope, "ada")
    made = await web.send(app_scope, BOB, "ada", HELLO)
    assert (made.notification_type, made.priority, made.sent_at) == ("general", "normal", app_scope.now())
    assert await web.get(app_scope, ADA, made.id) == made
    (told,) = published.on("notifications:ada")
    assert (told["title"], told["tags"], published.all[0].event) == ("Hello", ["a"], "web_notification")


async def test_of_many_recipients_the_unknown_ones_fail(
    app_scope: AppScope, web: WebNotifications, published: Published
) -> None:
    await known(app_scope, "ada", "bob")
    await change_settings(app_scope, BOB, "bob", SettingsChange(in_app_enabled=False))
    done = await web.send_bulk(app_scope, SERVER, ["ada", "bob", "nobody", "ada", "x\0"], HELLO)
    assert done == (3, 2)
    assert (await web.page(app_scope, SERVER, PAGE)).total == 2
    assert len(published.on("notifications:ada")) == 1
    assert published.on("notifications:bob") == []


async def test_clicking_reads_and_the_first_times_stay(
    app_scope: AppScope, web: WebNotifications, clock: ManualClock
) -> None:
    await known(app_scope, "ada")
    made = await web.send(app_scope, SERVER, "ada", HELLO)
    first = app_scope.now()
    await web.mark(app_scope, ADA, made.id, is_clicked=True)
    clock.advance(5)
    after = await web.mark(app_scope, ADA, made.id, is_clicked=True)
    assert (after.read_at, after.clicked_at) == (first, first)


async def test_reading_all_counts_what_was_not_read(app_scope: AppScope, web: WebNotifications) -> None:
    await known(app_scope, "ada", "bob")
    made = [await web.send(app_scope, SERVER, "ada", HELLO) for _ in range(3)]
    await web.send(app_scope, SERVER, "bob", HELLO)
    await web.mark(app_scope, ADA, made[0].id, is_clicked=False)
    assert (await web.page(app_scope, ADA, PAGE, is_read=True)).total == 1
    assert await web.read_all(app_scope, ADA, "ada") == 2
    assert (await web.page(app_scope, ADA, PAGE, is_read=False)).total == 0
    assert (await web.page(app_scope, BOB, PAGE, is_read=False)).total == 1
    with pytest.raises(NotAllowed):
        await web.read_all(app_scope, ADA, "bob")


async def test_recipient_and_author_see_a_web_notification_and_nobody_else(
    app_scope: AppScope, other_app_scope: AppScope, web: WebNotifications
) -> None:
    await known(app_scope, "ada")
    made = await web.send(app_scope, BOB, "ada", HELLO)
    assert (await web.page(app_scope, BOB, PAGE)).total == 1
    assert (await web.page(app_scope, EVE, PAGE, recipient_unique_id="ada")).total == 0
    for scope, caller in ((app_scope, EVE), (other_app_scope, SERVER)):
        for refused in (
            web.get(scope, caller, made.id),
            web.mark(scope, caller, made.id, is_clicked=True),
            web.delete(scope, caller, made.id),
        ):
            with pytest.raises(NotFound):
                await refused
    with pytest.raises(NotAllowed):
        await web.mark(app_scope, BOB, made.id, is_clicked=False)
    await web.delete(app_scope, ADA, made.id)
    assert (await web.page(app_scope, SERVER, PAGE)).total == 0
