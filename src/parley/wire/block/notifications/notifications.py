"""Notifications (`realtime-block.md` 18.12)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.notifications.model import UNREAD, NewNotification, Notification, NotificationChange
from parley.notifications.service import Notifications
from parley.notifications.views import notification_view
from parley.people.model import Status
from parley.wire.block.callers import caller_of, path_text
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import Line, Link, instant, link, small
from parley.wire.block.reading import ListQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, paged

routes = Routes("Notifications")
UNSET = msgspec.UNSET
READ, WRITE = "notifications:read", "notifications:write"
Content = Annotated[str, Meta(min_length=1, max_length=8_000)]


class NotificationBody(msgspec.Struct, frozen=True, kw_only=True):
    """A notification as it is created."""

    content: Content
    source: Line | None = None
    source_alias: Line | None = None
    source_id: Line | None = None
    source_type: Line | None = None
    url: Link | None = None
    target: Line | None = None
    target_id: Line | None = None
    target_alias: Line | None = None
    target_type: Line | None = None
    target_email: Line | None = None
    target_phone: Line | None = None
    target_device_id: Line | None = None
    multichannel: bool | None = None
    expires_at: str | None = None
    payload: dict[str, Any] | None = None

    def new(self) -> NewNotification:
        """The same for the domain, checked."""
        values = msgspec.structs.asdict(self)
        values["url"] = link(self.url, "/notification/url")
        values["multichannel"] = bool(self.multichannel)
        values["expires_at"] = instant(self.expires_at, "/notification/expires_at")
        small(self.payload)
        return NewNotification(**values)


class NotificationUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a notification."""

    content: Content | msgspec.UnsetType = UNSET
    url: Link | msgspec.UnsetType | None = UNSET
    status: Status | msgspec.UnsetType = UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = UNSET


class NotificationsQuery(ListQuery, frozen=True, kw_only=True):
    """Which notifications."""

    status: str | None = None
    target_id: str | None = None
    source_id: str | None = None


@routes.get("/notifications", scope=READ)
async def list_notifications(call: Call, query: NotificationsQuery) -> Reply:
    """List notifications; a user sees those for them and those by them."""
    return await _page(call, query)


@routes.get("/notifications/unread", scope=READ)
async def list_unread(call: Call, query: NotificationsQuery) -> Reply:
    """List those that nobody has read."""
    return await _page(call, query, status=UNREAD)


@routes.get("/notifications/target/{target_id}", scope=READ)
async def list_by_target(call: Call, target_id: str, query: NotificationsQuery) -> Reply:
    """List those for one target."""
    return await _page(call, query, target_id=path_text(target_id))


@routes.post("/notifications", scope=WRITE, body="notification")
async def create_notification(call: Call, body: NotificationBody) -> Reply:
    """Create a notification; it is published on `notifications:<target_id>`."""
    asks = caller_of(call)
    return _one(await call.service(Notifications).create(call.scope, asks, body.new()))


@routes.get("/notifications/{notification_id}", scope=READ)
async def get_notification(call: Call, notification_id: str) -> Reply:
    """Get a notification."""
    asks = caller_of(call)
    return _one(await call.service(Notifications).get(call.scope, asks, notification_id))


@routes.put("/notifications/{notification_id}", scope=WRITE, body="notification")
async def update_notification(call: Call, notification_id: str, body: NotificationUpdate) -> Reply:
    """Change a notification."""
    asks = caller_of(call)
    change = NotificationChange(
        content=body.content,
        url=link(body.url, "/notification/url"),
        status=body.status,
        payload=small(body.payload),
    )
    return _one(await call.service(Notifications).change(call.scope, asks, notification_id, change))


@routes.delete("/notifications/{notification_id}", scope=WRITE)
async def delete_notification(call: Call, notification_id: str) -> Reply:
    """Remove a notification."""
    asks = caller_of(call)
    await call.service(Notifications).delete(call.scope, asks, notification_id)
    return NOTHING


@routes.put("/notifications/{notification_id}/read", scope=WRITE)
async def mark_read(call: Call, notification_id: str) -> Reply:
    """Mark a notification as read."""
    asks = caller_of(call)
    return _one(await call.service(Notifications).mark(call.scope, asks, notification_id, is_read=True))


@routes.put("/notifications/{notification_id}/unread", scope=WRITE)
async def mark_unread(call: Call, notification_id: str) -> Reply:
    """Mark a notification as unread."""
    asks = caller_of(call)
    return _one(await call.service(Notifications).mark(call.scope, asks, notification_id, is_read=False))


async def _page(call: Call, query: NotificationsQuery, **instead: str) -> Reply:
    page = await call.service(Notifications).page(
        call.scope, caller_of(call), query.wanted(), query.order(), **(query.filters() | instead)
    )
    return paged(page, _resource)


def _resource(one: Notification) -> Resource:
    return Resource(one.id, "Notification", notification_view(one))


def _one(one: Notification) -> Reply:
    return Reply({"data": _resource(one)})
