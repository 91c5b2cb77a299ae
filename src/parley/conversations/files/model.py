"""Files of conversations as data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from parley.base.ids import AppId

MAX_BYTES = 25 << 20
UPLOAD_TIME = timedelta(minutes=15)
"""How long a link to upload works, once."""
DOWNLOAD_TIME = timedelta(days=7)
"""How long a link to download works; every answer has a fresh one."""
PLACE_KEPT = timedelta(days=1)
"""After that a place that is no file of its conversation is removed."""
NAME_LIMIT = 200
INLINE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
"""Shown by browsers in the page; everything else is only ever downloaded."""
FileStatus = Literal["active", "pending"]
"""`pending`: its content has not been uploaded."""


class MessageFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a conversation, or a place for one."""

    id: str
    app_id: AppId
    conversation_unique_id: str
    message_unique_id: str | None
    uploaded_by: str | None
    """None = the customer's server."""
    name: str
    original_name: str
    content_type: str | None
    """As whoever sent it says; what browsers are told is `served_type`."""
    size: int | None
    """Bytes."""
    external_url: str | None
    """Where it is when it is not with us."""
    thumbnail_url: str | None
    blob_key: str | None
    """None = nothing has been uploaded."""
    status: FileStatus
    payload: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    """When the place is removed; None = it is a file of its conversation."""

    @property
    def served_type(self) -> str:
        """What a browser is told: nothing that it would run or take for a page of ours."""
        return self.content_type if self.content_type in INLINE_TYPES else "application/octet-stream"

    @property
    def is_inline(self) -> bool:
        """Whether a browser may show it in the page."""
        return self.content_type in INLINE_TYPES


class NewFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a file when it becomes one of a conversation."""

    name: str
    content_type: str | None = None
    size: int | None = None
    url: str | None = None
    """The `file_url` of a place, or an address elsewhere."""
    message_unique_id: str | None = None
    payload: dict[str, Any] | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a file can be put."""

    file_id: str
    upload_url: str
    file_url: str
    expires_at: datetime
    """Of `upload_url`."""
