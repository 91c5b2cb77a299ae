"""Every statement of webhooks.

Delivering happens without a caller: there the app comes from the event or the job, and is bound by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import and_, bindparam, delete, func, insert, not_, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.ids import AppId, DeliveryId, OrganizationId, WebhookId
from parley.base.times import from_ms, to_ms
from parley.store.ports import Reader, Transaction
from parley.store.query import Query, SystemQuery, in_list, insert_row, json_list
from parley.store.rows import RowMap
from parley.store.schema import tables as t
from parley.webhooks.model import Attempt, Delivery, DeliveryState, Webhook
from parley.webhooks.ports import AppLabel

_webhooks = RowMap(Webhook, t.webhooks)
_deliveries = RowMap(Delivery, t.webhook_deliveries)
_attempts = RowMap(Attempt, t.webhook_attempts)
_hook, _delivery = t.webhooks.c, t.webhook_deliveries.c
_names = msgspec.json.Decoder(list[str])
_PENDING = DeliveryState.PENDING.value

_INSERT = insert_row(t.webhooks)
_ONE = and_(_hook.app_id == bindparam("app_id"), _hook.id == bindparam("id"))
_GET = Query(select(*_webhooks.columns).where(_ONE))
_GET_LOCKED = Query(select(*_webhooks.columns).where(_ONE).with_for_update())
_LIST = Query(
    select(*_webhooks.columns)
    .where(_hook.app_id == bindparam("app_id"), _hook.dialect == bindparam("dialect"))
    .order_by(_hook.created_at.desc(), _hook.id.desc())
)
_UPDATE = Query(
    update(t.webhooks)
    .where(_hook.app_id == bindparam("app_id"), _hook.id == bindparam("id"))
    .values(
        {
            column.name: bindparam(column.name, type_=column.type)
            for column in _webhooks.columns
            if column.name not in ("id", "app_id", "created_at")
        }
    )
)
_DELETE = Query(delete(t.webhooks).where(_ONE))
_SUBSCRIBERS = Query(
    select(_hook.id, _hook.events, _hook.is_enabled, t.apps.c.name)
    .join(t.apps, t.apps.c.id == _hook.app_id)
    .where(
        _hook.app_id == bindparam("app_id"),
        _hook.dialect == bindparam("dialect"),
        or_(_hook.is_enabled, _hook.suspended_at > bindparam("suspended_after")),
    )
    .order_by(_hook.created_at, _hook.id)
    .with_for_update(read=True, key_share=True, of=t.webhooks)  # none is deleted before its delivery is in
)

_OF_HOOK = and_(_delivery.app_id == bindparam("app_id"), _delivery.webhook_id == bindparam("webhook_id"))
_WAITING = and_(_OF_HOOK, _delivery.due_at.is_not(None))
_ADD_DELIVERY = Query(
    insert(t.webhook_deliveries).values(
        {column.name: bindparam(column.name, type_=column.type) for column in _deliveries.columns}
    )
)
_DUE = Query(
    select(*_deliveries.columns)
    .where(
        _WAITING,
        # First sendings are due at once: comparing clocks of two servers here could turn their order around.
        or_(_delivery.attempts == 0, _delivery.due_at <= bindparam("now")),
        not_(in_list(_delivery.id, "under_way")),
        or_(_delivery.attempts > 0, not_(in_list(_delivery.order_key, "busy_keys"))),
    )
    .order_by(_delivery.number)
    .limit(bindparam("count"))
)
_NEXT_DUE = Query(select(func.min(_delivery.due_at)).where(_WAITING))
_FINISH = Query(
    update(t.webhook_deliveries)
    .where(
        _delivery.app_id == bindparam("app_id"),
        _delivery.id == bindparam("id"),
        _delivery.state == _PENDING,
        _delivery.attempts == bindparam("attempts_before"),
    )
    .values(
        state=bindparam("new_state"),
        attempts=bindparam("number"),
        due_at=bindparam("due_at", type_=_delivery.due_at.type),
        last_error=bindparam("last_error", type_=_delivery.last_error.type),
        finished_at=bindparam("finished_at", type_=_delivery.finished_at.type),
    )
)
_ADD_ATTEMPT = insert_row(t.webhook_attempts)
_CLEAR_FAILURES = Query(update(t.webhooks).where(_ONE).values(failures_in_row=0, resume_at=None))
_COUNT_FAILURE = Query(
    update(t.webhooks)
    .where(_ONE)
    .values(failures_in_row=_hook.failures_in_row + bindparam("more"))
    .returning(_hook.failures_in_row)
)
_SUSPEND = Query(
    update(t.webhooks)
    .where(_ONE, _hook.is_enabled)
    .values(
        is_enabled=False,
        suspended_at=bindparam("suspended_at", type_=_hook.suspended_at.type),
        updated_at=bindparam("updated_at"),
    )
)
_LOCK_APP = Query(
    select(t.apps.c.id).where(t.apps.c.id == bindparam("app_id")).with_for_update(key_share=True)
)
_WANTED = Query(
    select(t.apps.c.organization_id, _hook.events)
    .join(t.apps, t.apps.c.id == _hook.app_id)
    .where(
        _hook.app_id == bindparam("app_id"),
        _hook.dialect == bindparam("dialect"),
        or_(_hook.is_enabled, _hook.suspended_at > bindparam("suspended_after")),
    )
)
_PAUSE = Query(update(t.webhooks).where(_ONE).values(resume_at=bindparam("resume_at")))
_DROP = Query(
    update(t.webhook_deliveries)
    .where(_WAITING)
    .values(
        state=DeliveryState.DROPPED.value,
        due_at=None,
        finished_at=bindparam("now"),
        last_error="the webhook was disabled",
    )
)
_GET_DELIVERY = Query(
    select(*_deliveries.columns).where(
        _delivery.app_id == bindparam("app_id"), _delivery.id == bindparam("id")
    )
)
_LOG = Query(
    select(*_deliveries.columns)
    .where(_OF_HOOK)
    .order_by(_delivery.number.desc())
    .limit(bindparam("size"))
    .offset(bindparam("skip"))
)
_COUNT = Query(select(func.count()).select_from(t.webhook_deliveries).where(_OF_HOOK))
_ATTEMPTS = Query(
    select(*_attempts.columns)
    .where(
        t.webhook_attempts.c.app_id == bindparam("app_id"),
        t.webhook_attempts.c.delivery_id == bindparam("delivery_id"),
    )
    .order_by(t.webhook_attempts.c.number)
)
_GIVE_UP = SystemQuery(
    update(t.webhook_deliveries)
    .where(
        _delivery.due_at.is_not(None),
        _delivery.created_at < bindparam("before"),
        _delivery.webhook_id.in_(select(_hook.id).where(_hook.dialect == bindparam("dialect"))),
    )
    .values(
        state=DeliveryState.FAILED.value,
        due_at=None,
        finished_at=bindparam("now"),
        last_error=func.coalesce(_delivery.last_error, "the endpoint was not reachable for too long"),
    )
)
_expired = (
    select(_delivery.number).where(_delivery.created_at < bindparam("before")).limit(bindparam("count"))
)
_FORGET = SystemQuery(delete(t.webhook_deliveries).where(_delivery.number.in_(_expired.scalar_subquery())))


async def add(change: Change, webhook: Webhook) -> None:
    """Add a webhook."""
    await change.run(_INSERT, **_webhooks.write(webhook))


async def lock_app(change: Change) -> None:
    """Let others who count the app's webhooks wait until the transaction ends."""
    await change.one(_LOCK_APP)


