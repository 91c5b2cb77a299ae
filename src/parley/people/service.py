"""Users: whoever a token names, and whom servers register (`realtime-block.md` 18.14)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from parley.accounts.scope import AppScope, Change
from parley.accounts.user_tokens import USER_ID_LIMIT, User
from parley.base.errors import Invalid, NotAllowed, NotFound
from parley.base.ids import AppId
from parley.base.paging import Page, PageRequest
from parley.base.text import storable
from parley.base.times import to_ms
from parley.people import store
from parley.people.model import Caller, Person, PersonChange, SeenPerson
from parley.store.listing import NEWEST_FIRST, Sort

_REMEMBERED = 20_000
"""Users whose row need not be looked at when they ask again."""


class Registered(NamedTuple):
    """A user after a registration."""

    seen: SeenPerson
    is_new: bool
    """Whether nobody had registered them before."""


class People:
    """The users of all apps."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[AppId, str], User] = OrderedDict()

    async def ensure_user(self, scope: AppScope, user: User) -> None:
        """Register whoever a valid token names; does nothing when they are known with these details.

        A name, address or picture of the token fills what is missing; its role replaces the role.
        """
        key = (scope.app_id, user.id)
        before = self._known.get(key)
        if before is not None and _same(before, user):
            self._known.move_to_end(key)
            return
        found = await store.get(scope, user.id)
        if found is None or _filled(found, user) != found:
            async with scope.change() as change:
                await self._write(change, user)
        self._known[key] = user
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def register(
        self, scope: AppScope, caller: Caller, user_id: str, given: PersonChange
    ) -> Registered:
        """Register a user, or change one that is registered.

        Raises:
            NotAllowed: another user.
        """
        caller.must_be(user_id)
        check_user_id(user_id)
        values = _allowed(caller, given)
        async with scope.change() as change:
            await store.add_if_missing(change, _blank(user_id, scope))
            before = await store.lock(change, user_id)
            assert before is not None
            now = change.now()
            after = replace(before, **values, registered_at=before.registered_at or now, updated_at=now)
            await store.put(change, after)
        return Registered(await self.get(scope, user_id), before.registered_at is None)

    async def change(self, scope: AppScope, caller: Caller, user_id: str, given: PersonChange) -> SeenPerson:
        """Change some of a user.

        Raises:
            NotFound: no such user.
            NotAllowed: another user.
        """
        if await store.get(scope, user_id) is None:
            raise _unknown()
        caller.must_be(user_id)
        values = _allowed(caller, given)
        async with scope.change() as change:
            before = await store.lock(change, user_id)
            if before is None:
                raise _unknown()
            await store.put(change, replace(before, **values, updated_at=change.now()))
        return await self.get(scope, user_id)

    async def get(self, scope: AppScope, user_id: str) -> SeenPerson:
        """One user.

        Raises:
            NotFound: no such user.
        """
        found = await store.get_seen(scope, user_id) if storable(user_id) else None
        if found is None:
            raise _unknown()
        return found

    async def page(
        self,
        scope: AppScope,
        wanted: PageRequest,
        sort: Sort = NEWEST_FIRST,
        *,
        status: str | None = None,
        search: str | None = None,
    ) -> Page[SeenPerson]:
        """A page of users; `search` is a part of a name, user name or address, in either case."""
        return await store.page(scope, wanted, sort, status=status, search=search)

    async def known(self, scope: AppScope | Change, user_ids: Iterable[str]) -> set[str]:
        """Those ids that are users of the app, deleted ones left out."""
        return await store.known(scope, [one for one in user_ids if storable(one)])

    async def by_ids(self, scope: AppScope | Change, user_ids: Iterable[str]) -> dict[str, Person]:
        """Users by id; unknown ones are left out."""
        return await store.by_ids(scope, [one for one in user_ids if storable(one)])

    async def is_ai_registered(self, scope: AppScope, user_id: str) -> bool:
        """Whether the engine of summaries has been told of the user."""
        found = await store.get(scope, user_id)
        return found is not None and found.ai_registered_at is not None

    async def set_ai_registered(self, scope: AppScope, user_id: str, is_registered: bool) -> None:
        """Note whether it has; a user who is not known yet is made."""
        async with scope.change() as change:
            await store.add_if_missing(change, _blank(user_id, scope))
            at = to_ms(change.now()) if is_registered else None
            await store.set_ai_registered(change, user_id, at)

    async def _write(self, change: Change, user: User) -> None:
        assert isinstance(change.scope, AppScope)
        blank = _blank(user.id, change.scope)
        if await store.add_if_missing(change, _filled(blank, user)):
            return
        before = await store.lock(change, user.id)
        assert before is not None
        after = _filled(before, user)
        if after != before:
            await store.put(change, replace(after, updated_at=change.now()))


def check_user_id(user_id: str) -> None:
    """Raise `Invalid` for what cannot be a user's id."""
    if not 1 <= len(user_id) <= USER_ID_LIMIT or not storable(user_id):
        raise Invalid(f"A user's id has 1 to {USER_ID_LIMIT} characters.", field="/user/unique_id")


def _allowed(caller: Caller, given: PersonChange) -> dict[str, object]:
    values = given.given()
    if not caller.is_server and "role_name" in values:
        raise NotAllowed("Roles are given by the server.")
    return values


def _same(one: User, other: User) -> bool:
    return (one.name, one.email, one.avatar_url, one.role) == (
        other.name,
        other.email,
        other.avatar_url,
        other.role,
    )


def _blank(user_id: str, scope: AppScope) -> Person:
    now = scope.now()
    return Person(
        id=user_id,
        email=None,
        name=None,
        username=None,
        avatar_url=None,
        role_name=None,
        status="active",
        payload=None,
        registered_at=None,
        ai_registered_at=None,
        created_at=now,
        updated_at=now,
    )


def _filled(person: Person, user: User) -> Person:
    return replace(
        person,
        name=person.name or user.name,
        email=person.email or user.email,
        avatar_url=person.avatar_url or user.avatar_url,
        role_name=user.role or person.role_name,
    )


def _unknown() -> NotFound:
    return NotFound("There is no such user.")
