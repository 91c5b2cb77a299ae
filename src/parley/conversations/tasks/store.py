"""Every statement of tasks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, bindparam, delete, or_, select

from parley.accounts.scope import AppScope, Change
from parley.base.paging import Page, PageRequest
from parley.conversations.tasks.model import Task, TaskFilter
from parley.store.listing import NEWEST_FIRST, Listing, Scoped, insert_numbered, update_fields
from parley.store.query import Query, in_list, json_list
from parley.store.rows import RowMap
from parley.store.schema import conversations as conversation_tables
from parley.store.schema import people as t

k, c = t.tasks.c, conversation_tables.conversations.c
_tasks = RowMap(Task, t.tasks)
_OF_APP = k.app_id == bindparam("app_id")
_ONE = and_(_OF_APP, k.id == bindparam("id"))
_INSERT = insert_numbered(t.tasks)
_GET = Query(select(*_tasks.columns).where(_ONE))
_LOCK = Query(select(*_tasks.columns).where(_ONE).with_for_update())
_CHANGEABLE = (
    *("description", "text_key", "priority", "status"),
    *("completed_at", "dismissed_at", "updated_at"),
)
_SET = update_fields(t.tasks, _CHANGEABLE, _ONE)
_DELETE = Query(delete(t.tasks).where(_ONE))
_KNOWN = Query(
    select(k.text_key).where(
        _OF_APP,
        k.context_unique_id == bindparam("conversation"),
        k.user_unique_id == bindparam("user"),
        in_list(k.text_key, "keys"),
    )
)
_URGENT = Query(
    select(k.context_unique_id)
    .where(
        _OF_APP,
        or_(k.user_unique_id == bindparam("user"), k.user_unique_id.is_(None)),
        in_list(k.context_unique_id, "conversations"),
        k.status == "pending",
        k.priority == "urgent",
    )
    .distinct()
)
_SORTS = {"created_at": k.created_at}
_OF_CONVERSATION = Listing(
    _tasks.columns,
    t.tasks,
    always=and_(_OF_APP, k.context_unique_id == bindparam("conversation")),
    filters={
        "status": k.status == bindparam("status"),
        "viewer": or_(k.user_unique_id == bindparam("viewer"), k.user_unique_id.is_(None)),
    },
    sorts=_SORTS,
    tie=k.number,
)
_OF_USER = Listing(
    _tasks.columns,
    t.tasks.outerjoin(
        conversation_tables.conversations, and_(c.app_id == k.app_id, c.id == k.context_unique_id)
    ),
    always=and_(_OF_APP, k.user_unique_id == bindparam("user")),
    filters={
        "status": k.status == bindparam("status"),
        "context_unique_id": or_(
            k.context_unique_id == bindparam("context_unique_id"),
            c.context_key == bindparam("context_unique_id"),
        ),
        "reference": c.reference == bindparam("reference"),
        "source": c.source == bindparam("source"),
        "source_type": c.source_type == bindparam("source_type"),
        "source_id": c.source_id == bindparam("source_id"),
    },
    sorts=_SORTS,
    tie=k.number,
)


async def add(change: Change, tasks: Sequence[Task]) -> None:
    """Add tasks."""
    await change.run_many(_INSERT, [_tasks.write(task) for task in tasks])


async def get(reader: Scoped, task_id: str) -> Task | None:
    """One task."""
    row = await reader.one(_GET, id=task_id)
    return _tasks.read(row) if row else None


async def lock(change: Change, task_id: str) -> Task | None:
    """One task, which nobody else changes until the transaction ends."""
    row = await change.one(_LOCK, id=task_id)
    return _tasks.read(row) if row else None


async def put(change: Change, task: Task) -> None:
    """Write what can change of a task."""
    values = _tasks.write(task)
    await change.run(_SET, id=task.id, **{f"new_{name}": values[name] for name in _CHANGEABLE})


async def remove(change: Change, task_id: str) -> None:
    """Delete a task."""
    await change.run(_DELETE, id=task_id)


async def known_keys(change: Change, conversation: str, user: str, keys: Sequence[str]) -> set[str]:
    """Those keys that tasks of a user in a conversation have, whatever their status."""
    rows = await change.all(_KNOWN, conversation=conversation, user=user, keys=json_list(keys))
    return {row[0] for row in rows}


async def urgent(reader: Scoped, user: str, conversations: Sequence[str]) -> frozenset[str]:
    """Those conversations in which a user has an open urgent task."""
    rows = await reader.all(_URGENT, user=user, conversations=json_list(conversations))
    return frozenset(row[0] for row in rows)


async def of_conversation(
    scope: AppScope, conversation: str, wanted: PageRequest, *, status: str | None, viewer: str | None
) -> Page[Task]:
    """A page of a conversation's tasks, newest first; those of `viewer` and of everybody."""
    rows, total = await _OF_CONVERSATION.page(
        scope, wanted, NEWEST_FIRST, conversation=conversation, status=status, viewer=viewer
    )
    return Page(_tasks.read_all(rows), total, wanted)


async def of_user(scope: AppScope, user: str, wanted: PageRequest, which: TaskFilter) -> Page[Task]:
    """A page of a user's tasks, newest first."""
    given = {name: getattr(which, name) for name in which.__struct_fields__}
    rows, total = await _OF_USER.page(scope, wanted, NEWEST_FIRST, user=user, **given)
    return Page(_tasks.read_all(rows), total, wanted)
