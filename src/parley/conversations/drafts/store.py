"""Every statement of draft messages."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.paging import Page, PageRequest
from parley.conversations.drafts.model import DraftMessage
from parley.store.listing import Listing, Sort
from parley.store.query import Query
from parley.store.rows import RowMap
from parley.store.schema import conversations as t

c = t.draft_messages.c
Reader = AppScope | Change


_map = RowMap(DraftMessage, t.draft_messages)
_OF_APP = c.app_id == bindparam("app_id")
_INSERT = Query(
    insert(t.draft_messages).values(
        {col.name: bindparam(col.name, type_=col.type) for col in c if col.name != "number"}
    )
)
_ONE = Query(select(*_map.columns).where(_OF_APP, c.id == bindparam("id")))
_DELETE = Query(delete(t.draft_messages).where(_OF_APP, c.id == bindparam("id")))
_PAGES = Listing(
    _map.columns,
    t.draft_messages,
    always=_OF_APP,
    filters={
        "author": c.author_id == bindparam("author"),
        "status": c.status == bindparam("status"),
        "context_id": c.context_id == bindparam("context_id"),
        "source_id": c.source_id == bindparam("source_id"),
    },
    sorts={"created_at": c.created_at, "updated_at": c.updated_at, "status": c.status},
    tie=c.number,
)
_CHANGING = ("body", "status", "enabled", "message_id", "updated_by", "updated_at")
_UPDATE = Query(
    update(t.draft_messages)
    .where(_OF_APP, c.id == bindparam("draft_id"))
    .values({name: bindparam(f"new_{name}", type_=c[name].type) for name in _CHANGING})
)
_LOCK = Query(
    update(t.draft_messages).where(_OF_APP, c.id == bindparam("draft_id")).values(updated_at=c.updated_at)
)


async def add(change: Change, draft: DraftMessage) -> None:
    """Add a draft."""
    await change.run(_INSERT, **_map.write(draft))


async def get(reader: Reader, draft_id: str) -> DraftMessage | None:
    """A draft of anybody's."""
    row = await reader.one(_ONE, id=draft_id)
    return None if row is None else _map.read(row)


async def lock(change: Change, draft_id: str) -> None:
    """Nobody else changes it until the change ends."""
    await change.run(_LOCK, draft_id=draft_id)


async def put(change: Change, draft: DraftMessage) -> None:
    """Store what can change of a draft."""
    written = _map.write(draft)
    await change.run(_UPDATE, draft_id=draft.id, **{f"new_{name}": written[name] for name in _CHANGING})


async def remove(change: Change, draft_id: str) -> None:
    """Forget a draft."""
    await change.run(_DELETE, id=draft_id)


async def page(reader: Reader, page: PageRequest, sort: Sort, **filters: Any) -> Page[DraftMessage]:
    """A page of drafts."""
    rows, total = await _PAGES.page(reader, page, sort, **filters)
    return Page(_map.read_all(rows), total, page)
