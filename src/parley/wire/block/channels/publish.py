"""Publishing by the customer's server (`realtime-block.md` 11.2, 11.3)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.accounts.rates import Allowance
from parley.accounts.scope import AppScope
from parley.accounts.user_tokens import USER_ID_LIMIT
from parley.base.errors import Invalid, ParleyError, Unavailable
from parley.base.times import iso_from_ms
from parley.channels.realtime.access import ChannelAccess
from parley.channels.realtime.feed import Feeds
from parley.channels.realtime.model import DATA_LIMIT_BYTES, MESSAGE, Draft
from parley.channels.realtime.names import check_name
from parley.channels.realtime.publishing import BATCH_LIMIT, Publisher, check_data, check_event
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.errors import ValidationFailed, rate_headers
from parley.wire.block.reading import members_of, read_members
from parley.wire.block.replies import Reply, one

routes = Routes("Channels")
BATCH_BODY_LIMIT_BYTES = BATCH_LIMIT * (DATA_LIMIT_BYTES + (2 << 10))
WAIT_S = 30.0
"""For the database."""
_encode = msgspec.json.Encoder().encode


class PublishBody(msgspec.Struct, frozen=True, kw_only=True):
    """One message."""

    channel: str
    event: str = MESSAGE
    data: Any = msgspec.field(default_factory=dict)
    user_id: Annotated[str, Meta(min_length=1, max_length=USER_ID_LIMIT)] | None = None
    """Whose message it is; null for nobody's."""
    client_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """The sender's own id of it: sent again within a day, nothing is stored or told again."""
    exclude_socket_id: str | None = None
    """A socket that does not get it."""
    ephemeral: bool = False
    """Not for the history."""


@routes.post("/v1/realtime/publish", access="server", status=202, is_counted=False)
async def publish(call: Call, body: PublishBody) -> Reply:
    """Publish a message on any channel."""
    draft = await _draft(call, body)
    accepted = await call.service(Publisher).publish(
        call.scope,
        draft.channel,
        event=draft.event,
        data=draft.data,
        user_id=draft.user_id,
        client_id=draft.client_id,
        in_history=draft.in_history,
        but=draft.but,
    )
    feeds = call.service(Feeds)
    try:
        async with asyncio.timeout(WAIT_S):
            # While it is being stored.
            subscribers = await feeds.subscribers(call.scope.app_id, draft.channel)
            stored = (await accepted.stored).publication
    except TimeoutError as late:
        raise Unavailable("The database takes too long.") from late
    return one(
        "broadcast",
        stored.id,
        {
            "channel": stored.channel,
            "event": stored.event,
            "offset": stored.offset,
            "created_at": iso_from_ms(stored.created_ms),
            "subscribers": subscribers,
        },
        headers=_headers(accepted.left),
    )


@routes.post("/v1/realtime/publish/batch", access="server", status=202, is_counted=False)
async def publish_batch(call: Call) -> Reply:
    """Publish up to 100 messages, all of them or none."""
    members, pointer = members_of(await call.request.body(BATCH_BODY_LIMIT_BYTES))
    pointer = f"{pointer}/messages"
    messages = members.get("messages")
    if not isinstance(messages, list) or not 1 <= len(messages) <= BATCH_LIMIT:
        raise Invalid(f"A batch has 1 to {BATCH_LIMIT} messages.", field=pointer)
    drafts: list[Draft] = []
    wrong: list[Invalid] = []
    for number, message in enumerate(messages):
        try:
            body = read_members(message, PublishBody, f"{pointer}/{number}")
            drafts.append(await _draft(call, body))
        except ValidationFailed as several:
            wrong += several.fields
        except Invalid as error:
            field = error.field or ""
            at = field if field.startswith("/") else f"{pointer}/{number}/{field}"
            wrong.append(Invalid(error.message, field=at))
        except ParleyError as error:  # too large
            wrong.append(Invalid(error.message, field=f"{pointer}/{number}/data"))
    if wrong:
        raise ValidationFailed(*wrong)
    stored, left = await call.service(Publisher).publish_all(call.scope, drafts)
    results = [
        {"id": each.publication.id, "channel": each.publication.channel, "offset": each.publication.offset}
        for each in stored
    ]
    return one(
        "batch_broadcast",
        stored[0].publication.id,
        {"accepted": len(results), "results": results},
        headers=_headers(left),
    )


async def _draft(call: Call, body: PublishBody) -> Draft:
    """The message, checked.

    Raises:
        Invalid: channel or event (with their own classes).
        TooLarge: the data.
    """
    scope: AppScope = call.scope
    channel = check_name(body.channel)
    features = await call.service(ChannelAccess).features(scope, channel)
    return Draft(
        app_id=scope.app_id,
        channel=channel,
        event=check_event(body.event),
        user_id=body.user_id,
        data=check_data(_encode(body.data)),
        client_id=body.client_id,
        in_history=features.history and not body.ephemeral,
        but=body.exclude_socket_id,
    )


def _headers(left: Allowance | None) -> dict[str, str]:
    return {} if left is None else rate_headers(left.limit, left.remaining, left.full_at_s)