async def get(scope: AppScope | Change, webhook_id: WebhookId) -> Webhook | None:
    """One webhook of the app."""
    row = await scope.one(_GET, id=webhook_id)
    return _webhooks.read(row) if row else None


async def lock(change: Change, webhook_id: WebhookId) -> Webhook | None:
    """One webhook of the app, which nobody else changes until the transaction ends."""
    row = await change.one(_GET_LOCKED, id=webhook_id)
    return _webhooks.read(row) if row else None


async def list_all(reader: AppScope | Change, dialect: str) -> list[Webhook]:
    """The app's webhooks of a dialect, newest first."""
    return [_webhooks.read(row) for row in await reader.all(_LIST, dialect=dialect)]


async def put(change: Change, webhook: Webhook) -> None:
    """Write every value of an existing webhook."""
    await change.run(_UPDATE, **_webhooks.write(webhook))


async def remove(change: Change, webhook_id: WebhookId) -> None:
    """Delete a webhook with its deliveries."""
    await change.run(_DELETE, id=webhook_id)


async def drop_waiting(change: Change, webhook_id: WebhookId) -> None:
    """Finish what waits without sending it."""
    await change.run(_DROP, webhook_id=webhook_id, now=to_ms(change.now()))


class Subscriber(NamedTuple):
    """A webhook that wants to hear of an event."""

    webhook_id: WebhookId
    app: AppLabel
    is_enabled: bool
    """False = switched off because it failed; what it misses is written down."""


