"""Limits of what bodies may hold, and instants on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from parley.base.errors import Invalid, TooLarge
from parley.base.times import iso_ms, truncate_ms

Line = Annotated[str, Meta(max_length=255)]
Link = Annotated[str, Meta(max_length=2048)]
PAYLOAD_LIMIT_BYTES = 32 << 10
_RUNS_AS_CODE = ("javascript:", "data:", "vbscript:")
P = TypeVar("P", bound=dict[str, Any] | msgspec.UnsetType | None)
U = TypeVar("U", bound=str | msgspec.UnsetType | None)


def small(payload: P) -> P:
    """The payload, if it is not too large.

    Raises:
        TooLarge: over `PAYLOAD_LIMIT_BYTES` as JSON.
    """
    if isinstance(payload, dict) and len(msgspec.json.encode(payload)) > PAYLOAD_LIMIT_BYTES:
        raise TooLarge(f"A payload has at most {PAYLOAD_LIMIT_BYTES >> 10} KiB.")
    return payload


def link(url: U, field: str) -> U:
    """An address that a page may offer to follow: any, but none that a browser would run.

    Raises:
        Invalid: it would be run; names the field.
    """
    if isinstance(url, str):
        # Browsers skip what is invisible before and inside the scheme.
        bare = "".join(character for character in url if character > " ").lower()
        if bare.startswith(_RUNS_AS_CODE):
            raise Invalid("This is not an address to follow.", field=field)
    return url


def iso(at: datetime | None) -> str | None:
    """An instant, or null."""
    return None if at is None else iso_ms(at)


def instant(text: str | msgspec.UnsetType | None, field: str) -> datetime | None:
    """An instant of RFC 3339.

    Raises:
        Invalid: something else, or without a zone; names the field.
    """
    if text is None or isinstance(text, msgspec.UnsetType):
        return None
    try:
        at = msgspec.convert(text, datetime)
        if at.tzinfo is None:
            raise ValueError("no zone")
        return truncate_ms(at.astimezone(UTC))
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise Invalid("An instant looks like 2024-01-15T10:30:00Z.", field=field) from error
