"""Every statement of the log."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, func, select

from parley.accounts.scope import AppScope, Change
from parley.base.errors import NotFound
from parley.base.ids import DeliveryId, WebhookId
from parley.base.paging import Page, PageRequest
from parley.base.text import storable
from parley.base.times import from_ms
from parley.store.query import Query
from parley.store.rows import RowMap
from parley.store.schema import tables as t
from parley.webhooks.model import Delivery, DeliveryState, LoggedAttempt, LoggedEvent

d, a = t.webhook_deliveries.c, t.webhook_attempts.c
_deliveries = RowMap(Delivery, t.webhook_deliveries)
_OF_WEBHOOK = and_(d.app_id == bindparam("app_id"), d.webhook_id == bindparam("webhook_id"))
_joined = t.webhook_attempts.join(t.webhook_deliveries, a.delivery_id == d.id)

_ATTEMPTS = Query(
    select(
        *(d.id, d.event_id, d.event, a.number, a.status, a.error, a.duration_ms, a.created_at),
        *(d.state, d.attempts, d.due_at),
    )
    .select_from(_joined)
    .where(_OF_WEBHOOK)
    .order_by(a.created_at.desc(), d.number.desc(), a.number.desc())
    .limit(bindparam("size"))
    .offset(bindparam("skip"))
)
_COUNT = Query(select(func.count()).select_from(_joined).where(_OF_WEBHOOK))

_again = t.webhook_deliveries.alias("again")
_is_first = (
    d.number
    == select(func.min(_again.c.number))
    .where(_again.c.webhook_id == d.webhook_id, _again.c.event_id == d.event_id)
    .scalar_subquery()
)
_EVENTS = Query(
    select(d.id, d.event_id, d.event, d.body, d.state, d.created_at)
    .where(_OF_WEBHOOK, d.number > bindparam("after"), d.event_id.is_not(None), _is_first)
    .order_by(d.number)
    .limit(bindparam("count"))
)
_PLACE = Query(select(func.min(d.number)).where(_OF_WEBHOOK, d.event_id == bindparam("event_id")))
_DELIVERY = Query(select(*_deliveries.columns).where(_OF_WEBHOOK, d.id == bindparam("id")))
_DELIVERY_OF = Query(
    select(*_deliveries.columns)
    .where(_OF_WEBHOOK, d.event_id == bindparam("event_id"))
    .order_by(d.number)
    .limit(1)
)


async def attempts(scope: AppScope, webhook_id: WebhookId, page: PageRequest) -> Page[LoggedAttempt]:
    """A page of a webhook's attempts, newest first."""
    rows = await scope.all(_ATTEMPTS, webhook_id=webhook_id, size=page.size, skip=page.skip)
    total = await scope.one(_COUNT, webhook_id=webhook_id)
    assert total is not None
    found = [_attempt(*row) for row in rows]
    return Page(found, total[0], page)


def _attempt(
    delivery_id: DeliveryId,
    event_id: str | None,
    event: str,
    number: int,
    status: int | None,
    error: str | None,
    duration_ms: int,
    created_ms: int,
    state: str,
    made: int,
    due_ms: int | None,
) -> LoggedAttempt:
    return LoggedAttempt(
        delivery_id=delivery_id,
        event_id=event_id,
        event=event,
        number=number,
        response_code=status,
        error=error,
        duration_ms=duration_ms,
        created_at=from_ms(created_ms),
        state=DeliveryState(state),
        attempts=made,
        due_at=None if due_ms is None else from_ms(due_ms),
    )


async def events(scope: AppScope, webhook_id: WebhookId, after: str | None, count: int) -> list[LoggedEvent]:
    """A webhook's events behind one of them, oldest first, each once.

    Raises:
        NotFound: the webhook has no such event.
    """
    place = 0
    if after is not None:
        row = await scope.one(_PLACE, webhook_id=webhook_id, event_id=after) if storable(after) else None
        if row is None or row[0] is None:
            raise NotFound("There is no such event any more; ask without `after`.")
        place = row[0]
    rows = await scope.all(_EVENTS, webhook_id=webhook_id, after=place, count=count)
    return [
        LoggedEvent(row[0], row[1], row[2], row[3], DeliveryState(row[4]), from_ms(row[5])) for row in rows
    ]


async def delivery(change: Change, webhook_id: WebhookId, delivery_id: str) -> Delivery:
    """One delivery of a webhook.

    Raises:
        NotFound: there is none of that id.
    """
    row = (
        await change.one(_DELIVERY, webhook_id=webhook_id, id=DeliveryId(delivery_id))
        if storable(delivery_id)
        else None
    )
    if row is None:
        raise NotFound("There is no such delivery.")
    return _deliveries.read(row)


async def delivery_of(change: Change, webhook_id: WebhookId, event_id: str) -> Delivery:
    """The first delivery of an event.

    Raises:
        NotFound: the webhook has no such event.
    """
    row = (
        await change.one(_DELIVERY_OF, webhook_id=webhook_id, event_id=event_id)
        if storable(event_id)
        else None
    )
    if row is None:
        raise NotFound("There is no such event any more.")
    return _deliveries.read(row)