async def subscribers(
    tx: Transaction, app_id: AppId, dialect: str, event: str, suspended_after: datetime
) -> list[Subscriber]:
    """The app's webhooks that want to hear of an event: enabled, or suspended after that time."""
    rows = await tx.all(_SUBSCRIBERS, app_id=app_id, dialect=dialect, suspended_after=to_ms(suspended_after))
    return [
        Subscriber(row[0], AppLabel(app_id, row[3]), bool(row[2]))
        for row in rows
        if not {event, "*"}.isdisjoint(_names.decode(row[1]))
    ]


async def wanted(
    reader: Reader, app_id: AppId, dialect: str, suspended_after: datetime
) -> tuple[OrganizationId, frozenset[str]] | None:
    """The app's organization, and what its webhooks want to hear of; None when it has none."""
    rows = await reader.all(_WANTED, app_id=app_id, dialect=dialect, suspended_after=to_ms(suspended_after))
    if not rows:
        return None
    names = frozenset(name for row in rows for name in _names.decode(row[1]))
    return OrganizationId(rows[0][0]), names


async def add_deliveries(tx: Transaction, deliveries: Sequence[Delivery]) -> None:
    """Add deliveries; the order in which they are added is the order in which they are first sent."""
    await tx.run_many(_ADD_DELIVERY, [_deliveries.write(delivery) for delivery in deliveries])


async def find(reader: Reader, app_id: AppId, webhook_id: WebhookId) -> Webhook | None:
    """One webhook, for the one that delivers."""
    row = await reader.one(_GET, app_id=app_id, id=webhook_id)
    return _webhooks.read(row) if row else None


async def due(
    reader: Reader,
    webhook: Webhook,
    now: datetime,
    *,
    under_way: Sequence[DeliveryId],
    busy_keys: Sequence[str],
    count: int,
) -> list[Delivery]:
    """The oldest deliveries to send now.

    Args:
        reader: database or transaction.
        webhook: whose.
        now: present.
        under_way: leave these out.
        busy_keys: leave first sendings with these order keys out.
        count: at most so many.
    """
    rows = await reader.all(
        _DUE,
        app_id=webhook.app_id,
        webhook_id=webhook.id,
        now=to_ms(now),
        under_way=json_list(under_way),
        busy_keys=json_list(busy_keys),
        count=count,
    )
    return [_deliveries.read(row) for row in rows]


async def next_due(reader: Reader, webhook: Webhook) -> datetime | None:
    """When the next waiting delivery is due; None when nothing waits."""
    row = await reader.one(_NEXT_DUE, app_id=webhook.app_id, webhook_id=webhook.id)
    return from_ms(row[0]) if row and row[0] is not None else None


