"""Errors that mean something to a caller, whatever the dialect.

    ParleyError
    ├── Invalid            the request itself is wrong (names the field)
    ├── Unauthenticated    no, unknown, expired or revoked credential
    ├── NotAllowed         known caller, but this is not theirs to do
    ├── NotFound           nothing of that id inside the caller's scope
    ├── Conflict           uniqueness, or one-at-a-time
    ├── StateForbids       right request, wrong moment in the life cycle
    ├── TooLarge           over a documented size limit
    ├── TooMany            over a rate limit
    └── Unavailable        a dependency is away (media engine, database, bus)

Domains raise meaning; each dialect maps it to its own status and body in `wire/<dialect>/errors.py`.
Adapters (drivers, engines) translate at their edge and keep the original as `__cause__`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Retry:
    """Whether trying again makes sense."""

    again: bool
    after_s: float = 0.0

    @classmethod
    def after(cls, seconds: float) -> Retry:
        """The same request may succeed after that time."""
        return cls(True, seconds)


NEVER = Retry(False)


class ParleyError(Exception):
    """Base of everything Parley raises on purpose."""

    code: ClassVar[str] = "internal_error"
    """Stable word for programs."""
    retry: ClassVar[Retry] = NEVER

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        """One sentence for people."""
        self.detail = detail


class Invalid(ParleyError):
    """The request is malformed or breaks a documented limit."""

    code = "invalid_request"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        """Dotted path of the first failing field, where there is one."""


class Unauthenticated(ParleyError):
    """No credential, or none we accept."""

    code = "unauthenticated"


class NotAllowed(ParleyError):
    """The caller is known and may not do this."""

    code = "not_allowed"


class NotFound(ParleyError):
    """Nothing of that id inside the caller's scope (other tenants' things are not found either)."""

    code = "not_found"


class Conflict(ParleyError):
    """Something of that name exists, or only one may be active."""

    code = "conflict"


class StateForbids(ParleyError):
    """The life cycle does not allow this step now."""

    code = "state_forbids"


class TooLarge(ParleyError):
    """Over a documented size limit."""

    code = "too_large"


class TooMany(ParleyError):
    """Over a rate limit."""

    code = "too_many_requests"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float,
        limit: int | None = None,
        remaining: int = 0,
        full_at_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.limit = limit
        """How much is allowed in the limit's own unit of time, if that can be told."""
        self.remaining = remaining
        """How much of it is left, if more than that was asked for at once."""
        self.full_at_s = full_at_s
        """When all of it is allowed again; seconds since 1970."""


class Unavailable(ParleyError):
    """A dependency is away; nothing was changed."""

    code = "unavailable"
    retry = Retry.after(1)
