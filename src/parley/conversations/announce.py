"""What the members of a conversation hear of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from parley.base.ids import AppId
from parley.channels.realtime.model import Draft
from parley.channels.realtime.names import InvalidChannel, check_name

_encode = msgspec.json.Encoder().encode


def on_conversation(
    app_id: AppId, conversation_id: str, event: str, data: dict[str, Any], user_id: str | None
) -> Draft:
    """Something happened in a conversation; `user_id` did it (None = the customer's server)."""
    return Draft(
        app_id=app_id,
        channel=f"conversation:{conversation_id}",
        event=event,
        user_id=user_id,
        data=_encode(data),
    )


def on_inboxes(
    app_id: AppId, users: Iterable[str], event: str, data: dict[str, Any], user_id: str | None
) -> list[Draft]:
    """Something concerns these users.

    Ids that no channel can be named after are left out: nobody can listen there.
    """
    encoded = _encode(data)
    return [
        Draft(app_id=app_id, channel=f"inbox:{one}", event=event, user_id=user_id, data=encoded)
        for one in users
        if _is_name(f"inbox:{one}")
    ]


def _is_name(channel: str) -> bool:
    try:
        check_name(channel)
    except InvalidChannel:
        return False
    return True
