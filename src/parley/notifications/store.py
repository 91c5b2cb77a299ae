"""Every statement of notifications, web notifications and sources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, delete, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.paging import Page, PageRequest
from parley.base.times import to_ms
from parley.notifications.model import DELETED, Notification, Source, WebNotification
from parley.store.listing import Listing, Scoped, Sort, insert_numbered, update_fields
from parley.store.query import Query, upsert
from parley.store.rows import RowMap
from parley.store.schema import people as t

n, w, s = t.notifications.c, t.web_notifications.c, t.sources.c
_notifications = RowMap(Notification, t.notifications)
_web = RowMap(WebNotification, t.web_notifications)
_sources = RowMap(Source, t.sources)

_PRESENT = and_(
    n.app_id == bindparam("app_id"),
    n.status != DELETED,
    or_(n.expires_at.is_(None), n.expires_at > bindparam("now")),
)
_ONE = and_(n.app_id == bindparam("app_id"), n.id == bindparam("id"))
_INSERT = insert_numbered(t.notifications)
_GET = Query(select(*_notifications.columns).where(_PRESENT, n.id == bindparam("id")))
_LOCK = Query(select(*_notifications.columns).where(_PRESENT, n.id == bindparam("id")).with_for_update())
_CHANGEABLE = ("content", "url", "status", "payload", "read_at", "updated_by", "updated_at")
_SET = update_fields(t.notifications, _CHANGEABLE, _ONE)
_DELETE = Query(delete(t.notifications).where(_ONE))
_LIST = Listing(
    _notifications.columns,
    t.notifications,
    always=_PRESENT,
    filters={
        "status": n.status == bindparam("status"),
        "target_id": n.target_id == bindparam("target_id"),
        "source_id": n.source_id == bindparam("source_id"),
        "viewer": or_(n.target_id == bindparam("viewer"), n.created_by == bindparam("viewer")),
    },
    sorts={name: n[name] for name in ("created_at", "updated_at", "status", "expires_at", "content")},
    tie=n.number,
)

_WEB_ONE = and_(w.app_id == bindparam("app_id"), w.id == bindparam("id"))
_WEB_INSERT = insert_numbered(t.web_notifications)
_WEB_GET = Query(select(*_web.columns).where(_WEB_ONE))
_WEB_LOCK = Query(select(*_web.columns).where(_WEB_ONE).with_for_update())
_WEB_SET = update_fields(t.web_notifications, ("read_at", "clicked_at", "updated_at"), _WEB_ONE)
_WEB_DELETE = Query(delete(t.web_notifications).where(_WEB_ONE))
_WEB_READ_ALL = Query(
    update(t.web_notifications)
    .where(
        w.app_id == bindparam("app_id"),
        w.recipient_unique_id == bindparam("recipient"),
        w.read_at.is_(None),
    )
    .values(read_at=bindparam("at"), updated_at=bindparam("at"))
)
_WEB_LIST = Listing(
    _web.columns,
    t.web_notifications,
    always=w.app_id == bindparam("app_id"),
    filters={
        "recipient_unique_id": w.recipient_unique_id == bindparam("recipient_unique_id"),
        "notification_type": w.notification_type == bindparam("notification_type"),
        "priority": w.priority == bindparam("priority"),
        "status": w.status == bindparam("status"),
        "read": w.read_at.is_not(None),
        "unread": w.read_at.is_(None),
        "viewer": or_(w.recipient_unique_id == bindparam("viewer"), w.created_by == bindparam("viewer")),
    },
    sorts={
        name: w[name]
        for name in ("created_at", "updated_at", "sent_at", "read_at", "title", "notification_type")
    },
    tie=w.number,
)

_OF_APP = s.app_id == bindparam("app_id")
_SOURCE = Query(select(*_sources.columns).where(_OF_APP, s.id == bindparam("id")))
_SOURCE_ID = Query(
    select(s.id).where(
        _OF_APP, s.source_type == bindparam("source_type"), s.external_id == bindparam("external_id")
    )
)
_ADD_SOURCE = Query(
    upsert(
        t.sources,
        ["app_id", "source_type", "external_id"],
        values={c.name: bindparam(c.name, type_=c.type) for c in t.sources.columns if c.name != "number"},
    )
)


async def add(change: Change, notification: Notification) -> None:
    """Add a notification."""
    await change.run(_INSERT, **_notifications.write(notification))


async def get(scope: AppScope, id_: str) -> Notification | None:
    """One notification that is neither expired nor deleted."""
    row = await scope.one(_GET, id=id_, now=to_ms(scope.now()))
    return _notifications.read(row) if row else None


async def lock(change: Change, id_: str) -> Notification | None:
    """The same; nobody else changes it until the transaction ends."""
    row = await change.one(_LOCK, id=id_, now=to_ms(change.now()))
    return _notifications.read(row) if row else None


async def put(change: Change, notification: Notification) -> None:
    """Write what can change of a notification."""
    values = _notifications.write(notification)
    await change.run(_SET, id=notification.id, **{f"new_{name}": values[name] for name in _CHANGEABLE})


async def remove(change: Change, id_: str) -> None:
    """Delete a notification."""
    await change.run(_DELETE, id=id_)


async def page(scope: AppScope, wanted: PageRequest, sort: Sort, **filters: str | None) -> Page[Notification]:
    """A page of notifications."""
    rows, total = await _LIST.page(scope, wanted, sort, now=to_ms(scope.now()), **filters)
    return Page(_notifications.read_all(rows), total, wanted)


# --- web ------------------------------------------------------------------------------------------


async def add_web(change: Change, many: Sequence[WebNotification]) -> None:
    """Add web notifications."""
    await change.run_many(_WEB_INSERT, [_web.write(one) for one in many])


async def get_web(scope: AppScope, id_: str) -> WebNotification | None:
    """One web notification."""
    row = await scope.one(_WEB_GET, id=id_)
    return _web.read(row) if row else None


async def lock_web(change: Change, id_: str) -> WebNotification | None:
    """The same; nobody else changes it until the transaction ends."""
    row = await change.one(_WEB_LOCK, id=id_)
    return _web.read(row) if row else None


async def put_web(change: Change, one: WebNotification) -> None:
    """Write when it was read and clicked."""
    values = _web.write(one)
    names = ("read_at", "clicked_at", "updated_at")
    await change.run(_WEB_SET, id=one.id, **{f"new_{name}": values[name] for name in names})


async def remove_web(change: Change, id_: str) -> None:
    """Delete a web notification."""
    await change.run(_WEB_DELETE, id=id_)


async def read_all_web(change: Change, recipient: str, at: datetime) -> int:
    """Mark what a recipient has not read; returns how many."""
    return await change.run(_WEB_READ_ALL, recipient=recipient, at=to_ms(at))


async def page_web(
    scope: AppScope, wanted: PageRequest, sort: Sort, *, is_read: bool | None, **filters: str | None
) -> Page[WebNotification]:
    """A page of web notifications."""
    rows, total = await _WEB_LIST.page(
        scope,
        wanted,
        sort,
        read=True if is_read is True else None,
        unread=True if is_read is False else None,
        **filters,
    )
    return Page(_web.read_all(rows), total, wanted)


# --- sources --------------------------------------------------------------------------------------


async def source(reader: Scoped, id_: str) -> Source | None:
    """One source."""
    row = await reader.one(_SOURCE, id=id_)
    return _sources.read(row) if row else None


async def source_id(reader: Scoped, source_type: str, external_id: str) -> str | None:
    """The id of the source that is named so."""
    row = await reader.one(_SOURCE_ID, source_type=source_type, external_id=external_id)
    return str(row[0]) if row else None


async def add_source(change: Change, made: Source) -> None:
    """Add a source, unless there is one that is named so."""
    await change.run(_ADD_SOURCE, **_sources.write(made))
