"""Answers: JSON:API documents, and the flat ones that some calls expect (`realtime-block.md` 1.6, 17.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from parley.base.paging import Page

T = TypeVar("T")
JSON_API = "application/vnd.api+json"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer."""

    body: Any
    """None = no body (204)."""
    media_type: str = JSON_API
    status: int | None = None
    """None = the route's own."""
    headers: Mapping[str, str] = field(default_factory=dict)


class Resource(msgspec.Struct, omit_defaults=True):
    """A resource object."""

    id: str
    type: str
    attributes: Any
    relationships: dict[str, Any] | None = None


def one(
    kind: str,
    id_: str,
    attributes: Any,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    included: Sequence[Resource] = (),
    relationships: dict[str, Any] | None = None,
) -> Reply:
    """A document with one resource."""
    body: dict[str, Any] = {"data": Resource(id_, kind, attributes, relationships)}
    if included:
        body["included"] = included
    return Reply(body, status=status, headers=headers or {})


def many(resources: Sequence[Any], *, meta: dict[str, Any] | None = None, **more: Any) -> Reply:
    """A document with a list of resources."""
    return Reply({"data": resources, **({"meta": meta} if meta is not None else {}), **more})


def page_meta(page: Page[Any]) -> dict[str, int]:
    """Where a page lies, in all the spellings that modules of the client read (17.3)."""
    pages = -(-page.total // page.request.size)
    return {
        "current_page": page.request.number,
        "page": page.request.number,
        "per_page": page.request.size,
        "total_pages": pages,
        "totalPages": pages,
        "total_count": page.total,
        "totalRecords": page.total,
    }


def paged(page: Page[T], resource: Callable[[T], Any]) -> Reply:
    """A document with a page of a list."""
    return many([resource(row) for row in page.rows], meta=page_meta(page))


def flat(members: Any, *, status: int | None = None) -> Reply:
    """A document that is not JSON:API."""
    return Reply(members, JSON, status)


NOTHING = Reply(None, status=204)
