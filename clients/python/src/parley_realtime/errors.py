"""What goes wrong, by meaning.

RealtimeError
├── ServerRefused          the server said no; `code` and `status` are its words
│   ├── InvalidToken, Unauthorized, UnauthorizedChannel, Forbidden
│   ├── NotFound, Conflict, InvalidRequest, TooLarge, LimitExceeded
│   ├── RateLimited        `retry_after` says when
│   └── ServerFailed       5xx; trying again may help
├── ConnectionLost         it may or may not have happened
├── ConnectionEnded        no connection, and none will come by itself
├── RequestTimeout         no answer in time; it may or may not have happened
└── QueueFull              too much waits for the connection
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class RealtimeError(Exception):
    """Base of everything that this package raises."""

    code: str = "error"
    """Stable, for programs."""
    status: int | None = None
    """As of HTTP; None when no server said it."""
    retry_after: float | None = None
    """Seconds after which trying again may help; None = not known."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class ConnectionLost(RealtimeError):
    """The connection broke before the answer; whether the server acted is not known."""

    code = "connection_lost"


class ConnectionEnded(RealtimeError):
    """There is no connection, and the client does not try to get one."""

    code = "connection_ended"


class RequestTimeout(RealtimeError):
    """No answer in time; whether the server acted is not known. A message may be sent again under its
    `client_id`: it is stored once."""

    code = "request_timeout"

    def __init__(self, message: str, *, client_id: str | None = None) -> None:
        super().__init__(message)
        self.client_id = client_id


class QueueFull(RealtimeError):
    """Too many requests wait for an answer or for a connection."""

    code = "queue_full"


class Unreachable(RealtimeError):
    """No answer to an HTTP request."""

    code = "unreachable"


class ServerRefused(RealtimeError):
    """The server said no."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None,
        retry_after: float | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.retry_after = retry_after
        self.errors = tuple(errors)
        """Every error object of the answer; `source.pointer` names a field."""


class InvalidToken(ServerRefused):
    """The token is malformed, wrongly signed, revoked or has expired."""


class Unauthorized(ServerRefused):
    """The API key or the user token is missing or not known."""


class UnauthorizedChannel(ServerRefused):
    """No grant and no signature opens the channel."""


class Forbidden(ServerRefused):
    """Known, but not allowed."""


class NotFound(ServerRefused):
    """It does not exist, or the caller must not see it."""


class Conflict(ServerRefused):
    """The state of things forbids it."""


class InvalidRequest(ServerRefused):
    """The request is malformed."""


class TooLarge(ServerRefused):
    """Over a limit of size."""


class LimitExceeded(ServerRefused):
    """A limit of the plan is reached: channels, or connections."""


class RateLimited(ServerRefused):
    """Too fast; `retry_after` is set."""


class ServerFailed(ServerRefused):
    """The server could not do it now."""


_BY_CODE: dict[str, type[ServerRefused]] = {
    "invalid_token": InvalidToken,
    "unauthorized": Unauthorized,
    "unauthorized_channel": UnauthorizedChannel,
    "channel_limit_exceeded": LimitExceeded,
    "connection_limit_exceeded": LimitExceeded,
    "rate_limit_exceeded": RateLimited,
}
_BY_STATUS: dict[int, type[ServerRefused]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidRequest,
    429: RateLimited,
}
_CODE_OF_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "payload_too_large",
    422: "validation_error",
    429: "rate_limit_exceeded",
    503: "service_unavailable",
}


def refusal(
    errors: Sequence[Mapping[str, Any]], status: int | None, retry_after: float | None = None
) -> ServerRefused:
    """The exception of an error document's error objects (JSON:API)."""
    first = errors[0] if errors else {}
    told = first.get("status")
    if status is None and isinstance(told, str) and told.isdecimal():
        status = int(told)
    code = first.get("code")
    if not isinstance(code, str):
        code = _CODE_OF_STATUS.get(status or 0, "internal_error")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status or 0)
    if kind is None:
        kind = ServerFailed if status is None or status >= 500 else ServerRefused
    message = str(first.get("detail") or first.get("title") or f"The server answered {status}.")
    return kind(message, code=code, status=status, retry_after=retry_after, errors=errors)
