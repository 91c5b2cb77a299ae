"""Web notifications (`realtime-block.md` 18.13)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.notifications.model import GENERAL, NewWebNotification, Priority, WebNotification
from parley.notifications.views import web_notification_view
from parley.notifications.web import WebNotifications
from parley.wire.block.callers import caller_of
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import Line, Link, link, small
from parley.wire.block.reading import ListQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, flat, paged

routes = Routes("Web notifications")
READ, WRITE = "notifications:read", "notifications:write"
Title = Annotated[str, Meta(min_length=1, max_length=500)]
Text = Annotated[str, Meta(max_length=8_000)]
Tags = Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=50)]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a web notification says."""

    title: Title
    body: Text | None = None
    icon: Link | None = None
    image_url: Link | None = None
    action_url: Link | None = None
    notification_type: Line | None = None
    priority: Priority | None = None
    payload: dict[str, Any] | None = None
    tags: Tags | None = None

    def new(self) -> NewWebNotification:
        """The same for the domain, checked."""
        return NewWebNotification(
            title=self.title,
            body=self.body,
            icon=link(self.icon, "/web_notification/icon"),
            image_url=link(self.image_url, "/web_notification/image_url"),
            action_url=link(self.action_url, "/web_notification/action_url"),
            notification_type=self.notification_type or GENERAL,
            priority=self.priority or "normal",
            payload=small(self.payload),
            tags=self.tags or [],
        )


class OneBody(Said, frozen=True, kw_only=True):
    """For one recipient."""

    recipient_unique_id: str


class BulkBody(Said, frozen=True, kw_only=True):
    """For many recipients."""

    recipient_unique_ids: list[str]


class RecipientBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whose notifications."""

    recipient_unique_id: str | None = None
    """None = the user of the token."""


class WebNotificationsQuery(ListQuery, frozen=True, kw_only=True):
    """Which web notifications."""

    recipient_unique_id: str | None = None
    notification_type: str | None = None
    priority: str | None = None
    is_read: bool | None = None
    status: str | None = None


@routes.get("/web_notifications", scope=READ)
async def list_web_notifications(call: Call, query: WebNotificationsQuery) -> Reply:
    """List web notifications; a user sees those for them and those by them."""
    asks = caller_of(call)
    page = await call.service(WebNotifications).page(
        call.scope,
        asks,
        query.wanted(),
        query.order(),
        **query.filters(),
    )
    return paged(page, _resource)


@routes.post("/web_notifications", scope=WRITE, body="web_notification")
async def send_web_notification(call: Call, body: OneBody) -> Reply:
    """Send a web notification to a user."""
    asks = caller_of(call)
    service = call.service(WebNotifications)
    return _one(await service.send(call.scope, asks, body.recipient_unique_id, body.new()))


@routes.post("/web_notifications/bulk", scope=WRITE, body="web_notification")
async def send_bulk(call: Call, body: BulkBody) -> Reply:
    """Send the same to up to 1000 users; unknown ones are counted as failed."""
    asks = caller_of(call)
    done = await call.service(WebNotifications).send_bulk(
        call.scope, asks, body.recipient_unique_ids, body.new()
    )
    return flat(done._asdict())


@routes.put("/web_notifications/read_all", scope=WRITE, body="web_notification")
async def mark_all_read(call: Call, body: RecipientBody) -> Reply:
    """Mark everything of a recipient as read."""
    asks = caller_of(call)
    recipient = body.recipient_unique_id or call.acting_user().id
    return flat({"updated": await call.service(WebNotifications).read_all(call.scope, asks, recipient)})


@routes.get("/web_notifications/{notification_id}", scope=READ)
async def get_web_notification(call: Call, notification_id: str) -> Reply:
    """Get a web notification."""
    asks = caller_of(call)
    return _one(await call.service(WebNotifications).get(call.scope, asks, notification_id))


@routes.put("/web_notifications/{notification_id}/read", scope=WRITE)
async def mark_web_read(call: Call, notification_id: str) -> Reply:
    """Mark a web notification as read."""
    return await _mark(call, notification_id, is_clicked=False)


@routes.put("/web_notifications/{notification_id}/click", scope=WRITE)
async def mark_clicked(call: Call, notification_id: str) -> Reply:
    """Mark a web notification as clicked, and as read."""
    return await _mark(call, notification_id, is_clicked=True)


@routes.delete("/web_notifications/{notification_id}", scope=WRITE)
async def delete_web_notification(call: Call, notification_id: str) -> Reply:
    """Remove a web notification."""
    asks = caller_of(call)
    await call.service(WebNotifications).delete(call.scope, asks, notification_id)
    return NOTHING


async def _mark(call: Call, notification_id: str, *, is_clicked: bool) -> Reply:
    asks = caller_of(call)
    service = call.service(WebNotifications)
    return _one(await service.mark(call.scope, asks, notification_id, is_clicked=is_clicked))


def _resource(one: WebNotification) -> Resource:
    return Resource(one.id, "WebNotification", web_notification_view(one))


def _one(one: WebNotification) -> Reply:
    return Reply({"data": _resource(one)})
