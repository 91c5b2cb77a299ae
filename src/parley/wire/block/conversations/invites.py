"""Invites to groups (`realtime-block.md` 18.5)."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from parley.base.errors import Unauthenticated
from parley.conversations import views
from parley.conversations.groups.invites import DEFAULT_SIZE, MAX_SIZE, MIN_SIZE, Invites, qr_png, qr_svg
from parley.conversations.groups.model import Invite, InviteOver, Over
from parley.wire.block.callers import caller_of, path_text
from parley.wire.block.conversations.resources import group_resource
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.errors import Gone
from parley.wire.block.reading import PageQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, flat, paged

routes = Routes("Group invites")
READ, WRITE = "groups:read", "groups:write"
_IMAGES = {"image/png": qr_png, "image/svg+xml": qr_svg}


class Expired(Gone):
    """The invite's time is over."""


class Revoked(Gone):
    """The invite was taken back."""

    code = "revoked"


class MaxUsesReached(Gone):
    """The invite was used as often as it may be."""

    code = "max_uses_reached"


_OVER: dict[Over, type[Gone]] = {
    Over.EXPIRED: Expired,
    Over.REVOKED: Revoked,
    Over.MAX_USES_REACHED: MaxUsesReached,
}


class InviteListQuery(PageQuery, frozen=True, kw_only=True):
    """Which invites."""

    status: str | None = None


class InviteBody(msgspec.Struct, frozen=True, kw_only=True):
    """What an invite is good for."""

    max_uses: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    expires_at: datetime | None = None
    expires_in_hours: Annotated[float, Meta(gt=0, le=87_600)] | None = None
    """Instead of `expires_at`."""


class QrQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How large a QR code is, in pixels."""

    size: Annotated[int, Meta(ge=MIN_SIZE, le=MAX_SIZE)] = DEFAULT_SIZE


class JoinBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who joins."""

    user_unique_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


@routes.get("/groups/{group_id}/invites", scope=READ)
async def list_invites(call: Call, group_id: str, query: InviteListQuery) -> Reply:
    """List the invites to a group that the caller manages, newest first."""
    page = await call.service(Invites).page(
        call.scope, caller_of(call), group_id, query.wanted(), query.status
    )
    return paged(page, _resource)


@routes.post("/groups/{group_id}/invites", scope=WRITE, body="invite")
async def create_invite(call: Call, group_id: str, body: InviteBody) -> Reply:
    """Make an invite to a group that the caller manages."""
    expires_at = body.expires_at
    if expires_at is None and body.expires_in_hours is not None:
        expires_at = call.scope.now() + timedelta(hours=body.expires_in_hours)
    made = await call.service(Invites).create(
        call.scope, caller_of(call), group_id, max_uses=body.max_uses, expires_at=expires_at
    )
    return Reply({"data": _resource(made)})


@routes.delete("/groups/{group_id}/invites/{code}", scope=WRITE)
async def revoke_invite(call: Call, group_id: str, code: str) -> Reply:
    """Let nobody in with this invite any more."""
    await call.service(Invites).revoke(call.scope, caller_of(call), group_id, code)
    return NOTHING


@routes.get("/groups/{group_id}/invites/{code}/qr", scope=READ)
async def get_qr_code(call: Call, group_id: str, code: str, query: QrQuery) -> Reply:
    """The invite as a QR code: a data URL, or the image itself for who accepts `image/png` or SVG."""
    invites = call.service(Invites)
    found = await invites.get(call.scope, caller_of(call), group_id, code)
    url = invites.url(found)
    accepted = call.request.header(b"accept")
    for media_type, draw in _IMAGES.items():
        if media_type in accepted and "json" not in accepted:
            return Reply(draw(url, query.size), media_type)
    image = base64.b64encode(qr_png(url, query.size)).decode()
    return flat({"qr_code": f"data:image/png;base64,{image}", "invite_url": url, "code": found.code})


@routes.post("/groups/join/{code}", status=200, scope=WRITE)
async def join_group(call: Call, code: str, body: JoinBody) -> Reply:
    """Come into a group with an invite."""
    caller = caller_of(call)
    user_id = body.user_unique_id or caller.user_id
    if user_id is None:
        raise Unauthenticated("This call needs a user token, or user_unique_id beside a secret key.")
    try:
        seen = await call.service(Invites).join(
            call.scope, caller, path_text(code), user_id, address=call.request.address
        )
    except InviteOver as over:
        raise _OVER[over.reason](over.message) from over
    return Reply({"data": group_resource(seen)})


def _resource(invite: Invite) -> Resource:
    return Resource(
        invite.id,
        "GroupInvite",
        {
            "unique_id": invite.id,
            "group_unique_id": invite.group_id,
            "code": invite.code,
            "name": invite.code,
            "inviter_unique_id": invite.inviter_id,
            "created_by": invite.inviter_id,
            "max_uses": invite.max_uses,
            "uses_count": invite.uses_count,
            "use_count": invite.uses_count,
            "expires_at": views.shown(invite.expires_at),
            "status": invite.status,
            "created_at": views.shown(invite.created_at),
            "updated_at": views.shown(invite.updated_at),
        },
    )
