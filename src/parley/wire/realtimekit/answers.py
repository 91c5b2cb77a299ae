"""Envelopes of success (`realtimekit.md` 1.3), and what answers have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from parley.base.ids import new_digits
from parley.base.paging import Page
from parley.base.times import iso_from_ms
from parley.store.rows import Stored
from parley.wire.asgi import Answer, Header

T = TypeVar("T")
R = TypeVar("R")
Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"}), Stored(iso_from_ms)]
"""ISO 8601 in UTC with milliseconds (`base.times.iso_ms`)."""
Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]


class One(msgspec.Struct, Generic[T], frozen=True):
    """One thing."""

    data: T
    success: bool = True


class Paging(msgspec.Struct, frozen=True):
    """Where a page lies in its list."""

    total_count: int
    start_offset: int
    end_offset: int

    @classmethod
    def of(cls, page: Page[Any]) -> Paging:
        """The place of a page."""
        return cls(page.total, page.start_offset, page.end_offset)


class Many(msgspec.Struct, Generic[T], frozen=True):
    """A page of things."""

    data: Sequence[T]
    paging: Paging
    success: bool = True


def json_answer(status: int, body: bytes, *headers: Header) -> Answer:
    """An answer of this API, success or not."""
    request_id = new_digits().encode()
    return Answer(
        status, body, [(b"content-type", b"application/json"), (b"x-request-id", request_id), *headers]
    )


def many(page: Page[R], shape: Callable[[R], T]) -> Many[T]:
    """A page, each row shaped."""
    return Many([shape(row) for row in page.rows], Paging.of(page))
