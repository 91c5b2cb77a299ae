"""Drafts as data."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.conversations.messages.model import NewMessage
from parley.people.model import Status


class DraftMessage(msgspec.Struct, frozen=True):
    """A message that is not sent yet."""

    id: str
    author_id: str | None
    """None = the customer's server."""
    context_id: str | None
    source_id: str | None
    body: NewMessage
    status: Status
    enabled: bool
    message_id: str | None
    """Of the message that it became."""
    updated_by: str | None
    created_at: datetime
    updated_at: datetime
