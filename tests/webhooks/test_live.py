"""Events of channels are written only where a webhook wants them."""

from __future__ import annotations

from typing import Any

import pytest

from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.channels.realtime.events import ChannelSubscribed, PublicationSent
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import Draft
from parley.outgoing.http import OutgoingPolicy
from parley.store.core import Store
from parley.store.outbox import Announced
from parley.store.ports import Transaction
from parley.webhooks import live
from parley.webhooks.endpoints import EndpointChange, Endpoints
from parley.webhooks.interest import KEPT_S, Interest
from parley.webhooks.live import LiveEvents, PublicationEvents
from parley.wire.block.webhooks.events import EVENT_NAMES, BlockEvents

NAME = BlockEvents().public_name
ENDPOINTS = Endpoints(EVENT_NAMES, OutgoingPolicy())


def draft(scope: AppScope, text: str = "Hi", **more: Any) -> Draft:
    data = b'{"text":"%s"}' % text.encode()
    said = {"channel": "chat:a", "event": "message", **more}
    return Draft(app_id=scope.app_id, user_id="ada", data=data, **said)


def happened(number: int = 1) -> ChannelSubscribed:
    return ChannelSubscribed(channel="chat:a", user_id="ada", socket_id=f"socket_{number}")


async def want(scope: AppScope, *events: str) -> str:
    given = EndpointChange(url="https://example.com", events=list(events))
    return (await ENDPOINTS.create(scope, given, needs_tls=True)).webhook.id


class Heard:
    """Events that went through the outbox."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: list[Any] = []
        store.outbox.consume(self._consume)

    async def _consume(self, tx: Transaction, item: Announced) -> None:
        self._events.append(item.event)

    async def of(self, kind: type) -> list[Any]:
        await self._store.outbox.drain()
        return [one for one in self._events if isinstance(one, kind)]


@pytest.fixture
def heard(store: Store) -> Heard:
    return Heard(store)


@pytest.fixture
def interest(store: Store) -> Interest:
    made = Interest(store.clock)
    store.outbox.listen(made.heard)
    return made


@pytest.fixture
def publications(store: Store, interest: Interest) -> PublicationLog:
    made = PublicationLog(store, lambda published: None)
    made.in_same_change(PublicationEvents(store, interest, NAME))
    return made


async def test_a_publication_is_told_where_it_is_wanted(
    app_scope: AppScope, publications: PublicationLog, heard: Heard
) -> None:
    await want(app_scope, "message.sent")
    stored = await publications.append(draft(app_scope))
    (event,) = await heard.of(PublicationSent)
    assert (event.id, event.channel, event.user_id) == (stored.publication.id, "chat:a", "ada")
    assert BlockEvents().data(event)["message"]["text"] == "Hi"


async def test_nothing_is_written_where_nobody_wants_it(
    app_scope: AppScope, other_app_scope: AppScope, publications: PublicationLog, heard: Heard
) -> None:
    await want(app_scope, "presence.join")
    await publications.append(draft(app_scope))
    await publications.append(draft(other_app_scope))
    assert await heard.of(PublicationSent) == []


async def test_a_repeated_or_passing_publication_is_not_told(
    app_scope: AppScope, publications: PublicationLog, heard: Heard
) -> None:
    await want(app_scope, "*")
    for _ in range(2):
        await publications.append(draft(app_scope, client_id="mine"))
    await publications.append(draft(app_scope, in_history=False))
    assert len(await heard.of(PublicationSent)) == 1


async def test_of_what_the_server_says_only_messages_are_told(
    app_scope: AppScope, publications: PublicationLog, heard: Heard
) -> None:
    await want(app_scope, "*")
    for channel, event in (
        ("conversation:a", "message"),
        ("conversation:a", "read_receipt"),
        ("inbox:ada", "new_conversation"),
        ("chat:a", "order.placed"),
    ):
        await publications.append(draft(app_scope, channel=channel, event=event))
    told = [(one.channel, one.event) for one in await heard.of(PublicationSent)]
    assert told == [("conversation:a", "message"), ("chat:a", "order.placed")]


async def test_an_event_is_gone_when_the_change_of_its_publication_fails(
    app_scope: AppScope, publications: PublicationLog, heard: Heard
) -> None:
    await want(app_scope, "*")

    async def half_a_change() -> None:
        async with app_scope.change() as change:
            await publications.write(change.tx, [draft(app_scope)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await half_a_change()
    assert await heard.of(PublicationSent) == []


async def test_a_webhook_hears_of_what_happens_right_after_it_was_made(
    app_scope: AppScope, publications: PublicationLog, heard: Heard
) -> None:
    await publications.append(draft(app_scope, "before"))
    id_ = await want(app_scope, "message.sent")
    await publications.append(draft(app_scope, "while"))
    await ENDPOINTS.delete(app_scope, id_)
    await publications.append(draft(app_scope, "after"))
    assert [one.data for one in await heard.of(PublicationSent)] == ['{"text":"while"}']


async def test_news_that_got_lost_are_made_up_for(
    app_scope: AppScope, store: Store, clock: ManualClock
) -> None:
    deaf = Interest(store.clock)
    assert await deaf.of(store.database, app_scope.app_id) is None
    await want(app_scope, "*")
    assert await deaf.of(store.database, app_scope.app_id) is None
    clock.advance(KEPT_S)
    found = await deaf.of(store.database, app_scope.app_id)
    assert found is not None
    assert found.has("message.sent")


async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    app_scope: AppScope, store: Store
) -> None:
    interest = Interest(store.clock)

    class Slow:
        """A reader whose answer is old when it arrives."""

        async def all(self, query: Any, **params: Any) -> Any:
            rows = await store.database.all(query, **params)
            interest.forget(app_scope.app_id)
            return rows

        async def one(self, query: Any, **params: Any) -> Any:
            return (await self.all(query, **params))[0]

    await interest.of(Slow(), app_scope.app_id)
    assert interest.known(app_scope.app_id) is None


async def test_live_events_are_written_where_they_are_wanted(
    app_scope: AppScope, other_app_scope: AppScope, store: Store, interest: Interest, heard: Heard
) -> None:
    await want(app_scope, "channel.subscribed")
    events = LiveEvents(store, interest, NAME)
    events.tell(app_scope.app_id, happened(1))
    events.tell(other_app_scope.app_id, happened(2))
    await events.flush()
    events.tell(app_scope.app_id, happened(3))
    events.tell(other_app_scope.app_id, happened(4))
    await events.flush()
    assert [one.socket_id for one in await heard.of(ChannelSubscribed)] == ["socket_1", "socket_3"]


async def test_stopping_writes_the_live_events_that_wait(
    app_scope: AppScope, store: Store, interest: Interest, heard: Heard
) -> None:
    await want(app_scope, "*")
    events = LiveEvents(store, interest, NAME)
    await events.start()
    events.tell(app_scope.app_id, happened())
    await events.stop()
    assert len(await heard.of(ChannelSubscribed)) == 1


async def test_of_too_many_live_events_the_oldest_are_lost(
    app_scope: AppScope, store: Store, interest: Interest, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WAITING_LIMIT", 3)
    await want(app_scope, "*")
    events = LiveEvents(store, interest, NAME)
    for number in range(5):
        events.tell(app_scope.app_id, happened(number))
    await events.flush()
    found = [one.socket_id for one in await heard.of(ChannelSubscribed)]
    assert found == ["socket_2", "socket_3", "socket_4"]
