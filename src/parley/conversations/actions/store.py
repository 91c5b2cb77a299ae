"""Every statement of message actions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, insert, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.paging import Page, PageRequest
from parley.base.times import from_ms, to_ms
from parley.conversations.messages.model import Action, NewAction
from parley.store.listing import Listing, Sort
from parley.store.ports import Row
from parley.store.query import Query, in_list, json_list
from parley.store.schema import conversations as t

c = t.message_actions.c
Reader = AppScope | Change
_COLUMNS = (
    c.id, c.message_id, c.control, c.status, c.enabled, c.payload, c.response, c.user_id, c.created_at,
    c.updated_at, c.deleted_at,
)  # fmt: skip
_THERE = and_(c.app_id == bindparam("app_id"), c.deleted_at.is_(None))
_INSERT = Query(
    insert(t.message_actions).values(
        {col.name: bindparam(col.name, type_=col.type) for col in c if col.name != "number"}
    )
)
_ONE = Query(
    select(*_COLUMNS).where(_THERE, c.message_id == bindparam("message_id"), c.id == bindparam("id"))
)
_OF_MESSAGES = Query(select(*_COLUMNS).where(_THERE, in_list(c.message_id, "ids")).order_by(c.number))
_PAGES = Listing(
    _COLUMNS,
    t.message_actions,
    always=and_(_THERE, c.message_id == bindparam("message_id")),
    filters={},
    sorts={"created_at": c.created_at, "updated_at": c.updated_at, "status": c.status},
    tie=c.number,
)
_CHANGING = ("control", "status", "enabled", "payload", "response", "user_id", "updated_at", "deleted_at")
_UPDATE = Query(
    update(t.message_actions)
    .where(c.app_id == bindparam("app_id"), c.id == bindparam("action_id"))
    .values({name: bindparam(f"new_{name}", type_=c[name].type) for name in _CHANGING})
)


def _read(row: Row) -> Action:
    return Action(
        id=row[0],
        message_id=row[1],
        control=msgspec.json.decode(row[2], type=NewAction),
        status=row[3],
        enabled=bool(row[4]),
        payload=_value(row[5]),
        response=_value(row[6]),
        user_id=row[7],
        created_at=from_ms(row[8]),
        updated_at=from_ms(row[9]),
        deleted_at=None if row[10] is None else from_ms(row[10]),
    )


def _write(one: Action) -> dict[str, Any]:
    return {
        "id": one.id,
        "message_id": one.message_id,
        "control": _text(one.control),
        "status": one.status,
        "enabled": one.enabled,
        "payload": _text(one.payload),
        "response": _text(one.response),
        "user_id": one.user_id,
        "created_at": to_ms(one.created_at),
        "updated_at": to_ms(one.updated_at),
        "deleted_at": None if one.deleted_at is None else to_ms(one.deleted_at),
    }


def _value(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


async def add(change: Change, actions: Iterable[Action]) -> None:
    """Add actions, in this order."""
    await change.run_many(_INSERT, [_write(one) for one in actions])


async def get(reader: Reader, message_id: str, action_id: str) -> Action | None:
    """An action of a message."""
    row = await reader.one(_ONE, message_id=message_id, id=action_id)
    return None if row is None else _read(row)


async def of_messages(reader: Reader, ids: Iterable[str]) -> dict[str, list[Action]]:
    """The actions of each message that has some."""
    found: dict[str, list[Action]] = {}
    for row in await reader.all(_OF_MESSAGES, ids=json_list(ids)):
        action = _read(row)
        found.setdefault(action.message_id, []).append(action)
    return found


async def page(reader: Reader, message_id: str, page: PageRequest, sort: Sort) -> Page[Action]:
    """A page of a message's actions."""
    rows, total = await _PAGES.page(reader, page, sort, message_id=message_id)
    return Page([_read(row) for row in rows], total, page)


async def put(change: Change, one: Action) -> None:
    """Store what can change of an action."""
    written = _write(one)
    await change.run(_UPDATE, action_id=one.id, **{f"new_{name}": written[name] for name in _CHANGING})
