"""What goes wrong, as the Real Time Block says it (`realtime-block.md` 2): one table for REST and sockets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog

from parley.accounts.user_tokens import InvalidToken
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
from parley.channels.realtime.access import UnauthorizedChannel
from parley.channels.realtime.names import InvalidChannel
from parley.channels.realtime.publishing import InvalidEvent
from parley.rooms.live import RoomOver

log = structlog.get_logger(__name__)


class BadRequest(ParleyError):
    """Not JSON, or not the documented envelope."""

    code = "bad_request"


class GrantRefused(ParleyError):
    """A token was asked for with a grant that the caller may not hand out."""

    code = "unauthorized_channel"


class ChannelNotFound(ParleyError):
    """Nobody has ever used the channel."""

    code = "channel_not_found"


class ChannelLimit(ParleyError):
    """The plan allows no more channels."""

    code = "channel_limit_exceeded"


class ConnectionLimit(ParleyError):
    """The plan allows no more sockets."""

    code = "connection_limit_exceeded"


class ConnectionFailed(ParleyError):
    """A socket could not be set up."""

    code = "connection_failed"


class MethodNotAllowed(ParleyError):
    """The path is known with other methods."""

    code = "method_not_allowed"


class Gone(ParleyError):
    """It was there, and its time is over."""

    code = "expired"


class ValidationFailed(ParleyError):
    """Fields that are wrong, all of them."""

    code = "validation_error"

    def __init__(self, *fields: Invalid) -> None:
        super().__init__(fields[0].message)
        self.fields = fields


_KNOWN: tuple[tuple[type[ParleyError], int, str], ...] = (
    (InvalidChannel, 400, "invalid_channel"),
    (InvalidEvent, 400, "invalid_event"),
    (BadRequest, 400, "bad_request"),
    (InvalidToken, 401, "invalid_token"),
    (UnauthorizedChannel, 401, "unauthorized_channel"),
    (Unauthenticated, 401, "unauthorized"),
    (GrantRefused, 403, "unauthorized_channel"),
    (ChannelLimit, 403, "channel_limit_exceeded"),
    (ChannelNotFound, 404, "channel_not_found"),
    (ConnectionFailed, 500, "connection_failed"),
    (MethodNotAllowed, 405, "method_not_allowed"),
    (Gone, 410, "expired"),
    (RoomOver, 410, "expired"),
    (ConnectionLimit, 429, "connection_limit_exceeded"),
    (NotAllowed, 403, "forbidden"),
    (NotFound, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (StateForbids, 409, "conflict"),
    (TooLarge, 413, "payload_too_large"),
    (Invalid, 422, "validation_error"),
    (ValidationFailed, 422, "validation_error"),
    (TooMany, 429, "rate_limit_exceeded"),
    (Unavailable, 503, "service_unavailable"),
)
_OWN_CODES = frozenset(
    {"already_member", "invalid_code", "revoked", "max_uses_reached", "rt-076540", "room_full"}
)
"""Codes of errors that say more than their class does."""


class Problem(msgspec.Struct, omit_defaults=True):
    """One error object of JSON:API."""

    status: str
    code: str
    title: str
    detail: str
    source: dict[str, str] | None = None
    meta: dict[str, Any] | None = None


def problems(error: Exception) -> tuple[int, list[Problem]]:
    """The HTTP status and the error objects of an error.

    What is not ours is logged, and told without details.
    """
    for kind, status, code in _KNOWN:
        if isinstance(error, kind):
            if isinstance(error, ValidationFailed):
                return status, [_problem(status, code, one.message, one.field) for one in error.fields]
            if error.code in _OWN_CODES:
                code = error.code
            field = error.field if isinstance(error, Invalid) and status == 422 else None
            return status, [_problem(status, code, error.message, field)]
    log.error("request_failed", exc_info=error)
    return 500, [_problem(500, "internal_error", "Something went wrong on the server.", None)]


def problem(error: Exception) -> tuple[int, Problem]:
    """The same, where there is room for one."""
    status, found = problems(error)
    return status, found[0]


def rate_headers(limit: int, remaining: int, full_at_s: float) -> dict[str, str]:
    """What may still be asked (3.2)."""
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(math.ceil(full_at_s)),
    }


def retry_headers(error: Exception) -> Mapping[str, str]:
    """When to come back, in whole seconds."""
    if isinstance(error, TooMany):
        headers = {"retry-after": str(max(1, math.ceil(error.retry_after_s)))}
        if error.limit is not None and error.full_at_s is not None:
            headers |= rate_headers(error.limit, error.remaining, error.full_at_s)
        return headers
    if isinstance(error, ParleyError) and error.retry.again:
        return {"retry-after": str(max(1, math.ceil(error.retry.after_s)))}
    return {}


def _problem(status: int, code: str, detail: str, field: str | None) -> Problem:
    source = None
    if field is not None:
        if field.startswith("?"):
            source = {"parameter": field[1:]}
        else:
            source = {"pointer": field if field.startswith("/") else "/" + field.replace(".", "/")}
    return Problem(str(status), code, HTTPStatus(status).phrase, detail, source)
