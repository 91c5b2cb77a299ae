"""Members as others see them, and what they may say about themselves (`realtime-block.md` 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from parley.base.errors import Invalid, NotAllowed, TooLarge
from parley.base.ids import AppId

DATA_LIMIT_BYTES = 4 << 10
"""Of a member's data as JSON, without what the server puts in."""
STATUS_LIMIT = 32
DEFAULT_STATUS = "online"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A user who is present, over however many connections."""

    user_id: str
    status: str
    data: dict[str, Any]
    """What the user's newest connection says; always with `user_id` and `status`. The caller's own copy."""
    connections: int
    """That have entered; 0 in the `leave` of the last one."""
    joined_ms: int
    """When the first of them entered, in milliseconds since 1970."""
    updated_ms: int
    """When `data` was said."""


class Action(StrEnum):
    """What happened to a member."""

    JOIN = "join"
    UPDATE = "update"
    LEAVE = "leave"


class PresenceChange(msgspec.Struct, frozen=True):
    """A member of this process's view of a channel came, changed or went."""

    app_id: AppId
    channel: str
    action: Action
    member: Member
    """As it is now; for a leave, as it was last."""
    is_origin: bool
    """True in the one process that tells the world outside (webhooks)."""
    session_id: str | None = None
    """The connection that caused it, when it is of this process: a leaver does not want its own leave."""


_encode = msgspec.json.Encoder(order="deterministic").encode  # the same data is the same bytes
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def entered(user_id: str, data: Mapping[str, Any] | None) -> bytes:
    """What a member says on entering, as JSON.

    Raises:
        NotAllowed: it names another user.
        Invalid: not a JSON object, or its status is none.
        TooLarge: over `DATA_LIMIT_BYTES`.
    """
    return _finish(user_id, _object(data))


def merged(user_id: str, present: bytes, patch: Mapping[str, Any] | None) -> bytes:
    """What a member says after an update: the patch's members replace those of the same name, null removes.

    Raises:
        NotAllowed, Invalid, TooLarge: see `entered`.
    """
    data = _decode(present)
    for name, value in _object(patch).items():
        if value is None:
            data.pop(name, None)
        else:
            data[name] = value
    return _finish(user_id, data)


def member_of(user_id: str, data: bytes, connections: int, joined_ms: int, updated_ms: int) -> Member:
    """The member whose data is what `entered` or `merged` made."""
    said = _decode(data)
    return Member(
        user_id=user_id,
        status=said["status"],
        data=said,
        connections=connections,
        joined_ms=joined_ms,
        updated_ms=updated_ms,
    )


def _object(data: Mapping[str, Any] | None) -> dict[str, Any]:
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise Invalid("Presence data is a JSON object.", field="data")
    return dict(data)


def _finish(user_id: str, data: dict[str, Any]) -> bytes:
    stated = data.pop("user_id", None)
    if stated is not None and stated != user_id:
        raise NotAllowed("Presence data names another user.")
    status = data.get("status")
    if status is None:
        data.pop("status", None)
    elif not isinstance(status, str) or not 1 <= len(status) <= STATUS_LIMIT:
        raise Invalid(f"A status is a text of 1 to {STATUS_LIMIT} characters.", field="data.status")
    try:
        if len(_encode(data)) > DATA_LIMIT_BYTES:
            raise TooLarge(f"Presence data is at most {DATA_LIMIT_BYTES} bytes of JSON.")
        data["user_id"] = user_id
        data.setdefault("status", DEFAULT_STATUS)
        return _encode(data)
    except (ValueError, TypeError, RecursionError, OverflowError) as failure:
        # Lone surrogates, numbers that JSON has not, nesting without end.
        raise Invalid("Presence data cannot be written as JSON.", field="data") from failure
