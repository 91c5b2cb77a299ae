"""Publications get places in order, once, and are announced after they are on disk."""

from __future__ import annotations

import asyncio

import pytest

from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import Publication, offset_of
from parley.channels.realtime.store import after, position
from parley.store.core import Store
from tests.channels.realtime.readers import draft


class Announced(list[Publication]):
    """What a log announces."""

    def take(self, publications: object) -> None:
        self.extend(publications)  # type: ignore[arg-type]


@pytest.fixture
def announced() -> Announced:
    return Announced()


@pytest.fixture
def log(store: Store, announced: Announced) -> PublicationLog:
    return PublicationLog(store, announced.take)


async def test_places_follow_the_order_of_the_calls(app_scope, log, announced):
    drafts = [draft(app_scope.app_id, data=b'{"n":%d}' % n) for n in range(30)]
    stored = await asyncio.gather(*(log.append(one) for one in drafts))
    assert [one.publication.offset for one in stored] == list(range(1, 31))
    assert [one.data for one in announced] == [one.data for one in drafts]
    assert len({one.publication.epoch for one in stored}) == 1


async def test_channels_count_for_themselves(app_scope, log):
    one, other = await asyncio.gather(
        log.append(draft(app_scope.app_id, "chat:a")), log.append(draft(app_scope.app_id, "chat:b"))
    )
    assert one.publication.offset == other.publication.offset == 1


async def test_what_is_announced_can_be_read(app_scope, log, announced, store):

    stored = [await log.append(draft(app_scope.app_id, user_id=None, event="alarm", in_history=False))]
    epoch = stored[0].publication.epoch
    (found,) = await after(store.database, app_scope.app_id, "chat:room", epoch, 0, 10, 10)
    assert found == announced[0]


async def test_an_id_sent_again_stores_nothing(app_scope, log, announced):
    first = await log.append(draft(app_scope.app_id, client_id="c-1"))
    again = await log.append(draft(app_scope.app_id, client_id="c-1", data=b'{"text":"changed"}'))
    assert (first.is_new, again.is_new) == (True, False)
    assert again.publication.id == first.publication.id
    assert again.publication.offset == first.publication.offset
    assert len(announced) == 1


async def test_an_id_twice_in_one_batch_stores_once(app_scope, log, announced):
    one, other = await asyncio.gather(
        log.append(draft(app_scope.app_id, client_id="c-1")),
        log.append(draft(app_scope.app_id, client_id="c-1")),
    )
    assert one.publication.id == other.publication.id
    assert (one.is_new, other.is_new, len(announced)) == (True, False, 1)


async def test_an_id_belongs_to_its_user_and_channel(app_scope, log, announced):
    await log.append(draft(app_scope.app_id, client_id="c-1"))
    await log.append(draft(app_scope.app_id, client_id="c-1", user_id="user-2"))
    await log.append(draft(app_scope.app_id, "chat:other", client_id="c-1"))
    assert len(announced) == 3


async def test_an_id_is_forgotten_after_a_day(app_scope, log, announced, clock: ManualClock):
    await log.append(draft(app_scope.app_id, client_id="c-1"))
    clock.advance(24 * 3600 + 1)
    again = await log.append(draft(app_scope.app_id, client_id="c-1"))
    assert again.is_new
    assert len(announced) == 2


async def test_one_draft_that_cannot_be_stored_spares_the_others(app_scope, log, announced):
    results = await asyncio.gather(
        log.append(draft(app_scope.app_id)),
        log.append(draft(app_scope.app_id, user_id="half a surrogate: \ud800")),
        log.append(draft(app_scope.app_id)),
        return_exceptions=True,
    )
    assert [isinstance(one, Exception) for one in results] == [False, True, False]
    assert [one.offset for one in announced] == [1, 2]


async def test_two_servers_count_together(app_scope: AppScope, store: Store):
    heard: list[Publication] = []
    logs = [PublicationLog(store, heard.extend) for _ in range(2)]
    await asyncio.gather(*(logs[n % 2].append(draft(app_scope.app_id, client_id=f"c{n}")) for n in range(40)))
    assert sorted(one.offset for one in heard) == list(range(1, 41))


async def test_what_belongs_to_it_is_written_with_it_or_not_at_all(app_scope, log, announced, store: Store):
    async def refuse(tx: object, publications: object) -> None:
        raise ValueError("no")

    log.in_same_change(refuse)
    with pytest.raises(ValueError, match="no"):
        await log.append(draft(app_scope.app_id))
    assert not announced

    place = await position(store.database, app_scope.app_id, "chat:room")
    assert place is None or place.offset == 0


async def test_an_id_carries_the_place(app_scope, log):
    stored = await log.append(draft(app_scope.app_id))
    assert offset_of(stored.publication.id) == 1
    for wrong in ("", "msg_", "1", "msg_" + "0" * 22, stored.publication.id + "0", "msg_" + "i" * 22):
        assert offset_of(wrong) is None
