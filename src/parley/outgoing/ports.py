"""What callers need of outgoing HTTP, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from parley.base.errors import NotAllowed, Unavailable


class OutgoingError(Unavailable):
    """No answer: refused connection, unknown name, TLS failure, timeout, broken HTTP."""

    code = "outgoing_failed"

    def __init__(self, message: str, *, may_have_arrived: bool = True) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived
        """False when there was no connection; true when in doubt."""


class AddressRefused(NotAllowed):
    """Every address of the host is one we may not connect to, or the URL is none we speak."""

    code = "address_refused"


class Answer(NamedTuple):
    """What an HTTP server said."""

    status: int
    headers: Mapping[str, str]
    """Names are found whatever their case."""
    body: bytes
    is_complete: bool
    """False when the body was longer than wanted or did not arrive in time."""


class Http(Protocol):
    """Outgoing HTTP that minds where it goes (`http.OutgoingHttp`)."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float,
        max_body_bytes: int = ...,
    ) -> Answer:
        """Send a request, follow no redirect.

        Raises:
            OutgoingError: no answer.
            AddressRefused: not allowed to go there.
        """
        ...
