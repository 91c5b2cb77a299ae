"""Users, whether they are there, and their notification settings (`realtime-block.md` 18.9, 18.10, 18.14).

The lists of a user's groups and conversations are in the areas of those.
"""

from __future__ import annotations

from typing import Any

import msgspec

from parley.base.errors import Unauthenticated
from parley.people import preferences
from parley.people.availability import Availabilities
from parley.people.model import Availability, Caller, PersonChange, Presence, SeenPerson, Status
from parley.people.service import People, check_user_id
from parley.wire.block.callers import caller_of, path_text
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import Line, Link, iso, link, small
from parley.wire.block.reading import ListQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, one, paged

routes = Routes("Users")
UNSET = msgspec.UNSET


class UserListQuery(ListQuery, frozen=True, kw_only=True):
    """Which users."""

    status: str | None = None
    search: str | None = None


class UserBody(msgspec.Struct, frozen=True, kw_only=True):
    """A user as it is registered or changed."""

    email: Line | msgspec.UnsetType | None = UNSET
    name: Line | msgspec.UnsetType | None = UNSET
    username: Line | msgspec.UnsetType | None = UNSET
    avatar_url: Link | msgspec.UnsetType | None = UNSET
    role_name: Line | msgspec.UnsetType | None = UNSET
    status: Status | msgspec.UnsetType = UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = UNSET

    def change(self) -> PersonChange:
        """The same for the domain, checked."""
        return PersonChange(
            email=self.email,
            name=self.name,
            username=self.username,
            avatar_url=link(self.avatar_url, "/user/avatar_url"),
            role_name=self.role_name,
            status=self.status,
            payload=small(self.payload),
        )


class AvailabilityBody(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody is there."""

    status: Presence = "online"
    custom_status: Line | msgspec.UnsetType | None = UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = UNSET
    user_unique_id: str | None = None
    """Whose; for servers, which have no user of their own."""


class WhoseQuery(msgspec.Struct, frozen=True, kw_only=True):
    """For servers."""

    user_unique_id: str | None = None


@routes.get("/users")
async def list_users(call: Call, query: UserListQuery) -> Reply:
    """List the app's users; `search` is a part of a name, user name or e-mail address."""
    page = await call.service(People).page(call.scope, query.wanted(), query.order(), **query.filters())
    return paged(page, user_resource)


@routes.get("/users/{user_id}")
async def get_user(call: Call, user_id: str) -> Reply:
    """Get a user."""
    return _user(await call.service(People).get(call.scope, path_text(user_id)))


@routes.post("/users/{user_id}/register", body="user")
async def register_user(call: Call, user_id: str, body: UserBody) -> Reply:
    """Register a user; one that is registered is changed, and the answer is 200."""
    registered = await call.service(People).register(
        call.scope, caller_of(call), path_text(user_id), body.change()
    )
    return _user(registered.seen, status=201 if registered.is_new else 200)


@routes.put("/users/{user_id}", body="user")
async def update_user(call: Call, user_id: str, body: UserBody) -> Reply:
    """Change a user; a user token changes its own."""
    asks = caller_of(call)
    return _user(await call.service(People).change(call.scope, asks, path_text(user_id), body.change()))


@routes.get("/users/{user_id}/status")
async def get_availability(call: Call, user_id: str) -> Reply:
    """Whether a user is there; whoever was never seen is offline."""
    user_id = path_text(user_id)
    return _availability(user_id, await call.service(Availabilities).get(call.scope, user_id))


@routes.post("/users/status", status=200, body="availability")
async def go_online(call: Call, body: AvailabilityBody) -> Reply:
    """Say how the user is there."""
    user_id = _whose(caller_of(call), body.user_unique_id)
    now = await call.service(Availabilities).go_online(
        call.scope, user_id, body.status, custom_status=body.custom_status, payload=small(body.payload)
    )
    return _availability(user_id, now)


@routes.delete("/users/status")
async def go_offline(call: Call, query: WhoseQuery) -> Reply:
    """Be offline until the next call that says otherwise, or the next socket."""
    user_id = _whose(caller_of(call), query.user_unique_id)
    await call.service(Availabilities).go_offline(call.scope, user_id)
    return NOTHING


@routes.get("/users/{user_id}/notifications/settings", scope="notifications:read")
async def get_settings(call: Call, user_id: str) -> Reply:
    """How a user wants to be told of things."""
    asks, user_id = caller_of(call), path_text(user_id)
    return _settings(user_id, await preferences.get_settings(call.scope, asks, user_id))


@routes.put(
    "/users/{user_id}/notifications/settings", scope="notifications:write", body="notification_settings"
)
async def change_settings(call: Call, user_id: str, body: preferences.SettingsChange) -> Reply:
    """Change how a user wants to be told of things."""
    asks, user_id = caller_of(call), path_text(user_id)
    check_user_id(user_id)
    small(body.payload)
    small(body.preferences)
    return _settings(user_id, await preferences.change_settings(call.scope, asks, user_id, body))


def user_resource(seen: SeenPerson) -> Resource:
    """A user as JSON:API."""
    person = seen.person
    return Resource(
        person.id,
        "User",
        {
            "unique_id": person.id,
            "email": person.email,
            "name": person.name,
            "username": person.username,
            "avatar_url": person.avatar_url,
            "role_name": person.role_name,
            "status": person.status,
            "last_seen_at": iso(seen.last_seen_at),
            "payload": person.payload,
            "created_at": iso(person.created_at),
            "updated_at": iso(person.updated_at),
        },
    )


def _user(seen: SeenPerson, *, status: int | None = None) -> Reply:
    return Reply({"data": user_resource(seen)}, status=status)


def _whose(asks: Caller, named: str | None) -> str:
    user_id = named if named is not None else asks.user_id
    if user_id is None:
        raise Unauthenticated("This call needs a user token, or user_unique_id beside a secret key.")
    asks.must_be(user_id)
    check_user_id(user_id)
    return user_id


def _availability(user_id: str, now: Availability) -> Reply:
    return one(
        "Availability",
        user_id,
        {
            "unique_id": user_id,
            "user_unique_id": user_id,
            "status": now.status,
            "custom_status": now.custom_status,
            "last_seen_at": iso(now.last_seen_at),
            "payload": now.payload,
        },
    )


def _settings(user_id: str, stored: preferences.StoredSettings) -> Reply:
    return one(
        "NotificationSettings",
        user_id,
        {
            "unique_id": user_id,
            "user_unique_id": user_id,
            **msgspec.structs.asdict(stored.settings),
            "created_at": iso(stored.created_at),
            "updated_at": iso(stored.updated_at),
        },
    )
