"""Users as data, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from parley.base.errors import NotAllowed

Status = Literal["active", "inactive", "pending", "archived", "deleted"]
"""States that clients know (`realtime-block.md` 17.1)."""
Presence = Literal["online", "offline", "away", "busy", "dnd"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    user_id: str | None
    """The user of the token; None = the customer's server by itself."""
    is_server: bool
    """With a secret key: may do everything, for anybody."""

    @property
    def viewer(self) -> str | None:
        """The user through whose eyes a list is seen; None = a server, which sees everything."""
        return None if self.is_server else self.user_id

    def is_user(self, user_id: str | None) -> bool:
        """Whether they may act for that user."""
        return self.is_server or (user_id is not None and user_id == self.user_id)

    def must_be(self, user_id: str) -> None:
        """Raise `NotAllowed` unless they may act for that user."""
        if not self.is_user(user_id):
            raise NotAllowed("This belongs to another user.")


class Person(msgspec.Struct, frozen=True):
    """A user of an app."""

    id: str
    email: str | None
    name: str | None
    username: str | None
    avatar_url: str | None
    role_name: str | None
    status: Status
    payload: dict[str, Any] | None
    registered_at: datetime | None
    """When somebody registered them; None = only their token was seen."""
    ai_registered_at: datetime | None
    """Since when the engine of summaries knows them; None = not yet."""
    created_at: datetime
    updated_at: datetime


class SeenPerson(msgspec.Struct, frozen=True):
    """A user, and when they were last seen."""

    person: Person
    last_seen_at: datetime | None


class Availability(msgspec.Struct, frozen=True):
    """Whether a user is there."""

    status: Presence
    custom_status: str | None = None
    payload: dict[str, Any] | None = None
    last_seen_at: datetime | None = None


class PersonChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a user: absent = unchanged, None = cleared."""

    email: str | msgspec.UnsetType | None = msgspec.UNSET
    name: str | msgspec.UnsetType | None = msgspec.UNSET
    username: str | msgspec.UnsetType | None = msgspec.UNSET
    avatar_url: str | msgspec.UnsetType | None = msgspec.UNSET
    role_name: str | msgspec.UnsetType | None = msgspec.UNSET
    """Servers only: it decides which messages count as unread for a user."""
    status: Status | msgspec.UnsetType = msgspec.UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET

    def given(self) -> dict[str, Any]:
        """What is there, by field."""
        return {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not msgspec.UNSET
        }
