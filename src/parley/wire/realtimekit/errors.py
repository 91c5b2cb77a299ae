"""What goes wrong, as RealtimeKit says it (`realtimekit.md` 1.4): one table, one envelope."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from parley.base.errors import (
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    ParleyError,
    StateForbids,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from parley.wire.asgi import Answer, Header
from parley.wire.realtimekit.answers import json_answer

log = structlog.get_logger(__name__)
_STATUS: tuple[tuple[type[ParleyError], int], ...] = (
    (Invalid, 400),
    (StateForbids, 400),
    (Unauthenticated, 401),
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (TooMany, 429),
    (Unavailable, 503),
)


class Problem(msgspec.Struct):
    """One thing that went wrong."""

    code: int
    """The HTTP status again."""
    message: str


class Refusal(msgspec.Struct):
    """Every answer that is not a success, in both envelopes that clients know."""

    error: Problem
    errors: list[Problem]
    success: bool = False
    messages: list[Any] = []
    result: None = None
    message: str | msgspec.UnsetType = msgspec.UNSET
    """Only with status 401."""


def status_of(error: ParleyError) -> int:
    """The HTTP status an error stands for."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def message_of(error: ParleyError) -> str:
    """What clients read; for a wrong request it begins like the hosted service's and names the field."""
    if not isinstance(error, Invalid):
        return error.message
    if error.field and f'"{error.field}"' not in error.message:
        return f'BAD_REQUEST: "{error.field}" is invalid: {error.message}'
    return f"BAD_REQUEST: {error.message}"


def refuse(error: ParleyError) -> Answer:
    """The answer for one of our errors."""
    status = status_of(error)
    if status == 500:
        log.error("request_failed", code=error.code, exc_info=error)
        return refuse_status(500)
    headers: list[Header] = []
    if status == 409:
        headers.append((b"x-should-retry", b"false"))  # the SDKs would otherwise repeat a conflict
    wait_s = error.retry_after_s if isinstance(error, TooMany) else error.retry.after_s
    if isinstance(error, TooMany) or error.retry.again:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(wait_s))))
    return _refusal(status, message_of(error), headers)


def refuse_status(status: int, headers: Sequence[Header] = ()) -> Answer:
    """The answer for what is wrong before there is a route, and for mistakes of ours."""
    return _refusal(status, _OF_STATUS[status], headers)


def refuse_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """The answer for what the framework refuses, as an exception handler of an application."""
    status = error.status_code
    made = _refusal(status, _OF_STATUS.get(status, error.detail))
    headers = {name.decode(): value.decode() for name, value in made.headers}
    allow = (error.headers or {}).get("allow")
    return Response(made.body, status_code=status, headers=headers | ({"allow": allow} if allow else {}))


def _refusal(status: int, message: str, headers: Sequence[Header] = ()) -> Answer:
    problem = Problem(status, message)
    body = Refusal(problem, [problem])
    if status == 401:
        body.message = message
    return json_answer(status, msgspec.json.encode(body), *headers)


_OF_STATUS = {
    404: "No such route",
    405: "Method not allowed",
    413: "The body is too large",
    500: "Internal error",
}
