"""Groups and their members (`realtime-block.md` 18.4)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Conflict, Invalid, NotAllowed, NotFound
from parley.base.ids import new_uuid
from parley.base.paging import Page, PageRequest
from parley.conversations.events import ConversationLeft
from parley.conversations.groups import store
from parley.conversations.groups.model import (
    GROUP_MEMBERS_LIMIT,
    Group,
    GroupChange,
    GroupRole,
    GroupSeen,
    NewGroup,
)
from parley.conversations.messages.access import id_of
from parley.conversations.threads import store as threads_store
from parley.conversations.threads.model import Participant
from parley.conversations.threads.service import Threads
from parley.people.model import Caller
from parley.store.listing import NEWEST_FIRST, Sort

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_CODE_LENGTH = 10
_GONE = "There is no such group."


class Groups:
    """Groups of all apps."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def create(self, scope: AppScope, caller: Caller, new: NewGroup) -> GroupSeen:
        """A group of the caller, who owns it, and the members.

        Raises:
            Conflict: the unique code is taken.
        """
        now = scope.now()
        given = {name: getattr(new, name) for name in new.__struct_fields__ if name != "members"}
        given["unique_code"] = new.unique_code or "".join(
            secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH)
        )
        given["context_id"] = new.context_id or _context_in(new.payload)
        group = Group(
            id=new_uuid(),
            **given,
            status="active",
            enabled=True,
            created_by=caller.user_id,
            created_at=now,
            updated_at=now,
            deleted_at=None,
        )
        async with scope.change() as change:
            await _check_code(change, group)
            await store.add(change, group)
            if caller.user_id is not None:
                await store.add_member(change, group.id, caller.user_id, GroupRole.OWNER)
            for user_id in dict.fromkeys(new.members):
                await store.add_member(change, group.id, user_id, GroupRole.MEMBER)
            members = list(await store.roles(change, group.id))
        return GroupSeen(group, members)

    async def get(self, scope: AppScope, caller: Caller, group_id: str) -> GroupSeen:
        """A group that the caller belongs to or has made; `NotFound` otherwise."""
        group, roles = await self.seen(scope, caller, group_id)
        return GroupSeen(group, list(roles))

    async def page(
        self,
        scope: AppScope,
        caller: Caller,
        page: PageRequest,
        sort: Sort = NEWEST_FIRST,
        *,
        deleted: bool = False,
        **filters: Any,
    ) -> Page[GroupSeen]:
        """A page of the groups that the caller sees; filters `status`, `group_type`, `search`, `member`."""
        return await store.page(scope, page, sort, deleted=deleted, viewer=caller.viewer, **filters)

    async def of_context(
        self,
        scope: AppScope,
        caller: Caller,
        context: str,
        page: PageRequest,
        *,
        member: str | None = None,
    ) -> Page[GroupSeen]:
        """A page of the groups of a context that the caller sees.

        Raises:
            NotFound: no such context, or not a member of it.
        """
        one = (await self._threads.seen(scope, caller, context)).conversation
        names = [one.id, *([one.context_key] if one.context_key else [])]
        return await store.page(
            scope, page, NEWEST_FIRST, viewer=caller.viewer, contexts=names, member=member
        )

    async def change(self, scope: AppScope, caller: Caller, group_id: str, wanted: GroupChange) -> GroupSeen:
        """Change a group; its members only by those who manage it.

        Raises:
            NotFound: the caller sees none.
            NotAllowed: members are not the caller's to change.
            Conflict: the unique code is taken.
        """
        given = {
            name: value
            for name in wanted.__struct_fields__
            if (value := getattr(wanted, name)) is not msgspec.UNSET
        }
        async with scope.change() as change:
            before, roles = await self._locked(change, caller, group_id)
            members = given.pop("members", None)
            if members is not None:
                _must_manage(caller, roles)
                await self._replace_members(change, before, roles, members)
            after = msgspec.structs.replace(before, **given, updated_at=scope.now())
            if after.unique_code != before.unique_code:
                await _check_code(change, after)
            await store.put(change, after)
            found = list(await store.roles(change, after.id))
        return GroupSeen(after, found)

    async def delete(self, scope: AppScope, caller: Caller, group_id: str) -> None:
        """Put a group into the trash.

        Raises:
            NotFound: the caller sees none.
            NotAllowed: they do not manage it.
        """
        async with scope.change() as change:
            group, roles = await self._locked(change, caller, group_id)
            _must_manage(caller, roles)
            await store.put(change, msgspec.structs.replace(group, deleted_at=scope.now()))

    async def recover(self, scope: AppScope, caller: Caller, group_id: str) -> GroupSeen:
        """Take a group out of the trash; errors as `delete`."""
        async with scope.change() as change:
            group, roles = await self._locked(change, caller, group_id, deleted_too=True)
            _must_manage(caller, roles)
            group = msgspec.structs.replace(group, deleted_at=None, updated_at=scope.now())
            await store.put(change, group)
        return GroupSeen(group, list(roles))

    async def add_member(self, scope: AppScope, caller: Caller, group_id: str, user_id: str) -> GroupSeen:
        """Let somebody in, also into the group's conversations; nothing happens when they are in.

        Raises:
            NotFound: the caller sees no such group.
            NotAllowed: they do not manage it.
            Invalid: it is full.
        """
        async with scope.change() as change:
            group, roles = await self._locked(change, caller, group_id)
            _must_manage(caller, roles)
            await self.admit(change, group, [user_id], len(roles))
            found = list(await store.roles(change, group.id))
        return GroupSeen(group, found)

    async def remove_member(self, scope: AppScope, caller: Caller, group_id: str, user_id: str) -> GroupSeen:
        """Take somebody out, also of the group's conversations. Everybody may take themselves out.

        Raises:
            NotFound: the caller sees no such group, or that user is not in it.
            NotAllowed: they do not manage it, or it is somebody else who owns it.
        """
        async with scope.change() as change:
            group, roles = await self._locked(change, caller, group_id)
            if user_id != caller.user_id:
                _must_manage(caller, roles)
                if roles.get(user_id) is GroupRole.OWNER and not caller.is_server:
                    raise NotAllowed("The owner of a group is not removed by others.")
            if user_id not in roles:
                raise NotFound("There is no such member.")
            await self._expel(change, group, user_id)
            found = list(await store.roles(change, group.id))
        return GroupSeen(group, found)

    async def admit(self, change: Change, group: Group, users: Sequence[str], members: int = 0) -> list[str]:
        """Let people into a group and its conversations; who was not in before.

        Raises:
            Invalid: there are too many, `members` among them.
        """
        if members + len(users) > GROUP_MEMBERS_LIMIT:
            raise Invalid(f"A group has at most {GROUP_MEMBERS_LIMIT} members.", field="members")
        new = [one for one in users if await store.add_member(change, group.id, one, GroupRole.MEMBER)]
        if new:
            for conversation_id in await threads_store.of_group(change, group.id):
                await threads_store.add_members(change, conversation_id, [Participant(one) for one in new])
        return new

    async def seen(
        self, reader: AppScope | Change, caller: Caller, group_id: str, *, deleted_too: bool = False
    ) -> tuple[Group, dict[str, GroupRole]]:
        """A group that the caller sees, and who is in it as what.

        Raises:
            NotFound: they see none.
        """
        found = await store.get(reader, id_of(group_id))
        if found is None or (found.deleted_at is not None and not deleted_too):
            raise NotFound(_GONE)
        roles = await store.roles(reader, found.id)
        if not (caller.is_user(found.created_by) or caller.user_id in roles):
            raise NotFound(_GONE)
        return found, roles

    async def _locked(
        self, change: Change, caller: Caller, group_id: str, *, deleted_too: bool = False
    ) -> tuple[Group, dict[str, GroupRole]]:
        await store.lock(change, id_of(group_id))
        return await self.seen(change, caller, group_id, deleted_too=deleted_too)

    async def _replace_members(
        self, change: Change, group: Group, roles: dict[str, GroupRole], wanted: Sequence[str]
    ) -> None:
        for user_id, role in roles.items():
            if user_id not in wanted and role is not GroupRole.OWNER:
                await self._expel(change, group, user_id)
        await self.admit(change, group, [one for one in dict.fromkeys(wanted) if one not in roles])

    async def _expel(self, change: Change, group: Group, user_id: str) -> None:
        assert isinstance(change.scope, AppScope)
        await store.remove_member(change, group.id, user_id)
        for conversation_id in await threads_store.of_group(change, group.id):
            await threads_store.remove_member(change, conversation_id, user_id)
            change.announce(ConversationLeft(change.scope.app_id, conversation_id, user_id))


def _must_manage(caller: Caller, roles: dict[str, GroupRole]) -> None:
    if caller.is_server:
        return
    role = roles.get(caller.user_id or "")
    if role is None or not role.manages:
        raise NotAllowed("Only owners and admins of the group may do this.")


async def _check_code(change: Change, group: Group) -> None:
    other = await store.with_unique_code(change, group.unique_code)
    if other is not None and other != group.id:
        raise Conflict("Another group has this unique code.")


def _context_in(payload: dict[str, Any] | None) -> str | None:
    named = (payload or {}).get("context_id")
    return named if isinstance(named, str) and len(named) <= 255 else None