async def lock_to_deliver(tx: Transaction, webhook: Webhook) -> None:
    """Take the webhook's row before its deliveries' rows, in the order in which changes of webhooks do."""
    await tx.one(_GET_LOCKED, app_id=webhook.app_id, id=webhook.id)


async def drop_undeliverable(tx: Transaction, webhook: Webhook, now: datetime) -> None:
    """Finish what waits for a disabled webhook."""
    await tx.run(_DROP, app_id=webhook.app_id, webhook_id=webhook.id, now=to_ms(now))


async def write_attempt(tx: Transaction, after: Delivery, attempt: Attempt) -> bool:
    """Write down how an attempt ended.

    Returns:
        False when the delivery is gone or finished, or another process wrote this attempt: then nothing is
        changed.
    """
    values: dict[str, Any] = _deliveries.write(after)
    changed = await tx.run(
        _FINISH,
        app_id=after.app_id,
        id=after.id,
        attempts_before=attempt.number - 1,
        number=attempt.number,
        new_state=values["state"],
        due_at=values["due_at"],
        last_error=values["last_error"],
        finished_at=values["finished_at"],
    )
    if changed:
        await tx.run(_ADD_ATTEMPT, **_attempts.write(attempt))
    return bool(changed)


async def clear_failures(tx: Transaction, webhook: Webhook) -> None:
    """The endpoint works: close the circuit."""
    await tx.run(_CLEAR_FAILURES, app_id=webhook.app_id, id=webhook.id)


async def count_failure(tx: Transaction, webhook: Webhook, more: int) -> int:
    """Add to the failures in a row; returns how many there are now, 0 when the webhook is gone."""
    row = await tx.one(_COUNT_FAILURE, app_id=webhook.app_id, id=webhook.id, more=more)
    return int(row[0]) if row else 0


async def suspend(tx: Transaction, webhook: Webhook, now: datetime, *, keeps_events: bool) -> None:
    """Switch a webhook off, and finish what waits for it.

    Args:
        tx: transaction.
        webhook: which.
        now: present.
        keeps_events: whether what it misses is written down for a while, to be asked for later.
    """
    await tx.run(
        _SUSPEND,
        app_id=webhook.app_id,
        id=webhook.id,
        suspended_at=to_ms(now) if keeps_events else None,
        updated_at=to_ms(now),
    )
    await drop_undeliverable(tx, webhook, now)


async def pause(tx: Transaction, webhook: Webhook, until: datetime) -> None:
    """Send nothing before that time."""
    await tx.run(_PAUSE, app_id=webhook.app_id, id=webhook.id, resume_at=to_ms(until))


async def get_delivery(scope: AppScope, delivery_id: DeliveryId) -> Delivery | None:
    """One delivery of the app."""
    row = await scope.one(_GET_DELIVERY, id=delivery_id)
    return _deliveries.read(row) if row else None


async def delivery_log(
    scope: AppScope, webhook_id: WebhookId, *, size: int, skip: int
) -> tuple[list[Delivery], int]:
    """A part of a webhook's deliveries, newest first, and how many there are."""
    rows = await scope.all(_LOG, webhook_id=webhook_id, size=size, skip=skip)
    total = await scope.one(_COUNT, webhook_id=webhook_id)
    assert total is not None
    return [_deliveries.read(row) for row in rows], total[0]


async def attempts_of(scope: AppScope, delivery_id: DeliveryId) -> list[Attempt]:
    """The attempts of a delivery, in order."""
    return [_attempts.read(row) for row in await scope.all(_ATTEMPTS, delivery_id=delivery_id)]


async def give_up_older(tx: Transaction, dialect: str, before: datetime, now: datetime) -> int:
    """Fail what has waited since before that time for webhooks of a dialect; returns how many."""
    return await tx.run(_GIVE_UP, dialect=dialect, before=to_ms(before), now=to_ms(now))


async def forget_older(tx: Transaction, before: datetime, count: int) -> int:
    """Delete that many deliveries at most, made before that time, with their attempts; returns how many."""
    return await tx.run(_FORGET, before=to_ms(before), count=count)
