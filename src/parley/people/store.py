"""Every statement of users, their availability and their settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, case, func, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.ids import AppId
from parley.base.paging import Page, PageRequest
from parley.base.times import from_ms, to_ms
from parley.people.model import Availability, Person, SeenPerson
from parley.store.listing import Listing, Scoped, Sort, insert_numbered, update_fields
from parley.store.ports import Transaction
from parley.store.query import Query, SystemQuery, in_list, json_list, like_pattern, upsert
from parley.store.rows import RowMap
from parley.store.schema import people as t

u, a, s = t.users.c, t.availabilities.c, t.notification_settings.c
_people = RowMap(Person, t.users)
_seen = t.users.outerjoin(t.availabilities, and_(a.app_id == u.app_id, a.user_id == u.id))
_SEEN_COLUMNS = (*_people.columns, a.last_seen_at)
_OF_APP = u.app_id == bindparam("app_id")
_ONE = and_(_OF_APP, u.id == bindparam("id"))

_ADD = Query(
    upsert(
        t.users,
        ["app_id", "id"],
        values={c.name: bindparam(c.name, type_=c.type) for c in t.users.columns if c.name != "number"},
    )
)
_INSERT = insert_numbered(t.users)
_GET = Query(select(*_people.columns).where(_ONE))
_LOCK = Query(select(*_people.columns).where(_ONE).with_for_update())
_GET_SEEN = Query(select(*_SEEN_COLUMNS).select_from(_seen).where(_ONE))
_SET = update_fields(
    t.users,
    [column.name for column in _people.columns if column.name not in ("id", "created_at")],
    _ONE,
)
_SET_AI = Query(update(t.users).where(_ONE).values(ai_registered_at=bindparam("at")))
_KNOWN = Query(select(u.id).where(_OF_APP, in_list(u.id, "ids"), u.status != "deleted"))
_BY_IDS = Query(select(*_people.columns).where(_OF_APP, in_list(u.id, "ids")))
_search: Any = bindparam("search")
_LIST = Listing(
    _SEEN_COLUMNS,
    _seen,
    always=_OF_APP,
    filters={
        "status": u.status == bindparam("status"),
        "alive": u.status != bindparam("alive"),
        "search": or_(
            *(func.lower(column).like(_search, escape="\\") for column in (u.name, u.username, u.email))
        ),
    },
    sorts={name: u[name] for name in ("created_at", "updated_at", "name", "username", "email", "status")}
    | {"last_seen_at": a.last_seen_at, "unique_id": u.id},
    tie=u.number,
)

_AVAILABILITY_COLUMNS = (a.status, a.custom_status, a.payload, a.last_seen_at)
_ITS_USER = and_(a.app_id == bindparam("app_id"), a.user_id == bindparam("user_id"))
_GET_AVAILABILITY = Query(select(*_AVAILABILITY_COLUMNS).where(_ITS_USER))
_AVAILABILITIES = SystemQuery(
    select(a.app_id, a.user_id, *_AVAILABILITY_COLUMNS).where(
        in_list(a.app_id, "apps"), in_list(a.user_id, "users")
    )
)
_PUT_AVAILABILITY = Query(
    upsert(
        t.availabilities,
        ["app_id", "user_id"],
        {
            name: bindparam(name, type_=a[name].type)
            for name in ("status", "custom_status", "payload", "last_seen_at", "updated_at")
        },
    )
)
_later = case(
    (a.last_seen_at > bindparam("last_seen_at"), a.last_seen_at),
    else_=bindparam("last_seen_at", type_=a.last_seen_at.type),
)
_SEE = Query(upsert(t.availabilities, ["app_id", "user_id"], {"last_seen_at": _later}))
_ARRIVE = Query(
    update(t.availabilities)
    .where(_ITS_USER, a.status == "offline")
    .values(status="online", updated_at=bindparam("updated_at"))
)

_GET_SETTINGS = Query(
    select(s.body, s.created_at, s.updated_at).where(
        s.app_id == bindparam("app_id"), s.user_id == bindparam("user_id")
    )
)
_SETTINGS_OF = Query(
    select(s.user_id, s.body).where(s.app_id == bindparam("app_id"), in_list(s.user_id, "ids"))
)
_PUT_SETTINGS = Query(
    upsert(
        t.notification_settings,
        ["app_id", "user_id"],
        {"body": bindparam("body"), "updated_at": bindparam("updated_at")},
    )
)
_payload = msgspec.json.Decoder(dict[str, Any])


async def add_if_missing(change: Change, person: Person) -> bool:
    """Add a user unless there is one of that id; says whether it was added."""
    return bool(await change.run(_ADD, **_people.write(person)))


async def get(reader: Scoped, user_id: str) -> Person | None:
    """One user."""
    row = await reader.one(_GET, id=user_id)
    return _people.read(row) if row else None


async def lock(change: Change, user_id: str) -> Person | None:
    """One user, whom nobody else changes until the transaction ends."""
    row = await change.one(_LOCK, id=user_id)
    return _people.read(row) if row else None


async def get_seen(scope: AppScope, user_id: str) -> SeenPerson | None:
    """One user, and when they were last seen."""
    row = await scope.one(_GET_SEEN, id=user_id)
    return _read_seen(row) if row else None


async def put(change: Change, person: Person) -> None:
    """Write every value of an existing user."""
    values = {
        f"new_{name}": value
        for name, value in _people.write(person).items()
        if name not in ("id", "created_at")
    }
    await change.run(_SET, id=person.id, **values)


async def set_ai_registered(change: Change, user_id: str, at_ms: int | None) -> None:
    """Note that the engine of summaries knows the user, or does not."""
    await change.run(_SET_AI, id=user_id, at=at_ms)


async def known(reader: Scoped, user_ids: Iterable[str]) -> set[str]:
    """Those ids that are users."""
    return {row[0] for row in await reader.all(_KNOWN, ids=json_list(user_ids))}


async def by_ids(reader: Scoped, user_ids: Iterable[str]) -> dict[str, Person]:
    """Users by id; unknown ones are left out."""
    rows = await reader.all(_BY_IDS, ids=json_list(user_ids))
    return {person.id: person for person in _people.read_all(rows)}


async def page(
    scope: AppScope, wanted: PageRequest, sort: Sort, *, status: str | None, search: str | None
) -> Page[SeenPerson]:
    """A page of the app's users; deleted ones only when they are asked for."""
    rows, total = await _LIST.page(
        scope,
        wanted,
        sort,
        status=status,
        alive="deleted" if status is None else None,
        search=None if search is None else like_pattern(search),
    )
    return Page([_read_seen(row) for row in rows], total, wanted)


