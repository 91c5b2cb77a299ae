"""Invitations to groups (`realtime-block.md` 18.5)."""

from __future__ import annotations

import io
import ipaddress
import secrets
from datetime import datetime, timedelta

import segno

from parley.accounts.app_settings import AppSettings
from parley.accounts.scope import AppScope
from parley.base.errors import Conflict, Invalid, NotAllowed, NotFound, TooMany
from parley.base.ids import new_uuid
from parley.base.paging import Page, PageRequest
from parley.bus import Bus
from parley.conversations.groups import store
from parley.conversations.groups.model import Group, GroupSeen, GroupSettings, Invite, InviteOver, Over
from parley.conversations.groups.service import Groups
from parley.conversations.messages.model import moment
from parley.people.model import Caller

_CODE_BYTES = 16
"""132 bits in 22 letters."""
_CODE_LENGTH = 22
_HOUR = timedelta(hours=1)
MIN_SIZE, DEFAULT_SIZE, MAX_SIZE = 64, 300, 1_024
"""Of a QR code, in pixels."""


class UnknownCode(NotFound):
    """No group of the app has such an invite."""

    code = "invalid_code"


class AlreadyMember(Conflict):
    """Somebody who is in the group wants to join it."""

    code = "already_member"


class Invites:
    """Invites of all apps."""

    def __init__(self, groups: Groups, settings: AppSettings, bus: Bus, public_url: str) -> None:
        """Prepare.

        Args:
            groups: what they invite to.
            settings: of apps.
            bus: counts attempts to join.
            public_url: where people reach this server, without a slash at the end.
        """
        self._groups = groups
        self._settings = settings
        self._bus = bus
        self._public_url = public_url

    async def create(
        self,
        scope: AppScope,
        caller: Caller,
        group_id: str,
        *,
        max_uses: int | None = None,
        expires_at: datetime | None = None,
    ) -> Invite:
        """An invite of somebody who manages the group.

        Raises:
            NotFound: the caller sees no such group.
            NotAllowed: they do not manage it.
            Invalid: it would have expired already.
        """
        group = await self._managed(scope, caller, group_id)
        now = scope.now()
        if (moment(expires_at, "expires_at") or now + _HOUR) <= now:
            raise Invalid("An invite expires in the future.", field="expires_at")
        made = Invite(
            id=new_uuid(),
            group_id=group.id,
            code=secrets.token_urlsafe(_CODE_BYTES),
            inviter_id=caller.user_id,
            max_uses=max_uses,
            uses_count=0,
            status="active",
            expires_at=expires_at,
            created_at=now,
            updated_at=now,
        )
        async with scope.change() as change:
            await store.add_invite(change, made)
        return made

    async def page(
        self, scope: AppScope, caller: Caller, group_id: str, page: PageRequest, status: str | None = None
    ) -> Page[Invite]:
        """A page of the invites to a group that the caller manages; errors as `create`."""
        group = await self._managed(scope, caller, group_id)
        return await store.invites(scope, group.id, page, status)

    async def get(self, scope: AppScope, caller: Caller, group_id: str, code: str) -> Invite:
        """An invite to a group that the caller manages.

        Raises:
            NotFound: there is none.
            NotAllowed: they do not manage it.
        """
        group = await self._managed(scope, caller, group_id)
        found = await self._of_code(scope, code)
        if found is None or found.group_id != group.id:
            raise UnknownCode("The group has no such invite.")
        return found

    async def revoke(self, scope: AppScope, caller: Caller, group_id: str, code: str) -> None:
        """Let nobody in with this invite any more; errors as `get`."""
        found = await self.get(scope, caller, group_id, code)
        async with scope.change() as change:
            await store.revoke_invite(change, found.code)

    async def join(
        self, scope: AppScope, caller: Caller, code: str, user_id: str, *, address: str | None = None
    ) -> GroupSeen:
        """Come into a group with an invite.

        Args:
            scope: the app.
            caller: who asks; attempts of the customer's server are not counted.
            code: of the invite.
            user_id: who comes in.
            address: where the attempt comes from, which it counts for; without one for the user.

        Raises:
            TooMany: too many attempts within an hour.
            UnknownCode: there is no such invite.
            InviteOver: it expired, was revoked or used up.
            AlreadyMember: they are in the group.
            NotAllowed: a user brings another one.
        """
        caller.must_be(user_id)
        await self._count_attempt(scope, caller, user_id if address is None else _source(address))
        async with scope.change() as change:
            found = await self._of_code(change, code)
            group = None if found is None else await store.get(change, found.group_id)
            if found is None or group is None or group.deleted_at is not None:
                raise UnknownCode("There is no such invite.")
            await store.lock(change, group.id)
            roles = await store.roles(change, group.id)
            if user_id in roles:
                raise AlreadyMember("They are in the group already.")
            _check_usable(found, scope.now())
            if not await store.use_invite(change, found.code):
                raise InviteOver(Over.MAX_USES_REACHED)
            await self._groups.admit(change, group, [user_id], len(roles))
        return GroupSeen(group, [*roles, user_id])

    def url(self, invite: Invite) -> str:
        """Where somebody who has the invite joins."""
        return f"{self._public_url}/groups/join/{invite.code}"

    async def _managed(self, scope: AppScope, caller: Caller, group_id: str) -> Group:
        group, roles = await self._groups.seen(scope, caller, group_id)
        role = roles.get(caller.user_id or "")
        if not caller.is_server and (role is None or not role.manages):
            raise NotAllowed("Only owners and admins of the group manage its invites.")
        return group

    async def _of_code(self, reader: store.Reader, code: str) -> Invite | None:
        is_one = len(code) == _CODE_LENGTH and code.isascii() and code.isprintable()
        return await store.get_invite(reader, code) if is_one else None

    async def _count_attempt(self, scope: AppScope, caller: Caller, source: str) -> None:
        if caller.is_server:
            return
        limit = (await self._settings.get(scope, "groups", GroupSettings)).join_attempts_per_hour
        used = await self._bus.count(f"join:{scope.app_id}:{source}", _HOUR)
        if used > limit:
            raise TooMany(
                "Too many attempts to join a group.",
                retry_after_s=_HOUR.total_seconds(),
                limit=limit,
                full_at_s=(scope.now() + _HOUR).timestamp(),
            )


def _source(address: str) -> str:
    """Whoever has an IPv6 address has the 2**64 of its network."""
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if given.version == 4:
        return str(given)
    mapped = given.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(given), 64), strict=False))


def _check_usable(invite: Invite, now: datetime) -> None:
    if invite.status != "active":
        raise InviteOver(Over.REVOKED)
    if invite.expires_at is not None and invite.expires_at <= now:
        raise InviteOver(Over.EXPIRED)
    if invite.max_uses is not None and invite.uses_count >= invite.max_uses:
        raise InviteOver(Over.MAX_USES_REACHED)


def qr_png(text: str, size: int = DEFAULT_SIZE) -> bytes:
    """A QR code as PNG, as large as fits into `size` pixels."""
    out = io.BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(out, kind="png", scale=max(1, size // code.symbol_size()[0]))
    return out.getvalue()


def qr_svg(text: str, size: int = DEFAULT_SIZE) -> bytes:
    """A QR code as SVG of `size` pixels."""
    out = io.BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(out, kind="svg", scale=size / code.symbol_size()[0])
    return out.getvalue()
