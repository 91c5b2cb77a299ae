"""Groups as data."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from parley.base.errors import StateForbids
from parley.conversations.messages.model import Short
from parley.people.model import Status

GROUP_MEMBERS_LIMIT = 5_000
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
MemberIds = Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=5_000)]


class GroupRole(StrEnum):
    """What somebody may do in a group."""

    OWNER = "owner"
    """Has made it; is not removed by others."""
    ADMIN = "admin"
    MEMBER = "member"

    @property
    def manages(self) -> bool:
        """Whether it may change members, invite, and delete."""
        return self is not GroupRole.MEMBER


class Group(msgspec.Struct, frozen=True):
    """A group."""

    id: str
    name: str
    code: str | None
    unique_code: str
    qcode: str | None
    group_type: str | None
    context_id: str | None
    source: str | None
    source_alias: str | None
    source_id: str | None
    source_type: str | None
    payload: dict[str, Any] | None
    status: Status
    enabled: bool
    created_by: str | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class GroupSeen(NamedTuple):
    """A group and who is in it."""

    group: Group
    members: list[str]


class NewGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What a group is made of."""

    name: Name
    code: Short | None = None
    unique_code: Name | None = None
    """Unique in the app; made up when absent."""
    qcode: Short | None = None
    group_type: Short | None = None
    members: MemberIds = []
    context_id: Short | None = None
    source: Short | None = None
    source_alias: Short | None = None
    source_id: Short | None = None
    source_type: Short | None = None
    payload: dict[str, Any] | None = None


class GroupChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change: absent = unchanged, None = cleared."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    code: Short | msgspec.UnsetType | None = msgspec.UNSET
    unique_code: Name | msgspec.UnsetType = msgspec.UNSET
    qcode: Short | msgspec.UnsetType | None = msgspec.UNSET
    group_type: Short | msgspec.UnsetType | None = msgspec.UNSET
    members: MemberIds | msgspec.UnsetType = msgspec.UNSET
    """All of them; owners stay in any case."""
    status: Status | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class Invite(msgspec.Struct, frozen=True):
    """A code that lets its bearers into a group."""

    id: str
    group_id: str
    code: str
    inviter_id: str | None
    max_uses: int | None
    uses_count: int
    status: Status
    """`inactive` = revoked."""
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Over(StrEnum):
    """Why an invite does not work any more."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    MAX_USES_REACHED = "max_uses_reached"


class InviteOver(StateForbids):
    """The invite was good once."""

    def __init__(self, reason: Over) -> None:
        super().__init__(f"The invite cannot be used any more: {reason.value.replace('_', ' ')}.")
        self.reason = reason


class GroupSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `groups`."""

    join_attempts_per_hour: Annotated[int, Meta(ge=1, le=100_000)] = 10
    """Of one user."""
