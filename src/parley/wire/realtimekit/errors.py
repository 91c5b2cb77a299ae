"""What goes wrong, as RealtimeKit says it (`realtimekit.md` 1.4): one table, one envelope."""

from __future__ import annotations

import math
import uuid
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response.base import ASGIResponse

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


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> ASGIResponse:
    """The answer for a failure that has no class of ours."""
    problem = Problem(status, message)
    body = Refusal(problem, [problem])
    if status == 401:
        body.message = message
    return ASGIResponse(
        body=msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"x-request-id": uuid.uuid4().hex, **(headers or {})},
    )


def refuse(error: ParleyError) -> ASGIResponse:
    """The answer for one of our errors."""
    status = status_of(error)
    if status == 500:
        log.error("request_failed", code=error.code, exc_info=error)
        return refusal(500, "Internal error")
    headers: dict[str, str] = {}
    if status == 409:
        headers["x-should-retry"] = "false"  # the SDKs would otherwise repeat a conflict
    if isinstance(error, TooMany):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    elif error.retry.again:
        headers["retry-after"] = str(max(1, math.ceil(error.retry.after_s)))
    return refusal(status, message_of(error), headers)


def refuse_framework(error: HTTPException) -> ASGIResponse:
    """The answer for what the framework refused: unknown path, wrong method, body too large."""
    allow = (error.headers or {}).get("allow")
    message = _FRAMEWORK.get(error.status_code, error.detail)
    return refusal(error.status_code, message, {"allow": allow} if allow else None)


def refuse_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """The same as an exception handler of an application."""
    made = refuse_framework(error)
    return Response(made.body, status_code=made.status_code, headers=dict(made.headers.items()))


_FRAMEWORK = {
    404: "No such route",
    405: "Method not allowed",
    413: "The body is too large",
}
