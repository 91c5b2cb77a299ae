"""Connection tokens for sockets (`realtime-block.md` 1.5, 18.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.base.errors import Invalid, TooLarge, Unauthenticated
from parley.base.times import from_ms, iso_ms
from parley.channels.realtime.access import ChannelAccess
from parley.channels.realtime.grants import ALL, Grant, check_grants, client_may_ask
from parley.channels.realtime.tokens import DEFAULT_TTL, MAX_TTL, MIN_TTL, ConnectionClaims
from parley.wire.block.callers import user_named
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.errors import GrantRefused
from parley.wire.block.replies import Reply, flat, one

routes = Routes("Channels")
USER_INFO_LIMIT_BYTES = 4 << 10
Seconds = Annotated[int, Meta(ge=int(MIN_TTL.total_seconds()), le=int(MAX_TTL.total_seconds()))]


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """Where clients connect."""

    url: str


class TokenBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whose token, and for which channels."""

    user_id: str | None = None
    channels: list[str | Grant] | None = None
    """Patterns; null for the app's default ones."""
    ttl: Seconds = int(DEFAULT_TTL.total_seconds())
    user_info: dict[str, Any] = {}
    """Shown to those who are shown the user."""


class WebsocketTokenBody(msgspec.Struct, frozen=True, kw_only=True):
    """The same as the published client asks."""

    channel: str | None = None
    user_id: str | None = None


@routes.post("/v1/realtime/tokens")
async def create_token(call: Call, body: TokenBody) -> Reply:
    """Create a token for a user's sockets."""
    asked = None
    if body.channels is not None:
        asked = [each if isinstance(each, Grant) else Grant(each, ALL) for each in body.channels]
    if len(msgspec.json.encode(body.user_info)) > USER_INFO_LIMIT_BYTES:
        raise TooLarge(f"user_info has at most {USER_INFO_LIMIT_BYTES >> 10} KiB.")
    token, claims = await _issue(
        call, body.user_id, asked, body.ttl, _own_name(call, body.user_id) | body.user_info
    )
    return one(
        "connection_tokens",
        f"ct_{claims.jti}",
        {
            "token": token,
            "user_id": claims.sub,
            "channels": [_shown(grant) for grant in claims.ch],
            "expires_at": _instant(claims.exp),
            "url": call.service(SocketAddress).url,
        },
    )


@routes.post("/api/websocket_tokens", body="websocket_token")
async def create_websocket_token(call: Call, body: WebsocketTokenBody) -> Reply:
    """Create a token for a user's sockets, for one channel or the default ones."""
    asked = None if body.channel is None else [Grant(body.channel)]
    ttl_s = int(DEFAULT_TTL.total_seconds())
    token, claims = await _issue(call, body.user_id, asked, ttl_s, _own_name(call, body.user_id))
    members = {
        "token": token,
        "expiresAt": _instant(claims.exp),
        "channel": body.channel,
        "url": call.service(SocketAddress).url,
    }
    resource = {"id": f"ct_{claims.jti}", "type": "websocket_tokens", "attributes": members}
    return flat({"data": {**resource, **members}})


def _own_name(call: Call, named: str | None) -> dict[str, Any]:
    """What others are shown of a user who asks for a token of their own."""
    user = call.user
    return {"name": user.name} if user is not None and user.name and named in (None, user.id) else {}


async def _issue(
    call: Call, named: str | None, asked: list[Grant] | None, ttl_s: int, info: dict[str, Any]
) -> tuple[str, ConnectionClaims]:
    if call.connection is not None and not call.is_server:
        # Its grants would grow to the default ones, and its end would never come.
        raise Unauthenticated("A connection token does not make others; send a user token.")
    user_id = user_named(call, named)
    if asked is None:
        grants = await call.service(ChannelAccess).default_grants(call.scope, user_id)
    else:
        grants = asked
        _check_form(grants)
        if not call.is_server:
            await _check_asked(call, user_id, grants)
    signed_by = call.user.signed_by if call.user is not None else None
    return call.context.tokens.issue(
        call.scope.app_id,
        call.app.environment.value,
        user_id,
        grants,
        ttl=timedelta(seconds=ttl_s),
        info=info,
        keys=dict.fromkeys(key for key in (call.credential_id, signed_by) if key is not None),
    )


def _check_form(grants: list[Grant]) -> None:
    try:
        check_grants(grants)
    except Invalid as wrong:
        at = (wrong.field or "channels").replace(".", "/")
        raise Invalid(wrong.message, field=f"/data/attributes/{at}") from wrong


async def _check_asked(call: Call, user_id: str, grants: list[Grant]) -> None:
    allowed = (await call.service(ChannelAccess).settings(call.scope)).client_grants
    for grant in grants:
        if not client_may_ask(grant.pattern, user_id, allowed):
            raise GrantRefused(f"Clients may not ask for {grant.pattern}.")


def _shown(grant: Grant) -> Any:
    if grant.ops == ALL:
        return grant.pattern
    return {"pattern": grant.pattern, "ops": sorted(grant.ops)}


def _instant(unix_s: int) -> str:
    return iso_ms(from_ms(unix_s * 1000))
