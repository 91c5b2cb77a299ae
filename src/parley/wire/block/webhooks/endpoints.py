"""Webhooks over REST (`realtime-block.md` 14); with a secret key only.

Beside the routes of 14.1 there are three for receivers that were away: `GET …/events?after=<event id>` lists
what happened since (oldest first, 30 days back), and `POST …/events/<event id>/replay` and
`POST …/deliveries/<delivery id>/replay` send it again.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.accounts.model import Environment
from parley.base.times import iso_ms
from parley.webhooks.endpoints import EndpointChange, Endpoints, Shown
from parley.webhooks.model import Delivery, DeliveryState, LoggedAttempt, LoggedEvent
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import iso
from parley.wire.block.reading import PageQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, many, one, paged

routes = Routes("Webhooks")
UNSET = msgspec.UNSET
WEBHOOKS = "/v1/realtime/webhooks"
_STATES = {
    DeliveryState.PENDING: "pending",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.FAILED: "failed",
    DeliveryState.DROPPED: "dropped",
}


class WebhookBody(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as it is created or changed."""

    url: str | msgspec.UnsetType = UNSET
    events: Annotated[list[str], Meta(max_length=100)] | msgspec.UnsetType = UNSET
    secret: str | msgspec.UnsetType | None = UNSET
    """`whsec_…`; null for a fresh one."""
    active: bool | msgspec.UnsetType = UNSET

    def change(self) -> EndpointChange:
        """The same for the domain."""
        return EndpointChange(url=self.url, events=self.events, active=self.active, secret=self.secret)


class EventsQuery(PageQuery, frozen=True, kw_only=True):
    """Which events."""

    after: str | None = None
    limit: int | None = None
    """An alias of `records`."""


@routes.get(WEBHOOKS, access="server")
async def list_webhooks(call: Call) -> Reply:
    """List the webhooks of the app and environment, newest first."""
    found = await call.service(Endpoints).all(call.scope)
    return many([_resource(shown) for shown in found], meta={"total_count": len(found)})


@routes.post(WEBHOOKS, access="server", body="webhook")
async def create_webhook(call: Call, body: WebhookBody) -> Reply:
    """Subscribe an endpoint to events; only now, and when it is changed, its secret is shown."""
    return _shown(await call.service(Endpoints).create(call.scope, body.change(), needs_tls=_needs_tls(call)))


@routes.get(f"{WEBHOOKS}/{{webhook_id}}", access="server")
async def get_webhook(call: Call, webhook_id: str) -> Reply:
    """Get a webhook."""
    return _shown(await call.service(Endpoints).get(call.scope, webhook_id))


@routes.put(f"{WEBHOOKS}/{{webhook_id}}", access="server", body="webhook")
async def update_webhook(call: Call, webhook_id: str, body: WebhookBody) -> Reply:
    """Change a webhook; a secret that is replaced signs beside the new one for 24 hours."""
    return _shown(
        await call.service(Endpoints).change(
            call.scope, webhook_id, body.change(), needs_tls=_needs_tls(call)
        )
    )


@routes.delete(f"{WEBHOOKS}/{{webhook_id}}", access="server")
async def delete_webhook(call: Call, webhook_id: str) -> Reply:
    """Remove a webhook, what waits for it and its log."""
    await call.service(Endpoints).delete(call.scope, webhook_id)
    return NOTHING


@routes.post(f"{WEBHOOKS}/{{webhook_id}}/test", access="server", status=202)
async def test_webhook(call: Call, webhook_id: str) -> Reply:
    """Send a `webhook.test` event."""
    return _queued(await call.service(Endpoints).test(call.scope, webhook_id))


@routes.get(f"{WEBHOOKS}/{{webhook_id}}/deliveries", access="server")
async def list_deliveries(call: Call, webhook_id: str, query: PageQuery) -> Reply:
    """List recent attempts, newest first."""
    page = await call.service(Endpoints).attempts(call.scope, webhook_id, query.wanted())
    return paged(page, _attempt)


@routes.post(f"{WEBHOOKS}/{{webhook_id}}/deliveries/{{delivery_id}}/replay", access="server", status=202)
async def replay_delivery(call: Call, webhook_id: str, delivery_id: str) -> Reply:
    """Send a delivery again."""
    return _queued(await call.service(Endpoints).replay_delivery(call.scope, webhook_id, delivery_id))


@routes.get(f"{WEBHOOKS}/{{webhook_id}}/events", access="server")
async def list_events(call: Call, webhook_id: str, query: EventsQuery) -> Reply:
    """List what happened, oldest first, behind the event `after`; delivered or not.

    `meta.has_more` tells whether to ask again, with `meta.last` as `after`.
    """
    records = query.records if query.records is not None else query.per_page
    wanted = PageQuery(records=query.limit if query.limit is not None else records).wanted()
    found = await call.service(Endpoints).events(
        call.scope, webhook_id, after=query.after, count=wanted.size + 1
    )
    shown = found[: wanted.size]
    last = shown[-1].event_id if shown else query.after
    return many([_event(one) for one in shown], meta={"has_more": len(found) > wanted.size, "last": last})


@routes.post(f"{WEBHOOKS}/{{webhook_id}}/events/{{event_id}}/replay", access="server", status=202)
async def replay_event(call: Call, webhook_id: str, event_id: str) -> Reply:
    """Send an event again."""
    return _queued(await call.service(Endpoints).replay_event(call.scope, webhook_id, event_id))


def _needs_tls(call: Call) -> bool:
    return call.app.environment is Environment.LIVE


def _shown(shown: Shown) -> Reply:
    return Reply({"data": _resource(shown)})


def _resource(shown: Shown) -> Resource:
    webhook = shown.webhook
    return Resource(
        webhook.id,
        "webhooks",
        {
            "url": webhook.url,
            "events": webhook.events,
            "active": webhook.is_enabled,
            "secret": shown.secret,
            "consecutive_failures": webhook.failures_in_row,
            "suspended_at": iso(webhook.suspended_at),
            "created_at": iso_ms(webhook.created_at),
            "updated_at": iso_ms(webhook.updated_at),
        },
    )


def _queued(delivery: Delivery) -> Reply:
    return one(
        "webhook_deliveries",
        delivery.id,
        {
            "delivery_id": delivery.id,
            "event_id": delivery.event_id,
            "event": delivery.event,
            "status": "pending",
        },
    )


def _attempt(attempt: LoggedAttempt) -> Resource:
    status = "failed" if attempt.error is not None else "delivered"
    waits = attempt.is_last and attempt.state is DeliveryState.PENDING
    return Resource(
        f"{attempt.delivery_id}:{attempt.number}",
        "webhook_deliveries",
        {
            "delivery_id": attempt.delivery_id,
            "event_id": attempt.event_id,
            "event": attempt.event,
            "attempt": attempt.number,
            "status": status,
            "delivery_status": _STATES[attempt.state],
            "response_code": attempt.response_code,
            "error": attempt.error,
            "duration_ms": attempt.duration_ms,
            "next_attempt_at": iso(attempt.due_at) if waits else None,
            "created_at": iso_ms(attempt.created_at),
        },
    )


def _event(logged: LoggedEvent) -> Resource:
    body: dict[str, Any] = msgspec.json.decode(logged.body)
    return Resource(
        logged.event_id,
        "webhook_events",
        {
            "type": logged.event,
            "created_at": body["created_at"],
            "data": body["data"],
            "delivery_id": logged.delivery_id,
            "status": _STATES[logged.state],
        },
    )
