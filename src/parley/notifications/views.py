"""Notifications as clients see them, over REST and on channels."""

from __future__ import annotations

from typing import Any

import msgspec

from parley.base.errors import TooLarge
from parley.base.ids import AppId
from parley.base.times import iso_ms
from parley.channels.realtime.model import DATA_LIMIT_BYTES, Draft
from parley.channels.realtime.names import InvalidChannel, check_name
from parley.notifications.model import Notification, Source, WebNotification


def notification_view(one: Notification) -> dict[str, Any]:
    """The attributes of a notification."""
    return _view(one) | {"read": one.read_at is not None}


def web_notification_view(one: WebNotification) -> dict[str, Any]:
    """The attributes of a web notification."""
    return _view(one)


def source_view(one: Source) -> dict[str, Any]:
    """The attributes of a source."""
    return _view(one)


def _view(one: msgspec.Struct) -> dict[str, Any]:
    made = msgspec.structs.asdict(one)
    made["unique_id"] = made.pop("id")
    for name, value in made.items():
        if name.endswith("_at") and value is not None:
            made[name] = iso_ms(value)
    return made


def publication(
    app_id: AppId, recipient: str, event: str, by: str | None, attributes: dict[str, Any]
) -> Draft | None:
    """What is published for a recipient; None where no channel can be called like the recipient.

    Raises:
        TooLarge: over what a publication may hold.
    """
    try:
        channel = check_name(f"notifications:{recipient}")
    except InvalidChannel:
        return None
    data = msgspec.json.encode(attributes)
    if len(data) > DATA_LIMIT_BYTES:
        raise TooLarge(f"A notification has at most {DATA_LIMIT_BYTES >> 10} KiB.")
    return Draft(app_id=app_id, channel=channel, event=event, user_id=by, data=data)