def _read_seen(row: Sequence[Any]) -> SeenPerson:
    seen = row[-1]
    return SeenPerson(_people.read(row[:-1]), None if seen is None else from_ms(seen))


# --- availability ---------------------------------------------------------------------------------


async def availability(reader: Scoped, user_id: str) -> Availability | None:
    """What a user chose, and when they were last seen; None if nothing is known."""
    row = await reader.one(_GET_AVAILABILITY, user_id=user_id)
    return None if row is None else _read_availability(row)


def _read_availability(row: Sequence[Any]) -> Availability:
    status, custom, payload, seen = row
    return Availability(
        status,
        custom,
        None if payload is None else _payload.decode(payload),
        None if seen is None else from_ms(seen),
    )


async def put_availability(change: Change, user_id: str, value: Availability) -> None:
    """Write what a user chose."""
    await change.run(
        _PUT_AVAILABILITY,
        user_id=user_id,
        status=value.status,
        custom_status=value.custom_status,
        payload=None if value.payload is None else msgspec.json.encode(value.payload).decode(),
        last_seen_at=None if value.last_seen_at is None else to_ms(value.last_seen_at),
        updated_at=to_ms(change.now()),
    )


async def see(tx: Transaction, seen: Mapping[tuple[AppId, str], int]) -> None:
    """Write down when users were last seen, in ms since 1970; an earlier time changes nothing."""
    await tx.run_many(
        _SEE,
        [
            {
                "app_id": app_id,
                "user_id": user_id,
                "status": "offline",
                "custom_status": None,
                "payload": None,
                "last_seen_at": at,
                "updated_at": at,
            }
            for (app_id, user_id), at in sorted(seen.items())
        ],
    )


async def arrive(
    tx: Transaction, arrived: Mapping[tuple[AppId, str], int]
) -> dict[tuple[AppId, str], Availability]:
    """Users opened sockets then (ms since 1970): who was offline is online; returns what was known before."""
    rows = await tx.all(
        _AVAILABILITIES,
        apps=json_list({app_id for app_id, _ in arrived}),
        users=json_list({user_id for _, user_id in arrived}),
    )
    known = {(AppId(row[0]), row[1]): _read_availability(row[2:]) for row in rows}
    await see(tx, arrived)
    await tx.run_many(
        _ARRIVE,
        [
            {"app_id": app_id, "user_id": user_id, "updated_at": at}
            for (app_id, user_id), at in sorted(arrived.items())
        ],
    )
    return known


# --- settings -------------------------------------------------------------------------------------


async def settings(reader: Scoped, user_id: str) -> tuple[str, int, int] | None:
    """A user's settings as JSON, and when they were made and changed."""
    row = await reader.one(_GET_SETTINGS, user_id=user_id)
    return None if row is None else (row[0], row[1], row[2])


async def settings_of(reader: Scoped, user_ids: Iterable[str]) -> dict[str, str]:
    """Settings as JSON by user; those who never chose any are left out."""
    return {row[0]: row[1] for row in await reader.all(_SETTINGS_OF, ids=json_list(user_ids))}


async def put_settings(change: Change, user_id: str, body: str) -> None:
    """Replace a user's settings."""
    now = to_ms(change.now())
    await change.run(_PUT_SETTINGS, user_id=user_id, body=body, created_at=now, updated_at=now)
